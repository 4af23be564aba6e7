"""object-detection: what is where, by any detector of the Hub (DETR and its kin, RT-DETR, D-FINE, YOLOS …).

The numbers are those of transformers' own pipeline for an image that is upright: through onnxruntime where the model
has an ONNX form of a kind in KINDS, else through transformers and torch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mirror.errors import ImageTooSmall, ModelUnavailable
from mirror.images import full_size
from mirror.inference.classifier import softmax
from mirror.inference.session import require_finite
from mirror.tasks.detections import Box, Detection, Detections
from mirror.tasks.hub_errors import loading
from mirror.tasks.hub_models import Located, opened_by
from mirror.tasks.hub_onnx import HubNetwork, labels_of, require_task
from mirror.tasks.image_classification import sigmoid
from mirror.tasks.predictor import BatchPredictor, Detector
from mirror.tasks.request import OBJECT_DETECTION, TaskRequest

if TYPE_CHECKING:
    from PIL import Image

    from mirror.net.fetch import NetworkSettings

DEFAULT_MODEL = "facebook/detr-resnet-50"  # Carion et al. 2020, arXiv 2005.12872; trained on COCO's 80 kinds of things
# Model types by how their logits are read: each query is one thing or none (a softmax, whose last column is none), or
# each thing may be at each query (a sigmoid, of which the surest are taken, as many as there are queries)
ONE_OR_NONE = frozenset({"detr", "table-transformer", "yolos"})
SUREST = frozenset({"d_fine", "rt_detr", "rt_detr_v2"})
KINDS = ONE_OR_NONE | SUREST


def open_objects(request: TaskRequest, *, network: NetworkSettings | None = None) -> ObjectDetector:
    """Raises ModelUnavailable for a model that is not to be had or is no detector, UsageError for no model's name."""
    model = request.model or DEFAULT_MODEL
    return opened_by(
        model, lambda located: OnnxDetector(located, network), lambda located: TransformersDetector(located, network)
    )


class ObjectDetector(BatchPredictor, Detector):
    """Gives all that the network proposes, however unsure of it; `Detections.above` picks from that.

    One image at a time goes through the network: images of different sizes would be padded to one, and what DETR says
    of an image would then depend on its neighbours in the batch.
    """

    batch = 1

    def __init__(self, located: Located, network: NetworkSettings | None = None):
        self.name, self.identity, self.network = located.name, located.identity, network

    def predict(self, images: Sequence[Image.Image]) -> list[Detections | ImageTooSmall]:
        return [self._detect_or_error(image) for image in images]

    def _detect_or_error(self, image: Image.Image) -> Detections | ImageTooSmall:
        try:
            return self.detect(image)
        except ImageTooSmall as error:
            return error

    def detect(self, photo: Image.Image) -> Detections:
        scores, labels, boxes = self.found(photo)
        named = zip(scores.tolist(), labels, boxes.astype(int).tolist(), strict=True)
        # whole pixels are cut, not rounded, as in the pipeline
        return Detections(tuple(Detection(score, label, Box(*box)) for score, label, box in named))

    @abstractmethod
    def found(self, photo: Image.Image) -> tuple[np.ndarray, list[str], np.ndarray]:
        """Scores [n], labels, and boxes [n, 4] in pixels of the full size: all that the network proposes, in
        transformers' order. Raises ImageTooSmall, ModelFolderError."""


class OnnxDetector(ObjectDetector):
    """Its network in ONNX."""

    def __init__(self, located: Located, network: NetworkSettings | None = None):
        """Raises ModelUnavailable where it cannot be opened, or does another task."""
        require_task(located, OBJECT_DETECTION)
        kind = located.config.get("model_type")
        if kind not in KINDS:
            raise ModelUnavailable(
                f"{located.name} is of the kind {kind}, whose boxes are not read here: choose one of the kinds "
                f"{', '.join(sorted(KINDS))}."
            )
        super().__init__(located, network)
        self._chosen = surest if kind in SUREST else one_or_none
        self._network = HubNetwork(located, ["logits", "pred_boxes"])
        self._labels = labels_of(located, self._network.shapes["logits"][-1] - (kind in ONE_OR_NONE))

    def found(self, photo: Image.Image) -> tuple[np.ndarray, list[str], np.ndarray]:
        logits, boxes = (output[0] for output in self._network.run(self._network.photos([photo])))
        scores, numbers, queries = self._chosen(logits)
        return scores, [self._labels[number] for number in numbers], _corners(boxes[queries], full_size(photo))


class TransformersDetector(ObjectDetector):
    """Its weights, by transformers and torch."""

    def __init__(self, located: Located, network: NetworkSettings | None = None):
        """Raises ModelUnavailable where it cannot be opened, or does another task."""
        from mirror.tasks.transformers_models import OFFLINE, pretrained, require

        require(located, OBJECT_DETECTION)
        super().__init__(located, network)
        with loading(located.name):
            from transformers import AutoImageProcessor, AutoModelForObjectDetection

            self._processor: Any = AutoImageProcessor.from_pretrained(located.source, **OFFLINE)
        if not hasattr(self._processor, "post_process_object_detection"):
            raise ModelUnavailable(f"{located.name} does not tell how its boxes are read: choose another detector.")
        self._model = pretrained(AutoModelForObjectDetection, located)

    def found(self, photo: Image.Image) -> tuple[np.ndarray, list[str], np.ndarray]:
        import torch

        try:
            inputs = self._processor(images=photo, return_tensors="pt").to(self._model.dtype)
        except ValueError:  # a strip that would be scaled to less than a pixel
            pixels = f"{photo.width} x {photo.height}"
            raise ImageTooSmall(f"An image of {pixels} pixels is too narrow for this model: crop it.") from None
        with torch.inference_mode():
            outputs = self._model(**inputs)
            require_finite(self.name, outputs.logits.float(), outputs.pred_boxes.float())
            size = torch.tensor([full_size(photo)[::-1]])
            result = self._processor.post_process_object_detection(outputs, threshold=0.0, target_sizes=size)[0]
        named = self._model.config.id2label
        labels = [named[label] for label in result["labels"].tolist()]
        return result["scores"].float().numpy(), labels, result["boxes"].float().numpy()


def one_or_none(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[queries, labels + 1] → the score, the label and the query of each query's likeliest thing."""
    chances = softmax(logits)[:, :-1]
    return chances.max(axis=1), chances.argmax(axis=1), np.arange(len(chances))


def surest(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[queries, labels] → scores, labels and queries of as many as there are queries, the surest first."""
    scores = sigmoid(logits).ravel()
    order = np.argsort(-scores, kind="stable")[: len(logits)]
    queries, labels = np.divmod(order, logits.shape[1])
    return scores[order], labels, queries


def _corners(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Centres and sizes [n, 4] in shares of a photo of (width, height) → corners in pixels, in float32 as in torch."""
    centres, halves = boxes[:, :2], np.float32(0.5) * boxes[:, 2:]
    return np.concatenate([centres - halves, centres + halves], axis=1) * np.tile(size, 2).astype(np.float32)
