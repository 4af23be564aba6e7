"""What is asked for: a task and its model. Small and plain, so that a worker on another machine can open the same."""

from __future__ import annotations

import os
from dataclasses import dataclass

IMAGE_CLASSIFICATION = "image-classification"
ZERO_SHOT = "zero-shot-image-classification"
OBJECT_DETECTION = "object-detection"
FACE_DETECTION = "face-detection"
TASKS = (IMAGE_CLASSIFICATION, ZERO_SHOT, OBJECT_DETECTION, FACE_DETECTION)  # Hugging Face's names
HUB_TASKS = TASKS[:3]  # those whose models are the Hub's
DETECTION_TASKS = (OBJECT_DETECTION, FACE_DETECTION)
IMAGENET = "imagenet"  # the name of the general model, which needs no network
ONNX_FORMS = {  # the articles' models, and who published their networks in ONNX: for machines without torch
    "google/vit-base-patch16-224": "Xenova/vit-base-patch16-224",
    "facebook/detr-resnet-50": "Xenova/detr-resnet-50",
    "openai/clip-vit-base-patch32": "Xenova/clip-vit-base-patch32",
}
# of the Hub, which are asked for by their bare names
KNOWN = (*ONNX_FORMS, *ONNX_FORMS.values(), "opencv/face_detection_yunet")
BARE_LABEL = "{}"  # the template that leaves a label as it is


@dataclass(frozen=True)
class TaskRequest:
    """model: a model folder, a learner pickle, a transformers folder, a Hub id or a name that the task knows; None: the
    task's default. labels, template: for zero-shot classification; the template holds one {} for the label."""

    task: str = IMAGE_CLASSIFICATION
    model: str | None = None
    labels: tuple[str, ...] = ()
    template: str = BARE_LABEL

    @property
    def detects(self) -> bool:
        """Whether the answers are Detections, not Predictions."""
        return self.task in DETECTION_TASKS


def public_name(model: str) -> str:
    """What visitors may read of a model's name: of a folder the last part of its path."""
    return os.path.basename(os.path.abspath(model)) if os.path.isdir(model) else model
