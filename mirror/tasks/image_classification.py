"""image-classification: our own models, those of the Hub's layout from a folder or the Hub, and the general `imagenet`.

One of the Hub gives what transformers' own pipeline gives: the same pixels, and softmax (sigmoid for one that gives
several labels at once) over its logits, in float32. It answers through onnxruntime where it has an ONNX form, else
through transformers and torch.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mirror.errors import ModelFolderError, ModelUnavailable
from mirror.inference.classifier import Classifier, Prediction, softmax
from mirror.inference.session import require_finite
from mirror.model_folder import MODEL_JSON
from mirror.tasks.hub_errors import loading
from mirror.tasks.hub_layout import CONFIG
from mirror.tasks.hub_models import HUB_ID, Located, hub_id, not_found, opened_by
from mirror.tasks.hub_onnx import HubNetwork, labels_of, require_task
from mirror.tasks.predictor import BatchPredictor, FolderPredictor, LabelPredictor
from mirror.tasks.request import IMAGE_CLASSIFICATION

if TYPE_CHECKING:
    from PIL import Image

    from mirror.net.fetch import NetworkSettings

WAY_OUT = "use --model imagenet, which needs no network"


def open_classifier(model: str, *, threads: int | None, network: NetworkSettings | None) -> LabelPredictor:
    """threads: for one image, where a model folder answers. Raises ModelFolderError, ModelUnavailable."""
    if _is_of_the_hub(model):
        return open_hub_classifier(model, network, WAY_OUT)
    from mirror.inference.pickle_cache import open_model

    if not os.path.lexists(model) and HUB_ID.fullmatch(model):
        raise ModelFolderError(not_found(model))
    return FolderPredictor(Classifier.load(open_model(model), threads=threads, network=network))


def open_hub_classifier(model: str, network: NetworkSettings | None = None, hint: str = "") -> HubClassifier:
    """model: a folder of the Hub's layout or a model of the Hub. Raises ModelUnavailable, UsageError."""
    return opened_by(
        model,
        lambda located: OnnxClassifier(located, network),
        lambda located: TransformersClassifier(located, network),
        hint,
    )


class HubClassifier(BatchPredictor, LabelPredictor):
    """A model of the Hub that tells labels apart. name: of the model there, or its folder."""

    def __init__(self, located: Located, labels: Sequence[str], problem: str | None, network: NetworkSettings | None):
        """labels: by the number of their logit; problem: transformers' `problem_type`."""
        if problem == "regression":
            raise ModelUnavailable(f"{located.name} estimates numbers, not labels: choose one that classifies images.")
        self.name, self.identity, self.network = located.name, located.identity, network
        self.labels = unique(labels)
        self._several = problem == "multi_label_classification" or len(labels) == 1

    @abstractmethod
    def logits(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Upright RGB images → float32 [images, labels], all finite. Raises ModelFolderError."""

    def classify(self, photo: Image.Image) -> Prediction:
        return self.predict([photo])[0]

    def predict(self, images: Sequence[Image.Image]) -> list[Prediction]:
        logits = self.logits(images)
        scores = sigmoid(logits) if self._several else softmax(logits)
        return [Prediction(dict(zip(self.labels, row.tolist(), strict=True))) for row in scores]


class OnnxClassifier(HubClassifier):
    """Its network in ONNX."""

    def __init__(self, located: Located, network: NetworkSettings | None = None):
        """Raises ModelUnavailable where it cannot be opened, or does another task."""
        require_task(located, IMAGE_CLASSIFICATION)
        self._network = HubNetwork(located, ["logits"])
        labels = labels_of(located, self._network.shapes["logits"][-1])
        super().__init__(located, labels, located.config.get("problem_type"), network)
        if self._network.takes_one:
            self.batch = 1

    def logits(self, images: Sequence[Image.Image]) -> np.ndarray:
        return self._network.run(self._network.photos(images))[0]


class TransformersClassifier(HubClassifier):
    """Its weights, by transformers and torch."""

    def __init__(self, located: Located, network: NetworkSettings | None = None):
        """Raises ModelUnavailable where it cannot be opened, or does another task."""
        from mirror.tasks.transformers_models import OFFLINE, pretrained, require

        require(located, IMAGE_CLASSIFICATION)
        with loading(located.name):
            import torch
            from transformers import AutoImageProcessor, AutoModelForImageClassification

            self._processor = AutoImageProcessor.from_pretrained(located.source, **OFFLINE)
        self._model = pretrained(AutoModelForImageClassification, located, dtype=torch.float32)
        config = self._model.config
        labels = [str(config.id2label[index]) for index in range(config.num_labels)]
        super().__init__(located, labels, config.problem_type, network)

    def logits(self, images: Sequence[Image.Image]) -> np.ndarray:
        import torch

        with torch.inference_mode():
            logits = self._model(**self._processor(images=list(images), return_tensors="pt")).logits.numpy()
        require_finite(self.name, logits)
        return logits


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


def _is_of_the_hub(model: str) -> bool:
    """Whether `model` is a folder of the Hub's layout (and none of ours, published) or a model of the Hub."""
    is_ours = os.path.isfile(os.path.join(model, MODEL_JSON))
    return (os.path.isfile(os.path.join(model, CONFIG)) and not is_ours) or hub_id(model) is not None


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """float64, with no overflow: the same as 1 / (1 + exp(-logits))."""
    return 0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64)))
