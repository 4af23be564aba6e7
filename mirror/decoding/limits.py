"""What one photo may cost, and what a header says that it would."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MB = 1_000_000
MAX_PHOTO_BYTES = 20 << 20  # of a file; as much as the page and the downloader accept
MAX_PIXELS = 50_000_000  # 150 MB once decoded; the largest phone cameras store 48-50 megapixels
# Bytes beyond the idle process that one file may take at its worst moment, all processes together: 600 MB are promised,
# 45 MB of them are a worker's own, and Python's small objects need a little
MAX_DECODE_BYTES = 540 * MB
# Of a worker's time; with its start and end on a loaded machine 10 s, imgproxy's limit for all that it does to an image
MAX_SECONDS = 8.0
MAX_SIDE = 65_535  # px, JPEG's own limit; a picture 1 px wide and 50 million high is no photo
# A JPEG may have this many pixels where a reduced scale is enough: phones make photos of 200 megapixels
MAX_REDUCED_PIXELS = 256_000_000


class TooCostly(Exception):
    """A file that is refused for what its header says. The message goes on after its name: "has …", "would …"."""


@dataclass(frozen=True)
class Header:
    """What can be known of a file before a decoder sees it.

    format: Pillow's name. size: (width, height) in pixels, None where it was not found. memory: bytes that decoding
    takes at its worst moment, all processes together, the finished image included. in_process: whether memory and time
    are proven, so that no worker is needed. data: what the decoder gets. info: metadata read already, None where it is
    the decoder's to find.
    """

    format: str
    size: tuple[int, int] | None
    memory: int
    in_process: bool
    data: bytes
    info: dict[str, Any] | None = field(default=None)
