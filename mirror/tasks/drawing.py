"""Detections drawn on their image: boxes in a colour a label, each with a tag that says what it is, and how surely.

Colours are Okabe and Ito's, which people with any common colour vision can tell apart ("Color Universal Design", 2008);
black is left out. Colour is never the only hint: the tag has the label in words.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from mirror.images import full_size
from mirror.tasks.detections import Box, Detection, Detections

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
BLACK, WHITE = "#000000", "#FFFFFF"
LINE_SHARE, LINE_MIN = 0.004, 2  # of the image's long side, in pixels: 2.5 px at 640, 16 at 4000
FONT_SHARE, FONT_MIN = 0.022, 11  # 14 px at 640
ELLIPSIS = "..."


@dataclass(frozen=True)
class Tag:
    """A detection's words and where they stand: the pixels (xmin, ymin, xmax, ymax) of their plate."""

    text: str
    plate: tuple[int, int, int, int]


def caption(detection: Detection) -> str:
    """`bicycle 98 %`: whole per cents, rounded down, so that nothing is called certain."""
    return f"{detection.label} {int(100 * detection.score + 1e-9)} %"  # 100 * 0.29 is 28.999…


def colours(labels: Iterable[str]) -> dict[str, str]:
    """A colour (#RRGGBB) for each label: its own by its name, the same in every image; where labels of one image would
    share one, those later in the alphabet take the next that is free, as long as there is one."""
    chosen: dict[str, str] = {}
    for label in sorted(set(labels)):
        first = zlib.crc32(label.encode()) % len(PALETTE)
        order = PALETTE[first:] + PALETTE[:first]
        chosen[label] = next((colour for colour in order if colour not in chosen.values()), order[0])
    return chosen


def ink(colour: str) -> str:
    """Black or white, whichever reads better on a colour (relative luminance and contrast as in WCAG 2.2)."""
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return BLACK if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else WHITE


def draw(image: Image.Image, detections: Detections, *, text: Callable[[Detection], str] = caption) -> Image.Image:
    """A copy of an upright RGB image with all detections drawn on it. text: of a detection's tag; "" for none.

    Lines and letters grow with the image. Tags stand within the image, and beside each other where there is room: the
    surest detection's is placed first.
    """
    drawn = image.convert("RGB")
    drawn = drawn.copy() if drawn is image else drawn
    pen = ImageDraw.Draw(drawn)
    line = max(LINE_MIN, round(LINE_SHARE * max(image.size)))
    font = ImageFont.load_default(max(FONT_MIN, round(FONT_SHARE * max(image.size))))
    ranked = sorted(detections.found, key=lambda each: -each.score)
    palette = colours(each.label for each in ranked)
    boxes = [_within(each.box, full_size(image), image.size) for each in ranked]
    for detection, box in reversed(list(zip(ranked, boxes, strict=True))):  # the surest lie on top
        colour = palette[detection.label]
        halo = max(1, line // 3)  # parts the line from a background of its own colour
        pen.rectangle(_grown(box, halo), outline=ink(colour), width=line + 2 * halo)
        pen.rectangle(box, outline=colour, width=line)
    tags = place_tags([text(each) for each in ranked], boxes, image.size, font, line)
    for detection, tag in reversed(list(zip(ranked, tags, strict=True))):
        if tag is not None:
            colour = palette[detection.label]
            xmin, ymin, xmax, ymax = tag.plate
            pen.rectangle(tag.plate, fill=colour)
            pen.text(((xmin + xmax + 1) / 2, (ymin + ymax + 1) / 2), tag.text, fill=ink(colour), font=font, anchor="mm")
    return drawn


def place_tags(
    texts: Sequence[str], boxes: Sequence[tuple[int, int, int, int]], size: tuple[int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont, line: int,
) -> list[Tag | None]:  # fmt: skip
    """Where each box's text goes, in this order: above the box, inside at its top, below, inside at its bottom, from
    the left, then from the right; the first place free of other tags, else where least of them is hidden. None where
    there is no text, or the image is too small for it."""
    tags: list[Tag | None] = []
    taken: list[tuple[int, int, int, int]] = []
    padding = max(2, line)
    top, bottom = font.getbbox("Ag")[1::2]
    height = int(bottom - top) + 2 * padding
    for text, box in zip(texts, boxes, strict=True):
        fitting = _fitting(_writable(text), font, size[0] - 2 * padding)
        if not fitting or height > size[1]:
            tags.append(None)
            continue
        width = int(font.getlength(fitting)) + 1 + 2 * padding
        positions = _places(box, width, height, size)
        free = min(positions, key=lambda plate: sum(_shared(plate, other) for other in taken))
        taken.append(free)
        tags.append(Tag(fitting, free))
    return tags


def _places(
    box: tuple[int, int, int, int], width: int, height: int, size: tuple[int, int]
) -> list[tuple[int, int, int, int]]:
    """The plates of this size by a box, pushed into the image, those first that did not have to be pushed."""
    xmin, ymin, xmax, ymax = box
    positions = []
    for left in (xmin, xmax + 1 - width):
        for top in (ymin - height, ymin, ymax + 1, ymax + 1 - height):
            x = min(max(left, 0), size[0] - width)
            y = min(max(top, 0), size[1] - height)
            positions.append((y != top, (x, y, x + width - 1, y + height - 1)))
    return [plate for _, plate in sorted(positions, key=lambda position: position[0])]


def _writable(text: str) -> str:
    """What Pillow's own font can write, which knows ASCII: é is e, and letters of other scripts are left out."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().strip()


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text cut to this many pixels; "" where not even a letter and the ellipsis fit."""
    if font.getlength(text) <= width:
        return text
    for end in range(len(text) - 1, 0, -1):
        if font.getlength(text[:end] + ELLIPSIS) <= width:
            return text[:end] + ELLIPSIS
    return ""


def _within(box: Box, full: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The pixels of an image of `size` that a box covers in the photo of the size `full`, corners included; at least
    one. Detectors may look over the edge."""
    right, bottom = size[0] - 1, size[1] - 1
    xmin, xmax = (side * size[0] // full[0] for side in (box.xmin, box.xmax))
    ymin, ymax = (side * size[1] // full[1] for side in (box.ymin, box.ymax))
    xmin, ymin = min(max(xmin, 0), right), min(max(ymin, 0), bottom)
    return xmin, ymin, max(xmin, min(xmax, right)), max(ymin, min(ymax, bottom))


def _grown(box: tuple[int, int, int, int], pixels: int) -> tuple[int, int, int, int]:
    return box[0] - pixels, box[1] - pixels, box[2] + pixels, box[3] + pixels


def _shared(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> int:
    """The pixels that two plates have in common."""
    width = min(one[2], other[2]) - max(one[0], other[0]) + 1
    height = min(one[3], other[3]) - max(one[1], other[1]) + 1
    return max(0, width) * max(0, height)
