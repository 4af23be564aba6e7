"""None of these in a model folder: with photos of neither, with ResNet-18's features, and without any to compare by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from mirror.collect import assign_splits, collect_from_folder
from mirror.collect.other_photos import read_others
from mirror.images import load_image
from mirror.inference.classifier import Classifier
from mirror.inference.preprocess import preprocess
from mirror.metric_sentences import novelty_sentence
from mirror.model_folder import ModelFolder
from mirror.model_schema import Novelty, Preprocessing
from mirror.training.build import ShippedNetwork, build_model
from mirror.training.photo_model import PhotoModel, describe_data
from mirror.training.recipe import train
from mirror.training.settings import TrainingSettings
from tests.learners import PACKAGED_ARCH as ARCH
from tests.world.photos import draw_photo


def quiet(*_: object) -> None:
    pass


def built(
    drawings: Path, place: Path, settings: TrainingSettings, others: Path | None = None, log=quiet
) -> ModelFolder:
    with collect_from_folder(place / "photos", drawings, log=quiet) as photos:
        photos.save_splits(assign_splits(photos.photos, seed=settings.seed))
        strange = read_others(others, photos.photos) if others else None
        trained = train(photos.photos, photos.path, settings, log=quiet)
        content = PhotoModel(trained, photos.path, describe_data(photos, "folder"), settings, others=strange)
        return build_model(content, place / "model", precision="fp32", log=log)


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve drawings that are neither, one of them twice."""
    folder = tmp_path_factory.mktemp("stripes")
    for seed in range(12):
        draw_photo("zebra", seed, (160, 128)).save(folder / f"{seed:02}.png")
    draw_photo("zebra", 3, (160, 128)).save(folder / "again.png")
    return folder


def test_photos_of_neither_are_compared_with_counted_and_judged(drawings: Path, stripes: Path, tmp_path: Path) -> None:
    said: list[str] = []
    settings = TrainingSettings(ARCH, size=96, views=2, seed=7)
    folder = built(drawings, tmp_path, settings, stripes, said.append)
    novelty = folder.info.novelty
    assert (novelty.method, novelty.photos, novelty.others) == ("knn-cosine-and-plane", 22, 12)
    assert novelty.others_left_out == {"near-duplicate": 1}
    assert novelty_sentence(novelty) in said
    classifier = Classifier.load(folder)
    own = [load_image(path) for path in sorted((tmp_path / "photos" / "images").rglob("*.jpg"))]
    strange = [load_image(stripes / f"{seed:02}.png") for seed in range(12)]
    pixels = np.stack([preprocess(image, folder.info.preprocessing) for image in own + strange])
    features, found = classifier.engine.run(pixels, ("features", "similarity"))
    features = features[:, -1280:]  # those of the last layer
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    near = np.sort(unit @ unit[:22].T, axis=1)[:, -3:].mean(axis=1)
    assert (near - found).min() > -1e-3 and (near - found)[22:].min() > 0.01
    refused = [not classifier.predict(image).known for image in strange]
    assert refused == (found[22:] < novelty.threshold).tolist()
    assert np.mean(refused) >= novelty.others_refused, "what was held out is no less strange in the bank"
    text = (folder.path / "README.md").read_text(encoding="utf-8")
    assert novelty_sentence(novelty) in text


def test_resnet18s_features_are_compared_too(drawings: Path, tmp_path: Path) -> None:
    """Its pretrained weights cannot be had everywhere: random ones show that all of it fits together."""
    torch.manual_seed(0)
    weights = tmp_path / "random.pth"
    torch.save(torchvision.models.resnet18().state_dict(), weights)
    folder = built(drawings, tmp_path, TrainingSettings("resnet18", weights, size=64, views=1, seed=7))
    classifier = Classifier.load(folder)
    assert classifier.engine.widths["features"] in (512, 2560) and folder.info.novelty.photos == 22
    answer = classifier.predict(sorted(drawings.rglob("*.png"))[0])
    assert answer.similarity > folder.info.novelty.threshold and answer.known


def test_a_model_without_features_or_with_too_few_photos_knows_everything() -> None:
    said: list[str] = []
    network = ShippedNetwork(
        Path("model.onnx"), Preprocessing("crop", (8, 8), (0.5,) * 3, (0.5,) * 3), "fp32", said.append
    )
    content = PhotoModel(None, Path("."), None, TrainingSettings())
    assert content._bank(network, np.zeros((5, 0)), np.arange(5)) is None
    assert content._bank(network, np.ones((3, 4)), np.arange(3)) is None
    assert network.add_novelty(None) is None
    assert said == ["Too few photos to tell what is none of the labels: it will always name one."]


@pytest.mark.parametrize(
    ("novelty", "sentence"),
    [
        (Novelty(photos=40, real_refused=0.05),
         "Held out, 5 % of the labels' own 40 photos are taken for none of them."),
        (Novelty(photos=40, real_refused=0.05, others=52, others_refused=0.981),
         "Held out, 5 % of the labels' own 40 photos are taken for none of them, and so are 98 % of 52 others."),
        (Novelty(photos=40, real_refused=0.05, real_interval=(0.006, 0.169)),
         "Held out, 5 % (95 % interval 0.6–16.9 %) of the labels' own 40 photos are taken for none of them."),
        (Novelty(photos=6), "Too few photos to measure how many of the labels' own are taken for none of them."),
    ],
    ids=["own photos", "and others", "with its interval", "few"],
)  # fmt: skip
def test_the_sentence_says_what_was_measured(novelty: Novelty, sentence: str) -> None:
    assert novelty_sentence(novelty) == sentence
