"""The door: what is written is read back; what is damaged or hostile is refused; a killed writer loses nothing."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.errors import ModelFolderError
from mirror.metrics_schema import LabelMetrics, Metrics, TopLoss, Validation
from mirror.model_folder import find_model, list_models, own_examples, read_model_folder, write_model_folder
from mirror.model_schema import DataInfo, ModelInfo, Novelty, Query, TrainingInfo
from tests.support.limits import LIMIT
from tests.support.model_folders import INFO, write

FULL = replace(
    INFO,
    arch="resnet18",
    temperature=1.5,
    novelty=Novelty(k=3, threshold=0.61),
    metrics=Metrics(
        Validation(8, 1, 0.125, (0.022, 0.471), loss=0.3),
        {"cygnet": LabelMetrics(14, 4, 1.0, 0.75), "duckling": LabelMetrics(18, 4, None, 1.0)},
        ((3, 1), (0, 4)),
        (TopLoss("a.jpg", "cygnet", "duckling", 0.9, 2.3, "https://example.org/a%20b.jpg"),),
    ),
    data=DataInfo("search", {"cygnet": 18}, {"near-duplicate": 2}, (Query("cygnet", "baby swan"),), None, ("a", "b")),
    training=TrainingInfo(42, 5, "packaged", "frozen", 12.3),
    versions={"torch": "2.15.0"},
    extra={"gates": {"int8": {"agreement": 0.99}}},
)


def edit(path: Path, **changes: object) -> None:
    """Changes keys of model.json; "a.b" reaches inside, and ... removes."""
    value = json.loads((path / "model.json").read_text())
    for name, new in changes.items():
        *outer, last = name.split("__")
        place = value
        for key in outer:
            place = place[key]
        if new is ...:
            del place[last]
        else:
            place[last] = new
    (path / "model.json").write_text(json.dumps(value))


@pytest.mark.parametrize("info", [INFO, FULL], ids=["least", "everything"])
def test_what_is_written_is_read_back(tmp_path: Path, info: ModelInfo) -> None:
    folder = read_model_folder(write(tmp_path / "models" / "mirror", info))
    files = {"model.onnx": b"network", "report/confusion.png": b"picture"}
    assert folder.info == replace(info, files={k: hashlib.sha256(v).hexdigest() for k, v in files.items()})
    assert folder.read("model.onnx") == b"network"
    assert folder.file("report/confusion.png") == tmp_path / "models" / "mirror" / "report" / "confusion.png"
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == ["mirror"]


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", FULL), write(tmp_path / "b", FULL)
    assert (first / "model.json").read_bytes() == (second / "model.json").read_bytes()


def test_a_newer_tools_keys_survive_a_round_trip(tmp_path: Path) -> None:
    path = write(tmp_path / "m", FULL)
    edit(path, later={"a": [1, None]}, onnx__quantised={"by": "x"}, metrics__validation__brier=0.04)
    info = read_model_folder(path).info
    write_model_folder(path, lambda folder: ((folder / "model.onnx").write_bytes(b"n"), info)[1])
    again = json.loads((path / "model.json").read_text())
    assert again["later"] == {"a": [1, None]}
    assert again["gates"] == {"int8": {"agreement": 0.99}}
    assert again["onnx"]["quantised"] == {"by": "x"}
    assert again["metrics"]["validation"]["brier"] == 0.04


@pytest.mark.slow
def test_a_file_with_no_end_of_mistakes_is_refused_in_little_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "m", FULL)
    edit(path, metrics__confusion_matrix=[["x"] * 1000] * 3000, data__counts={f"{i}": "x" for i in range(100_000)})
    tracemalloc.start()
    with pytest.raises(ModelFolderError, match=r"confusion_matrix\[0\]\[0\] must be a whole number"):
        read_model_folder(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6


def nested(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


WRONG = [
    ({"format_version": 2}, "has format version 2, newer than this program's 1: update it."),
    ({"format_version": "1"}, "format_version must be 1, not '1'"),
    ({"format_version": True}, "format_version must be 1, not True"),
    ({"format_version": ...}, "format_version must be 1, not None"),
    ({"labels": ...}, "labels is missing"),
    ({"labels": "ab"}, "labels must be a list, not 'ab'"),
    ({"labels": ["a", 3]}, "labels[1] must be text, not 3"),
    ({"labels": ["a", "b", "a"]}, "labels holds 'a' more than once"),
    ({"labels": ["a", " "]}, "labels holds an empty label"),
    ({"labels": ["a"]}, "labels must name at least two labels, not 1"),
    ({"labels": []}, "labels must name at least two labels, not 0"),
    ({"preprocessing__size": [64]}, "preprocessing.size[1] is missing"),
    ({"preprocessing__size": [64, 0]}, "preprocessing.size[1] must be at least 1, not 0"),
    ({"preprocessing__size": [64, 64, 64]}, "preprocessing.size must be a list of 2, not [64, 64, 64]"),
    ({"preprocessing__crop": [64, 9000]}, "preprocessing.crop[1] must be at most 8,192, not 9000"),
    ({"preprocessing__size": [64, 64.5]}, "preprocessing.size[1] must be a whole number, not 64.5"),
    (
        {"preprocessing__resize": "stretch"},
        "preprocessing.resize must be one of 'squish', 'crop', 'pad', 'none', not 'stretch'",
    ),
    ({"preprocessing__std": [1, 1, 0]}, "preprocessing.std[2] must be at least 0.0001, not 0"),
    ({"preprocessing__mean": [1, 1, "x"]}, "preprocessing.mean[2] must be a finite number, not 'x'"),
    ({"preprocessing__mean": [0, 0, float("nan")]}, "preprocessing.mean[2] must be a finite number, not nan"),
    ({"temperature": 0}, "temperature must be at least 0.01, not 0"),
    ({"temperature": True}, "temperature must be a finite number, not True"),
    ({"onnx": None}, "onnx must be an object, not None"),
    ({"onnx__outputs": ["features"]}, "onnx.outputs must name logits"),
    ({"onnx__file": "../model.onnx"}, "onnx.file '../model.onnx' points outside the folder"),
    ({"files": {"/etc/passwd": "0"}}, "a key of files '/etc/passwd' points outside the folder"),
    ({"files": {"a/../../b": "0"}}, "a key of files 'a/../../b' points outside the folder"),
    ({"files": {"..\\b": "0"}}, "a key of files '..\\\\b' points outside the folder"),
    ({"files": {"C:b": "0"}}, "a key of files 'C:b' points outside the folder"),
    ({"files": {"": "0"}}, "a key of files '' points outside the folder"),
    ({"files": {".": "0"}}, "a key of files '.' points outside the folder"),
    ({"files": {"a\0": "0"}}, "a key of files 'a\\x00' points outside the folder"),
    ({"novelty__k": 0}, "novelty.k must be at least 1, not 0"),
    ({"metrics__validation__photos": "eight"}, "metrics.validation.photos must be a whole number, not 'eight'"),
    ({"metrics__labels__cygnet__train": ...}, "metrics.labels.cygnet.train is missing"),
    ({"metrics__confusion_matrix": [[1, 2]]}, "metrics.confusion_matrix must have 2 rows and columns, one a label"),
    # of a stranger: numbers, texts and lists that the rest of the program would trip over
    ({"temperature": 5e-324}, "temperature must be at least 0.01, not 5e-324"),
    ({"temperature": 1e9}, "temperature must be at most 100, not 1000000000.0"),
    ({"temperature": 10**400}, "temperature must be a finite number, not 1000000"),
    ({"preprocessing__std": [1, 1, 1e-300]}, "preprocessing.std[2] must be at least 0.0001, not 1e-300"),
    ({"preprocessing__std": [1, 1, 1e300]}, "preprocessing.std[2] must be at most 1,000, not 1e+300"),
    ({"preprocessing__mean": [1, 1, 1e9]}, "preprocessing.mean[2] must be at most 1,000, not 1000000000.0"),
    ({"preprocessing__size": [8192, 8192]}, "preprocessing's sizes must have at most 16,777,216 pixels"),
    ({"preprocessing__size": [10**30, 2]}, "preprocessing.size[0] must be at most 8,192, not 1000000"),
    ({"novelty__threshold": float("inf")}, "novelty.threshold must be a finite number, not inf"),
    ({"novelty__photos": -1}, "novelty.photos must be at least 0, not -1"),
    (
        {"metrics__validation__photos": 10**4000},
        "metrics.validation.photos must be at most 9,007,199,254,740,992, not 1000000",
    ),
    ({"metrics__validation__error_rate": 1.5}, "metrics.validation.error_rate must be at most 1, not 1.5"),
    ({"metrics__validation__interval": [-0.1, 1]}, "metrics.validation.interval[0] must be at least 0, not -0.1"),
    ({"metrics__confusion_matrix": [[1, -2], [3, 4]]}, "metrics.confusion_matrix[0][1] must be at least 0, not -2"),
    ({"data__counts": {"a": -1}}, "data.counts.a must be at least 0, not -1"),
    ({"training__seconds": -1}, "training.seconds must be at least 0, not -1"),
    ({"labels": ["a", "b" * 501]}, "labels[1] has 501 characters, and 500 are the most"),
    ({"labels": ["a", "b" * 5_000_000]}, "labels[1] has 5,000,000 characters, and 500"),
    ({"labels": ["a", "b\x1b[2J"]}, "labels[1] holds a control character: 'b\\x1b[2J'"),
    ({"labels": ["a", "b\n"]}, "labels[1] holds a control character: 'b\\n'"),
    ({"labels": ["a", "\u202eb"]}, "labels[1] holds a control character: '\\u202eb'"),
    ({"labels": ["a", "b\ud800"]}, "labels[1] must be text, not 'b\\ud800'"),
    ({"labels": [f"{number}" for number in range(100_001)]}, "labels holds 100,001 entries, and 100,000 are the most"),
    ({"versions": {f"{number}": "" for number in range(100_001)}}, "versions holds 100,001 entries"),
    ({"versions": {"\udc80": "1"}}, "a key of versions must be text, not '\\udc80'"),
    ({"name": "a" * 201}, "name has 201 characters, and 200 are the most"),
    ({"files": {"report/a\x1b.png": "0"}}, "points outside the folder"),
    ({"later": nested(60)}, "it has more than 40 lists and objects inside each other"),
]


@pytest.mark.parametrize("changes, message", WRONG, ids=[message[:50] for _, message in WRONG])
def test_a_description_that_cannot_be_meant_is_refused_in_one_sentence(
    tmp_path: Path, changes: dict, message: str
) -> None:
    path = write(tmp_path / "m", FULL)
    edit(path, **changes)
    with pytest.raises(ModelFolderError) as caught:
        read_model_folder(path)
    assert message in str(caught.value)
    assert str(path / "model.json") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "format_version must be 1, not None"),
        (b"3", "format_version must be 1, not None"),
    ],
    ids=["empty", "cut short", "binary", "nested", "a list", "a number"],
)
def test_what_is_no_description_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path / "m")
    (path / "model.json").write_bytes(content)
    with pytest.raises(ModelFolderError, match=re.escape(message)):
        read_model_folder(path)


def test_absent_things_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="There is no model folder at .*nowhere"):
        read_model_folder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFolderError, match="empty holds no model.json"):
        read_model_folder(tmp_path / "empty")
    with pytest.raises(ModelFolderError, match="There is no .*nowhere: give a model folder or a learner pickle"):
        find_model(tmp_path / "nowhere")
    with pytest.raises(ModelFolderError, match="empty holds neither a model.json nor a learner pickle"):
        find_model(tmp_path / "empty")


def test_a_file_is_checked_when_it_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "m")
    (path / "model.onnx").write_bytes(b"another")
    folder = read_model_folder(path)
    with pytest.raises(ModelFolderError, match=r"model\.onnx is not the file that model\.json describes"):
        folder.read("model.onnx")
    (path / "model.onnx").unlink()
    with pytest.raises(ModelFolderError, match=r"model\.onnx cannot be read \(No such file or directory\)"):
        folder.file("model.onnx")
    with pytest.raises(ModelFolderError, match="lists no file learner.pkl"):
        folder.file("learner.pkl")
    assert folder.file("report/confusion.png").read_bytes() == b"picture"


def test_somebodys_own_pictures_outlast_the_model_and_are_none_of_its_files(tmp_path: Path) -> None:
    path = write(tmp_path / "m")
    (path / "examples").mkdir()
    (path / "examples" / "swan.jpg").write_bytes(b"a swan")
    (path / "examples" / "linked.jpg").symlink_to("/etc/passwd")
    again = read_model_folder(write(path, network=b"another"))
    assert [picture.read_bytes() for picture in own_examples(path)] == [b"a swan"]
    assert again.read("model.onnx") == b"another" and not [name for name in again.info.files if "swan" in name]
    (path / "examples").rename(tmp_path / "away")
    (path / "examples").symlink_to(tmp_path / "away")
    assert own_examples(path) == own_examples(tmp_path / "nothing") == []


def test_what_is_not_a_model_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "precious.jpg").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"x")
    for name in ("photos", "file"):
        with pytest.raises(ModelFolderError, match=f"{name} exists and is not a model folder"):
            write(tmp_path / name)
    assert (tmp_path / "photos" / "precious.jpg").read_bytes() == b"x"
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty")


def test_models_are_listed_by_name_and_kind(tmp_path: Path) -> None:
    write(tmp_path / "zebra")
    write(tmp_path / "both")
    for name in ("both.pkl", "bare.pkl", "alone/whatever.pkl", "picky/learner.pkl", "picky/old.pkl", "two/a.pkl",
                 "two/b.pkl", ".hidden/model.json", "notes.txt", "nothing/readme.md"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"pickle")
    found = [(e.name, e.kind, e.pickle and str(e.pickle.relative_to(tmp_path))) for e in list_models(tmp_path)]
    assert found == [
        ("alone", "pickle-folder", "alone/whatever.pkl"),
        ("bare", "pickle", "bare.pkl"),
        ("both", "folder", None),
        ("both.pkl", "pickle", "both.pkl"),
        ("picky", "pickle-folder", "picky/learner.pkl"),
        ("two", "pickle-folder", "two/a.pkl"),
        ("zebra", "folder", None),
    ]
    assert [e.name for e in list_models(tmp_path) if e.needs_compiling] == ["alone", "bare", "both.pkl", "picky", "two"]
    problems = {e.name: e.problem for e in list_models(tmp_path) if e.problem}
    assert problems == {"two": f"{tmp_path}/two holds 2 pickles: keep one, or name it learner.pkl."}


def test_a_missing_models_directory_holds_no_models(tmp_path: Path) -> None:
    assert list_models(tmp_path / "models") == []


def test_the_door_opens_onto_nothing_heavy() -> None:
    code = "import sys, mirror.model_folder; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=LIMIT
    ).stdout.split()
    assert set(loaded).isdisjoint({"numpy", "PIL", "onnxruntime", "onnx", "torch", "fastai", "gradio", "httpx"})
