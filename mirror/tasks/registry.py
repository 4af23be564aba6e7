"""What is asked for → the predictor that answers it. Nothing is imported for a task that is not asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirror.errors import UsageError
from mirror.tasks.request import BARE_LABEL, FACE_DETECTION, OBJECT_DETECTION, TASKS, ZERO_SHOT, TaskRequest

if TYPE_CHECKING:
    from mirror.net.fetch import NetworkSettings
    from mirror.tasks.predictor import Predictor


def open_predictor(
    asked: TaskRequest, *, threads: int | None = None, network: NetworkSettings | None = None
) -> Predictor:
    """threads: for one image, where a model folder answers (default: all CPUs). network: how URLs are fetched.

    Raises UsageError for what cannot be meant, ModelFolderError and ModelUnavailable for a model that cannot be opened.
    """
    check(asked)
    if asked.task == ZERO_SHOT:
        from mirror.tasks.zero_shot import open_zero_shot

        return open_zero_shot(asked, network=network)
    if asked.task == OBJECT_DETECTION:
        from mirror.tasks.object_detection import open_objects

        return open_objects(asked, network=network)
    if asked.task == FACE_DETECTION:
        from mirror.tasks.face_detection import open_faces

        return open_faces(asked, network=network)
    from mirror.tasks.image_classification import open_classification

    return open_classification(asked, threads=threads, network=network)


def check(asked: TaskRequest) -> None:
    """Raises UsageError for what cannot be meant, before anything is opened."""
    if asked.task not in TASKS:
        raise UsageError(f"There is no task {asked.task}: choose one of {', '.join(TASKS)}.")
    if asked.task == ZERO_SHOT:
        if not asked.labels:
            raise UsageError(
                f"{ZERO_SHOT} needs labels to choose from: give them with --labels cat,dog or --labels labels.txt."
            )
        if asked.template.count("{}") != 1:
            raise UsageError(
                f"The template {asked.template!r} must hold {{}} once, where the label goes: as in 'a photo of {{}}'."
            )
    elif asked.labels or asked.template != BARE_LABEL:
        raise UsageError(f"--labels and --template are for {ZERO_SHOT}: leave them out, or add --task {ZERO_SHOT}.")
