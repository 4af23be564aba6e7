"""image-classification: our own models, transformers' from a folder or the Hub, and the general model `imagenet`.

A transformers model gives what its own pipeline gives: the same processor, and softmax (sigmoid for one that gives
several labels at once) over its logits, in float32.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mirror.errors import ModelFolderError, ModelUnavailable
from mirror.inference.classifier import Classifier, Prediction, softmax
from mirror.inference.session import require_finite
from mirror.tasks.hub import CONFIG, HUB_ID, OFFLINE, Located, hub_id, loading, locate, not_found, pretrained, require
from mirror.tasks.predictor import BatchPredictor, FolderPredictor, LabelPredictor
from mirror.tasks.request import IMAGE_CLASSIFICATION

if TYPE_CHECKING:
    from PIL import Image

    from mirror.net.fetch import NetworkSettings

WAY_OUT = "use --model imagenet, which needs no network"


def open_classifier(model: str, *, threads: int | None, network: NetworkSettings | None) -> LabelPredictor:
    """threads: for one image, where a model folder answers. Raises ModelFolderError, ModelUnavailable."""
    if _is_transformers(model):
        return TransformersClassifier(locate(model, WAY_OUT), network)
    from mirror.inference.pickle_cache import open_model

    if not os.path.lexists(model) and HUB_ID.fullmatch(model):
        raise ModelFolderError(not_found(model))
    return FolderPredictor(Classifier.load(open_model(model), threads=threads, network=network))


class TransformersClassifier(BatchPredictor, LabelPredictor):
    """A transformers model that tells labels apart. name: what it was asked for by."""

    def __init__(self, located: Located, network: NetworkSettings | None = None):
        """Raises ModelUnavailable where it cannot be opened, or does another task."""
        require(located, IMAGE_CLASSIFICATION)
        self.name, self.identity, self.network = located.name, located.identity, network
        with loading(located.name):
            import torch
            from transformers import AutoImageProcessor, AutoModelForImageClassification

            self._processor = AutoImageProcessor.from_pretrained(located.source, **OFFLINE)
        self._model = pretrained(AutoModelForImageClassification, located, dtype=torch.float32)
        config = self._model.config
        if config.problem_type == "regression":
            raise ModelUnavailable(f"{located.name} estimates numbers, not labels: choose one that classifies images.")
        self.labels = unique([str(config.id2label[index]) for index in range(config.num_labels)])
        self._several = config.problem_type == "multi_label_classification" or config.num_labels == 1

    def classify(self, photo: Image.Image) -> Prediction:
        return self.predict([photo])[0]

    def predict(self, images: Sequence[Image.Image]) -> list[Prediction]:
        import torch

        with torch.inference_mode():
            logits = self._model(**self._processor(images=list(images), return_tensors="pt")).logits.numpy()
        require_finite(self.name, logits)
        scores = _sigmoid(logits) if self._several else softmax(logits)
        return [Prediction(dict(zip(self.labels, row.tolist(), strict=True))) for row in scores]


def unique(labels: Sequence[str]) -> tuple[str, ...]:
    """Labels that are called the same, told apart by a number: crane, crane (2)."""
    found: dict[str, None] = {}
    for place, label in enumerate(labels):
        later, name, number = labels[place:], label, 1
        while name in found or (number > 1 and name in later):
            number += 1
            name = f"{label} ({number})"
        found[name] = None
    return tuple(found)


def _is_transformers(model: str) -> bool:
    """Whether `model` is a transformers folder or a model of the Hub."""
    return os.path.isfile(os.path.join(model, CONFIG)) or hub_id(model) is not None


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    """float64, with no overflow: the same as 1 / (1 + exp(-logits))."""
    return 0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64)))
