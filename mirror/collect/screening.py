"""Is a photo fit to train on? In memory only.

screen(body)   decodable, at most 50 megapixels, not too small; shrunk and hashed (near_duplicates.py)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from mirror.collect.near_duplicates import perceptual_hash
from mirror.images import encode_jpeg, load_image, shrink, within_memory

MIN_SIDE = 64  # px on the short side; smaller ones are the web's icons and thumbnails
OWN_MIN_SIDE = 8  # … of a photo that a person has labelled: data sets of signs, letters and cells have 16 to 32
LONG_SIDE = 640  # px on the long side of a stored photo: more than any training crop needs, less to decode each epoch


@dataclass(frozen=True)
class ScreenedPhoto:
    """A photo that passed every check on its own bytes.

    sha256          of the source bytes
    jpeg            what is stored: upright, at most LONG_SIDE px; `width` and `height` are its pixels
    phash           16 hex digits, or "" where the photo is too flat to have one
    """

    sha256: str
    jpeg: bytes
    width: int
    height: int
    phash: str


def screen(body: bytes, min_side: int = MIN_SIDE) -> ScreenedPhoto:
    """Decode, check, shrink and hash one photo. Raises ImageError, whose `.reason` goes to rejected.csv.

    A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size, as long as its short side keeps LONG_SIDE.
    """
    image = load_image(body, min_side=min_side, at_least=LONG_SIDE)
    with within_memory("the photo"):
        image = shrink(image, LONG_SIDE)
    return ScreenedPhoto(sha256_of(body), encode_jpeg(image, None), *image.size, perceptual_hash(image))


def sha256_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
