"""How a command ends: with its exit code, and with one sentence on standard error for whatever stood in its way."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable

from mirror.command_process import was_interrupted
from mirror.errors import MirrorError, disk_refusal, lacks_memory
from mirror.terminal import guarded, sentence

NO_FOLDER = "The folder that this was started in is no longer there: go to another one (cd), and start it again there."
NO_MEMORY = "There is not enough memory: close other programs, raise the limit (ulimit -v), or take a larger machine."
_OF_A_PATH = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP)  # a place, and no fault of ours
_LONG = re.compile(r"(\S{80})\S{220,}")  # no word that a person typed: its beginning is repeated


def ended(work: Callable[[], int], program: str = "", stopped: str = "stopped.") -> int:
    """The exit code of `work`. program: stands before what is said, as "mirror: ". stopped: what is said on Ctrl+C."""
    try:
        with guarded():
            _require_folder()
            code = work()
            sys.stdout.flush()  # while there is somebody to say that it cannot be written
            return code
    except KeyboardInterrupt:
        said, code = stopped, 130
    except MirrorError as error:
        said, code = str(error), error.exit_code
    except BrokenPipeError:  # `… | head` has seen enough
        _let_go_of_output()
        return 1
    except Exception as error:
        said, code = _in_words(error), 1
        if not said and not was_interrupted():
            raise
    if was_interrupted():
        said, code = stopped, 130
    said = _LONG.sub(r"\1…", said)
    with contextlib.suppress(OSError):
        print(f"{program}{sentence(said)}", file=sys.stderr)
    return code


def _in_words(error: Exception) -> str:
    """A sentence for what no code of ours is to blame for; "" for whatever else."""
    if lacks_memory(error):
        return NO_MEMORY
    if refusal := disk_refusal(error):
        _let_go_of_output()
        return f"What it makes cannot be written ({refusal.strerror}): make room and start again."
    if isinstance(error, OSError) and error.errno in _OF_A_PATH and error.filename:
        why = (error.strerror or str(error)).lower()
        return f"{error.filename} cannot be used ({why}): check the path and its permissions, or choose another."
    try:
        _require_folder()
    except MirrorError as gone:
        return str(gone)
    return ""


def _require_folder() -> None:
    """Raises MirrorError where the working folder was deleted: no relative path means anything there."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise MirrorError(NO_FOLDER) from None


def _let_go_of_output() -> None:
    """What is left in the buffer is dropped, not tried again as Python ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
