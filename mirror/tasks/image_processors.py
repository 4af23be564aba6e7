"""A photo → what a network of the Hub is shown, as its preprocessor_config.json says: numpy and Pillow alone.

    processor = ImageProcessor.of(settings, "google/vit-base-patch16-224")
    processor(photo)                                          # {"pixel_values": float32 [3, height, width]}

The numbers are those of transformers' image processors of the same names, in their versions for Pillow (`…Pil`), to the
last bit; tests/tasks/test_image_processors.py compares them. Kinds that are not in KINDS are refused: guessed pixels
would be answered all the same, and wrongly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from mirror.errors import ImageTooSmall, ModelUnavailable

MAX_SIDE = 4096  # that a configuration may ask for, in pixels: the largest of the Hub's are below 1,600
MAX_PIXELS = 64 << 20  # of a resized photo: a strip whose shorter edge is enlarged would have any number
WARPED_FROM = 384  # pixels from which ConvNeXT's photos are squeezed into a square instead of cropped
YOLOS_MULTIPLE = 16  # both sides of what YOLOS sees
LARGEST_SCALE, SCALE_STEP = 100.0, 1e-5  # between which SigLIP 2's size is searched, and how finely

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
BILINEAR, BICUBIC = int(Image.Resampling.BILINEAR), int(Image.Resampling.BICUBIC)
ALWAYS = {"do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True}
CROPPED = {"size": {"shortest_edge": 224}, "crop_size": 224, "do_center_crop": True, "resample": BICUBIC}
DETR = {"size": {"shortest_edge": 800, "longest_edge": 1333}, "resample": BILINEAR, "do_pad": True} | IMAGENET
# What holds where the configuration says nothing: the classes' own defaults
KINDS: dict[str, dict[str, Any]] = {
    "ViT": {"size": 224, "resample": BILINEAR} | HALF,
    "DeiT": {"size": 256, "crop_size": 224, "do_center_crop": True, "resample": BICUBIC} | HALF,
    "Beit": {"size": 224, "crop_size": 224, "resample": BICUBIC} | HALF,
    "Pvt": {"size": 224, "resample": BICUBIC} | IMAGENET,
    "ConvNext": {"size": {"shortest_edge": 384}, "resample": BICUBIC, "crop_pct": 224 / 256} | HALF,
    "MobileNetV2": CROPPED | {"size": {"shortest_edge": 256}, "resample": BILINEAR} | HALF,
    "Bit": CROPPED | CLIP,
    "CLIP": CROPPED | CLIP,
    "ChineseCLIP": CROPPED | CLIP,
    "Siglip": {"size": 224, "resample": BICUBIC} | HALF,
    "Siglip2": {"resample": BILINEAR, "patch_size": 16, "max_num_patches": 256} | HALF,
    "Detr": DETR,
    "ConditionalDetr": DETR,
    "Yolos": DETR,
    "RTDetr": {"size": 640, "resample": BILINEAR, "do_normalize": False, "do_pad": False} | IMAGENET,
}
ENDINGS = ("Pil", "Fast", "ImageProcessor", "FeatureExtractor")
EDGE_KINDS = ("Bit", "CLIP", "ChineseCLIP", "ConvNext", "MobileNetV2")  # whose plain number is the shorter edge


@dataclass(frozen=True)
class ImageProcessor:
    """kind: of KINDS. settings: as in the configuration, with what it leaves out. levels: float32 [3, 256], what each
    value of each channel becomes. size, crop, pad: with the names that transformers has for them."""

    kind: str
    settings: Mapping[str, Any]
    levels: np.ndarray
    size: Mapping[str, int]
    crop: tuple[int, int] | None
    pad: tuple[int, int] | None

    @classmethod
    def of(cls, configuration: Mapping[str, Any], name: str) -> ImageProcessor:
        """configuration: what preprocessor_config.json holds. name: of the model, for sentences. Raises
        ModelUnavailable for a kind that is not known here, and for what makes no sense."""
        given = configuration.get("image_processor_type") or configuration.get("feature_extractor_type") or ""
        kind = str(given)
        for ending in ENDINGS:
            kind = kind.removesuffix(ending)
        if kind not in KINDS:
            raise ModelUnavailable(
                f"{name} prepares its photos by {given or 'nothing that it names'}, which is not supported: choose a "
                f"model of another kind, as {', '.join(sorted(KINDS))}."
            )
        settings = ALWAYS | KINDS[kind] | {key: value for key, value in configuration.items() if value is not None}
        try:
            size = _sides(settings.get("size", {}), settings, kind)
            crop = _pair(_sides(settings["crop_size"], {}, "")) if settings.get("do_center_crop") else None
            padded = settings.get("do_pad") and settings.get("pad_size")
            pad = _pair(_sides(settings["pad_size"], {}, "")) if padded else None
            processor = cls(kind, settings, _levels(settings), size, crop, pad)
            processor(Image.new("RGB", (64, 48)))
            return processor
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            raise ModelUnavailable(
                f"The preprocessor_config.json of {name} makes no sense: fetch the model again, or choose another."
            ) from None

    def __call__(self, photo: Image.Image) -> dict[str, np.ndarray]:
        """An upright RGB photo → `pixel_values`, float32 [3, height, width]; with it `pixel_mask`, int64 [height,
        width], where photos are padded. For SigLIP 2 `pixel_values` is float32 [patches, values], with
        `pixel_attention_mask` int64 [patches] and `spatial_shapes` int64 [2]. Raises ImageTooSmall for a strip."""
        if self.settings["do_resize"]:
            height, width = self.size_of(photo.height, photo.width)
            if min(height, width) < 1 or height * width > MAX_PIXELS:
                sides = f"{photo.width} x {photo.height}"
                raise ImageTooSmall(f"An image of {sides} pixels is too narrow for this model: crop it.")
            photo = photo.resize((width, height), Image.Resampling(self.settings["resample"]))
        values: np.ndarray = np.asarray(photo)
        edge = self.size.get("shortest_edge", WARPED_FROM)
        if self.kind == "ConvNext" and self.settings["do_resize"] and edge < WARPED_FROM:
            values = _middle(values, edge, edge)
        if self.crop:
            values = _middle(values, *self.crop)
        pixels = np.stack([table[values[..., channel]] for channel, table in enumerate(self.levels)])
        if self.kind == "Siglip2":
            return self._patches(pixels)
        if not self.settings.get("do_pad"):
            return {"pixel_values": pixels}
        return self._padded(pixels)

    @property
    def gives_one_size(self) -> bool:
        """Whether photos of all shapes come out in one size, so that several can be stacked."""
        wide, high = (self(Image.new("RGB", size))["pixel_values"].shape for size in ((64, 48), (48, 64)))
        return wide == high

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) that a photo of this size is scaled to."""
        if self.kind == "Siglip2":
            return _patched(height, width, int(self.settings["patch_size"]), int(self.settings["max_num_patches"]))
        if self.kind == "ConvNext":
            edge = self.size["shortest_edge"]
            if edge >= WARPED_FROM:
                return edge, edge
            return _shortest(height, width, int(edge / self.settings["crop_pct"]))
        if "longest_edge" in self.size:
            return _between(height, width, self.size["shortest_edge"], self.size["longest_edge"], self.kind == "Yolos")
        if "shortest_edge" in self.size:
            return _shortest(height, width, self.size["shortest_edge"])
        if "max_height" in self.size:
            scale = min(self.size["max_height"] / height, self.size["max_width"] / width)
            return int(height * scale), int(width * scale)
        return self.size["height"], self.size["width"]

    def _padded(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Zeros to the right and below, up to `pad` where there is one; which pixels are the photo's."""
        _, height, width = pixels.shape
        full = self.pad or (height, width)
        if full[0] < height or full[1] < width:
            raise ValueError("padded to less than it is")
        borders = (0, full[0] - height), (0, full[1] - width)
        mask = np.pad(np.ones((height, width), np.int64), borders)
        return {"pixel_values": np.pad(pixels, ((0, 0), *borders)), "pixel_mask": mask}

    def _patches(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        side, most = int(self.settings["patch_size"]), int(self.settings["max_num_patches"])
        channels, height, width = pixels.shape
        rows, columns = height // side, width // side
        blocks = pixels[:, : rows * side, : columns * side].reshape(channels, rows, side, columns, side)
        patches = blocks.transpose(1, 3, 2, 4, 0).reshape(rows * columns, -1)
        lacking = most - len(patches)
        mask = np.pad(np.ones(len(patches), np.int64), (0, lacking))
        shape = np.array([rows, columns], np.int64)
        padded = np.pad(patches, ((0, lacking), (0, 0)))
        return {"pixel_values": padded, "pixel_attention_mask": mask, "spatial_shapes": shape}


def _levels(settings: Mapping[str, Any]) -> np.ndarray:
    """float32 [3, 256]: each value scaled and normalised in the same steps and precisions as transformers does it."""
    values = np.arange(256, dtype=np.float64)
    if settings["do_rescale"]:
        values = values * float(settings["rescale_factor"])
    levels = np.tile(values.astype(np.float32), (3, 1))
    if settings["do_normalize"]:
        mean, std = (_three(settings[key]) for key in ("image_mean", "image_std"))
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and std.all()):
            raise ValueError("a spread of 0")
        levels = (levels - mean) / std
    return levels


def _three(value: Any) -> np.ndarray:
    """float32 [3, 1]; one number stands for all channels."""
    column = np.asarray(value, np.float32).reshape(-1, 1)
    if len(column) not in (1, 3):
        raise ValueError("not a number a channel")
    return column


def _sides(size: Any, settings: Mapping[str, Any], kind: str) -> dict[str, int]:
    """A size in any of the forms that transformers has had: a number, two of them, or sides by name."""
    if isinstance(size, int):
        detects = KINDS.get(kind, {}).get("do_pad")
        if kind in EDGE_KINDS or detects:
            size = {"shortest_edge": size} | ({"longest_edge": settings.get("max_size", 1333)} if detects else {})
        else:
            size = {"height": size, "width": size}
    elif isinstance(size, list):
        size = dict(zip(("height", "width"), size, strict=True))
    sides = {str(key): int(value) for key, value in size.items() if value is not None}
    if any(not 1 <= side <= MAX_SIDE for side in sides.values()):
        raise ValueError("a side of no size")
    return sides


def _pair(sides: Mapping[str, int]) -> tuple[int, int]:
    return sides["height"], sides["width"]


def _shortest(height: int, width: int, edge: int) -> tuple[int, int]:
    """The shorter edge is `edge`; the other is cut to whole pixels."""
    longer = int(edge * max(height, width) / min(height, width))
    return (longer, edge) if width <= height else (edge, longer)


def _between(height: int, width: int, edge: int, longest: int, yolos: bool) -> tuple[int, int]:
    """The shorter edge is `edge`, or less where the longer one would be above `longest`."""
    exact: float = edge
    if max(height, width) / min(height, width) * edge > longest:
        exact = longest * min(height, width) / max(height, width)
        edge = int(round(exact))
    unchanged = height <= width and height == edge or (width <= height and width == edge and not yolos)
    if unchanged:
        sides = height, width
    elif width < height:
        sides = int(exact * height / width), edge
    else:
        sides = edge, int(exact * width / height)
    return (
        (sides[0] // YOLOS_MULTIPLE * YOLOS_MULTIPLE, sides[1] // YOLOS_MULTIPLE * YOLOS_MULTIPLE) if yolos else sides
    )


def _patched(height: int, width: int, patch: int, most: int) -> tuple[int, int]:
    """The largest multiples of `patch` near the photo's proportions with at most `most` patches."""

    def scaled(scale: float, side: int) -> int:
        return max(patch, math.ceil(side * scale / patch) * patch)

    low, high = SCALE_STEP / 10, LARGEST_SCALE
    while high - low >= SCALE_STEP:
        middle = (low + high) / 2
        fits = (scaled(middle, height) / patch) * (scaled(middle, width) / patch) <= most
        low, high = (middle, high) if fits else (low, middle)
    return scaled(low, height), scaled(low, width)


def _middle(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of [h, w, 3]; what lies beyond its edges is 0."""
    above, left = (values.shape[0] - height) // 2, (values.shape[1] - width) // 2
    if min(above, left) < 0:
        full = max(height, values.shape[0]), max(width, values.shape[1])
        before = [math.ceil((side - own) / 2) for side, own in zip(full, values.shape, strict=False)]
        canvas = np.zeros((*full, 3), values.dtype)
        canvas[before[0] : before[0] + values.shape[0], before[1] : before[1] + values.shape[1]] = values
        above, left, values = above + before[0], left + before[1], canvas
    return values[max(0, above) : above + height, max(0, left) : left + width]
