"""A learner pickle → model.onnx and everything that serving needs to know, checked against the learner's own answers.

    python -m mirror compile models/mirror/learner.pkl

`compile_learner` reads the validation transforms off the learner, exports its network with the penultimate features as
a second output, and refuses the result where a probability differs from `learn.predict` by more than 1e-4.
`compile_to_folder` makes a model folder of it, in int8 where there are photos to fit that to and it passes the gates.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mirror.errors import ImageError, ModelFolderError, UnsupportedLearner, UsageError, disk_refusal
from mirror.export.grad_cam_export import add_heat
from mirror.export.graph import fold_shapes
from mirror.export.int8_gate import (
    CALIBRATION_PHOTOS,
    UNJUDGED,
    PreprocessedImages,
    choose_precision,
    evenly_spaced,
    with_precision,
)
from mirror.export.learner_opening import open_learner, refusals
from mirror.export.learner_transforms import of_three_channels, read_preprocessing
from mirror.export.parity import PARITY_PHOTOS, check_parity, synthetic_photos
from mirror.images import load_image
from mirror.inference.session import OnnxModel
from mirror.model_folder import ModelFolder, sha256_of, write_model_folder
from mirror.model_schema import ModelInfo, OnnxInfo, Parity, Preprocessing
from mirror.terminal import say

OPSET = 18
FEWEST_PHOTOS = 20  # to calibrate and judge by, half and half


@dataclass(frozen=True)
class Compiled:
    """What `compile_learner` found. difference: the largest from `learn.predict` in any of `photos` photos."""

    labels: tuple[str, ...]
    preprocessing: Preprocessing
    onnx: OnnxInfo
    arch: str | None
    learner_sha256: str
    difference: float
    photos: int

    def info(self, name: str) -> ModelInfo:
        """The description of a model folder that holds nothing but this."""
        return ModelInfo(
            name=name,
            labels=self.labels,
            preprocessing=self.preprocessing,
            onnx=self.onnx,
            arch=self.arch,
            learner_sha256=self.learner_sha256,
            versions=versions(),
            parity=Parity("learn.predict", self.photos, self.difference),
        )


def compile_learner(
    pickle: Path,
    onnx_path: Path,
    samples: Sequence[Path | Image.Image] = (),
    learner: Any = None,
    trusted: bool = True,
) -> Compiled:
    """Writes the network of a learner pickle to `onnx_path` and returns its description.

    samples: photos for the parity check (default: synthetic ones). learner: the pickle's learner where it is loaded
    already (it is left in evaluation mode). Outputs: "logits" [N, labels] and, where the last layer is linear, its
    input as "features" [N, D]. Raises UnsupportedLearner with a sentence. trusted: the pickle's code is run, whatever
    it does; where not, it is only read, by `restricted_unpickler.py`, and the learner is made anew.
    """
    with quiet(), refusals(pickle):
        learner = learner or open_learner(pickle, trusted)
        labels = _labels(learner)
        preprocessing = read_preprocessing_of(learner)
        network = of_three_channels(learner.model, preprocessing)
        outputs = export_network(network, preprocessing.input_size, onnx_path)
        fold_shapes(onnx_path)
        photos = list(samples) or list(synthetic_photos())
        difference = check_parity(learner, OnnxModel(onnx_path), preprocessing, labels, photos)
    return Compiled(
        labels=labels,
        preprocessing=preprocessing,
        onnx=OnnxInfo(file=onnx_path.name, outputs=outputs),
        arch=_arch(learner),
        learner_sha256=sha256_of(pickle),
        difference=difference,
        photos=len(photos),
    )


def compile_to_folder(
    pickle: Path,
    folder: Path,
    precision: str = "auto",
    calibrate: Path | None = None,
    log: Callable[[str], None] = say,
    trusted: bool = True,
) -> ModelFolder:
    """Compiles a learner pickle into a model folder of its own (without the pickle).

    calibrate: a folder of photos like the training photos, best in a folder a label; every second one calibrates int8,
    the others judge it. Without them float32 ships. trusted: as for `compile_learner`. Raises ModelFolderError,
    UsageError.
    """
    if not pickle.is_file():
        raise ModelFolderError(f"There is no learner pickle at {pickle}: check the path.")
    if precision == "int8" and calibrate is None:
        raise UsageError("int8 needs photos to be fitted to: give a folder of them with --calibrate.")
    photos = _photos_below(calibrate) if calibrate and precision != "fp32" else []
    name = pickle.stem if pickle.stem not in ("learner", "export") else pickle.absolute().parent.name

    def build(building: Path) -> ModelInfo:
        network = building / "model.onnx"
        judged = photos[1::2]
        compiled = compile_learner(pickle, network, evenly_spaced(judged, PARITY_PHOTOS), trusted=trusted)
        actual = [
            compiled.labels.index(photo.parent.name) if photo.parent.name in compiled.labels else UNJUDGED
            for photo in judged
        ]
        quantisation = choose_precision(
            network,
            PreprocessedImages(evenly_spaced(photos[::2], CALIBRATION_PHOTOS), compiled.preprocessing),
            PreprocessedImages(judged, compiled.preprocessing),
            np.array(actual),
            precision,
            log,
        )
        info = with_precision(compiled.info(name), quantisation)
        return dataclasses.replace(info, onnx=add_heat(network, info.onnx, log))

    return write_model_folder(folder, build)


def _photos_below(directory: Path) -> list[Path]:
    """The photos of a folder that open. Raises UsageError where they are too few."""
    from mirror.image_sources import find_sources

    photos = []
    for source in find_sources([str(directory)]):
        if isinstance(source.location, Path):
            with contextlib.suppress(ImageError):
                load_image(source.location, at_least=1)
                photos.append(source.location)
    if len(photos) < FEWEST_PHOTOS:
        raise UsageError(
            f"{directory} holds {len(photos)} photos, and int8 needs at least {FEWEST_PHOTOS}: give more of them."
        )
    return photos


def read_preprocessing_of(learner: Any) -> Preprocessing:
    """The validation preprocessing of a loaded learner. Raises UnsupportedLearner."""
    return read_preprocessing(learner.dls)


def versions() -> dict[str, str]:
    """The versions that a model's numbers may depend on."""
    from importlib.metadata import PackageNotFoundError, version

    installed = {}
    for package in ("fastai", "torch", "torchvision", "timm", "onnx", "onnxruntime", "pillow", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            installed[package] = version(package)
    return installed


def _labels(learner: Any) -> tuple[str, ...]:
    """The labels in the order of the logits. Raises UnsupportedLearner for anything but single-label classification."""
    from torch import nn

    only = "only single-label image classifiers are served."
    loss = getattr(learner.loss_func, "func", learner.loss_func)
    if isinstance(loss, (nn.BCEWithLogitsLoss, nn.BCELoss)):
        raise UnsupportedLearner(f"The learner gives several labels at once (multi-label), and {only}", "multi-label")
    if isinstance(loss, (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss)):
        raise UnsupportedLearner(f"The learner predicts numbers (regression), and {only}", "regression")
    vocab = getattr(learner.dls, "vocab", None)
    if not vocab or getattr(learner.dls, "n_inp", 1) != 1 or any(isinstance(label, (list, tuple)) for label in vocab):
        raise UnsupportedLearner(f"The learner has no single list of labels, and {only}", "labels")
    labels = tuple(str(label) for label in vocab)
    if len(labels) < 2 or len(set(labels)) != len(labels) or not all(label.strip() for label in labels):
        raise UnsupportedLearner(
            "The learner's labels are fewer than two, empty or repeated: name them apart and retrain.",
            "labels",
        )
    return labels


def _arch(learner: Any) -> str | None:
    arch = getattr(learner, "arch", None)
    return arch if isinstance(arch, str) else getattr(arch, "__name__", None)


def export_network(model: Any, size: tuple[int, int], path: Path) -> tuple[str, ...]:
    """Writes `model` as ONNX for float32 pixels [N, 3, h, w], N free; returns the names of its outputs."""
    import torch

    wrapped = _with_features(model.float().eval(), size)
    outputs = ("logits", "features") if wrapped.last is not None else ("logits",)
    example = torch.rand(2, 3, *size)
    names: dict[str, Any] = {
        "input_names": ["pixels"],
        "output_names": list(outputs),
        "opset_version": OPSET,
        "verbose": False,
    }
    try:
        # Tracing takes 0.7 s for a ResNet-18, 1.6 s for EfficientNet-Lite0; the newer exporter 3.0 and 6.9 s (2 cores).
        axes = {name: {0: "N"} for name in ("pixels", *outputs)}
        torch.onnx.export(wrapped, (example,), str(path), dynamo=False, dynamic_axes=axes, **names)
    except Exception as tracing:  # the network does what tracing cannot follow, or this torch no longer traces
        if refusal := disk_refusal(tracing):
            raise refusal from None
        try:
            free = ({0: torch.export.Dim("N")},)
            torch.onnx.export(
                wrapped, (example,), str(path), dynamo=True, dynamic_shapes=free, external_data=False, **names
            )
        except Exception as exporting:
            if refusal := disk_refusal(exporting):
                raise refusal from None
            raise UnsupportedLearner(
                f"torch cannot export the learner's network to ONNX ({_brief(tracing)}).",
                "export",
            ) from tracing
    return outputs


def _with_features(model: Any, size: tuple[int, int]) -> Any:
    """The model, giving also the input of its last linear layer where that layer's output is the logits."""
    import torch
    from torch import nn

    class WithFeatures(nn.Module):
        def __init__(self, last: nn.Module | None):
            super().__init__()
            self.model, self.last = model, last

        def forward(self, pixels: torch.Tensor) -> Any:
            if self.last is None:
                return self.model(pixels)
            features = []
            hook = self.last.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
            try:
                return self.model(pixels), features[-1]
            finally:
                hook.remove()

    with torch.no_grad():
        try:
            logits = model(torch.rand(2, 3, *size))
        except Exception as error:  # a network of someone's own may fail in any way
            raise UnsupportedLearner(
                f"The learner's network fails on photos of its size ({_brief(error)}).",
                "network",
            ) from error
        linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
        if linear:
            logits, features = WithFeatures(linear[-1])(torch.randn(4, 3, *size))
            if features.ndim == 2 and torch.equal(linear[-1](features), logits):
                return WithFeatures(linear[-1])
    return WithFeatures(None)


def _brief(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:160]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the exporters' and fastai's warnings, log lines and prints, none of which a person can act upon."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
