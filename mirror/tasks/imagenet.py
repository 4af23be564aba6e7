"""The general model `imagenet`, which knows 1,000 things: the Hub's where it can be had, else the packaged one.

The packaged one is an EfficientNet-Lite0 that lies beside this module (scripts/imagenet_model makes it): a machine
answers with requirements.txt alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mirror.errors import ModelUnavailable, require_installed
from mirror.tasks.predictor import FolderPredictor, LabelPredictor
from mirror.terminal import warn

if TYPE_CHECKING:
    from mirror.model_folder import ModelFolder
    from mirror.net.fetch import NetworkSettings

NAME = "imagenet"
HUB_MODEL = "google/vit-base-patch16-224"
PACKAGED = "tf_efficientnet_lite0"  # timm's name for it
FOLDER = Path(__file__).with_name("efficientnet_lite0")


def open_imagenet(*, threads: int | None, network: NetworkSettings | None) -> LabelPredictor:
    """The predictor; one line on standard error where it is the packaged one. Raises ModelUnavailable."""
    from mirror.tasks.image_classification import open_hub_classifier

    try:
        require_installed(HUB_MODEL, "torch", "transformers")  # else 300 MB would be fetched where 6 are here
        return open_hub_classifier(HUB_MODEL, network)
    except ModelUnavailable as error:
        warn(f"{NAME} is the packaged {PACKAGED} here ({str(error).partition(': ')[0]}).")
    from mirror.inference.classifier import Classifier

    return FolderPredictor(Classifier.load(packaged_folder(), threads=threads, network=network), PACKAGED)


def packaged_folder() -> ModelFolder:
    """The packaged model. Raises ModelFolderError where it is damaged."""
    from mirror.model_folder import read_model_folder

    return read_model_folder(FOLDER)
