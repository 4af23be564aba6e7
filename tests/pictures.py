"""Pictures of what tests see, for people: none is taken where nobody looks, for each costs the browser a whole drawing.

MIRROR_PICTURES=1 python -m pytest tests/web                    screenshots, in artifacts/ (not in git)
MIRROR_DOCS_PICTURES=1 python -m pytest tests/web tests/tasks/test_face_detection.py tests/batch     README's, in docs/
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]
WANTED, OF_DOCS = (os.environ.get(name) == "1" for name in ("MIRROR_PICTURES", "MIRROR_DOCS_PICTURES"))
COLOURS = 255


def shot(page: Any, name: str, *, whole: bool = True) -> None:
    """A screenshot of the whole page, or of what is in sight of it."""
    if WANTED:
        page.screenshot(path=REPOSITORY / "artifacts" / f"{name}.png", full_page=whole)


def for_the_readme(name: str, seen: Any, *, whole: bool = True) -> None:
    """Writes `name`.png in a palette, which is a third of the size and looks the same. seen: an image, or a page."""
    if not OF_DOCS:
        return
    image = seen if isinstance(seen, Image.Image) else Image.open(io.BytesIO(seen.screenshot(full_page=whole)))
    small = image.convert("RGB").quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
    small.save(REPOSITORY / "docs" / f"{name}.png", optimize=True)
