"""object-detection: what is where, by any detector that transformers knows (DETR and its kin, RT-DETR, YOLOS …).

The numbers are those of transformers' own pipeline for an image that is upright.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mirror.errors import ImageTooSmall, ModelUnavailable
from mirror.images import full_size
from mirror.inference.session import require_finite
from mirror.tasks.detection import Box, Detection, Detections
from mirror.tasks.hub import OFFLINE, Located, loading, locate, pretrained, require
from mirror.tasks.predictor import BatchPredictor, Detector
from mirror.tasks.request import OBJECT_DETECTION, TaskRequest

if TYPE_CHECKING:
    from PIL import Image

    from mirror.net.fetch import NetworkSettings

DEFAULT_MODEL = "facebook/detr-resnet-50"  # Carion et al. 2020, arXiv 2005.12872; trained on COCO's 80 kinds of things


def open_objects(request: TaskRequest, *, network: NetworkSettings | None = None) -> ObjectDetector:
    """Raises ModelUnavailable for a model that is not to be had or is no detector, UsageError for no model's name."""
    located = locate(request.model or DEFAULT_MODEL)
    require(located, OBJECT_DETECTION)
    return ObjectDetector(located, network)


class ObjectDetector(BatchPredictor, Detector):
    """Gives all that the network proposes, however unsure of it; `Detections.above` picks from that.

    One image at a time goes through the network: images of different sizes would be padded to one, and what DETR says
    of an image would then depend on its neighbours in the batch.
    """

    batch = 1

    def __init__(self, located: Located, network: NetworkSettings | None = None):
        with loading(located.name):
            from transformers import AutoImageProcessor, AutoModelForObjectDetection

            self._processor: Any = AutoImageProcessor.from_pretrained(located.source, **OFFLINE)
        if not hasattr(self._processor, "post_process_object_detection"):
            raise ModelUnavailable(f"{located.name} does not tell how its boxes are read: choose another detector.")
        self._model = pretrained(AutoModelForObjectDetection, located)
        self._name, self.identity, self.network = located.name, located.identity, network

    def predict(self, images: Sequence[Image.Image]) -> list[Detections | ImageTooSmall]:
        return [self._detect_or_error(image) for image in images]

    def _detect_or_error(self, image: Image.Image) -> Detections | ImageTooSmall:
        try:
            return self.detect(image)
        except ImageTooSmall as error:
            return error

    def detect(self, photo: Image.Image) -> Detections:
        import torch

        try:
            inputs = self._processor(images=photo, return_tensors="pt").to(self._model.dtype)
        except ValueError:  # a strip that would be scaled to less than a pixel
            pixels = f"{photo.width} x {photo.height}"
            raise ImageTooSmall(f"An image of {pixels} pixels is too narrow for this model: crop it.") from None
        with torch.inference_mode():
            outputs = self._model(**inputs)
            require_finite(self._name, outputs.logits.float(), outputs.pred_boxes.float())
            size = torch.tensor([full_size(photo)[::-1]])
            result = self._processor.post_process_object_detection(outputs, threshold=0.0, target_sizes=size)[0]
        labels = self._model.config.id2label
        return Detections(
            tuple(
                Detection(score, labels[label], Box(*box))  # whole pixels are cut, not rounded, as in the pipeline
                for score, label, box in zip(
                    result["scores"].tolist(), result["labels"].tolist(), result["boxes"].int().tolist(), strict=True
                )
            )
        )
