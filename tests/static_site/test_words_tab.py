"""The tab of one's own words, fixed when the page is published: the numbers of ZeroShot without what reads words."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from mirror.cli import main
from mirror.errors import ModelUnavailable, UsageError
from mirror.export.graph import drop_unused
from mirror.export.hub_export import compile_hub_model, export
from mirror.export.hub_precision import NETWORK
from mirror.inference.classifier import softmax
from mirror.inference.session import OnnxModel
from mirror.model_folder import read_model_folder
from mirror.publish.publication import Publication
from mirror.publish.space_static import space_static
from mirror.static_site import words_tab as module
from mirror.static_site.site_tabs import WORDS, NetworkTab
from mirror.static_site.words_tab import INPUT, page_preprocessing, words_network, words_tab
from mirror.tasks.hub_models import locate
from mirror.tasks.image_classification import sigmoid
from mirror.tasks.image_processors import ImageProcessor
from mirror.tasks.registry import open_label_predictor
from mirror.tasks.request import ZERO_SHOT, TaskRequest
from tests.static_site.conftest import ROOT
from tests.static_site.hosting import write
from tests.support.limits import LIMIT
from tests.support.tiny_clip import (
    picture,
    saved,
    tiny_chinese_clip,
    tiny_clip,
    tiny_metaclip,
    tiny_siglip,
)
from tests.support.tiny_vit import tiny_vit

MIRROR = ROOT / "models" / "mirror"
LABELS = ("cat", "dog", "a red car, parked", "Château — 1900!", "<b>&\"'{percent}", "חתול", "1")
PHOTOS = [picture(seed, size) for seed, size in enumerate(((90, 60), (60, 91), (33, 32), (500, 41)))]
KINDS: dict[str, Callable[[Path], Path]] = {
    "CLIP": tiny_clip, "MetaCLIP 2": tiny_metaclip, "Chinese CLIP": tiny_chinese_clip, "SigLIP": tiny_siglip,
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each model in the Hub's layout, in ONNX and without its weights."""
    place, folders = tmp_path_factory.mktemp("models"), {}
    for number, (name, make) in enumerate(KINDS.items()):
        theirs, folders[name] = make(place / f"{number}-torch"), place / f"{number}-onnx"
        export(locate(str(theirs)), ZERO_SHOT, folders[name])
    return folders


def asked(folder: Path, labels: tuple[str, ...] = LABELS, template: str = "{}") -> TaskRequest:
    return TaskRequest(ZERO_SHOT, str(folder), labels, template)


def furthest(tab: NetworkTab, request: TaskRequest) -> float:
    """The largest difference of a probability from what Python says of the photos with these words."""
    predictor: Any = open_label_predictor(request)
    engine, judge = OnnxModel(tab.network), sigmoid if tab.page["several"] else softmax
    apart = 0.0
    for photo in PHOTOS:
        pixels = predictor.model.towers.processor(photo)["pixel_values"][None]
        (logits,) = engine.run({INPUT: pixels})
        expected = list(predictor.classify(photo).probabilities.values())
        apart = max(apart, float(np.abs(judge(logits)[0] - expected).max()))
    return apart


@pytest.mark.parametrize("kind", KINDS)
def test_the_half_that_sees_photos_answers_as_the_whole_model_does(kind: str, models: dict[str, Path]) -> None:
    request = asked(models[kind], template="a photo of {}")
    tab = words_tab(request)
    assert furthest(tab, request) < 1e-5
    assert tab.page["labels"] == list(LABELS) and tab.page["several"] == (kind == "SigLIP")
    graph = onnx.load_from_string(tab.network).graph
    assert [value.name for value in (*graph.input, *graph.output)] == [INPUT, "logits"]
    whole = onnx.load(models[kind] / NETWORK).graph
    assert len(graph.node) < 0.7 * len(whole.node) and not any("text_model" in node.name for node in graph.node)
    assert words_tab(request) == tab, "the same bytes each time"


def test_a_thousand_words_are_a_thousand_vectors_more(models: dict[str, Path]) -> None:
    many = tuple(f"word {number}" for number in range(1000))
    request = asked(models["CLIP"], many)
    tab, few = words_tab(request), words_tab(asked(models["CLIP"], many[:2]))
    assert furthest(tab, request) < 1e-5
    assert len(tab.network) - len(few.network) == pytest.approx(
        998 * 16 * 4, abs=20
    )  # float32, as long as an embedding
    assert len(json.dumps(tab.page)) < 100_000 and tab.page["promise"].endswith("word 4, word 5, and so on.")


def test_a_network_in_fewer_bits_stays_in_them(tmp_path: Path) -> None:
    photos = [saved(picture(seed), tmp_path / f"{seed}.png") for seed in range(20)]
    theirs = tiny_clip(tmp_path / "clip")
    for precision in ("int8", "fp16"):
        folder = tmp_path / precision
        compile_hub_model(str(theirs), ZERO_SHOT, folder, precision=precision, photos=photos)
        request = asked(folder, LABELS[:3])
        tab = words_tab(request)
        assert furthest(tab, request) < 1e-5
        nodes = {node.op_type for node in onnx.load_from_string(tab.network).graph.node}
        types = {tensor.data_type for tensor in onnx.load_from_string(tab.network).graph.initializer}
        assert "MatMulInteger" in nodes if precision == "int8" else onnx.TensorProto.FLOAT16 in types


def test_a_model_for_torch_is_put_into_onnx_first(tmp_path: Path) -> None:
    request = asked(tiny_clip(tmp_path / "clip"))
    tab = words_tab(request)
    assert furthest(tab, dataclasses.replace(request, model=str(_with_onnx(tmp_path)))) < 1e-5
    assert "Compared by clip." in tab.page["says"]["certain"] and str(tmp_path) not in tab.note + json.dumps(tab.page)


def _with_onnx(place: Path) -> Path:
    export(locate(str(place / "clip"), for_torch=True), ZERO_SHOT, place / "onnx-form")
    return place / "onnx-form"


@pytest.mark.parametrize(
    ("make", "labels", "template", "says"),
    [
        ("CLIP", (), "{}", "needs labels to choose from: give them with --labels"),
        ("CLIP", ("cat",), "{}", "With cat as the only label, the answer would be that, at 100 %"),
        ("CLIP", ("cat", "dog"), "a photo", "must hold {} once"),
        ("CLIP", ("cat", "x" * 200), "{}", "is too long: the model reads 77 tokens"),
        ("CLIP", ("cat", "\ud800"), "{}", "is not valid UTF-8"),
    ],
)
def test_words_that_cannot_be_are_refused(
    make: str, labels: tuple[str, ...], template: str, says: str, models: dict[str, Path]
) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        words_tab(asked(models[make], labels, template))


def test_one_word_is_enough_where_each_is_judged_by_itself(models: dict[str, Path]) -> None:
    tab = words_tab(asked(models["SigLIP"], ("a cat",)))
    assert tab.page["promise"] == "Show me a photo. I will tell you how well it fits: a cat."


def test_models_of_another_kind_are_refused(tmp_path: Path, models: dict[str, Path]) -> None:
    with pytest.raises(ModelUnavailable, match="ViTForImageClassification, which does no zero-shot-image-class"):
        words_tab(asked(tiny_vit(tmp_path / "vit")))
    for other in ({"do_pad": True, "pad_size": {"height": 32, "width": 32}}, {"do_center_crop": False}):
        folder = tmp_path / "-".join(other)
        shutil.copytree(models["CLIP"], folder)
        settings = json.loads((folder / "preprocessor_config.json").read_text())
        (folder / "preprocessor_config.json").write_text(json.dumps(settings | other))
        with pytest.raises(ModelUnavailable, match="prepares its photos in a way that a page without"):
            words_tab(asked(folder))


def test_photos_in_patches_stay_with_python() -> None:
    processor = ImageProcessor.of({"image_processor_type": "Siglip2ImageProcessor"}, "naflex")
    with pytest.raises(ModelUnavailable, match="naflex prepares its photos in a way that a page without a server does"):
        page_preprocessing(processor, "naflex")


def test_a_graph_of_one_piece_is_refused(models: dict[str, Path]) -> None:
    model = onnx.load(models["CLIP"] / NETWORK)
    entangled = helper.make_node("Add", ["image_embeds", "text_embeds"], ["both"])
    model.graph.node.append(entangled)
    for output in model.graph.output:
        output.name = {"image_embeds": "other", "text_embeds": "another"}.get(output.name, output.name)
    model.graph.output[-1].name = "both"
    with pytest.raises(ModelUnavailable, match="tiny sees a photo and reads words in one piece"):
        words_network(model.SerializeToString(), np.eye(2, 16, dtype=np.float32), 1.0, 0.0, "tiny")


def test_what_branches_need_is_not_dropped_whatever_the_order_of_nodes() -> None:
    """drop_unused: a branch takes values that its `If` does not name."""
    branches = [
        helper.make_graph([helper.make_node("Identity", [name], [f"{name}/out"])], name, [],
                          [helper.make_tensor_value_info(f"{name}/out", onnx.TensorProto.FLOAT, [1])])
        for name in ("a", "b")
    ]  # fmt: skip
    nodes = [
        helper.make_node("Neg", ["x"], ["a"]),
        helper.make_node("Abs", ["x"], ["unused"]),
        helper.make_node("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1]),
    ]
    weights = [helper.make_tensor(name, onnx.TensorProto.FLOAT, [1], [1.0]) for name in ("b", "d")]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])], weights,
    )  # fmt: skip
    for order in (nodes, nodes[::-1]):
        del graph.node[:]
        graph.node.extend(order)
        drop_unused(graph)
        assert [node.op_type for node in graph.node] == [node.op_type for node in order if node.op_type != "Abs"]
    assert [w.name for w in graph.initializer] == ["b"]


def test_the_command_ships_the_words_and_says_what_they_cost(
    models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "words.txt"
    file.write_text("\n".join(LABELS), encoding="utf-8")
    command = ["publish", str(MIRROR), "--what", "space", "--out", str(tmp_path / "built")]
    words = ["--tabs", "words", "--labels", str(file), "--words-model", str(models["SigLIP"])]
    assert main([*command, *words]) == 0
    built = tmp_path / "built" / "space"
    packed = (built / "tabs" / "words" / "network.onnx.gz").stat().st_size
    said = capsys.readouterr().out
    assert re.search(r"The tab words brings [\d.]+ (kB|MB) to each visitor who opens it\.\n", said)
    page = json.loads((built / "tabs" / "words" / "page.json").read_bytes())
    assert page["labels"] == list(LABELS) and page["loads"] == packed
    assert "&lt;b&gt;&amp;" in (built / "tabs" / "words" / "about.html").read_text("utf-8")
    assert not list(built.rglob("*tokenizer*"))

    monkeypatch.setattr("mirror.publish.publication.LARGE_FOR_A_PHONE", packed - 1)
    assert main([*command, *words]) == 0
    assert "which is much for a phone: a smaller model takes less, or one that" in capsys.readouterr().out


def test_what_no_browser_could_hold_is_refused(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 10_000)
    with pytest.raises(ModelUnavailable, match="that sees photos has .* MB, and at most 0 go to a browser: choose"):
        words_tab(asked(models["CLIP"]))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--tabs words", "needs labels to choose from: give them with --labels cat,dog or --labels labels.txt."),
        ("--tabs words --labels ,", "needs labels to choose from"),
        ("--tabs words --labels a,b --template c", "must hold {} once, where the label goes"),
        ("--tabs words --labels a,b --as gradio", "--tabs is for a static page"),
        ("--labels a,b", "--labels is for the tab words: leave it out, or add --tabs words."),
        ("--tabs faces --words-model x", "--words-model is for the tab words"),
        ("--tabs words --labels a,b --words-model nowhere", "There is no nowhere: give the folder of a model"),
        ("--tabs words --labels nowhere.txt", "There is no file of labels nowhere.txt"),
    ],
)
def test_the_command_refuses_in_a_sentence(
    arguments: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["publish", str(MIRROR), "--what", "space", "--out", "built", *arguments.split()]) == 2
    said = capsys.readouterr()
    assert says in said.err and not said.out.startswith("built") and not list(tmp_path.iterdir())


def test_a_network_that_was_cut_wrongly_is_not_published(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(ModelUnavailable, match="that sees photos answers otherwise: choose another"):
        words_tab(asked(models["CLIP"]))


def test_without_words_there_is_no_tab_of_them() -> None:
    model = read_model_folder(MIRROR)
    for build in (lambda: Publication(model, tabs=(WORDS,)), lambda: space_static(model, tabs=(WORDS,))):
        with pytest.raises(UsageError, match="needs labels to choose from"):
            build()


@pytest.mark.parametrize("kind", ["CLIP", "SigLIP"])
def test_the_modules_of_the_page_say_what_python_says(kind: str, models: dict[str, Path], tmp_path: Path) -> None:
    """In node, by the onnxruntime-web that the site brings; test_site_tabs.py asks a browser."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    request = asked(models[kind], template="a photo of {}")
    files = space_static(read_model_folder(MIRROR), tabs=(WORDS,), words=request)
    site = json.loads(files["index.html"].split(b'id="site">')[1].split(b"</script>")[0])
    shown = [
        {"width": photo.width, "height": photo.height, "rgb": base64.b64encode(photo.tobytes()).decode()}
        for photo in PHOTOS
    ]
    told = {"page": site["tabs"][0]["page"], "runtime": site["runtime"], "photos": shown}
    (tmp_path / "asked.json").write_text(json.dumps(told), "utf-8")
    command = [node, "--no-warnings", str(Path(__file__).with_name("node") / "ask.mjs")]
    command += [str(write(tmp_path / "site", files)), str(tmp_path / "asked.json")]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    predictor: Any = open_label_predictor(request)
    for photo, line in zip(PHOTOS, done.stdout.splitlines(), strict=True):
        found, expected = json.loads(line), predictor.classify(photo)
        assert max(abs(found["probabilities"][label] - p) for label, p in expected.probabilities.items()) < 1e-5
        assert found["says"] == f"“{expected.label}” fits best."
