"""What is asked for → the predictor that answers it. Nothing is imported for a task that is not asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.errors import UsageError
from mirror.tasks.request import BARE_LABEL, FACE_DETECTION, IMAGENET, TASKS, ZERO_SHOT, TaskRequest

if TYPE_CHECKING:
    from mirror.net.fetch import NetworkSettings
    from mirror.tasks.predictor import Detector, LabelPredictor, Predictor


PROJECT = Path(__file__).parents[2]


def default_model() -> str:
    return shipped_model("mirror")


def shipped_model(name: str) -> str:
    """models/NAME in the working folder, else in the project's."""
    here = Path("models", name)
    project = PROJECT / here
    return str(project if project.is_dir() and not here.exists() else here)


def open_predictor(
    request: TaskRequest, *, threads: int | None = None, network: NetworkSettings | None = None
) -> Predictor:
    """threads: for one image, where a model folder answers (default: all CPUs). network: how URLs are fetched.

    Raises UsageError for what cannot be meant, ModelFolderError and ModelUnavailable for a model that cannot be opened.
    """
    if request.detects:
        return open_detector(request, network=network)
    return open_label_predictor(request, threads=threads, network=network)


def open_label_predictor(
    request: TaskRequest, *, threads: int | None = None, network: NetworkSettings | None = None
) -> LabelPredictor:
    """`open_predictor`, for the tasks that answer with labels."""
    check(request)
    if request.task == ZERO_SHOT:
        from mirror.tasks.zero_shot import open_zero_shot

        return open_zero_shot(request, network=network)
    model = request.model or default_model()
    if model == IMAGENET and not os.path.lexists(model):
        from mirror.tasks.imagenet import open_imagenet

        return open_imagenet(threads=threads, network=network)
    from mirror.tasks.image_classification import open_classifier

    return open_classifier(model, threads=threads, network=network)


def open_detector(request: TaskRequest, *, network: NetworkSettings | None = None) -> Detector:
    """`open_predictor`, for the tasks that answer with detections."""
    check(request)
    if request.task == FACE_DETECTION:
        from mirror.tasks.face_detection import open_faces

        return open_faces(request, network=network)
    from mirror.tasks.object_detection import open_objects

    return open_objects(request, network=network)


def check(request: TaskRequest) -> None:
    """Raises UsageError for what cannot be meant, before anything is opened."""
    if request.task not in TASKS:
        raise UsageError(f"There is no task {request.task}: choose one of {', '.join(TASKS)}.")
    if request.task == ZERO_SHOT:
        if not request.labels:
            raise UsageError(
                f"{ZERO_SHOT} needs labels to choose from: give them with --labels cat,dog or --labels labels.txt."
            )
        if request.template.count("{}") != 1:
            raise UsageError(
                f"The template {request.template!r} must hold {{}} once, where the label goes: as in 'a photo of {{}}'."
            )
    elif request.labels or request.template != BARE_LABEL:
        raise UsageError(f"--labels and --template are for {ZERO_SHOT}: leave them out, or add --task {ZERO_SHOT}.")
