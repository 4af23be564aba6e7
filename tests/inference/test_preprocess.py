"""Our pixels against fastai's own validation pipeline, transform by transform, for photos of every shape."""

from __future__ import annotations

import numpy as np
import pytest
from fastai.vision.all import (
    CropPad,
    Normalize,
    PILImage,
    RandomCrop,
    RandomResizedCrop,
    Resize,
    aug_transforms,
    imagenet_stats,
)
from PIL import Image

from mirror.export.learner_transforms import read_preprocessing
from mirror.inference.preprocess import MAX_FRAME_PIXELS, crop_pad, decode_at_least, preprocess
from mirror.model_schema import Preprocessing
from tests.learners import dataloaders

# width, height: landscape, portrait, odd, square, a panorama both ways, the target itself, smaller than it, tiny
SIZES = [(640, 480), (480, 640), (501, 333), (300, 300), (900, 101), (77, 801), (224, 160), (61, 47), (31, 130), (3, 5)]

ITEM_TRANSFORMS = {
    "crop": lambda: Resize(64),
    "crop, wide": lambda: Resize((48, 96)),
    "crop, tall": lambda: Resize((97, 41)),
    "squish": lambda: Resize((50, 71), method="squish"),
    "pad, reflection": lambda: Resize(64, method="pad"),
    "pad, border": lambda: Resize((64, 90), method="pad", pad_mode="border"),
    "pad, zeros": lambda: Resize((90, 64), method="pad", pad_mode="zeros"),
    "crop, bicubic": lambda: Resize(64, resamples=(Image.Resampling.BICUBIC, 0)),
    "crop, nearest": lambda: Resize(64, resamples=(Image.Resampling.NEAREST, 0)),
    "random resized crop": lambda: RandomResizedCrop(64, min_scale=0.5),
    "random resized crop, tall": lambda: RandomResizedCrop((80, 64), min_scale=0.5),
    "random resized crop, more cut off": lambda: RandomResizedCrop(64, val_xtra=0.3),
    "random resized crop, nothing cut off": lambda: RandomResizedCrop(64, val_xtra=0.0),
    "crop or pad, zeros": lambda: CropPad(64),
    "crop or pad, reflection": lambda: CropPad((70, 91), pad_mode="reflection"),
    "crop or pad, border": lambda: CropPad((91, 70), pad_mode="border"),
    "random crop": lambda: RandomCrop(64),
    "resize, then random crop": lambda: [Resize(80), RandomCrop(64)],
}

BATCH_TRANSFORMS = {
    "nothing": (lambda: None, 0.0),
    "normalize": (lambda: Normalize.from_stats(*imagenet_stats, cuda=False), 1e-6),
}


def photo(width: int, height: int) -> Image.Image:
    random = np.random.default_rng(width * 1000 + height)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


def fastai_pixels(dls, image: Image.Image) -> np.ndarray:
    return next(iter(dls.test_dl([PILImage.create(np.asarray(image))], num_workers=0)))[0][0].numpy()


@pytest.mark.parametrize("batch", BATCH_TRANSFORMS)
@pytest.mark.parametrize("item", ITEM_TRANSFORMS)
def test_pixels_are_fastais(item: str, batch: str) -> None:
    make, tolerance = BATCH_TRANSFORMS[batch]
    dls = dataloaders(ITEM_TRANSFORMS[item](), make())
    how = read_preprocessing(dls)
    for width, height in SIZES:
        image = photo(width, height)
        theirs, ours = fastai_pixels(dls, image), preprocess(image, how)
        assert ours.dtype == np.float32 and ours.shape == theirs.shape == (3, *how.input_size)
        assert np.abs(ours - theirs).max() <= tolerance, (width, height)


PRESIZING = {
    "the book's": (lambda: Resize(92), {"size": 45, "min_scale": 0.75}, 1),
    "by more than two": (lambda: Resize(100), {"size": 40}, 1),
    "wide to narrow": (lambda: Resize((60, 120)), {"size": (48, 40)}, 1),
    "cropped to the square": (lambda: Resize((60, 120)), {"size": 40, "min_scale": 0.6}, 1),
    "enlarged": (lambda: Resize(40), {"size": 64}, 1),
    "no size": (lambda: Resize(64), {}, 0),
    "the same size": (lambda: Resize(64), {"size": 64}, 0),
}


@pytest.mark.parametrize("name", PRESIZING)
def test_presizing_is_fastais(name: str) -> None:
    """fastai resamples batches by grid_sample, whose float32 coordinates wander by about 1e-5 of a pixel."""
    item, options, steps = PRESIZING[name]
    normalize = Normalize.from_stats(*imagenet_stats, cuda=False)
    dls = dataloaders(item(), [*aug_transforms(**options), normalize])
    how = read_preprocessing(dls)
    assert len(how.batch_resizes) == steps
    for width, height in SIZES:
        image = photo(width, height)
        theirs, ours = fastai_pixels(dls, image), preprocess(image, how)
        assert ours.shape == theirs.shape == (3, *how.input_size)
        assert np.abs(ours - theirs).max() < 1e-4, (width, height)


@pytest.mark.parametrize(
    "name, how, expected",
    [
        ("squish", Preprocessing("squish", (32, 64), (0, 0, 0), (1, 1, 1)), 128),
        ("none", Preprocessing("none", (32, 64), (0, 0, 0), (1, 1, 1), crop=(32, 64)), None),
    ],
)
def test_large_photos_are_decoded_at_twice_what_is_needed(name: str, how: Preprocessing, expected: int | None) -> None:
    assert decode_at_least(how) == expected


def test_a_frame_reaching_outside_on_one_side_only_is_padded_there() -> None:
    image = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
    framed = np.asarray(crop_pad(image, (2, 2), (1, -1), "zeros"))
    assert framed.tolist() == [[[0, 0, 0], [0, 0, 0]], [[3, 4, 5], [0, 0, 0]]]


@pytest.mark.parametrize("mode", ["reflection", "border", "zeros"])
@pytest.mark.parametrize("size", [(6_000, 300), (300, 6_000)])
def test_a_panorama_is_padded_as_fastai_does_without_the_square(mode: str, size: tuple[int, int]) -> None:
    """fastai makes a square of 36 megapixels; for 49,000 x 1,000 pixels it would be one of 7 GB."""
    dls = dataloaders(Resize(64, method="pad", pad_mode=mode), Normalize.from_stats(*imagenet_stats, cuda=False))
    how = read_preprocessing(dls)
    assert max(size) ** 2 > MAX_FRAME_PIXELS
    image = photo(*size)
    assert np.abs(preprocess(image, how) - fastai_pixels(dls, image)).max() <= 1e-6
