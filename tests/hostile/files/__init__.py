"""Photos that cost much more than they weigh: a generator for each kind of bomb and each format, all deterministic.

    BOMBS   name → a function that makes the file; every one of at most 20 MB
    LARGE   the same, for what takes seconds to make (benchmarks/hostile/files.py)

The kinds: a count in the file that decoders go through one by one (scans, segments, chunks, blocks, boxes, strips,
directories, comments); bytes that several parts share; a size that is claimed and not there; a side that is out of all
proportion; a small file that unpacks to many pixels, of modes that take several copies; text that unpacks.

    bombs.py    the list                                webps.py     WebP
    jpegs.py    JPEG                                    rasters.py   GIF, BMP, PPM
    tiffs.py    TIFF, and EXIF blocks                   isos.py      HEIF, AVIF
    pngs.py     PNG
"""

from __future__ import annotations

from tests.hostile.files.bombs import BOMBS, LARGE, saved
from tests.hostile.files.isos import claiming, small_iso
from tests.hostile.files.jpegs import frame, jpeg, segment
from tests.hostile.files.pngs import chunk, png
from tests.hostile.files.rasters import bmp, gif
from tests.hostile.files.tiffs import deflated_tiff, shared_tags
from tests.hostile.files.webps import webp

__all__ = [
    "BOMBS", "LARGE", "bmp", "chunk", "claiming", "deflated_tiff", "frame", "gif", "jpeg", "png", "saved", "segment",
    "shared_tags", "small_iso", "webp",
]  # fmt: skip
