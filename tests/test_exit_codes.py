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

from mirror.cli.exit_codes import NO_FOLDER, NO_MEMORY, ended
from mirror.errors import DatasetError, UsageError, lacks_memory
from tests.support.limits import LIMIT

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = {
    "mirror: ": ["-m", "mirror", "predict", "a.png"],
    "train.py: ": [str(ROOT / "train.py"), "apple", "pear"],
    "": [str(ROOT / "app.py")],
}


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
)
def test_that_there_is_no_more_memory_is_seen_whoever_says_it(error: BaseException | None, lacks: bool) -> None:
    assert lacks_memory(error) is lacks


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UsageError("Two of them: leave out one."), 2, "Two of them: leave out one."),
        (DatasetError("There is none."), 1, "There is none."),
        (MemoryError(), 1, NO_MEMORY),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device): make room"),
        (
            caused(RuntimeError("a library's words"), OSError(errno.ENOSPC, "No space left on device")),
            1,
            "No space left on device): make room",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "a/model.json"),
            1,
            "a/model.json cannot be used (permission",
        ),
        (OSError(errno.ENAMETOOLONG, "File name too long", "b"), 1, "b cannot be used (file name too long): check"),
        (DatasetError(f"{'x' * 400} is there."), 1, f"{'x' * 80}… is there."),
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


AT_ONCE = {  # command → what it says
    "train --data enough --arch resnet999": "--arch resnet999 is neither a torchvision nor a timm model",
    "train --data enough --weights enough/one/1.png": "enough/one/1.png is no file of weights",
    "train --data scarce": "at least 8 usable photos of every label but 'two' has 1",
    "train --data half": "half/two holds no files and is left out.",
    "train --data linked": "linked/two/there is a link to a folder and is not followed: --follow-links does.",
    f"train {'x' * 101} pear": "cannot be a label; use at most 100 printable characters",
    "train --collected data/kept": "holds no metadata.csv",
    "serve --models models --host 192.0.2.1": "The page cannot be served at 192.0.2.1",
    "serve --studio nosuch": "nosuch does not exist",
    "publish MODEL --out enough/one/1.png/x": "enough/one/1.png (not a directory): choose another place by --out",
    "publish MODEL --to a/b/c": "a/b/c cannot be the name of a repository",
    "compile nosuch.pkl": "There is no nosuch.pkl",
    "compile x.pkl --calibrate nosuch": "is judged by photos like yours, and nosuch holds 0: name a folder of at least",
    f"train --data enough --name {'x' * 201}": "is no folder name",
    "predict enough/one/1.png --out nosuch/a.csv": "nosuch/a.csv cannot be written: there is no folder nosuch",
    "predict enough/one/1.png --out enough/one/1.png --format csv": "would take the place of enough/one/1.png: give",
    "predict enough --summary-picture a.png --map ./a.png": "would take the place of what --summary-picture",
    "explain enough/one/1.png --out enough/one/1.png": "--out enough/one/1.png would take the place of",
    "train apple pear --proxy nonsense://x": "What is given as proxy is no proxy",  # the last: it stays in the process
}
HEAVY = ("torch", "timm", "fastai", "gradio", "onnx", "onnxruntime", "sklearn", "matplotlib", "transformers")
REFUSED = f"""
import sys
from mirror.cli import main
for command in sys.argv[1:]:
    print(main(command.split()), {{*{HEAVY}}} & sys.modules.keys(), file=sys.stderr)
"""


def test_what_can_be_known_at_once_is_refused_before_anything_is_imported_that_takes_seconds(tmp_path: Path) -> None:
    for folder, few in (("enough", 8), ("scarce", 1), ("linked", 8), ("half", 0)):
        for label, count in (("one", 8), ("two", few)):
            (tmp_path / folder / label).mkdir(parents=True)
            for number in range(count):
                (tmp_path / folder / label / f"{number}.png").write_bytes(b"never read")
    (tmp_path / "linked" / "two").rename(tmp_path / "elsewhere")
    (tmp_path / "linked" / "two").mkdir()
    (tmp_path / "linked" / "two" / "0.png").touch()
    (tmp_path / "linked" / "two" / "there").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "kept").mkdir(parents=True)
    (tmp_path / "models").mkdir()
    shipped = str(ROOT / "models" / "mirror")
    done = run("-c", REFUSED, *(command.replace("MODEL", shipped) for command in AT_ONCE), cwd=tmp_path)
    endings = [line for line in done.stderr.splitlines() if line.endswith("set()")]
    assert len(endings) == len(AT_ONCE) and not [line for line in endings if line.startswith("0")], done.stderr
    for command, says in AT_ONCE.items():
        assert says in done.stdout + done.stderr, command


ENDING = """
import atexit, os, signal
class Part:
    def __del__(self):
        print("taken apart")
def main(code):
    global part
    part = Part()
    atexit.register(print, "tidied up")
    print("done")
    if code is None:
        raise ZeroDivisionError
    if code == "interrupted":
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("some part of a library could not be imported") from None
    if code == "exit":
        raise SystemExit
    return code
"""


@pytest.mark.parametrize(
    ("code", "ends", "says"),
    [
        (0, 0, ""),
        (2, 2, ""),
        (None, 1, "ZeroDivisionError"),
        ("exit", 0, ""),
        ("interrupted", 130, "Stopped while it was imported.\n"),  # whatever a library makes of it
    ],
)
def test_a_program_ends_when_all_is_written_and_tidied_up(code: object, ends: int, says: str, tmp_path: Path) -> None:
    (tmp_path / "ending.py").write_text(ENDING)
    program = f"run_program('ending', 'Stopped while it was imported.', {code!r})"
    begun = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # also in the background
    done = run("-c", f"{begun}; from mirror.command_process import run_program; {program}", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (ends, "done\ntidied up\n")
    assert ("Traceback" in done.stderr) == (code is None) and done.stderr.endswith(
        f"{says}\n" if code is None else says
    )


CLOSED = """
import os, sys
def main():
    file = open("made.txt", "w")
    print("said")
    print("warned", file=sys.stderr)
    print(sys.stdin.read(), end="")
    file.close()
    return 3
"""


def test_streams_that_are_closed_lead_nowhere(tmp_path: Path) -> None:
    """No file that is opened gets their numbers, and with them what is printed."""
    (tmp_path / "closed.py").write_text(CLOSED)
    program = "from mirror.command_process import run_program; run_program('closed', '')"
    done = run("-c", program, cwd=tmp_path, before=lambda: [os.close(number) for number in range(3)])
    assert (done.returncode, (tmp_path / "made.txt").read_text()) == (3, "")


def test_a_terminal_that_lacks_a_letter_gets_an_escape(tmp_path: Path) -> None:
    (tmp_path / "words.py").write_text("def main():\n    print('words → photos')\n    return 0\n")
    latin = "import sys; sys.stdout.reconfigure(encoding='latin-1', errors='strict')"
    done = run("-c", f"{latin}; from mirror.command_process import run_program; run_program('words', '')", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "words \\u2192 photos\n", "")


def test_output_that_cannot_be_written_is_one_sentence() -> None:
    command = [sys.executable, "-m", "mirror", "history", "mirror"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=LIMIT)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "cannot be written (No space left on device): make room" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train.py", "apple", "pear", "--models", "MADE"), f"train.py: {NO_MEMORY}"),
        (("-m", "mirror", "compile", "PICKLE", "--out", "MADE/x"), "needs more memory to be compiled than there is"),
    ],
    ids=["train", "compile"],
)
@pytest.mark.slow
def test_where_torch_finds_no_room_in_memory_one_sentence_says_so(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    pickle = tmp_path / "learner.pkl"
    pickle.write_bytes((ROOT / "models" / "mirror" / "learner.pkl").read_bytes())
    words = [word.replace("MADE", str(tmp_path)).replace("PICKLE", str(pickle)) for word in arguments]
    limit = 500_000_000  # bytes of addresses: torch alone takes more
    done = run(*words, cwd=ROOT, before=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert done.returncode == 1 and says in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
