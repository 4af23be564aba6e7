"""Models that have no ONNX form, by transformers and torch: what each can do, and its weights.

    require(located, "image-classification")              # before anything large is read
    model = pretrained(AutoModelForImageClassification, located)
    with loading(located.name):
        processor = AutoImageProcessor.from_pretrained(located.source, **OFFLINE)

Nothing that is fetched runs: no remote code, and weights are safetensors or what torch reads with weights_only.
"""

from __future__ import annotations

from typing import Any

from mirror.errors import ModelUnavailable
from mirror.tasks.hub_errors import loading, quietly
from mirror.tasks.hub_layout import PREPROCESSING
from mirror.tasks.hub_models import Located
from mirror.tasks.request import IMAGE_CLASSIFICATION, OBJECT_DETECTION, ZERO_SHOT

OFFLINE = {"local_files_only": True, "trust_remote_code": False}  # for from_pretrained: all is here, nothing runs
TASK_CLASSES = {  # transformers' tables of the architectures that can do a task
    IMAGE_CLASSIFICATION: "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    OBJECT_DETECTION: "MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES",
    ZERO_SHOT: "MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES",
}


def require(located: Located, task: str) -> None:
    """Raises ModelUnavailable where the model's architecture cannot do the task (transformers would fill what it lacks
    with random numbers)."""
    architectures = located.config.get("architectures") or []
    if not architectures:  # timm's models on the Hub name none, and are wrapped; others are found out by `pretrained`
        return
    with loading(located.name):
        from transformers.models.auto import modeling_auto

        table = getattr(modeling_auto, TASK_CLASSES[task])
    able = {name for names in table.values() for name in ([names] if isinstance(names, str) else names)}
    if not able & set(architectures):
        raise ModelUnavailable(
            f"{located.name} is a {architectures[0]}, which does no {task}: choose a model that is made for {task}."
        )
    if not any((located.source / name).is_file() for name in PREPROCESSING):
        raise ModelUnavailable(
            f"{located.name} does not tell how its photos are prepared, for it has no {PREPROCESSING[0]}: choose "
            "another."
        )


def pretrained(kind: Any, located: Located, **settings: Any) -> Any:
    """`kind` (an AutoModel class of transformers) with the weights of `located`, ready to answer. Raises
    ModelUnavailable, also where weights are missing."""
    with loading(located.name), quietly("transformers"):
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        model, report = kind.from_pretrained(located.source, output_loading_info=True, **OFFLINE, **settings)
        missing = sorted(report["missing_keys"]) + sorted(key[0] for key in report["mismatched_keys"])
        if missing:
            raise ModelUnavailable(
                f"{located.name} lacks weights that a {type(model).__name__} needs ({missing[0]} and "
                f"{len(missing) - 1} more): choose a model that was trained for this task."
            )
        return model.eval()
