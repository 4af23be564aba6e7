"""A learner's validation transforms → the Preprocessing that `inference/preprocess.py` reproduces."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from typing import Any

from PIL import Image

from mirror.errors import UnsupportedLearner
from mirror.model_schema import BatchResize, Preprocessing
from mirror.preparation import GREYSCALE

Size = tuple[int, int]
Channels = tuple[float, float, float]


def read_preprocessing(dls: Any) -> Preprocessing:
    """fastai DataLoaders → their validation preprocessing. Raises UnsupportedLearner naming what it cannot express.

    What only happens in training (split_idx 0) is skipped, and so are affine transforms without a size, which leave
    validation photos as they are.
    """
    valid = dls.valid
    if is_greyscale(dls):
        return replace(_preprocessing(valid), prepare=GREYSCALE)
    return _preprocessing(valid)


def is_greyscale(dls: Any) -> bool:
    """Whether photos are opened as fastai's PILImageBW."""
    import numpy as np
    from fastai.vision.core import PILImageBW

    lists = getattr(getattr(dls.valid, "dataset", None), "tls", None)
    for transform in getattr(lists[0].tfms, "fs", ()) if lists else ():
        with contextlib.suppress(Exception):  # a transform of what a photo is found by, not of a photo
            if isinstance(transform(np.zeros((2, 2), np.uint8)), PILImageBW):
                return True
    return False


def of_three_channels(model: Any, preprocessing: Preprocessing) -> Any:
    """The network for pixels [N, 3, h, w]: of a grey photo's three channels, which are alike, one may be what it takes
    (fastai's `n_in=1`)."""
    import torch
    from torch import nn

    class FirstChannel(nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels[:, :1]

    if preprocessing.prepare == GREYSCALE:
        with torch.no_grad(), contextlib.suppress(Exception):  # a network may fail in any way on what it does not take
            model.float().eval()(torch.rand(2, 1, *preprocessing.input_size))
            return nn.Sequential(FirstChannel(), model)
    return model


def _preprocessing(valid: Any) -> Preprocessing:
    frame = _item_transforms(_at_validation(valid.after_item))
    unexpected = _at_validation(valid.before_batch)
    if unexpected:
        raise unsupported(unexpected[0])
    return _batch_transforms(_at_validation(valid.after_batch), frame)


def _at_validation(pipeline: Any) -> list[Any]:
    return [transform for transform in getattr(pipeline, "fs", ()) if getattr(transform, "split_idx", None) != 0]


def _item_transforms(transforms: list[Any]) -> dict[str, Any]:
    """The fields resize, size, resample, pad_mode, crop and crop_pad_mode."""
    from fastai.vision import augment
    from fastai.vision.core import ToTensor

    frame: dict[str, Any] = {}
    for transform in transforms:
        kind = type(transform)
        resizes = "resize" in frame
        if kind is ToTensor:
            continue
        if kind is augment.Resize and not frame:
            frame |= {"resize": str(transform.method), "size": _height_width(transform.size)}
            frame |= {"resample": _resample(transform), "pad_mode": str(transform.pad_mode)}
        elif kind is augment.RandomResizedCrop and not frame:
            width, height = transform.size
            extra = math.ceil(max(transform.size) * transform.val_xtra / 8) * 8  # as its before_call rounds
            frame |= {"resize": "squish", "size": (height + extra, width + extra), "resample": _resample(transform)}
            frame |= {"crop": (height, width)} if extra else {}
        elif kind in (augment.CropPad, augment.RandomCrop) and "crop" not in frame:
            frame |= {"crop": _height_width(transform.size)}
            frame |= {"crop_pad_mode": str(getattr(transform, "pad_mode", "zeros"))}
            frame |= {} if resizes else {"resize": "none", "size": frame["crop"]}
        else:
            raise unsupported(transform)
    if not frame:
        raise UnsupportedLearner(
            "The learner resizes its photos nowhere, so they would not fit one network input: "
            "add item_tfms=Resize(…) and export it again.",
            "no size",
        )
    return frame


def _batch_transforms(transforms: list[Any], frame: dict[str, Any]) -> Preprocessing:
    from fastai.data.transforms import IntToFloatTensor, Normalize
    from fastai.vision import augment

    divisor, mean, std = None, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    resizes: list[BatchResize] = []
    size = frame.get("crop") or frame["size"]
    normalized = False
    for transform in transforms:
        kind = type(transform)
        if kind is IntToFloatTensor and divisor is None:
            divisor = float(transform.div)
        elif kind is Normalize and not normalized and divisor:
            mean, std, normalized = _channels(transform.mean), _channels(transform.std), True
        elif isinstance(transform, augment.AffineCoordTfm) and not normalized:
            if transform.size is not None and transform.cp_size != size:
                if transform.mode != "bilinear" or not transform.align_corners:
                    raise unsupported(transform)
                size = tuple(int(side) for side in transform.cp_size)
                resizes.append(BatchResize(size))
        elif kind is augment.RandomResizedCropGPU and transform.mode == "bilinear" and not normalized:
            crop = _gpu_crop(transform, size)
            if crop != size or tuple(transform.size) != size:
                resizes.append(BatchResize(tuple(transform.size), None if crop == size else crop))
                size = tuple(transform.size)
        else:
            raise unsupported(transform)
    if divisor is None:
        raise UnsupportedLearner(
            "The learner feeds its network bytes, not numbers from 0 to 1, which is not supported.",
            "bytes",
        )
    scale = divisor / 255  # our pixels are always divided by 255
    return Preprocessing(
        **frame,
        mean=_scaled(scale, mean),
        std=_scaled(scale, std),
        batch_resizes=tuple(resizes),
    )


def _scaled(scale: float, values: Channels) -> Channels:
    red, green, blue = values
    return scale * red, scale * green, scale * blue


def _gpu_crop(transform: Any, size: Size) -> Size:
    """(height, width) that RandomResizedCropGPU keeps of a validation photo, as its before_call computes it."""
    (h, w), (low, high) = size, transform.ratio
    crop = (int(w / low), w) if w / h < low else (h, int(h * high)) if w / h > high else (h, w)
    return int(crop[0] * transform.valid_scale), int(crop[1] * transform.valid_scale)


def _height_width(size: tuple[int, int]) -> Size:
    return int(size[1]), int(size[0])


def _resample(transform: Any) -> str:
    return Image.Resampling(transform.mode).name.lower()


def _channels(values: Any) -> Channels:
    flat = [float(value) for value in values.flatten()]
    if len(flat) not in (1, 3):
        raise UnsupportedLearner(
            f"The learner normalises {len(flat)} channels, and only colour or grey photos are supported.", "photos"
        )
    red, green, blue = flat * (3 // len(flat))
    return red, green, blue


def unsupported(transform: Any) -> UnsupportedLearner:
    name = transform if isinstance(transform, str) else getattr(transform, "name", None) or type(transform).__name__
    name = str(name).split(" -- ")[0]
    return UnsupportedLearner(
        f"The learner's transform {name} cannot be reproduced outside fastai: "
        "train it with Resize, RandomResizedCrop or CropPad, aug_transforms and Normalize.",
        "transform",
    )
