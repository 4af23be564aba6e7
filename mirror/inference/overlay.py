"""An explanation as a picture: the photo in grey, coloured where the evidence lies."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from mirror.images import shrink
from mirror.inference.grad_cam import Explanation, upsample

PIXELS = 640  # long side
# matplotlib's "plasma" (CC0), 16 of its 256 colours: perceptually uniform, and told apart by colour-blind eyes
PLASMA = (
    "0d0887", "330597", "5002a2", "6a00a8", "8405a7", "9c179e", "b12a90", "c33d80", "d35171", "e16462", "ed7953",
    "f68f44", "fca636", "fec029", "f9dc24", "f0f921",
)  # fmt: skip
STRENGTH = 0.7  # of the colour over the photo where it is hottest
UNSEEN = 0.5  # brightness of what preprocessing cut off


def overlay(explanation: Explanation, pixels: int = PIXELS) -> Image.Image:
    """The photo in grey, at most `pixels` a side: coloured by the heat, darker where the network did not see it."""
    photo = shrink(explanation.photo, pixels)
    heat, seen = upsample(explanation, photo.size)
    levels = Image.fromarray((255 * heat + 0.5).astype(np.uint8))
    colours = levels.copy()
    colours.putpalette(palette())
    grey = photo.convert("L")
    ground = grey.point([round(UNSEEN * level) for level in range(256)])
    ground.paste(grey.crop(seen), seen)
    strength = levels.point([round(STRENGTH * level) for level in range(256)])
    return Image.composite(colours.convert("RGB"), ground.convert("RGB"), strength)


@lru_cache(maxsize=1)
def palette() -> bytes:
    """PLASMA's 256 colours, R, G, B of each."""
    known = np.array([list(bytes.fromhex(colour)) for colour in PLASMA])
    places = np.linspace(0, len(PLASMA) - 1, 256)
    channels = [np.interp(places, range(len(PLASMA)), channel) for channel in known.T]
    return np.stack(channels, axis=1).round().astype(np.uint8).tobytes()
