from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from mirror.errors import ModelFolderError
from mirror.web.models import ModelRegistry
from tests.support.limits import LIMIT, join
from tests.web.tiny import YELLOW, photo, tiny_model


def silent(sentence: str) -> None:
    """A log that nobody reads."""


def test_the_shipped_model_comes_first(tmp_path):
    for name in ("apples", "mirror", "zebras"):
        tiny_model(tmp_path, name)
    registry = ModelRegistry(tmp_path, silent)
    assert (list(registry.served), registry.default.name) == (["apples", "mirror", "zebras"], "mirror")


def test_a_model_that_works_comes_before_one_that_does_not(tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "model.json").write_text("{")
    tiny_model(tmp_path, "zebras")
    said = []
    registry = ModelRegistry(tmp_path, said.append)
    assert registry.default.name == "zebras"
    assert registry.served["mirror"].problem == "mirror/model.json is not JSON: restore it or make the model again."
    assert said == [f"{tmp_path}/{registry.served['mirror'].problem}"]
    with pytest.raises(ModelFolderError, match="mirror/model.json is not JSON"):
        registry.get("mirror").classifier()


NO_FILES = [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: None]


@pytest.mark.parametrize("instead", NO_FILES)
def test_a_model_with_a_network_comes_before_one_whose_network_is_no_file(tmp_path, instead):
    network = tiny_model(tmp_path, "mirror") / "model.onnx"
    network.unlink()
    instead(network)
    tiny_model(tmp_path, "zebras")
    assert ModelRegistry(tmp_path, silent).default.name == "zebras"


def test_only_broken_models_still_make_a_registry(tmp_path):
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "model.json").write_text(json.dumps({"format_version": 99}))
    registry = ModelRegistry(tmp_path, silent)
    assert (registry.default.name, registry.default.labels) == ("odd", ())
    assert "odd/model.json has format version 99" in registry.default.problem


@pytest.mark.parametrize("make", [lambda folder: folder, lambda folder: folder / "missing"], ids=["empty", "missing"])
def test_no_models_make_an_empty_registry(tmp_path, make):
    registry = ModelRegistry(make(tmp_path), silent)
    assert (registry.served, registry.default) == ({}, None)
    with pytest.raises(ModelFolderError, match="python train.py"):
        registry.get(None)
    join(registry.warm(silent))


def test_an_unknown_name_is_told_what_there_is(tmp_path):
    tiny_model(tmp_path, "a")
    tiny_model(tmp_path, "b")
    with pytest.raises(ModelFolderError, match="There is no model named c: choose one of a, b."):
        ModelRegistry(tmp_path, silent).get("c")


def test_a_model_is_opened_once_however_many_ask(tmp_path):
    tiny_model(tmp_path)
    registry = ModelRegistry(tmp_path, silent)
    gate, opened = threading.Barrier(8), []

    def ask() -> None:
        gate.wait(LIMIT)
        opened.append(registry.get("mirror").classifier())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in [*threads, registry.warm(silent)]:
        if thread in threads:
            thread.start()
    for thread in threads:
        join(thread)
    assert len(opened) == 8 and len({id(c) for c in opened}) == 1
    assert opened[0].predict(photo(YELLOW)).label == "duckling"


def test_a_network_that_was_changed_is_refused_without_naming_its_place(tmp_path):
    folder = tiny_model(tmp_path)
    (folder / "model.onnx").write_bytes(b"something else")
    registry, said = ModelRegistry(tmp_path, silent), []
    join(registry.warm(said.append))
    with pytest.raises(
        ModelFolderError, match=r"^mirror/model.onnx is not the file that model.json describes"
    ) as caught:
        registry.get(None).classifier()
    assert said == [str(caught.value)]


def test_a_pickle_that_cannot_be_compiled_says_so(tmp_path):
    pytest.importorskip("fastai", reason="compiling a pickle needs fastai")
    (tmp_path / "learner.pkl").write_bytes(b"no pickle at all")
    registry = ModelRegistry(tmp_path, silent)
    assert registry.default.problem.count("learner.pkl") >= 1
    assert str(tmp_path) not in registry.default.problem
