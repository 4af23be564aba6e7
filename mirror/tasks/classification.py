"""image-classification: our own models, and general ones."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.errors import UsageError
from mirror.tasks.asked import Asked
from mirror.tasks.predictor import FolderPredictor, Predictor

if TYPE_CHECKING:
    from mirror.fetch import Network

DEFAULT_MODEL = "models/mirror"


def open_classification(asked: Asked, *, threads: int | None, network: Network | None) -> Predictor:
    model = asked.model or DEFAULT_MODEL
    if not os.path.lexists(model):
        if model == "imagenet":
            raise UsageError(
                "The general model imagenet is not available yet: give a model folder or a learner pickle."
            )
        if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", model) and not Path(model).parent.is_dir():
            raise UsageError(
                f"There is no folder {model}, and models from the Hugging Face Hub are not available yet: "
                "give a model folder or a learner pickle."
            )
    elif os.path.isfile(os.path.join(model, "config.json")):
        raise UsageError(f"{model} is a transformers folder, which is not available yet: give a model folder.")
    from mirror.inference.classifier import Classifier
    from mirror.inference.compiled import open_model

    return FolderPredictor(Classifier.load(open_model(model), threads=threads, network=network))
