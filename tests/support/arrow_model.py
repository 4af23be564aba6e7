"""Arrows that point left or right, a model that learned them from features of every depth, and its photos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mirror.collect import assign_splits, collect_from_folder
from mirror.export.int8_gate import PreprocessedImages
from mirror.export.onnx_export import compile_learner
from mirror.export.quantize import Quantizer
from mirror.model_folder import ModelFolder
from mirror.training.build import build_model
from mirror.training.photo_model import PhotoModel, describe_data
from mirror.training.recipe import TrainedModel, train
from mirror.training.settings import TrainingSettings
from tests.learners import PACKAGED_ARCH as ARCH

SIDE, EACH = 96, 20
SETTINGS = TrainingSettings(ARCH, size=SIDE, views=2, seed=7, epochs=0)


def arrow(label: str, seed: int) -> Image.Image:
    """Of any colour, on any ground, a little turned and out of the middle."""
    random = np.random.default_rng([seed, label == "left"])
    coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((SIDE, SIDE))
    points = np.array([(-40, -8), (5, -8), (5, -25), (42, 0), (5, 25), (5, 8), (-40, 8)]) * random.uniform(0.6, 0.9)
    points[:, 0] *= -1 if label == "left" else 1
    angle = np.radians(random.uniform(-20, 20))
    points = points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points += SIDE / 2 + random.uniform(-6, 6, 2)
    colour = tuple(int(value) for value in random.integers(0, 256, 3))
    ImageDraw.Draw(coarse).polygon([tuple(point) for point in points], fill=colour)
    return coarse


@dataclass(frozen=True)
class ArrowModel:
    """photos: the folder of photos that it learned from."""

    trained: TrainedModel
    folder: ModelFolder
    photos: Path

    def quantised(self, target: Path) -> Path:
        """Its network in int8, whatever the gates would say."""
        files = [photo.path(self.photos) for photo in self.trained.data.photos]
        shown = PreprocessedImages(files, self.folder.info.preprocessing)
        compile_learner(self.folder.path / "learner.pkl", target, files[:1])
        Quantizer(target, list(shown)[::2]).write(target)
        return target


def learn_arrows(place: Path, said: list[str]) -> ArrowModel:
    """said: what the training tells."""
    for label in ("left", "right"):
        (place / "drawn" / label).mkdir(parents=True)
        for seed in range(EACH):
            arrow(label, seed).save(place / "drawn" / label / f"{seed}.png")
    with collect_from_folder(place / "photos", place / "drawn", log=said.append) as photos:
        photos.save_splits(assign_splits(photos.photos, seed=SETTINGS.seed))
        found = train(photos.photos, photos.path, SETTINGS, log=said.append)
        content = PhotoModel(found, photos.path, describe_data(photos, "folder"), SETTINGS)
        folder = build_model(content, place / "models" / "arrows", precision="fp32", log=said.append)
    return ArrowModel(found, folder, photos.path)
