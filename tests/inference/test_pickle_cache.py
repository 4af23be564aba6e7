"""Plain pickles in models/: compiled once, in a child process, kept, and never in the way of the other models."""

from __future__ import annotations

import os
import pickle as python_pickle
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from mirror.errors import ModelFolderError, UnsupportedLearner
from mirror.inference import pickle_cache
from mirror.inference.classifier import Classifier
from mirror.inference.pickle_cache import COMPILER, _take, compile_in_child, compiled_folder, open_model
from mirror.model_folder import find_model, list_models, sha256_of
from tests.learners import LABELS, photo_folder, plain_pickle, predicted
from tests.support.limits import LIMIT
from tests.web.tiny import tiny_model

ROOT = Path(__file__).parents[2]

SERVE = """
import sys
from pathlib import Path
from mirror.inference.classifier import Classifier
from mirror.inference.pickle_cache import COMPILER, open_model
folder = open_model(Path(sys.argv[1]))
print(folder.path)
print(*Classifier.load(folder).predict(sys.argv[2]).probabilities.values())
print(*sorted({module.split(".")[0] for module in sys.modules}))
"""


def serve(model: Path, photo: Path) -> tuple[Path, list[float], set[str]]:
    """Where a fresh process finds the compiled model, its probabilities for the photo, and what it imported."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SERVE, str(model), str(photo)]
    lines = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=LIMIT
    ).stdout.splitlines()
    return Path(lines[0]), [float(value) for value in lines[1].split()], set(lines[2].split())


@pytest.mark.parametrize("name", ["bare.pkl", "folder/whatever.pkl"])
def test_a_plain_pickle_is_served_without_torch_and_compiled_once(tmp_path: Path, name: str) -> None:
    pickle, photo = tmp_path / "models" / name, photo_folder() / "cross" / "0.png"
    pickle.parent.mkdir(parents=True)
    shutil.copy(plain_pickle(), pickle)
    (entry,) = list_models(tmp_path / "models")
    place, probabilities, modules = serve(entry.path, photo)
    np.testing.assert_allclose(probabilities, predicted(plain_pickle(), photo), atol=1e-5)
    assert modules.isdisjoint({"torch", "fastai", "torchvision", "transformers", "onnx"})
    assert place == tmp_path / "models" / ".compiled" / f"{sha256_of(pickle)[:16]}-{COMPILER}"
    made = (place / "model.onnx").stat()
    assert serve(entry.path, photo)[:2] == (place, probabilities)
    assert (place / "model.onnx").stat() == made
    assert len(list_models(tmp_path / "models")) == 1, "what was compiled is not a model of its own"


def test_a_damaged_or_foreign_cache_is_made_anew(tmp_path: Path) -> None:
    shutil.copy(plain_pickle(), tmp_path / "a.pkl")
    entry = find_model(tmp_path / "a.pkl")
    place = compiled_folder(entry).path
    whole = (place / "model.onnx").read_bytes()
    (place / "model.onnx").write_bytes(whole[:-1])
    assert compiled_folder(entry).read("model.onnx") == whole
    shutil.rmtree(place)
    tiny_model(place.parent, place.name)
    assert compiled_folder(entry).info.labels == LABELS


def test_where_models_is_read_only_the_users_cache_is_used_and_then_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "models").mkdir()
    shutil.copy(plain_pickle(), tmp_path / "models" / "a.pkl")
    (tmp_path / "models" / ".compiled").write_text("a file, so that no folder can be made here, not even by root")
    folder = compiled_folder(find_model(tmp_path / "models" / "a.pkl"))
    assert folder.path.parent == tmp_path / "cache" / "mirror" / "compiled"
    (tmp_path / "cache" / "mirror" / "compiled").rename(tmp_path / "gone")
    (tmp_path / "cache" / "mirror" / "compiled").write_text("nor here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))  # as where both are read-only, in a container
    (tmp_path / "t").mkdir()
    folder = compiled_folder(find_model(tmp_path / "models" / "a.pkl"))
    assert folder.path.parent.parent == tmp_path / "t" and folder.path.parent.stat().st_mode & 0o777 == 0o755
    assert compiled_folder(find_model(tmp_path / "models" / "a.pkl")).path == folder.path  # from there
    shutil.rmtree(folder.path.parent)
    folder.path.parent.write_text("nor there")
    with pytest.raises(ModelFolderError, match=r"No place to keep the compiled a\.pkl: make .*models writable\."):
        compiled_folder(find_model(tmp_path / "models" / "a.pkl"))


def test_a_pickle_that_fails_gives_one_sentence_and_the_other_models_work(tmp_path: Path) -> None:
    (tmp_path / "bad.pkl").write_bytes(b"cno_such_package\nThing\n.")
    tiny_model(tmp_path, "good")
    bad, good = list_models(tmp_path)
    for _ in range(2):  # the second time from memory
        with pytest.raises(UnsupportedLearner) as caught:
            open_model(bad)
        assert str(caught.value).startswith(f"{tmp_path}/bad.pkl is not a learner pickle that opens here: ")
    assert open_model(good).info.name == "good"
    assert sorted(p.name for p in (tmp_path / ".compiled").iterdir()) == []


NOTEBOOK = """
import pickle, sys
from fastai.vision.all import *
from labelling import MeanColour
def is_circle(path): return path.parent.name == "circle"
class Here(nn.Sequential):
    def __init__(self): super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
def plain(): return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
network = {"function": plain, "names": plain, "module": MeanColour, "class": Here}[sys.argv[3]]
files = get_image_files(sys.argv[1])
dls = ImageDataLoaders.from_path_func(sys.argv[1], files, is_circle, bs=4, num_workers=0, item_tfms=Resize(32))
learner = Learner(dls, network(), loss_func=CrossEntropyLossFlat())
older = {"pickle_module": pickle} if sys.argv[3] in ("class", "names") else {}  # fastai 2.8 exports by cloudpickle
learner.export(Path(sys.argv[2]), **older)
"""
LABELLING = """
from torch import nn
class MeanColour(nn.Sequential):
    def __init__(self): super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
"""


@pytest.mark.parametrize(
    "where, message",
    [
        ("function", None),  # fastai 2.8 pickles a notebook's own functions and classes by value
        ("module", r"network holds a MeanColour, a class of its own training script: build it of layers of torch"),
        ("class", r"network holds a Here, a class of its own training script: build it of layers of torch"),
        ("names", None),
    ],
)
def test_a_learner_with_code_of_its_own_is_served_or_says_what_is_missing(
    tmp_path: Path, where: str, message: str | None
) -> None:
    (tmp_path / "labelling.py").write_text(LABELLING)
    environment, pickle = os.environ | {"PYTHONPATH": str(tmp_path)}, tmp_path / "a.pkl"
    command = [sys.executable, "-W", "ignore", "-c", NOTEBOOK, str(photo_folder()), str(pickle), where]
    subprocess.run(command, env=environment, check=True, timeout=LIMIT)
    if message is None:
        assert compiled_folder(find_model(pickle)).info.labels == ("False", "True")
    else:
        said: list[str] = []
        with pytest.raises(UnsupportedLearner) as caught:
            compiled_folder(find_model(pickle), log=said.append)
        assert re.search(message, said[-1]) and not re.search("labelling|Here|is_circle", str(caught.value))


def test_a_compiler_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle_cache, "_failures", {})  # other tests compile the same bytes
    shutil.copy(plain_pickle(), tmp_path / "a.pkl")
    with pytest.raises(UnsupportedLearner, match=r"a\.pkl did not compile within 0 seconds"):
        compiled_folder(find_model(tmp_path / "a.pkl"), timeout=0.05)


def test_an_entry_that_cannot_be_tried_says_why(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    for name in ("a.pkl", "b.pkl"):
        (tmp_path / "two" / name).write_bytes(b"x")
    with pytest.raises(ModelFolderError, match="two holds 2 pickles: keep one, or name it learner.pkl."):
        open_model(tmp_path / "two")


def test_a_model_folder_is_opened_as_it_is(tmp_path: Path) -> None:
    path = tiny_model(tmp_path)
    assert open_model(path).path == path
    assert Classifier.load(open_model(str(path))).labels == ("cygnet", "duckling")


class Running:
    """A program as a pickle."""

    def __init__(self, program: str):
        self.program = program

    def __reduce__(self):
        return exec, (self.program,)


@pytest.mark.parametrize("status", [0, 1, 2, 64, 255])
def test_nothing_that_a_pickle_says_is_in_the_sentence_or_decides_the_exit_code(tmp_path: Path, status: int) -> None:
    """Run with --trust, so that it has its say at all."""
    program = f"import os; os.write(1, b'KEY'); os.write(2, b'mirror: KEY\\x1b[2J\\n'); os._exit({status})"
    (tmp_path / "a.pkl").write_bytes(python_pickle.dumps(Running(program)))
    said: list[str] = []
    with pytest.raises(ModelFolderError) as caught:
        compile_in_child(tmp_path / "a.pkl", tmp_path / "out", trust=True, log=said.append)
    assert "KEY" not in str(caught.value) and caught.value.exit_code == 1
    assert "KEY" in " ".join(said) and all(line.isprintable() for line in said), "the owner may read it"
    assert [path.name for path in tmp_path.iterdir()] == ["a.pkl"]


def linked(made: Path) -> None:
    (made / "model.onnx").rename(made.parent / "elsewhere")
    (made / "model.onnx").symlink_to(made.parent / "elsewhere")


def named_twice(made: Path) -> None:
    text = (made / "model.json").read_text()
    (made / "model.json").write_text(text.replace('"file": "model.onnx"', '"file": "other.onnx"'))
    (made / "other.onnx").write_bytes((made / "model.onnx").read_bytes())


def without_description(made: Path) -> None:
    (made / "model.json").unlink()


@pytest.mark.parametrize("spoil", [linked, named_twice, without_description])
def test_what_the_child_leaves_is_looked_at_before_it_is_a_model(tmp_path: Path, spoil) -> None:
    spoil(tiny_model(tmp_path, "made"))
    with pytest.raises((ModelFolderError, OSError)):
        _take(tmp_path)


def test_of_what_the_child_leaves_only_the_networks_stay(tmp_path: Path) -> None:
    made = tiny_model(tmp_path, "made")
    (made / "extra").write_text("x")
    (tmp_path / "link").symlink_to("/")
    (tmp_path / "folder").mkdir()
    info = _take(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(filter(None, (info.onnx.file, info.onnx.heat)))
    assert info.labels == ("cygnet", "duckling") and info.metrics is None and info.learner_sha256 is None
