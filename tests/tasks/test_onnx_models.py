"""Models of the Hub in ONNX: the numbers of transformers' pipelines, from a process that finds neither it nor torch."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from PIL import Image
from skimage import data

from mirror.cli import main
from mirror.errors import ModelUnavailable
from mirror.export.hub_export import export
from mirror.export.hub_parity import check_parity
from mirror.export.hub_precision import _of_detections, _of_labels
from mirror.inference.classifier import Classifier
from mirror.model_folder import read_model_folder
from mirror.publish.publication import Publication
from mirror.tasks.detections import Box, Detection, Detections
from mirror.tasks.hub_models import MAX_ONNX, locate
from mirror.tasks.registry import open_predictor
from mirror.tasks.request import IMAGE_CLASSIFICATION, ONNX_FORMS, ZERO_SHOT, TaskRequest
from mirror.tasks.request import OBJECT_DETECTION as DETECTION
from tests.support.hub_server import Hub
from tests.support.light_python import ROOT, only_the_light_set
from tests.support.limits import LIMIT
from tests.support.tiny_clip import picture, tiny_chinese_clip, tiny_clip, tiny_metaclip, tiny_siglip, tiny_siglip2
from tests.support.tiny_detector import scene, tiny_detector, tiny_rt_detr, tiny_yolos
from tests.support.tiny_vit import tiny_convnext, tiny_swin, tiny_vit
from tests.web.serving import serve

LABELS = ("cat", "dog", "a red car", "two cats asleep on a pink blanket", "Château — 1900!")
PIXELS = "preprocessor_config.json"
Maker = Callable[[Path], Path]
MODELS: dict[str, tuple[str, Maker]] = {
    "ViT": (IMAGE_CLASSIFICATION, tiny_vit),
    "ViT of several labels": (IMAGE_CLASSIFICATION, lambda f: tiny_vit(f, problem_type="multi_label_classification")),
    "ConvNeXT": (IMAGE_CLASSIFICATION, tiny_convnext),
    "Swin": (IMAGE_CLASSIFICATION, tiny_swin),
    "DETR": (DETECTION, tiny_detector),
    "YOLOS": (DETECTION, tiny_yolos),
    "RT-DETR": (DETECTION, tiny_rt_detr),
    "RT-DETRv2": (DETECTION, lambda folder: tiny_rt_detr(folder, "RTDetrV2")),
    "D-FINE": (DETECTION, lambda folder: tiny_rt_detr(folder, "DFine")),
    "CLIP": (ZERO_SHOT, tiny_clip),
    "MetaCLIP 2": (ZERO_SHOT, tiny_metaclip),
    "Chinese CLIP": (ZERO_SHOT, tiny_chinese_clip),
    "SigLIP": (ZERO_SHOT, tiny_siglip),
    "SigLIP 2, of any proportions": (ZERO_SHOT, tiny_siglip2),
}
ANSWER = """\
import json, sys
from mirror.errors import MirrorError
from mirror.images import load_image
from mirror.tasks.registry import open_predictor
from mirror.tasks.request import TaskRequest
asked, photos = json.loads(sys.argv[1])
for task, model, labels in asked:
    try:
        predictor = open_predictor(TaskRequest(task, model, tuple(labels)))
        answers = predictor.predict([load_image(photo) for photo in photos])
        found = [each.to_json() if predictor.__class__.__name__ == "OnnxDetector" else each.probabilities for each in answers]
        print(json.dumps({"identity": predictor.identity, "answers": found}))
    except MirrorError as error:
        print(json.dumps({"error": str(error), "kind": type(error).__name__}))
print(json.dumps(sorted({"torch", "transformers", "onnx"} & set(sys.modules))))
"""  # noqa: E501


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Each model as transformers saves it, and in the Hub's layout without its weights."""
    place, folders = tmp_path_factory.mktemp("models"), {}
    for number, (name, (task, make)) in enumerate(MODELS.items()):
        theirs, ours = make(place / f"{number}-torch"), place / f"{number}-onnx"
        export(locate(str(theirs)), task, ours)
        folders[name] = theirs, ours
    return folders


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of several shapes; the last lies on its side and says so."""
    folder = tmp_path_factory.mktemp("photos")
    shown = [scene(), scene().resize((640, 360)), picture(1, (60, 90)), picture(2, (500, 80)), picture(3, (32, 32))]
    for number, image in enumerate(shown):
        image.save(folder / f"{number}.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    scene().transpose(Image.Transpose.ROTATE_90).save(folder / "sideways.jpg", exif=exif, quality=95)
    return sorted(folder.iterdir())


def without_torch(
    asked: list[tuple[str, str, tuple[str, ...]]], photos: list[Path], home: Path, **variables: str
) -> list[dict[str, Any]]:
    """What a process without torch and transformers answers, one after the other."""
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment = kept | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home)} | only_the_light_set(home) | variables
    arguments = json.dumps([asked, [str(photo) for photo in photos]])
    command = [sys.executable, "-c", ANSWER, arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)
    usual = ("which needs torch: its network in ONNX", " answers from now on; hf:")
    lines = [line for line in done.stderr.splitlines() if not any(said in line for said in usual)]
    assert (done.returncode, lines) == (0, []), done.stderr
    *rows, imported = map(json.loads, done.stdout.splitlines())
    assert imported == []
    return rows


@pytest.fixture(scope="module")
def answers(made: dict, photos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each model says of each photo, without torch."""
    asked = [(task, str(made[name][1]), LABELS if task == ZERO_SHOT else ()) for name, (task, _) in MODELS.items()]
    return dict(zip(MODELS, without_torch(asked, photos, tmp_path_factory.mktemp("home")), strict=True))


def theirs(task: str, folder: Path) -> Any:
    """transformers' pipeline, with its image processors for Pillow."""
    from transformers import AutoImageProcessor, pipeline

    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    return pipeline(task, model=str(folder), image_processor=processor, device="cpu")


def upright(photo: Path) -> Image.Image:
    from mirror.images import load_image

    return load_image(photo)


@pytest.mark.parametrize("name", [name for name, (task, _) in MODELS.items() if task == IMAGE_CLASSIFICATION])
def test_probabilities_are_the_pipelines(name: str, made: dict, photos: list[Path], answers: dict) -> None:
    pipeline = theirs(IMAGE_CLASSIFICATION, made[name][0])
    named = pipeline.model.config.id2label
    pipeline.model.config.id2label = {number: str(number) for number in named}  # two of them may have one name
    for photo, given in zip(photos, answers[name]["answers"], strict=True):
        expected = {int(each["label"]): each["score"] for each in pipeline(upright(photo), top_k=len(named))}
        assert list(given.values()) == pytest.approx([expected[number] for number in sorted(expected)], abs=1e-6)
        assert [label.partition(" (2)")[0] for label in given] == [named[number] for number in sorted(named)]


@pytest.mark.parametrize("name", [name for name, (task, _) in MODELS.items() if task == DETECTION])
def test_detections_are_the_pipelines(name: str, made: dict, photos: list[Path], answers: dict) -> None:
    pipeline, seen = theirs(DETECTION, made[name][0]), 0
    for photo, given in zip(photos, answers[name]["answers"], strict=True):
        expected = pipeline(upright(photo), threshold=0.02)
        found = [each for each in given["detections"] if each["score"] > 0.02]
        assert [each["label"] for each in found] == [each["label"] for each in expected]
        for ours, each in zip(found, expected, strict=True):
            assert ours["score"] == pytest.approx(each["score"], abs=1e-4)
            assert ours["box"] == pytest.approx(each["box"], abs=1)  # whole pixels, cut: at a border either is right
        seen += len(found)
    assert seen > len(photos)


@pytest.mark.parametrize("name", [name for name, (task, _) in MODELS.items() if task == ZERO_SHOT])
def test_scores_of_words_are_the_pipelines(name: str, made: dict, photos: list[Path], answers: dict) -> None:
    pipeline = theirs(ZERO_SHOT, made[name][0])
    for photo, given in zip(photos, answers[name]["answers"], strict=True):
        told = pipeline(upright(photo), candidate_labels=list(LABELS), hypothesis_template="{}")
        assert given == pytest.approx({each["label"]: each["score"] for each in told}, abs=1e-5)


def test_only_what_is_needed_is_fetched_of_the_named_commit_and_opens_again_without_the_hub(
    made: dict, photos: list[Path], tmp_path: Path
) -> None:
    model = shutil.copytree(made["CLIP"][1], tmp_path / "model")
    for name in ("model.safetensors", "onnx/model_quantized.onnx", "onnx/text_model.onnx", "README.md", "run.py"):
        (model / name).write_bytes(b"not wanted")
    asked = [(ZERO_SHOT, "hf:someone/clip", ("cat", "dog"))]
    with Hub({"someone/clip": model}) as hub:
        (first,) = without_torch(asked, photos[:1], tmp_path / "home", HF_HUB_OFFLINE="0", HF_ENDPOINT=hub.url)
        fetched = {path.split("/resolve/")[1] for path in hub.asked if "/resolve/" in path}
        commit = hub.commit("someone/clip")
    (again,) = without_torch(asked, photos[:1], tmp_path / "home")
    kept = ("config.json", "onnx/model.onnx", PIXELS, "tokenizer.json", "tokenizer_config.json")
    assert fetched == {f"{commit}/{name}" for name in kept}
    assert first == again and first["identity"] != ""
    assert "error" not in first, first


def test_the_articles_models_answer_in_their_published_onnx_forms(
    made: dict, photos: list[Path], tmp_path: Path
) -> None:
    forms = dict(zip(ONNX_FORMS.values(), (made[name][1] for name in ("ViT", "DETR", "CLIP")), strict=True))
    with Hub(forms) as hub:
        asked = [
            (IMAGE_CLASSIFICATION, "google/vit-base-patch16-224", ()),
            (DETECTION, "facebook/detr-resnet-50", ()),
            (ZERO_SHOT, "openai/clip-vit-base-patch32", LABELS),
            (IMAGE_CLASSIFICATION, "google/vit-base-patch16-224@main", ()),
        ]
        rows = without_torch(asked, photos[:1], tmp_path / "home", HF_HUB_OFFLINE="0", HF_ENDPOINT=hub.url)
    assert [row.get("error") for row in rows] == [None] * 4
    assert rows[0] == rows[3]
    assert rows[1]["identity"] == f"Xenova/detr-resnet-50@{hub.commit('Xenova/detr-resnet-50')}/onnx/model.onnx"


def test_where_torch_is_the_onnx_form_answers_too(
    made: dict, photos: list[Path], answers: dict, tmp_path: Path
) -> None:
    weights, both = made["DETR"][0], shutil.copytree(made["DETR"][1], tmp_path / "both")
    shutil.copy(weights / "model.safetensors", both)
    predictor = open_predictor(TaskRequest(DETECTION, str(both)))
    assert type(predictor).__name__ == "OnnxDetector"
    assert predictor.predict([upright(photos[0])])[0].to_json() == answers["DETR"]["answers"][0]
    replace(both, PIXELS, image_processor_type="DeformableDetrImageProcessor")
    assert type(open_predictor(TaskRequest(DETECTION, str(both)))).__name__ == "TransformersDetector"
    (both / "model.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match="prepares its photos by DeformableDetrImageProcessor"):
        open_predictor(TaskRequest(DETECTION, str(both)))


def replace(folder: Path, name: str, **fields: Any) -> None:
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


SPOILED: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "no network": ("ViT", lambda f: shutil.rmtree(f / "onnx"), "needs the package torch, which is not here"),
    "in 8 bits alone": (
        "ViT",
        lambda f: (f / "onnx/model.onnx").rename(f / "onnx/model_quantized.onnx"),
        r"has its network in fewer bits alone \(onnx/model_quantized.onnx\), and no parity.json says",
    ),
    "no ONNX": ("ViT", lambda f: (f / "onnx/model.onnx").write_bytes(b"\0" * 99), "it is no ONNX file, or cut short"),
    "cut short": (
        "ViT",
        lambda f: (f / "onnx/model.onnx").write_bytes((f / "onnx/model.onnx").read_bytes()[:-99]),
        "it is no ONNX file, or cut short",
    ),
    "numbers elsewhere": ("ViT", lambda f: outside(f / "onnx/model.onnx"), "keeps its numbers in other files"),
    "no preprocessing": ("ViT", lambda f: (f / PIXELS).unlink(), "has no preprocessor_config.json"),
    "another preprocessing": (
        "ViT",
        lambda f: replace(f, PIXELS, image_processor_type="FuyuImageProcessor"),
        "prepares its photos by FuyuImageProcessor, which is not supported",
    ),
    "another size": (
        "ViT",
        lambda f: replace(f, PIXELS, size={"height": 48, "width": 48}),
        "is shown photos of 48 x 48 pixels and takes 32 x 32",
    ),
    "too few labels": (
        "ViT",
        lambda f: replace(f, "config.json", id2label={"0": "cat"}),
        "names 1 labels, and its net",
    ),
    "numbers, not labels": ("ViT", lambda f: replace(f, "config.json", problem_type="regression"), "estimates numbers"),
    "config cut short": ("ViT", lambda f: (f / "config.json").write_text("{"), "cannot be read"),
    "another task's network": (
        "DETR",
        lambda f: [shutil.copy(f.parent / "ViT" / name, f / name) for name in ("onnx/model.onnx", PIXELS)],
        "gives logits and no pred_boxes: choose a model that is made for this task",
    ),
    "another kind of detector": (
        "DETR",
        lambda f: replace(f, "config.json", model_type="owlvit"),
        "is of the kind owlvit, whose boxes are not read here",
    ),
    "a classifier as detector": (
        "DETR",
        lambda f: replace(f, "config.json", architectures=["ViTForImageClassification"]),
        "is a ViTForImageClassification, which does no object-detection: choose a model that is made for object-det",
    ),
    "no tokenizer": (
        "CLIP",
        lambda f: (f / "tokenizer.json").unlink(),
        "has no tokenizer.json, by which words are read",
    ),
    "no such tokenizer": ("CLIP", lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer.json of .* cannot be"),
    "another kind of words": (
        "CLIP",
        lambda f: replace(f, "config.json", model_type="blip"),
        "is of the kind blip, which is not supported for zero-shot-image-classification",
    ),
}


def outside(path: Path) -> None:
    """The network with its largest tensor in another file."""
    import onnx

    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="model.onnx_data", size_threshold=64)


def test_what_cannot_be_opened_is_one_sentence(made: dict, photos: list[Path], tmp_path: Path) -> None:
    asked = []
    for number, (name, (kind, spoil, _)) in enumerate(SPOILED.items()):
        folder = tmp_path / f"{number}" / kind
        shutil.copytree(made[kind][1], folder)
        if name == "another task's network":
            shutil.copytree(made["ViT"][1], folder.parent / "ViT")
        spoil(folder)
        task = MODELS[kind][0]
        asked.append((task, str(folder), LABELS if task == ZERO_SHOT else ()))
    rows = without_torch(asked, photos[:1], tmp_path / "home")
    for (name, (_, _, says)), row in zip(SPOILED.items(), rows, strict=True):
        assert row.get("kind") in ("ModelUnavailable", "NotInstalled"), (name, row)
        assert re.search(says, row["error"]), (name, row)
        assert "\n" not in row["error"], name


def test_what_the_hub_does_not_give_is_one_sentence(made: dict, photos: list[Path], tmp_path: Path) -> None:
    quantised = shutil.copytree(made["ViT"][1], tmp_path / "quantised")
    (quantised / "onnx/model.onnx").rename(quantised / "onnx/model_quantized.onnx")
    large = shutil.copytree(made["ViT"][1], tmp_path / "large")
    models = {"a/vit": large, "a/gated": made["ViT"][1], "a/torch": made["ViT"][0], "a/int8": quantised}
    names = ("a/nothing", "a/gated", "a/torch", "a/int8", "a/vit")
    asked = [(IMAGE_CLASSIFICATION, f"hf:{name}", ()) for name in names]
    with Hub(models, gated=["a/gated"]) as hub:
        hub.sizes = {large / "onnx/model.onnx": MAX_ONNX + 1}
        rows = without_torch(asked, photos[:1], tmp_path / "home", HF_HUB_OFFLINE="0", HF_ENDPOINT=hub.url)
    expected = (
        "has no model a/nothing that is open to you",
        "a/gated is open only to those who accept its terms",
        "a/torch needs the package torch, which is not here",
        "a/int8 on the Hub has its network in fewer bits alone (onnx/model_quantized.onnx), and no parity.json says",
        "onnx/model.onnx of a/vit has 2.1 GB, and at most 2.1 are opened: choose a smaller model.",
    )
    for row, says in zip(rows, expected, strict=True):
        assert says in row["error"] and "\n" not in row["error"]


def test_the_articles_systems_answer_on_the_built_space_without_torch(
    made: dict, photos: list[Path], answers: dict, tmp_path: Path
) -> None:
    """The mirror and faces from the Space's own files; any image classifier, objects and words from the Hub. (Garments:
    tests/publish/test_space_page.py, whose Space of models/fashion is another.)"""
    forms = dict(zip(ONNX_FORMS.values(), (made[name][1] for name in ("ViT", "DETR", "CLIP")), strict=True))
    Publication(read_model_folder(ROOT / "models/mirror"), "gradio", ("space",)).write(tmp_path, "a/b", lambda _: None)
    space = tmp_path / "space"
    light = only_the_light_set(tmp_path) | {"HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "0"}
    light |= {"SYSTEM": "spaces", "SPACE_ID": "a/b", "PYTHONPATH": str(tmp_path)}  # the Space's mirror/, not this one
    light |= {"MIRROR_TASK_MODELS": f"{IMAGE_CLASSIFICATION}=google/vit-base-patch16-224"}
    with Hub(forms) as hub, serve(app=space / "app.py", cwd=space, **light, HF_ENDPOINT=hub.url) as page:
        assert not hub.asked, "nothing is fetched before it is asked for"
        client = Client(page.url, verbose=False)
        shown = [part["props"] for part in client.config["components"] if part["type"] == "tabitem"]
        assert {"What is where?", "Your own words"} <= {tab["label"] for tab in shown if tab["visible"]}
        photo = handle_file(photos[0])
        found = client.predict(photo, 0.5, api_name="/object-detection")
        assert found == [each for each in answers["DETR"]["answers"][0]["detections"] if each["score"] > 0.5]
        words = client.predict(photo, "\n".join(LABELS), api_name="/zero-shot-image-classification")
        things = client.predict(photo, api_name="/image-classification")
        mirror = client.predict(photo, api_name="/predict")
        expected = Classifier.load(read_model_folder(ROOT / "models/mirror")).predict(photos[0]).probabilities
        for given, told in ((words, answers["CLIP"]["answers"][0]), (mirror, expected)):
            assert {each["label"]: each["confidence"] for each in given["confidences"]} == pytest.approx(told, abs=1e-6)
        vit = answers["ViT"]["answers"][0]
        assert things["confidences"][0]["confidence"] == pytest.approx(max(vit.values()), abs=1e-6)
        Image.fromarray(data.astronaut()).save(tmp_path / "astronaut.png")
        (face,) = client.predict(handle_file(tmp_path / "astronaut.png"), api_name="/face-detection")
        assert face["label"] == "face"
        said = page.log()
    for name in ("google/vit-base-patch16-224", "facebook/detr-resnet-50", "openai/clip-vit-base-patch32"):
        assert f"{ONNX_FORMS[name]} answers for {name}, which needs torch" in said


def test_the_command_makes_a_folder_that_answers_without_torch(
    made: dict, photos: list[Path], answers: dict, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    out = tmp_path / "made" / "detr"
    assert main(["compile", "--task", DETECTION, str(made["DETR"][0]), "--out", str(out)]) == 0
    said = capfd.readouterr()
    assert said.err == "" and "pixels in any box, on 5 photos" in said.out
    measured = json.loads((out / "parity.json").read_text())
    assert measured["largest_difference"] <= 1e-4 and measured["largest_shift"] <= 1
    (row,) = without_torch([(DETECTION, str(out), ())], photos, tmp_path / "home")
    assert row["answers"] == answers["DETR"]["answers"]
    assert main(["compile", "--task", DETECTION, str(made["DETR"][0]), "--out", str(out)]) == 0  # its own is replaced
    capfd.readouterr()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").touch()
    int8 = ["--precision", "int8", "--calibrate", str(tmp_path / "mine")]
    refused = {
        f"{tmp_path / 'mine'} is there already": ([str(made["ViT"][0])], IMAGE_CLASSIFICATION, tmp_path / "mine", 2),
        "which does no object-detection": ([str(made["ViT"][0])], DETECTION, tmp_path / "x", 1),
        "There is no nothing": (["nothing"], DETECTION, tmp_path / "x", 2),
        "--trust is for learner pickles, and --task is": (
            [str(made["ViT"][0]), "--trust"],
            DETECTION,
            tmp_path / "x",
            2,
        ),
        "of at least 20 by --calibrate": ([str(made["ViT"][0]), *int8], IMAGE_CLASSIFICATION, tmp_path / "x", 2),
    }
    for says, (arguments, task, place, code) in refused.items():
        assert main(["compile", *arguments, "--task", task, "--out", str(place)]) == code
        told = capfd.readouterr().err
        assert says in told and told.count("\n") == 1, told
    assert not (tmp_path / "x").exists() and [*(tmp_path / "mine").iterdir()] == [tmp_path / "mine" / "photo.jpg"]


def test_a_network_that_answers_otherwise_is_refused(made: dict, tmp_path: Path) -> None:
    located = locate(str(made["ViT"][0]))
    other = shutil.copytree(made["ViT"][1], tmp_path / "other")
    export(locate(str(tiny_vit(tmp_path / "seed", seed=5))), IMAGE_CLASSIFICATION, tmp_path / "another")
    shutil.copy(tmp_path / "another/onnx/model.onnx", other / "onnx/model.onnx")
    with pytest.raises(ModelUnavailable, match="and 0.0001 and 1 are allowed: choose another model"):
        check_parity(located, IMAGE_CLASSIFICATION, other, [scene()])


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_fewer_bits_are_taken_where_the_answers_stay(
    precision: str, made: dict, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(20):
        picture(number).save(tmp_path / "photos" / f"{number}.png")
    calibrate = ["--calibrate", str(tmp_path / "photos"), "--precision", precision]
    out = tmp_path / "out"
    assert main(["compile", "--task", ZERO_SHOT, str(made["CLIP"][0]), "--out", str(out), *calibrate]) == 0
    assert f"{precision}: mean change 0.0" in capfd.readouterr().out
    assert [path.name for path in (out / "onnx").iterdir()] == [f"model_{precision}.onnx"]
    predictor = open_predictor(TaskRequest(ZERO_SHOT, str(out), LABELS))
    exact = open_predictor(TaskRequest(ZERO_SHOT, str(made["CLIP"][1]), LABELS))
    [given], [expected] = predictor.predict([scene()]), exact.predict([scene()])
    assert given.probabilities == pytest.approx(expected.probabilities, abs=0.05)
    assert given.probabilities != expected.probabilities
    replace(out, "parity.json", sha256="0" * 64)
    with pytest.raises(ModelUnavailable, match="tells what another network costs than its onnx/model_"):
        open_predictor(TaskRequest(ZERO_SHOT, str(out), LABELS))
    (out / "parity.json").unlink()
    with pytest.raises(ModelUnavailable, match="in fewer bits alone .* and no parity.json says what they cost it"):
        open_predictor(TaskRequest(ZERO_SHOT, str(out), LABELS))


def test_what_fewer_bits_change_is_counted() -> None:
    before = [[0.9, 0.1], [0.2, 0.8]]
    assert _of_labels(before, before) == (0.0, 1.0, 2)
    assert _of_labels(before, [[0.9, 0.1], [0.6, 0.4]]) == pytest.approx((0.2, 0.5, 2))
    found = Detections((Detection(0.9, "cat", Box(0, 0, 100, 100)), Detection(0.7, "dog", Box(50, 0, 90, 90))))
    moved = Detections((Detection(0.8, "cat", Box(2, 0, 100, 98)), Detection(0.3, "dog", Box(50, 0, 90, 90))))
    assert _of_detections([found], [found]) == (0.0, 1.0, 4)
    change, agreement, compared = _of_detections([found], [moved])
    assert (compared, agreement) == (3, pytest.approx(2 / 3)) and change == pytest.approx(0.2)
    assert _of_detections([Detections(())], [Detections(())]) == (0.0, 0.0, 0)
