"""Models of transformers that tell labels apart, against transformers' own pipeline."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mirror.errors import ModelFolderError, ModelUnavailable
from mirror.image_sources import ImageSource
from mirror.images import load_image
from mirror.tasks.image_classification import TransformersClassifier, unique
from mirror.tasks.registry import default_model, open_predictor
from mirror.tasks.request import TaskRequest
from tests.support.hub_server import Hub
from tests.support.tiny_vit import LABELS, tiny_vit

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vit(tmp_path_factory.mktemp("tiny") / "vit")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of several shapes and modes; the last lies on its side and says so."""
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(0)
    paths = []
    for number, (height, width) in enumerate([(48, 64), (90, 41), (32, 32), (200, 300), (64, 48), (48, 64)]):
        small = Image.fromarray(draw.integers(0, 256, (6, 7, 3), np.uint8))
        path = folder / f"{number}.png"
        small.resize((width, height), Image.Resampling.BICUBIC).save(path)
        paths.append(path)
    grey, sideways = folder / "grey.png", folder / "sideways.jpg"
    Image.open(paths[3]).convert("L").save(grey)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(paths[3]).save(sideways, exif=exif)
    return [*paths, grey, sideways]


def answers(predictor: Any, paths: list[Path]) -> Iterator[Any]:
    return (answer for _, answer in predictor.answer_all(iter([ImageSource(str(path), path) for path in paths])))


def pipeline_scores(model: Path, path: Path) -> list[float]:
    """transformers' own scores of the upright image, in the order of its labels."""
    from transformers import AutoImageProcessor, AutoModelForImageClassification, pipeline

    network = AutoModelForImageClassification.from_pretrained(model)
    # by number, for two labels of one name cannot be told apart in its answer
    network.config.id2label = {index: str(index) for index in range(network.config.num_labels)}
    processor = AutoImageProcessor.from_pretrained(model)
    scores = pipeline("image-classification", model=network, image_processor=processor, device="cpu")(
        load_image(path), top_k=network.config.num_labels
    )
    return [each["score"] for each in sorted(scores, key=lambda each: int(each["label"]))]


@pytest.mark.parametrize("problem", ["single_label_classification", "multi_label_classification"])
def test_probabilities_are_those_of_transformers_own_pipeline(problem: str, photos: list[Path], tmp_path: Path):
    model = tiny_vit(tmp_path / "vit", problem_type=problem)
    predictor = open_predictor(TaskRequest(model=str(model)))
    found = list(answers(predictor, photos))
    assert len(found) == len(photos)
    for path, prediction in zip(photos, found, strict=True):
        assert list(prediction.probabilities) == ["tabby cat", "crane", "balloon", "crane (2)", "bicycle", "coffee mug"]
        assert list(prediction.probabilities.values()) == pytest.approx(pipeline_scores(model, path), abs=1e-5)
        assert prediction.known
    assert max(p.probability for p in found) - min(p.probability for p in found) > 0.01, "the photos tell them apart"


def test_another_architecture_with_a_processor_of_its_own(photos: list[Path], tmp_path: Path):
    import torch
    from transformers import ConvNextConfig, ConvNextForImageClassification, ConvNextImageProcessor

    torch.manual_seed(0)
    config = ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_labels=7, initializer_range=0.5)
    ConvNextForImageClassification(config).save_pretrained(tmp_path)
    ConvNextImageProcessor(size={"shortest_edge": 64}, crop_pct=0.875).save_pretrained(tmp_path)
    found = list(answers(open_predictor(TaskRequest(model=str(tmp_path))), photos))
    for path, prediction in zip(photos, found, strict=True):
        assert list(prediction.probabilities.values()) == pytest.approx(pipeline_scores(tmp_path, path), abs=1e-5)


def test_half_precision_weights_answer_in_full_precision(vit: Path, photos: list[Path], tmp_path: Path):
    import torch
    from transformers import AutoModelForImageClassification

    half = shutil.copytree(vit, tmp_path / "half")
    AutoModelForImageClassification.from_pretrained(vit, dtype=torch.float16).save_pretrained(half)
    exact, rounded = (next(answers(open_predictor(TaskRequest(model=str(m))), photos[:1])) for m in (vit, half))
    assert list(rounded.probabilities.values()) == pytest.approx(list(exact.probabilities.values()), abs=2e-3)


def test_identity_tells_models_apart(vit: Path, tmp_path: Path):
    same, other = shutil.copytree(vit, tmp_path / "same"), tiny_vit(tmp_path / "other", seed=1)
    first, again, different = (open_predictor(TaskRequest(model=str(model))).identity for model in (vit, same, other))
    assert first == again != different


def test_a_model_that_estimates_numbers_is_refused(tmp_path: Path):
    model = tiny_vit(tmp_path, problem_type="regression")
    with pytest.raises(ModelUnavailable, match="estimates numbers, not labels"):
        open_predictor(TaskRequest(model=str(model)))


def test_a_model_without_its_processor_is_one_sentence(vit: Path, tmp_path: Path):
    bare = shutil.copytree(vit, tmp_path / "bare")
    (bare / "preprocessor_config.json").unlink()
    with pytest.raises(ModelUnavailable, match="bare does not tell how its photos are prepared") as caught:
        open_predictor(TaskRequest(model=str(bare)))
    assert "\n" not in str(caught.value)


def test_a_missing_path_is_asked_of_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for model in ("models/typo", "typo", "elsewhere/typo", "typo.pkl"):
        with pytest.raises(ModelFolderError, match=f"There is no {model}: "):
            open_predictor(TaskRequest(model=model))


def test_the_default_model_is_that_of_the_project_where_the_working_folder_has_none(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default_model() == str(REPOSITORY / "models" / "mirror")
    (tmp_path / "models" / "mirror").mkdir(parents=True)
    assert default_model() == "models/mirror"


@pytest.mark.parametrize(
    "labels, expected",
    [
        (["a", "b"], ("a", "b")),
        (["crane", "crane", "crane"], ("crane", "crane (2)", "crane (3)")),
        (["crane", "crane", "crane (2)"], ("crane", "crane (3)", "crane (2)")),
        (["crane (2)", "crane", "crane"], ("crane (2)", "crane", "crane (3)")),
        (["a", "a", "a (2)", "a (2)"], ("a", "a (3)", "a (2)", "a (2) (2)")),
    ],
)
def test_labels_are_told_apart(labels: list[str], expected: tuple[str, ...]):
    assert unique(labels) == expected


def predict(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    command = [sys.executable, "-m", "mirror", "predict", *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, env={**kept, "OMP_NUM_THREADS": "1", **variables}, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip


def test_the_command_answers_with_a_model_of_the_hub(vit: Path, photos: list[Path], tmp_path: Path):
    with Hub({"someone/vit": vit}) as hub:
        environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)}
        done = predict(str(photos[0]), "--model", "hf:someone/vit", "--format", "jsonl", **environment)
        wrong = predict(str(photos[0]), "--model", "hf:someone/vit", "--task", "object-detection", **environment)
    assert done.returncode == 0
    assert re.fullmatch(r"mirror: someone/vit: commit [0-9a-f]{12} answers from now on; hf:\S+ asks .*\n", done.stderr)
    row = json.loads(done.stdout)
    assert len(row["probabilities"]) == 5
    best = int(np.argmax(pipeline_scores(vit, photos[0])))
    assert row["label"] == unique(LABELS)[best]
    assert wrong.returncode == 1 and wrong.stdout == ""
    (sentence,) = wrong.stderr.splitlines()
    assert "someone/vit is a ViTForImageClassification, which does no object-detection" in sentence


def test_the_command_without_a_hub_names_the_model_that_needs_none(photos: list[Path], tmp_path: Path):
    done = predict(str(photos[0]), "--model", "hf:no/model", HF_ENDPOINT="http://127.0.0.1:1", HF_HOME=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        "mirror: no/model is not on this machine, and the Hugging Face Hub cannot be reached: connect, give a folder "
        "that holds the model, or use --model imagenet, which needs no network.\n"
    )


def test_it_can_be_asked_from_several_threads(vit: Path, photos: list[Path]):
    from concurrent.futures import ThreadPoolExecutor

    from mirror.tasks.hub_models import locate

    classifier = TransformersClassifier(locate(str(vit)))
    image = load_image(photos[0])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: classifier.predict([image])[0], range(12)))
    assert all(each.probabilities == pytest.approx(found[0].probabilities) for each in found)
