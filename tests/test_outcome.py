"""However a command ends, it says so in one sentence, also where the machine is at fault and not what was asked for."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror.cli.outcome import NO_FOLDER, NO_MEMORY, ended
from mirror.errors import DatasetError, UsageError, lacks_memory
from tests.support.limits import LIMIT

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = {
    "mirror: ": ["-m", "mirror", "predict", "a.png"], "train.py: ": [str(ROOT / "train.py"), "apple", "pear"],
    "": [str(ROOT / "app.py")],
}  # fmt: skip


def run(*arguments: str, cwd: Path, before: Callable[[], object] | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, timeout=LIMIT, preexec_fn=before,
    )  # fmt: skip


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "lacks"),
    [
        (MemoryError(), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("[ONNXRuntimeError] : 6 : std::bad_alloc"), True),
        (RuntimeError("can't start new thread"), True),
        (caused(RuntimeError("Exception in thread pool"), MemoryError()), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ImportError("No module named 'torch'"), False),
        (ValueError("out of memory"), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (None, False),
    ],
    ids=str,
)  # fmt: skip
def test_that_there_is_no_more_memory_is_seen_whoever_says_it(error: BaseException | None, lacks: bool) -> None:
    assert lacks_memory(error) is lacks


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UsageError("Two of them: leave out one."), 2, "Two of them: leave out one."),
        (DatasetError("There is none."), 1, "There is none."),
        (MemoryError(), 1, NO_MEMORY),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device): make room"),
        (KeyboardInterrupt(), 130, "stopped."),
    ],
    ids=repr,
)
def test_what_ends_a_command_is_one_line(
    error: BaseException, code: int, says: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "dup2", lambda *_: None)  # standard output is pytest's

    def work() -> int:
        raise error

    assert ended(work, "mirror: ") == code
    said = capsys.readouterr().err
    assert said.startswith("mirror: ") and says in said and said.count("\n") == 1


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        ended(lambda: 1 // 0)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_working_folder_that_is_gone_is_one_sentence(program: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = run(*PROGRAMS[program], cwd=gone, before=gone.rmdir)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{program}{NO_FOLDER}\n")


def test_a_working_folder_that_goes_under_the_command_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)

    def work() -> int:
        gone.rmdir()
        return len(str(Path("a").absolute()))

    assert ended(work, "mirror: ") == 1
    assert capsys.readouterr().err == f"mirror: {NO_FOLDER}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train.py", "apple", "pear", "--models", "MADE"), f"train.py: {NO_MEMORY}"),
        (("-m", "mirror", "compile", "PICKLE", "--out", "MADE/x"), "needs more memory to be compiled than there is"),
    ],
    ids=["train", "compile"],
)
def test_where_torch_finds_no_room_in_memory_one_sentence_says_so(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    pickle = tmp_path / "learner.pkl"
    pickle.write_bytes((ROOT / "models" / "mirror" / "learner.pkl").read_bytes())
    words = [word.replace("MADE", str(tmp_path)).replace("PICKLE", str(pickle)) for word in arguments]
    limit = 500_000_000  # bytes of addresses: torch alone takes more
    done = run(*words, cwd=ROOT, before=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert done.returncode == 1 and says in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
