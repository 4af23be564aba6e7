"""Nothing that came from outside is obeyed by a terminal. The kind: a file's name, a label, an address, a path, a title
or an error of a library that reaches a line on the screen. Each stands in its place with characters that a terminal
obeys or that forge a line; what is printed holds none of them, while data for programs stay exact.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from mirror.terminal import guarded, printable, sentence, unguarded
from tests.support.limits import LIMIT
from tests.web.tiny import YELLOW, photo, tiny_model

ROOT = Path(__file__).resolve().parents[1]
NASTY = "a\x1b[2J\x1b]0;PWNED\x07\r\n\x9b31m\u202etxt\u2066\u2028b\x7f"
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
posix = pytest.mark.skipif(os.name != "posix", reason="such names are possible on POSIX alone")


def run(place: Path, *command: str, **options) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, *command], cwd=place, env=environment, capture_output=True, **options, timeout=LIMIT
    )


def lines(output: bytes, expected: int) -> None:
    """So many lines, and nothing in them that a terminal obeys."""
    text = output.decode()
    assert OBEYED.search(text) is None, ascii(text)
    assert text.count("\n") == expected, ascii(text)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tiny_model(tmp_path / "models")
    (tmp_path / "photos").mkdir()
    return tmp_path


@posix
@pytest.mark.parametrize("body", [photo(YELLOW), b"GIF89a damaged", b""], ids=["answered", "damaged", "empty"])
def test_a_files_name_is_obeyed_neither_in_a_row_nor_in_its_error(place: Path, body: bytes) -> None:
    (place / "photos" / f"{NASTY}.jpg").write_bytes(body)
    lines(run(place, "-m", "mirror", "predict", "photos").stdout, 1)


@posix
@pytest.mark.parametrize(
    "command",
    [
        ["-m", "mirror", "predict", f"{NASTY}.jpg"],
        ["-m", "mirror", "predict", "photos", "--model", NASTY],
        ["-m", "mirror", "explain", f"{NASTY}.jpg"],
        ["-m", "mirror", "compile", f"{NASTY}.pkl"],
        ["-m", "mirror", "predict", f"http://{NASTY}/a.jpg"],
        ["-m", "mirror", NASTY],
        ["-m", "mirror", "predict", f"--{NASTY}"],
        ["-m", "mirror", "predict", "a.jpg", "--format", NASTY],
        ["train.py", f"--{NASTY}"],
        ["train.py", "--count", NASTY],
        ["train.py", "--search", NASTY],
        ["app.py", f"--{NASTY}"],
        ["app.py", "--port", NASTY],
        ["train.py", "--collected", NASTY],
        ["train.py", "--photos", NASTY],
        ["train.py", "--data", NASTY],
        ["app.py", "--models", NASTY],
        ["app.py", "--studio", NASTY],
    ],
    ids=lambda command: " ".join(command[:3]).replace(NASTY, "…"),
)
def test_a_word_of_the_command_is_not_obeyed_in_its_error(place: Path, command: list[str]) -> None:
    command = [str(ROOT / command[0]), *command[1:]] if command[0].endswith(".py") else command
    done = run(place, *command)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode and OBEYED.search(text) is None, ascii(text)


def test_an_address_of_a_photo_list_is_not_obeyed(place: Path) -> None:
    address = f"http://127.0.0.1:9/{NASTY}"
    columns = (
        "file_name,label,url,page_url,title,query,engine,license_filter,retrieved_at,sha256,width,height,phash,split"
    ).split(",")
    row = dict.fromkeys(columns, "") | {"file_name": "images/a/0123456789abcdef.jpg", "label": "a", "url": address,
                                        "title": NASTY, "width": "1", "height": "1"}  # fmt: skip
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerow(row)
    (place / "photos.csv").write_bytes(buffer.getvalue().encode())
    done = run(place, str(ROOT / "train.py"), "--photos", "photos.csv", "--name", "x")
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == 1 and OBEYED.search(text) is None, ascii(text)


@posix
def test_data_for_programs_are_exact(place: Path) -> None:
    name = f"photos/{NASTY}.jpg"
    (place / name).write_bytes(photo(YELLOW))
    raw = run(place, "-m", "mirror", "predict", "photos", "--format", "jsonl").stdout
    lines(raw, 1)
    assert json.loads(raw)["file"] == name
    raw = run(place, "-m", "mirror", "predict", "photos", "--format", "csv").stdout.decode()
    assert list(csv.DictReader(io.StringIO(raw, newline="")))[0]["file"] == name


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("kind", ["table", "jsonl", "csv"])
def test_a_full_disk_is_one_sentence(place: Path, kind: str) -> None:
    (place / "photos" / "a.jpg").write_bytes(photo(YELLOW))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mirror", "predict", "photos", "--format", kind], cwd=place, env=environment,
            stdout=full, stderr=subprocess.PIPE, timeout=LIMIT,
        )  # fmt: skip
    assert done.returncode in (1, 2) and b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") == 1 and b"No space left on device" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("command", ["predict", "explain"])
def test_a_full_device_is_one_sentence(place: Path, command: str) -> None:
    (place / "a.jpg").write_bytes(photo(YELLOW))
    done = run(place, "-m", "mirror", command, "a.jpg", "--out", "/dev/full")
    assert done.returncode in (1, 2) and b"Traceback" not in done.stderr and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("character", [*map(chr, (*range(32), *range(127, 160), 0x202E, 0x2066, 0x2028))])
def test_each_of_them_is_replaced(character: str) -> None:
    assert unicodedata.category(character) in ("Cc", "Cf", "Zl")
    assert printable(f"a{character}b") == sentence(f"a{character}b") == "a\N{REPLACEMENT CHARACTER}b"


def test_ordinary_text_of_any_script_stays() -> None:
    for text in ("naïve café", "子鸭", "утёнок", "بطة", "a – b … “c”", "🦆"):
        assert printable(text) == text
    assert printable("a\tb\n", keep="\t\n") == "a\tb\n"
    assert len(sentence("x" * 10**7)) < 20_000


def test_a_librarys_bars_may_move_the_cursor_while_they_are_let(capsys: pytest.CaptureFixture[str]) -> None:
    with guarded():
        with unguarded():
            print("\x1b[A", end="", file=sys.stderr)
        print("\x1b[A", end="", file=sys.stderr)
    assert capsys.readouterr().err == "\x1b[A\N{REPLACEMENT CHARACTER}[A"
