from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from mirror.errors import MirrorError, ModelFolderError, UsageError
from mirror.model_folder import MODEL_JSON
from mirror.net.fetch import NetworkSettings
from mirror.web import heat_map
from mirror.web.photo_fields import ExamplePhoto
from mirror.web.photo_input import to_gradio_error
from mirror.web.served_models import BROKEN, MAX_TOLD, ModelRegistry, ServedModel
from mirror.web.tabs import live_tab, mirror_tab
from tests.support.limits import LIMIT, join
from tests.web.tiny import YELLOW, damage, photo, tiny_model

NETWORK = NetworkSettings()


def silent(sentence: str) -> None:
    """A log that nobody reads."""


def made(folder: Path, name: str, day: str, **model: Any) -> None:
    """A model of that day."""
    described = tiny_model(folder, name, **model) / MODEL_JSON
    told = json.loads(described.read_text())
    described.write_text(json.dumps(told | {"created_at": f"{day}T10:00:00+00:00"}))


@pytest.mark.parametrize(
    ("models", "first"),
    [
        ({"mirror": "2026-11-28", "fruit": "2026-11-20"}, "fruit"),
        ({"mirror": "2026-11-20", "apples": "2026-11-22", "zebras": "2026-11-21"}, "apples"),
        ({"mirror": "2026-11-20", "apples": "2026-11-22", "zebras": "2026-11-23"}, "zebras"),
        ({"mirror": "2026-11-20"}, "mirror"),
        ({"apples": "2026-11-20", "zebras": "2026-11-20"}, "apples"),
    ],
    ids=["own before shipped", "newest", "newest, not last by name", "shipped", "of one day"],
)
def test_the_newest_of_ones_own_models_comes_first(tmp_path, models, first):
    for name, day in models.items():
        made(tmp_path, name, day)
    assert ModelRegistry(tmp_path, silent).default.name == first


def test_a_mirror_of_other_labels_is_ones_own(tmp_path):
    made(tmp_path, "mirror", "2026-11-22", labels=("cat", "dog"))
    made(tmp_path, "zebras", "2026-11-21")
    assert ModelRegistry(tmp_path, silent).default.name == "mirror"


def test_the_host_chooses_the_first(tmp_path):
    for name in ("apples", "mirror", "zebras"):
        tiny_model(tmp_path, name)
    assert ModelRegistry(tmp_path, silent, first="zebras").default.name == "zebras"
    with pytest.raises(UsageError, match="There is no model named pears in .*: choose one of apples, mirror, zebras."):
        ModelRegistry(tmp_path, silent, first="pears")


def test_models_that_come_change_and_go_are_seen_and_the_others_stay_open(tmp_path):
    made(tmp_path, "apples", "2026-11-20")
    made(tmp_path, "mirror", "2026-11-20")
    registry = ModelRegistry(tmp_path, silent)
    kept = registry.get("apples")
    made(tmp_path, "zebras", "2026-11-21")
    with pytest.raises(ModelFolderError):
        registry.get("zebras")
    registry.refresh()
    assert (list(registry.served), registry.default.name) == (["apples", "mirror", "zebras"], "zebras")
    assert registry.get("apples") is kept
    made(tmp_path, "apples", "2026-11-22", labels=("a", "b", "c"))
    shutil.rmtree(tmp_path / "zebras")
    registry.refresh()
    assert (list(registry.served), registry.default.labels) == (["apples", "mirror"], ("a", "b", "c"))


def test_a_model_that_works_comes_before_one_that_does_not(tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "model.json").write_text("{")
    tiny_model(tmp_path, "zebras")
    said = []
    registry = ModelRegistry(tmp_path, said.append)
    assert registry.default.name == "zebras"
    assert registry.served["mirror"].problem == BROKEN.format("mirror")
    assert said == [f"{tmp_path}/mirror/model.json is not JSON: restore it or make the model again."]
    with pytest.raises(ModelFolderError, match="The model mirror cannot answer: whoever runs this page"):
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
    said = []
    registry = ModelRegistry(tmp_path, said.append)
    assert (registry.default.name, registry.default.labels) == ("odd", ())
    assert "odd/model.json has format version 99" in said[0]


@pytest.mark.parametrize("make", [lambda folder: folder, lambda folder: folder / "missing"], ids=["empty", "missing"])
def test_no_models_make_an_empty_registry(tmp_path, make):
    registry = ModelRegistry(make(tmp_path), silent)
    assert (registry.served, registry.default) == ({}, None)
    with pytest.raises(ModelFolderError, match="There is no model here yet"):
        registry.get(None)
    join(registry.warm())


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
    for thread in [*threads, registry.warm()]:
        if thread in threads:
            thread.start()
    for thread in threads:
        join(thread)
    assert len(opened) == 8 and len({id(c) for c in opened}) == 1
    assert opened[0].predict(photo(YELLOW)).label == "duckling"


def changed(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"something else")


def missing(folder: Path) -> None:
    (folder / "model.onnx").unlink()


def undescribed(folder: Path) -> None:
    (folder / MODEL_JSON).write_text("{")


def nan(folder: Path) -> None:
    damage(folder, "logits", float("nan"))


def other(folder: Path) -> None:
    shutil.copy(tiny_model(folder.parent.parent / "other", labels=("a", "b", "c")) / "model.onnx", folder)
    described = json.loads((folder / MODEL_JSON).read_text())
    described["files"]["model.onnx"] = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    (folder / MODEL_JSON).write_text(json.dumps(described))


def pickle(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "learner.pkl").write_bytes(b"no pickle at all")


async def looked(registry: ModelRegistry) -> str:
    return (await mirror_tab.show_answer(registry, NETWORK, ExamplePhoto(registry.folder / "photo.jpg"), "broken"))[1]


async def answered(registry: ModelRegistry) -> str:
    with pytest.raises(gr.Error) as caught:
        await mirror_tab.answer_photo(registry, NETWORK, ExamplePhoto(registry.folder / "photo.jpg"), "broken")
    return caught.value.message


async def explained(registry: ModelRegistry) -> str:
    with pytest.raises(MirrorError) as caught:
        await heat_map.explain_photo(
            registry, NETWORK, ExamplePhoto(registry.folder / "photo.jpg"), "broken", None, heat_map.figure
        )
    return to_gradio_error(caught.value).message


async def lived(registry: ModelRegistry) -> str:
    with pytest.raises(MirrorError) as caught:
        await live_tab.look(registry)(Image.new("RGB", (64, 64), YELLOW), "broken")
    return to_gradio_error(caught.value).message


@pytest.mark.parametrize("room", [looked, answered, explained, lived])
@pytest.mark.parametrize("broken", [changed, missing, undescribed, nan, other, pickle])
def test_a_visitor_reads_that_a_model_fails_and_its_owner_why(tmp_path, broken, room):
    if broken is pickle:
        pytest.importorskip("fastai", reason="compiling a pickle needs fastai")
    models, said = tmp_path / "models", []
    broken(tiny_model(models, "broken"))
    (models / "photo.jpg").write_bytes(photo(YELLOW))
    registry = ModelRegistry(models, said.append)
    for _ in range(2):
        told = asyncio.run(room(registry))
        assert BROKEN.format("broken") in told
        for word in ("onnx", "json", "pkl", "/broken", str(tmp_path), "train"):
            assert word not in told, told
    reasons = [line for line in said if "the first time" not in line]
    assert len(reasons) == 1 and "broken" in reasons[0], said  # once, however many ask


def test_what_a_terminal_is_told_of_a_model_has_an_end(tmp_path):
    said = []
    served = ServedModel("mirror", log=said.append)
    for number in range(3 * MAX_TOLD):
        with pytest.raises(ModelFolderError, match="cannot answer"), served.excused():
            raise ModelFolderError(f"The network fails on input of {number}.")
    assert len(said) == MAX_TOLD
