"""When and where a photo was taken, as its camera wrote it (EXIF 2.32, sections 4.6.5 and 4.6.6): `predict --exif`."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mirror.decoding.decode import camera_data
from mirror.images import MAX_PHOTO_BYTES

EXIF_COLUMNS = ("taken", "latitude", "longitude")
DETAILS, GPS = 0x8769, 0x8825  # the directories
ORIGINAL, MODIFIED, OFFSET = 36867, 306, 36881
_TIME = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)")


def taken(image: object) -> dict[str, Any]:
    """EXIF_COLUMNS of a file: the time as the camera's clock had it, `2026-05-01T12:00:00` with its offset from UTC
    where that is told, and degrees, north and east positive. None where the file does not say, or
    not so that it can be read; no file is decoded."""
    found: dict[str, Any] = dict.fromkeys(EXIF_COLUMNS)
    if not isinstance(image, str | os.PathLike) or not os.path.isfile(image):
        return found
    try:
        if os.path.getsize(image) > MAX_PHOTO_BYTES:
            return found
        exif = camera_data(Path(image).read_bytes())
        details = exif.get_ifd(DETAILS)
        time = _TIME.match(str(details.get(ORIGINAL) or exif.get(MODIFIED) or ""))
        if time and time[1] != "0000":
            offset = str(details.get(OFFSET) or "").strip("\0 ")
            found["taken"] = "{}-{}-{}T{}:{}:{}".format(*time.groups()) + (
                offset if re.fullmatch(r"[+-]\d\d:\d\d", offset) else ""
            )
        gps = exif.get_ifd(GPS)
        place = _degrees(gps.get(2), gps.get(1), "S", 90), _degrees(gps.get(4), gps.get(3), "W", 180)
        if None not in place and place != (0.0, 0.0):  # which phones write where they do not know
            found["latitude"], found["longitude"] = place
    except Exception:  # of a camera's making, or an attacker's: the photo is answered all the same
        pass
    return found


def _degrees(parts: Sequence[Any] | None, side: Any, negative: str, most: float) -> float | None:
    if not parts or len(parts) != 3:
        return None
    degrees, minutes, seconds = map(float, parts)
    value = round(degrees + minutes / 60 + seconds / 3600, 6)
    if not math.isfinite(value) or not 0 <= value <= most:
        return None
    return -value if str(side).strip("\0 ").upper() == negative else value
