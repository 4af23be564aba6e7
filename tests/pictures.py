"""README's pictures: made by the tests, and written into docs/ where MIRROR_DOCS_PICTURES=1, else into artifacts/.

MIRROR_DOCS_PICTURES=1 python -m pytest tests/web tests/tasks/test_face_detection.py
"""

from __future__ import annotations

import io
import os
from pathlib import Path

from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]
ARTIFACTS = REPOSITORY / "artifacts"
COLOURS = 255


def for_the_readme(name: str, picture: bytes | Image.Image) -> None:
    """Writes `name`.png in a palette, which is a third of the size and looks the same."""
    image = Image.open(io.BytesIO(picture)) if isinstance(picture, bytes) else picture
    folder = REPOSITORY / "docs" if os.environ.get("MIRROR_DOCS_PICTURES") == "1" else ARTIFACTS
    folder.mkdir(exist_ok=True)
    small = image.convert("RGB").quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
    small.save(folder / f"{name}.png", optimize=True)
