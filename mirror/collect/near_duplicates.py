"""Copies of a photo found by what they show: perceptual hashes, and the distances within which two are one photo.

    HashIndex                      the photos within a distance of a hash: 20 µs among 10,000
    near_pairs(hashes, distance)   all pairs within a distance: half a second for 10,000
    connected_components           numbers of the groups that such pairs make

Near-duplicates are found with imagehash's `phash` (8 x 8 = 64 bits: which of the 64 lowest DCT frequencies of the
32 x 32 grey image lie above their median). benchmarks/training/near_duplicates.py chose it and the distances, on
507 photos, each altered in 13 ways that the web alters photos (6,591 copies), against the 128,271 pairs of different
photos:

    distance at most    copies found    different photos taken for copies (of a million pairs)
                   8         89.8 %        0       NEAR_DISTANCE: every re-encoding, resizing, brightness, 2 % crop
                  12         96.1 %        0       GROUP_DISTANCE: 5 % crops and most watermarks as well
                  14         97.8 %       47
                  16         98.9 %      257

dhash finds more copies (94.5 % at 8), but two different photos with a pale background were 6 apart; ahash and whash
confuse photos from 1 bit on; 256 bits are no better. NEAR_DISTANCE stays well below the first confusion (14), since a
wrong match costs a photo, or two under two labels; a wrong match within GROUP_DISTANCE costs next to nothing. All of
them are photos of the web: frames of one camera are within 8 without being copies, so that photos which a person has
labelled are grouped by these distances and never dropped (copies.py).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

NEAR_DISTANCE = 8  # bits of 64; at most this far apart is the same photo
GROUP_DISTANCE = 12  # bits of 64; photos at most this far apart stay on one side of a split
# Grey levels of 255, standard deviation at 32 x 32 px. Photos have 11 or more. Faded to 4, re-encoding moves 1 % of
# their hashes by 6 bits or more; faded to 2, 5 % by 10; faded to 0.25, different photos collide (the same benchmark)
MIN_CONTRAST = 4.0
UNRELATED = 64  # bits; the distance to a photo without a hash

# The DCT of a mirrored image is the same but for its odd columns, which are negated: their bits flip, except where the
# median is not quite 0. 99 % of mirrored photos are within 10 bits of this prediction (the same benchmark).
_ODD_COLUMNS = 0x5555555555555555

Key = TypeVar("Key", bound=Hashable)


def perceptual_hash(image: Image.Image) -> str:
    """imagehash's 64-bit phash as 16 hex digits, or "" for an image too flat to have one (see MIN_CONTRAST)."""
    import imagehash  # 0.1 s, scipy included: only where photos are hashed

    return str(imagehash.phash(image)) if contrast(image) >= MIN_CONTRAST else ""


def contrast(image: Image.Image) -> float:
    """Standard deviation of the grey levels (0-255) at 32 x 32 px, which is all that a perceptual hash sees."""
    return float(np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS)).std())


def hamming(first: str, second: str) -> int:
    """Bits that differ between two hashes in hex; UNRELATED if either is "" (an unknown photo is near to none)."""
    if not first or not second:
        return UNRELATED
    return (int(first, 16) ^ int(second, 16)).bit_count()


def near_pairs(hashes: Sequence[str], distance: int, mirror: bool = False) -> list[tuple[int, int]]:
    """Indices (i, j), i < j, of all hashes at most `distance` bits apart, in order. A flat photo's "" has no pair.

    mirror: pairs of which one is near the mirror image of the other instead.
    """
    mask = np.uint64(_ODD_COLUMNS if mirror else 0)
    rows = np.array([row for row, phash in enumerate(hashes) if phash], dtype=np.int64)
    bits = np.array([int(phash, 16) for phash in hashes if phash], dtype=np.uint64)
    pairs = []
    for index, row in enumerate(rows):
        near = np.flatnonzero(np.bitwise_count(bits[index + 1 :] ^ (bits[index] ^ mask)) <= distance)
        pairs += [(int(row), int(other)) for other in rows[index + 1 + near]]
    return pairs


def look_alike_pairs(hashes: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs within GROUP_DISTANCE, mirrored or not: such photos stay on one side of a split."""
    return near_pairs(hashes, GROUP_DISTANCE) + near_pairs(hashes, GROUP_DISTANCE, mirror=True)


def connected_components(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """For each of `count` indices, the smallest index that a chain of pairs connects it with (union-find)."""
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    for pair in pairs:
        low, high = sorted(map(root, pair))
        parent[high] = low
    return [root(index) for index in range(count)]


class HashIndex(Generic[Key]):
    """A growing set of hashes, each with a key, searched by brute force: 64-bit words make a BK-tree needless here."""

    def __init__(self) -> None:
        self._bits = np.zeros(1024, dtype=np.uint64)
        self._keys: list[Key | None] = []  # by row; None where the key was discarded
        self._row_of: dict[Key, int] = {}

    def add(self, key: Key, phash: str) -> None:
        """Adds `phash` under `key`, in place of an earlier one; "" is not added, since it is near to nothing."""
        self.discard(key)
        if not phash:
            return
        row = len(self._keys)
        if row == len(self._bits):
            self._bits = np.concatenate([self._bits, np.zeros_like(self._bits)])
        self._bits[row] = int(phash, 16)
        self._row_of[key] = row
        self._keys.append(key)

    def discard(self, key: Key) -> None:
        row = self._row_of.pop(key, None)
        if row is not None:
            self._keys[row] = None

    def near(self, phash: str, distance: int = NEAR_DISTANCE) -> list[tuple[int, Key]]:
        """(bits apart, key) of every hash at most `distance` bits away: nearest first, then oldest first."""
        if not phash or not self._keys:
            return []
        apart = np.bitwise_count(self._bits[: len(self._keys)] ^ np.uint64(int(phash, 16)))
        rows = sorted((int(apart[row]), int(row)) for row in np.flatnonzero(apart <= distance))
        return [(bits, key) for bits, row in rows if (key := self._keys[row]) is not None]
