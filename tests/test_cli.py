"""`python -m mirror` as people and programs call it: a process with arguments, two streams and an exit code."""

from __future__ import annotations

import csv
import http.server
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import termios
import threading
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from mirror.batch.writers import OutputFilter, to_row
from mirror.errors import ImageError
from mirror.image_sources import find_sources
from mirror.inference.classifier import Classifier, Prediction
from mirror.inference.grad_cam import explain
from tests.learners import LABELS, photo_folder, plain_pickle, predicted
from tests.support.limits import LIMIT
from tests.web.tiny import BLUE, GREY, YELLOW, damage, photo, probabilities, tiny_model

ROOT = Path(__file__).parents[1]
MANY = tuple(f"label {number}" for number in range(8))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A working folder with models/mirror (cygnet, duckling), models/many and some photos, two of which are none."""
    tiny_model(tmp_path / "models")
    tiny_model(tmp_path / "models", "many", MANY, told=False)
    for name, body in {
        "yellow.png": photo(YELLOW, format="PNG"),
        "photos/b/blue.png": photo(BLUE, format="PNG"),
        "photos/a.JPG": photo(GREY),
        "photos/b.png": photo(GREY, format="PNG"),
        "photos/ümlaut (1).png": photo(GREY, format="PNG"),
        "photos/broken.jpg": photo(GREY)[:200],
        "photos/notes.txt": b"not looked at",
        "photos/.hidden.png": photo(GREY),
        "photos/.cache/x.png": photo(GREY),
        "none/readme.md": b"no photo here",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(body)
    return tmp_path


def run(place: Path, *arguments: str, **options) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"} | options.pop("env", {})
    command = [sys.executable, "-m", "mirror", *arguments]
    return subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, encoding="utf-8", **options, timeout=LIMIT
    )


def lines(completed: subprocess.CompletedProcess) -> list[dict]:
    return [json.loads(line) for line in completed.stdout.splitlines()]


FILES = ["photos/a.JPG", "photos/b/blue.png", "photos/b.png", "photos/broken.jpg", "photos/ümlaut (1).png"]


def test_jsonl_gives_a_line_an_image_and_errors_in_their_places(place: Path) -> None:
    done = run(place, "predict", "yellow.png", "photos/", "missing.png", "--format", "jsonl")
    assert (done.returncode, done.stderr) == (1, "mirror: Left out: 1 file without an image (photos/notes.txt).\n")
    rows = lines(done)
    assert [row["file"] for row in rows] == ["yellow.png", *FILES, "missing.png"]
    assert [list(row) for row in rows if "error" not in row] == [
        ["file", "label", "probability", "probabilities", "known"]
    ] * 5
    assert [row["file"] for row in rows if "error" in row] == ["photos/broken.jpg", "missing.png"]
    assert rows[0]["label"] == "duckling" and rows[0]["known"] is True and rows[2]["known"] is False
    assert rows[0]["probabilities"] == pytest.approx(
        dict(zip(("cygnet", "duckling"), probabilities(YELLOW, 2), strict=True)), abs=1e-5
    )
    assert rows[0]["probability"] == rows[0]["probabilities"]["duckling"]
    assert rows[-1]["error"] == "There is no file or folder missing.png: check the path."


def test_a_photo_of_this_machine_needs_nothing_of_the_network(place: Path) -> None:
    code = (
        "import sys; from mirror.cli import main; main(['predict', 'yellow.png']);"
        "print({'httpx', 'requests', 'huggingface_hub', 'gradio', 'torch'} & sys.modules.keys())"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, env=environment, capture_output=True, text=True, timeout=LIMIT
    )
    assert done.stdout.endswith("set()\n"), done.stdout


def test_numbers_that_are_none_are_an_error_in_the_photos_place(place: Path) -> None:
    damage(place / "models" / "mirror", "logits", 0.5)
    sentence = (
        "The model mirror gives no numbers for this photo, for its network is damaged: train, copy or fetch it again."
    )
    done = run(place, "predict", "yellow.png", "photos/b/blue.png", "--format", "jsonl")
    rows = lines(done)
    assert (done.returncode, done.stderr) == (1, "")
    assert rows[0] == {"file": "yellow.png", "error": sentence} and rows[1]["label"] == "cygnet"
    done = run(place, "predict", "yellow.png", "--format", "csv")
    assert done.returncode == 1 and sentence in done.stdout and "nan" not in done.stdout
    damage(place / "models" / "many", "logits", float("nan"))
    done = run(place, "predict", "yellow.png", "--model", "models/many", "--format", "jsonl")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1 and "models/many/model.onnx is damaged, for its output logits" in done.stderr


def test_all_answered_is_exit_code_zero(place: Path) -> None:
    done = run(place, "predict", "yellow.png", "photos/b")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "yellow.png                duckling 99.9 %   cygnet 0.1 %\n"
        "photos/b/blue.png         cygnet 99.9 %   duckling 0.1 %   (unlike the photos this model was trained on)\n"
    )


@pytest.mark.parametrize(
    "given, first", [("photos", "photos/a.JPG"), ("photos/", "photos/a.JPG"), ("./photos", "./photos/a.JPG")]
)
def test_files_of_a_folder_are_named_from_the_folder_as_given(place: Path, given: str, first: str) -> None:
    found = [source.file for source in find_sources([str(place / "photos")])]
    assert [Path(name).relative_to(place).as_posix() for name in found] == FILES
    assert lines(run(place, "predict", given, "--format", "jsonl"))[0]["file"] == first


def test_csv_and_parquet_hold_what_jsonl_holds(place: Path) -> None:
    arguments = ("predict", "photos", "nowhere", "--model", "models/many", "--top", "3")
    rows = lines(run(place, *arguments, "--format", "jsonl"))
    for name in ("a.csv", "a.parquet", "a.jsonl"):  # the format follows the name
        done = run(place, *arguments, "--out", name)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "mirror: Left out: 1 file without an image (photos/notes.txt).\n"
    assert [json.loads(line) for line in (place / "a.jsonl").read_text(encoding="utf-8").splitlines()] == rows
    with open(place / "a.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    columns = pyarrow.parquet.read_table(place / "a.parquet").to_pylist()
    assert len(table) == len(columns) == len(rows) == 6
    for row, text, typed in zip(rows, table, columns, strict=True):
        assert list(text) == list(typed) == ["file", "label", "probability", "known", "probabilities", "error"]
        assert text["file"] == typed["file"] == row["file"]
        if "error" in row:
            assert text["error"] == typed["error"] == row["error"]
            assert typed["label"] is None and text["label"] == ""
        else:
            assert (float(text["probability"]), text["known"]) == (row["probability"], str(row["known"]).lower())
            assert json.loads(text["probabilities"]) == dict(typed["probabilities"]) == row["probabilities"]
            assert len(row["probabilities"]) == 3 and (typed["known"], text["error"]) == (row["known"], "")


def test_top_and_threshold_say_which_labels_are_listed() -> None:
    answer = Prediction({"a": 0.1, "b": 0.5, "c": 0.25, "d": 0.15})
    assert to_row("x", answer, OutputFilter(top=2))["probabilities"] == {"b": 0.5, "c": 0.25}
    assert list(to_row("x", answer, OutputFilter(top=9))["probabilities"]) == ["a", "b", "c", "d"]
    assert to_row("x", answer, OutputFilter(top=3, threshold=0.25))["probabilities"] == {"b": 0.5, "c": 0.25}
    assert to_row("x", answer, OutputFilter(threshold=0.9)) | {"probabilities": {}} == {
        "file": "x", "label": "b", "probability": 0.5, "probabilities": {}, "known": True,
    }  # fmt: skip
    assert to_row("x", ImageError("Bad."), OutputFilter()) == {"file": "x", "error": "Bad."}


USAGE = [
    (["predict"], "The following arguments are required: PATH|DIR|URL: see `python -m mirror predict --help`."),
    (["predict", "a.png", "--top", "0"], "Argument --top: '0' is not a whole number from 1 up: see"),
    (["predict", "a.png", "--threshold", "50"], "Argument --threshold: '50' is not a number from 0 to 1: see"),
    (["predict", "a.png", "--threshold", "nan"], "Argument --threshold: 'nan' is not a number from 0 to 1: see"),
    (["predict", "a.png", "--format", "xml"], "Argument --format: invalid choice: 'xml'"),
    (["predict", "a.png", "--nonsense"], "Unrecognized arguments: --nonsense: see `python -m mirror predict --help`."),
    (["predict", "a.png", "--task", "sniffing"], "Argument --task: invalid choice: 'sniffing'"),
    (
        ["predict", "a.png", "--labels", "a,b"],
        "--labels and --template are for zero-shot-image-classification: leave them out",
    ),
    (
        ["predict", "a.png", "--template", "a {}"],
        "--labels and --template are for zero-shot-image-classification: leave them out",
    ),
    (
        ["predict", "a.png", "--task", "zero-shot-image-classification"],
        "zero-shot-image-classification needs labels to choose from: give them with --labels cat,dog",
    ),
    (
        ["predict", "a.png", "--task", "zero-shot-image-classification", "--labels", " , "],
        "zero-shot-image-classification needs labels to choose from: give them with --labels cat,dog",
    ),
    (
        ["predict", "a.png", "--task", "zero-shot-image-classification", "--labels", "a,b", "--template", "photo"],
        "The template 'photo' must hold {} once, where the label goes",
    ),
    (
        ["predict", "a.png", "--task", "zero-shot-image-classification", "--labels", "no/such.txt"],
        "There is no file of labels no/such.txt: check the path",
    ),
    (["predict", "a.png", "--format", "parquet"], "Parquet is not for the screen: add --out FILE.parquet."),
    (["predict", "a.png", "--out", "no/such/a.csv"], "no/such/a.csv cannot be written: there is no folder no/such."),
    (
        ["predict", "a.png", "--out", "no/such/a.parquet"],
        "no/such/a.parquet cannot be written: there is no folder no/such.",
    ),
    (["predict", "a.png", "--out", "a.xlsx"], "--out a.xlsx would be a plain table: give a name that ends in .csv,"),
    (["predict", "a.png", "--out", "a.json"], "--out a.json would be a plain table: give a name that ends in .csv,"),
    (["paint"], "Argument COMMAND: invalid choice: 'paint'"),
    (["compile"], "The following arguments are required: PICKLE|MODEL: see `python -m mirror compile --help`."),
]
FAILURES = [
    (
        ["predict", "a.png", "--model", "models/none"],
        "There is no models/none: give the folder of a model, or hf:models/none",
    ),
    (["predict", "a.png", "--model", "photos"], "photos holds neither a model.json nor a learner pickle"),
    (["predict", "a.png", "--model", "yellow.png"], "yellow.png holds neither a model.json nor a learner pickle"),
    (["compile", "none.pkl"], "There is no none.pkl: give a model folder or a learner pickle"),
    (["compile", "none.pkl", "--out", "x"], "There is no none.pkl: give a model folder or a learner pickle"),
]


@pytest.mark.parametrize(
    "arguments, message, code",
    [(*case, 2) for case in USAGE] + [(*case, 1) for case in FAILURES],
    ids=[" ".join(arguments) for arguments, _ in USAGE + FAILURES],
)
def test_what_cannot_be_done_is_one_sentence_and_a_code(place: Path, arguments: list, message: str, code: int) -> None:
    done = run(place, *arguments)
    assert done.stderr.startswith(f"mirror: {message}"), done.stderr
    assert done.stderr.endswith(("." + "\n", "`.\n")) and done.stderr.count("\n") == 1
    assert (done.returncode, done.stdout) == (code, "")


def test_a_folder_without_images_and_a_text_file_are_rows(place: Path) -> None:
    done = run(place, "predict", "none", "photos/notes.txt", "--format", "jsonl")
    assert done.returncode == 1
    first, second = lines(done)
    assert first == {"file": "none", "error": "none holds no image: name a folder with photos in it."}
    assert second["file"] == "photos/notes.txt" and "notes.txt" in second["error"]


def test_names_that_are_not_utf8_get_through(place: Path) -> None:
    shutil.copy(place / "yellow.png", os.fsencode(place) + b"/photos/b/\xff.png")
    for kind in ("jsonl", "table", "csv"):
        done = run(place, "predict", "photos/b", "--format", kind, env={"LC_ALL": "C"})
        assert done.returncode == 0 and done.stderr == ""
    assert run(place, "predict", "photos/b", "--out", "a.parquet").returncode == 0
    assert lines(run(place, "predict", "photos/b", "--format", "jsonl"))[1]["file"] == "photos/b/\udcff.png"
    assert pyarrow.parquet.read_table(place / "a.parquet")["file"].to_pylist()[1] == "photos/b/\\udcff.png"


def test_a_reader_that_has_seen_enough_ends_it_quietly(place: Path) -> None:
    command = f"{sys.executable} -m mirror predict {'photos ' * 300} --format jsonl | head -n 1"
    done = subprocess.run(
        command,
        shell=True,
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert json.loads(done.stdout)["file"] == "photos/a.JPG"
    assert done.stderr == ""


class Photos(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = photo(YELLOW, format="PNG")
        self.send_response(200 if self.path == "/a%20b.png?x=1" else 404)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_urls_are_fetched_and_named_as_given(place: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Photos) as server:
        threading.Thread(target=server.serve_forever).start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            urls = [f"{base}/a%20b.png?x=1", f"{base}/none.png"]
            done = run(place, "predict", *urls, "--format", "jsonl", "--allow-private-hosts")
            refused = run(place, "predict", urls[0], "--format", "jsonl")
        finally:
            server.shutdown()
    answered, missing = lines(done)
    assert done.returncode == 1
    assert (answered["file"], answered["label"]) == (urls[0], "duckling")
    assert missing["file"] == urls[1] and "404" in missing["error"]
    assert refused.returncode == 1 and "--allow-private-hosts" in lines(refused)[0]["error"]


def test_a_progress_bar_is_shown_on_a_terminal_only(place: Path) -> None:
    main, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    command = [sys.executable, "-m", "mirror", "predict", "photos", "yellow.png", "--out", "a.jsonl"]
    process = subprocess.Popen(command, cwd=place, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=terminal)
    os.close(terminal)
    shown = b""
    try:
        while block := os.read(main, 4096):
            shown += block
    except OSError:
        pass  # how a pseudo-terminal on Linux says that the other end has closed
    os.close(main)
    assert process.wait(LIMIT) == 1
    assert b"6/6" in shown and b"Traceback" not in shown


def test_explain_writes_a_picture_and_says_where_the_evidence_lies(place: Path) -> None:
    with Image.open(place / "yellow.png") as yellow:
        yellow.paste(GREY, (0, 0, yellow.width // 2, yellow.height))
        yellow.save(place / "right.png")
    done = run(place, "explain", "right.png", "--out", "why.png")
    sure = 100 * probabilities(tuple((a + b) / 2 for a, b in zip(GREY, YELLOW, strict=True)), 2)[1]
    said = f"why.png: duckling {sure:.1f} %, because of the right\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
    with Image.open(place / "why.png") as picture:
        assert picture.size == (160, 120) and picture.getpixel((20, 60)) == GREY != picture.getpixel((140, 60))
    asked = run(place, "explain", "photos/b/blue.png", "--label", "duckling")
    assert asked.stdout == "heat.png: duckling 0.1 %, because of nothing in it\n" and (place / "heat.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["none.png"], "mirror: none.png does not exist; check the path.", 1),
        (["photos"], "mirror: photos is a folder; name an image file in it.", 1),
        (["yellow.png", "--label", "goose"],
         "mirror: The model mirror knows no label goose: choose one of cygnet, duckling.", 2),
        (["yellow.png", "--out", "a.xyz"],
         "mirror: a.xyz cannot be written: give a name that ends in .png or .jpg.", 2),
        (["yellow.png", "--out", "nowhere/a.png"],
         "mirror: nowhere/a.png cannot be written: there is no folder nowhere.", 2),
        (["yellow.png", "--model", "models/silent"],
         "mirror: The model silent cannot show why: its network gives no heat map, for it was made before there were "
         "any, or its head is of a kind that has none; train or compile it again to see which.", 1),
    ],
    ids=["no file", "a folder", "no label", "no format", "no folder", "no heat"],
)  # fmt: skip
def test_what_cannot_be_explained_is_one_sentence_and_a_code(place: Path, arguments, message, code) -> None:
    tiny_model(place / "models", "silent", heat=False)
    done = run(place, "explain", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", message + "\n")


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ("predict photos/b --format jsonl > out", "out"),
        ("predict photos/b --format csv > out", "out"),
        ("predict photos/b > out", "out"),
        ("predict photos/b --out old", "old"),
        ("predict photos/b --out new.txt", ""),
        ("predict photos/b --out new.csv", ""),
        ("predict photos/b --out new.parquet", ""),
        ("predict photos/b --summary-csv old", "old"),
        ("predict photos/b --summary-csv new.csv", ""),
        ("predict photos/b --summary-picture new.png", ""),
        ("explain yellow.png --out new.png", ""),
        ("compile export.pkl --out new", ""),
        ("publish models/mirror --as static --out new", ""),
    ],
)
def test_a_full_disk_is_one_sentence_and_nothing_is_half_written(place: Path, arguments: str, left: str) -> None:
    """No file may take a byte, which is what a program sees of a full disk; the networks were tried out before."""
    explain(Classifier.load(place / "models" / "mirror"), place / "yellow.png")
    (place / "old").write_text("what it held")
    (place / "export.pkl").write_bytes(b"not looked at")
    command = f"ulimit -f 0; {sys.executable} -m mirror {arguments}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=place, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=LIMIT,
    )  # fmt: skip
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr
    said = r"mirror: ([^\n]* cannot be written|Nothing can be written into)[^\n]*\.\n"
    assert re.fullmatch(said, done.stderr), done.stderr
    new = {path.name for path in place.iterdir() if not path.name.startswith(".")}
    assert new - {"models", "yellow.png", "photos", "none", "export.pkl", "old"} == {left} - {"", "old"}
    assert (place / "old").read_text() == "what it held"


def test_help_teaches_by_example(place: Path) -> None:
    bare, predict = run(place), run(place, "predict", "--help")
    assert bare.returncode == predict.returncode == 0
    assert "python -m mirror predict bird.jpg" in bare.stdout and "python train.py" in bare.stdout
    for name in "model top threshold format out task engine labels template".split():
        assert f"--{name}" in predict.stdout


def test_a_learner_pickle_is_compiled_by_hand_and_answers_as_fastai_does(place: Path) -> None:
    shutil.copy(plain_pickle(), place / "models" / "plain.pkl")
    plain = {"PYTHONWARNINGS": "ignore"}
    done = run(place, "compile", "models/plain.pkl", "--out", "models/made", env=plain)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("models/made: resnet18, 3 labels, 64x64 px, within ") or str(place) in done.stdout
    files = [str(photo_folder() / label / "1.png") for label in LABELS]
    for model in ("models/made", "models/plain.pkl"):
        rows = lines(run(place, "predict", *files, "--model", model, "--format", "jsonl", env=plain))
        ours = [[row["probabilities"][label] for label in LABELS] for row in rows]
        np.testing.assert_allclose(ours, [predicted(plain_pickle(), file) for file in files], atol=1e-5)
    again = run(place, "compile", "models/plain.pkl", env=plain)
    assert again.returncode == 0 and ".compiled" in again.stdout


def test_a_terminal_is_not_led_astray_by_a_file_name(place: Path) -> None:
    shutil.copy(place / "yellow.png", place / "a\x1b[2J\n.png")
    done = run(place, "predict", "a\x1b[2J\n.png")
    assert done.stdout == "a�[2J�.png                duckling 99.9 %   cygnet 0.1 %\n"
