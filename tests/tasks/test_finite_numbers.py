"""A network that gives nan or infinity for a photo is an error in that photo's place, whatever the task.

Unchecked, nan became probabilities that no JSON holds, or a detector's silent "nothing found".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirror.errors import ModelFolderError
from mirror.image_sources import ImageSource
from mirror.inference.classifier import Prediction
from mirror.inference.session import require_finite
from mirror.tasks.predictor import BatchPredictor, Predictor
from mirror.tasks.registry import open_predictor
from mirror.tasks.request import FACE_DETECTION, IMAGE_CLASSIFICATION, OBJECT_DETECTION, ZERO_SHOT, TaskRequest
from tests.support.tiny_clip import tiny_clip, tiny_siglip
from tests.support.tiny_detector import tiny_detector, tiny_yolos
from tests.support.tiny_vit import tiny_vit
from tests.support.tiny_yunet import tiny_yunet
from tests.web.tiny import damage_network

BRIGHT, DARK = Image.new("RGB", (96, 96), "white"), Image.new("RGB", (96, 96))
KINDS: dict[str, tuple[str, Callable[[Path], Path], tuple[str, ...]]] = {
    "classifier": (IMAGE_CLASSIFICATION, tiny_vit, ()),
    "CLIP": (ZERO_SHOT, tiny_clip, ("a cat", "a dog")),
    "SigLIP": (ZERO_SHOT, tiny_siglip, ("a cat", "a dog")),
    "DETR": (OBJECT_DETECTION, tiny_detector, ()),
    "YOLOS": (OBJECT_DETECTION, tiny_yolos, ()),
}


def answers(predictor: Predictor, photos: Sequence[Image.Image], folder: Path) -> list[object]:
    """As the command and jobs get them."""
    paths = [folder / f"{number}.png" for number in range(len(photos))]
    for path, photo in zip(paths, photos, strict=True):
        photo.save(path)
    sources = [ImageSource(path.name, path) for path in paths]
    return [answer for _, answer in predictor.answer_all(iter(sources))]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_network_of_transformers_is_told(kind: str, value: float, tmp_path: Path) -> None:
    import torch

    task, make, labels = KINDS[kind]
    predictor = open_predictor(TaskRequest(task, str(make(tmp_path / "model")), labels))
    network = predictor.model.towers.model if task == ZERO_SHOT else predictor._model
    with torch.no_grad():
        for parameter in network.parameters():  # damaged after it was opened, as by memory that fails
            if parameter.ndim == 1:
                parameter.fill_(value)
    for answer in answers(predictor, [DARK, BRIGHT], tmp_path):
        assert isinstance(answer, ModelFolderError)
        assert str(answer) == (
            f"The model {tmp_path / 'model'} gives no numbers for this photo, for its network is damaged: train, copy "
            "or fetch it again."
        )


def test_a_face_detector_that_gives_nan_for_some_photos_is_told_of_those_alone(tmp_path: Path) -> None:
    network = tiny_yunet(tmp_path / "tiny.onnx")
    damage_network(network, "obj_8", 128.0)
    predictor = open_predictor(TaskRequest(FACE_DETECTION, str(network)))
    dark, bright, again = answers(predictor, [DARK, BRIGHT, DARK], tmp_path)
    assert dark == again
    assert isinstance(bright, ModelFolderError) and str(bright).startswith("The model YuNet gives no numbers for this")


def test_only_the_photo_that_has_no_numbers_is_an_error_in_its_batch(tmp_path: Path) -> None:
    class Mean(BatchPredictor):
        identity = "mean"

        def predict(self, images: Sequence[Image.Image]) -> list[Prediction]:
            means = np.array([np.asarray(image).mean() for image in images])
            require_finite("mean", np.where(means > 128, np.nan, means))
            return [Prediction({"dark": 1.0}) for _ in means]

    found = answers(Mean(), [DARK, BRIGHT, DARK, DARK, BRIGHT], tmp_path)
    assert [type(answer) for answer in found] == [
        Prediction,
        ModelFolderError,
        Prediction,
        Prediction,
        ModelFolderError,
    ]


@pytest.mark.parametrize("outputs", [(np.zeros(2),), (np.zeros((0, 4)),), (np.float32(3), np.full(2, 1e38)), ()])
def test_numbers_pass(outputs: tuple[np.ndarray, ...]) -> None:
    require_finite("any", *outputs)
