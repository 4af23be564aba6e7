"""Folders from a stranger: what lies in them leads to no file outside, neither to read nor to write (CWE-59).

The kind: a name that this program opens, creates, replaces or removes in a folder that somebody else made. Each such
name of each kind of folder is taken by a link to a file, to nothing, to a folder or to an endless device, or by a pipe;
the folder is then used. Whatever comes of it (one sentence, or success), everything outside is as it was.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror import storage
from mirror.cli import main
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import append_rows
from mirror.errors import DatasetError, MirrorError
from mirror.folders import LOCK, holder_of, locked
from mirror.inference.classifier import Classifier
from mirror.model_folder import read_model_folder
from mirror.web import about
from mirror.web.served_models import ServedModel
from tests.support.limits import LIMIT
from tests.support.photo_folders import photo_folder, use_photo_folder
from tests.web.tiny import YELLOW, photo, tiny_model

ROOT = Path(__file__).resolve().parents[1]
links = pytest.mark.skipif(not storage._BY_DESCRIPTOR, reason="this system opens files by path alone")
CANARY = b"file_name,label\nthe person's own\nhalf a li"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Files of the person, which nothing may touch; names as this program makes them lie among them."""
    folder = tmp_path / "outside"
    photos = ("cygnet/0123456789abcdef.jpg", "cygnet/.x.part")
    for name in ("canary", *photos, ".y.part", "body", "job.json", "rows.jsonl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(CANARY)
    return folder


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes() if path.is_file() else b"", path.lstat().st_mtime_ns)
        for path in [folder, *sorted(folder.rglob("*"))]
    }


def plant(path: Path, kind: str, outside: Path) -> None:
    """Puts a link or a pipe in the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        path.rename(outside.parent / "aside")
    path.unlink(missing_ok=True)
    targets = {"file": outside / "canary", "nothing": outside / "made", "folder": outside, "endless": Path("/dev/zero")}
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(targets[kind])


PHOTO_FILES = (
    ".lock", "metadata.csv", "rejected.csv", "decisions.csv", "hits.jsonl", ".metadata.csv.part", ".rejected.csv.part",
    ".decisions.csv.part",
)  # fmt: skip


@links
@pytest.mark.parametrize("kind", ["file", "nothing", "folder", "pipe"])
@pytest.mark.parametrize("name", [*PHOTO_FILES, "images", "images/cygnet", ".incoming"])
def test_a_photo_folder_leads_to_nothing_outside(tmp_path: Path, outside: Path, name: str, kind: str) -> None:
    place = photo_folder(tmp_path / "photos")
    plant(place / name, kind, outside)
    before = state(outside)
    use_photo_folder(place)
    assert state(outside) == before


@links
@pytest.mark.parametrize("name", PHOTO_FILES)
def test_an_endless_device_in_a_photo_folder_is_not_read(tmp_path: Path, outside: Path, name: str) -> None:
    place = photo_folder(tmp_path / "photos")
    plant(place / name, "endless", outside)
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"
        "import sys; from pathlib import Path; from tests.support.photo_folders import use_photo_folder\n"
        "use_photo_folder(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, str(place)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@links
def test_a_stored_photo_that_is_a_link_is_not_read(tmp_path: Path, outside: Path) -> None:
    place = photo_folder(tmp_path / "photos")
    (stored,) = list((place / "images" / "cygnet").glob("*.jpg"))[:1]
    plant(stored, "file", outside)
    with PhotoFolder(place) as folder:
        linked = next(one for one in folder.photos if one.file_name.endswith(stored.name))
        with pytest.raises(DatasetError, match="is a link, and links are not followed here"):
            linked.path(place)


@links
@pytest.mark.parametrize("name", ["metadata.csv", "rejected.csv", "images"])
def test_what_to_do_about_a_link_in_a_photo_folder_is_said(tmp_path: Path, name: str) -> None:
    place = photo_folder(tmp_path / "photos")
    (place / name).rename(tmp_path / "elsewhere")
    (place / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetError) as read:
        PhotoFolder(place)
    with pytest.raises(DatasetError) as written:
        append_rows(place / name, (), [])
    for error in (read, written):
        assert str(error.value) == (
            f"{place / name} is a link, and links are not followed here; put the file or folder itself in its place."
        )


@links
@pytest.mark.parametrize("kind", ["file", "nothing", "folder", "pipe"])
@pytest.mark.parametrize(
    "name", ["model.json", "model.onnx", "heat.onnx", "report", "report/confusion_matrix.png", "report/environ.png"]
)
def test_a_model_folder_leads_to_nothing_outside(tmp_path: Path, outside: Path, name: str, kind: str) -> None:
    path = tiny_model(tmp_path / "models", pictures=True)
    (outside / "confusion_matrix.png").write_bytes(b"\x89PNG\r\n\x1a\nsecret")
    plant(path / name, kind, outside)
    before, shown = state(outside), ""
    with contextlib.suppress(MirrorError):
        folder = read_model_folder(path)
        shown = about.pictures(ServedModel("mirror", folder))
        assert Classifier.load(folder).heat is not None
    assert state(outside) == before
    assert "c2VjcmV0" not in shown and "dGhlIHBlcnNvbi" not in shown  # "secret" and the canary in base64
    assert shown.count("<img") <= 2


@links
@pytest.mark.parametrize("name", ["mirror", ".mirror.old"])
@pytest.mark.parametrize("kind", ["nothing", "folder", "file"])
def test_a_model_is_written_over_no_link(tmp_path: Path, outside: Path, name: str, kind: str) -> None:
    tiny_model(tmp_path / "models", "other")
    plant(tmp_path / "models" / name, kind, outside)
    before = state(outside)
    with contextlib.suppress(MirrorError):
        tiny_model(tmp_path / "models")
    assert state(outside) == before


JOB = ".answers.csv.job"


@links
@pytest.mark.parametrize("kind", ["file", "nothing", "folder", "pipe"])
@pytest.mark.parametrize(
    "name", [JOB, *(f"{JOB}/{one}" for one in (LOCK, "job.json", "listing.jsonl", "rows.jsonl", "finished"))]
)
def test_a_job_leads_to_nothing_outside(
    tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    tiny_model(tmp_path / "models")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(photo(YELLOW, format="PNG"))
    plant(tmp_path / "photos" / name, kind, outside)
    before = state(outside)
    monkeypatch.chdir(tmp_path)
    main(["predict", "photos/a.png", "--out", "photos/answers.csv"])
    assert state(outside) == before


@links
def test_explain_replaces_a_link_by_its_picture(tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_model(tmp_path / "models")
    (tmp_path / "a.png").write_bytes(photo(YELLOW, format="PNG"))
    plant(tmp_path / "heat.png", "file", outside)
    before = state(outside)
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "a.png"]) == 0
    assert state(outside) == before and (tmp_path / "heat.png").read_bytes().startswith(b"\x89PNG")


@links
@pytest.mark.parametrize("use", [lambda path: storage.open_file(path, os.O_WRONLY), storage.recover])
def test_a_file_with_a_second_name_is_not_written_to(tmp_path: Path, use: Callable[[Path], object]) -> None:
    (tmp_path / "mine").write_bytes(CANARY)
    os.link(tmp_path / "mine", tmp_path / "planted")
    opened = use(tmp_path / "planted")  # a copy of its own by now
    if isinstance(opened, int):
        os.write(opened, b"x" * 100)
        os.close(opened)
    assert (tmp_path / "mine").read_bytes() == CANARY and (tmp_path / "mine").stat().st_nlink == 1
    storage.write_atomically(tmp_path / "planted", b"new")  # a new file takes that name
    assert (tmp_path / "mine").read_bytes() == CANARY and (tmp_path / "planted").read_bytes() == b"new"


@links
def test_a_folder_copied_by_hard_links_is_worked_on_and_the_other_stays(tmp_path: Path) -> None:
    """As `cp -al` and `rsync --link-dest` copy."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with locked(tmp_path / "a"), storage.journal(tmp_path / "a" / "hits.jsonl", create=True) as append:
        append(b"1\n")
    for name in (LOCK, "hits.jsonl"):
        os.link(tmp_path / "a" / name, tmp_path / "b" / name)
    with locked(tmp_path / "b"), storage.journal(tmp_path / "b" / "hits.jsonl") as append:
        append(b"2\n")
        with locked(tmp_path / "a"):
            assert holder_of(tmp_path / "b") == holder_of(tmp_path / "a") == f"pid {os.getpid()}"
    assert [(tmp_path / name / "hits.jsonl").read_bytes() for name in ("a", "b")] == [b"1\n", b"1\n2\n"]


def test_what_is_written_has_the_mode_that_the_umask_leaves_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        storage.write_atomically(tmp_path / "a", b"1")
        with storage.replacing(tmp_path / "b.png") as beside:
            assert beside.suffix == ".png" and beside.name != "b.png"
            beside.write_bytes(b"2")
    finally:
        os.umask(before)
    assert [(path.name, path.read_bytes()) for path in sorted(tmp_path.iterdir())] == [("a", b"1"), ("b.png", b"2")]
    if os.name == "posix":
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o640}


@pytest.mark.skipif(os.name != "posix", reason="Windows refuses by itself")
def test_files_are_flushed_by_descriptors_that_windows_would_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There _commit refuses what is open for reading alone."""
    import fcntl

    flushed: list[int] = []

    def fsync(descriptor: int) -> None:
        writable = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and not writable:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flushed.append(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    storage.write_atomically(tmp_path / "a", b"1")
    with storage.replacing(tmp_path / "b", sync=True) as beside:
        beside.write_bytes(b"2")
    with storage.journal(tmp_path / "c", create=True) as append:
        append(b"3")
    before = len(flushed)
    storage.flush_to_disk(tmp_path / "a")
    storage.flush_to_disk(tmp_path)
    assert before >= 3 and len(flushed) == before + 2


def test_a_failed_write_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"old")
    with pytest.raises(OSError), storage.replacing(tmp_path / "b.png") as beside:  # noqa: PT012
        beside.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "no space left")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("b.png", b"old")]


def test_temporary_names_cannot_be_foreseen(tmp_path: Path) -> None:
    names = set()
    for _ in range(20):
        with storage.replacing(tmp_path / "a") as beside:
            names.add(beside.name)
    assert len(names) == 20


def test_a_file_takes_as_much_memory_as_it_is_large(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    tracemalloc.start()
    try:
        assert storage.read_file(tmp_path / "a", limit=1 << 30) == b"12345"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="a file that tells no size is one of /proc")
def test_a_file_whose_size_is_not_what_it_says_is_read_whole() -> None:
    assert len(storage.read_file(Path("/proc/self/status"))) > 100
    with pytest.raises(OSError, match="larger than 100 bytes"):
        storage.read_file(Path("/proc/self/status"), limit=100)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert storage.read_file(tmp_path / "a", limit=5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        storage.read_file(tmp_path / "a", limit=4)
    with pytest.raises(OSError, match="leads out of its folder"):
        storage.read_file(tmp_path / "x" / ".." / "a", inside=tmp_path)


def test_a_device_that_a_person_names_is_written_to(tmp_path: Path) -> None:
    if not Path("/dev/null").exists():
        pytest.skip("there is no /dev/null here")
    with storage.replacing(Path("/dev/null")) as beside:
        assert beside == Path("/dev/null")


TORN = [
    (b"", b"", False),
    (b"a", b"", False),
    (b"a\nb\n", b"a\nb\n", False),
    (b"a\nb", b"a\n", False),
    (b'a\n"b\nc', b'a\n"b\n', False),
    (b'a\n"b\nc', b"a\n", True),
    (b'a\n"b\nc"\n', b'a\n"b\nc"\n', True),
    (b'a\n"b""\nc""\nd\n', b"a\n", True),
    (b'"\n' * 3, b'"\n"\n', True),
]


@pytest.mark.parametrize(("data", "whole", "quoted"), TORN)
def test_half_a_line_at_the_end_of_a_journal_is_cut_off(
    tmp_path: Path, data: bytes, whole: bytes, quoted: bool
) -> None:
    (tmp_path / "rows").write_bytes(data)
    assert storage.recover(tmp_path / "rows", quoted=quoted) == whole == (tmp_path / "rows").read_bytes()
    with storage.journal(tmp_path / "rows") as append:
        append(b"next\n")
    assert (tmp_path / "rows").read_bytes() == whole + b"next\n"


def test_a_line_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """A disk that is full in the middle of a line: here, the largest file that this process may write."""
    program = (
        "import resource, signal, sys; from pathlib import Path; from mirror.storage import journal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "with journal(Path(sys.argv[1]), create=True, sync=sys.argv[2] == 'sync') as append:\n"
        "    append(b'x' * 60 + b'\\n'); append(b'y' * 60 + b'\\n')"
    )
    for sync in ("sync", "later"):
        rows = tmp_path / sync
        done = subprocess.run(
            [sys.executable, "-c", program, str(rows), sync], cwd=ROOT, capture_output=True, timeout=LIMIT
        )
        assert done.returncode == 1 and b"File too large" in done.stderr
        assert rows.read_bytes() == b"x" * 60 + b"\n"


def test_a_journal_goes_on_behind_what_is_kept_of_it(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(b"a\nb\n")
    with storage.journal(tmp_path / "rows", length=2) as append:
        append(b"c\n")
    assert (tmp_path / "rows").read_bytes() == b"a\nc\n"
    with pytest.raises(FileNotFoundError), storage.journal(tmp_path / "none"):
        pass


def test_a_model_folder_may_itself_be_reached_by_a_link(tmp_path: Path) -> None:
    tiny_model(tmp_path / "models")
    (tmp_path / "link").symlink_to(tmp_path / "models" / "mirror")
    assert Classifier.load(read_model_folder(tmp_path / "link")).labels == ("cygnet", "duckling")
