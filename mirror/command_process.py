"""A command as a process of its own, from its first import to its end: what train.py, app.py and `mirror` share.
Standard library only."""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

_interrupted = False


def was_interrupted() -> bool:
    """Whether Ctrl+C was pressed: whatever failed since may have failed of that. Some libraries make an error of their
    own of it, numpy that a module "could not be imported"."""
    return _interrupted


def run_program(module: str, stopped: str, *arguments: Any) -> NoReturn:
    """Runs `main` of this module with the arguments, and ends the process with the exit code that it returns. stopped:
    what is said on Ctrl+C while it is imported.

    The process ends once all is written and whoever asked to tidy up at the end has: Python would then take torch apart
    object by object, for seconds in which the command is done and the terminal does not come back.
    """
    code = 1  # of a traceback

    def leave() -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # nobody reads any more
                stream.flush()
        os._exit(code)

    atexit.register(leave)  # the first to be registered is the last to be run
    try:
        _open_streams()
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else a shell in the background ignores it
            signal.signal(signal.SIGINT, _interrupt)
        code = import_module(module).main(*arguments)
    except SystemExit as error:  # argparse's, of --help
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        raise
    except BaseException as error:
        if not (_interrupted or isinstance(error, KeyboardInterrupt)):
            raise
        with contextlib.suppress(OSError):
            print(stopped, file=sys.stderr)
        code = 130
    raise SystemExit(code)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    global _interrupted
    _interrupted = True
    raise KeyboardInterrupt


def _open_streams() -> None:
    """A stream that was closed by who started this (`>&-`) leads nowhere; the next file would get its number, and what
    is printed. What a terminal has no letter for is escaped, and a log that somebody follows gets each line at once."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, number)
            if nowhere != number:
                os.close(nowhere)
            setattr(sys, name, open(number, mode, encoding="utf-8"))  # noqa: SIM115 (it lasts as long as the process)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
