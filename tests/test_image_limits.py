"""The decoder's limits: what is refused in one sentence, and what is decoded smaller so that it fits."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageFile

from mirror.errors import ImageError, ImageTooLarge, ImageTooSmall, NotAnImage
from mirror.images import full_size, load_image, small_jpeg
from tests.support.orientation_pictures import (
    BLUE,
    GREEN,
    NOISE,
    RED,
    YELLOW,
    assert_near,
    corner_colours,
    corners,
    exif,
    saved,
)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds a single short scan line."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0" * 10)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def gif_header(width: int, height: int) -> bytes:
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00;"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + frame


# name: (bytes, error, reason, words of the sentence)
BROKEN = {
    "zero bytes": (b"", NotAnImage, "empty-file", "is empty"),
    "text": (b"hello", NotAnImage, "not-an-image", "not an image"),
    "a web page": (b"\n<!DOCTYPE html><html>404</html>", NotAnImage, "not-an-image", "is a web page"),
    "an SVG": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', NotAnImage, "not-an-image", "SVG"),
    "a PDF": (b"%PDF-1.7 ...", NotAnImage, "not-an-image", "PDF"),
    "PostScript, never given to Ghostscript": (
        saved(corners(), "EPS"), NotAnImage, "not-an-image", "not an image",
    ),
    "an icon": (saved(corners(), "ICO"), NotAnImage, "not-an-image", "not an image"),
    "a HEIC that is only a header": (b"\0\0\0\x18ftypheic" + b"\0" * 40, NotAnImage, "not-an-image", "HEIC"),
    "a jpeg marker alone": (b"\xff\xd8\xff", NotAnImage, "not-an-image", ""),
    "png bomb": (png_header(60_000, 60_000), ImageTooLarge, "too-many-pixels", "50 megapixels"),
    "png just over": (png_header(10_000, 5_001), ImageTooLarge, "too-many-pixels", "10000 x 5001"),
    "gif bomb": (gif_header(65_535, 65_535), ImageTooLarge, "too-many-pixels", "50 megapixels"),
    "png of no width": (png_header(0, 5), NotAnImage, "not-an-image", "damaged"),
    "png without its pixels": (png_header(100, 100), NotAnImage, "not-an-image", "truncated"),
}  # fmt: skip
for _format, _options in {
    "JPEG": {}, "PNG": {}, "WEBP": {}, "GIF": {}, "AVIF": {}, "BMP": {}, "TIFF": {}, "PPM": {},
}.items():  # fmt: skip
    _whole = saved(NOISE, _format, **_options)
    for _share in (0.5, 0.9):
        BROKEN[f"{_format}, {_share:.0%} of it"] = (
            _whole[: int(len(_whole) * _share)], NotAnImage, "not-an-image", "",
        )  # fmt: skip
BROKEN["progressive JPEG, 60 % of it"] = (
    saved(NOISE, "JPEG", progressive=True)[:5000], NotAnImage, "not-an-image", "truncated",
)  # fmt: skip
BROKEN["LZW TIFF, half of it"] = (saved(NOISE, "TIFF", compression="tiff_lzw")[:20000], NotAnImage, "not-an-image", "")


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_decoded_is_refused_in_one_sentence(name: str) -> None:
    data, kind, reason, words = BROKEN[name]
    with pytest.raises(ImageError) as caught:
        load_image(data)
    sentence = str(caught.value)
    assert (type(caught.value), caught.value.reason) == (kind, reason)
    assert words in sentence and sentence.endswith(".") and "\n" not in sentence and "BytesIO" not in sentence
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lacks_its_end_alone_is_whole(progressive: bool) -> None:
    whole = saved(NOISE, "JPEG", progressive=progressive)
    assert whole.endswith(b"\xff\xd9")
    for cut in (whole[:-2], whole[:-1], whole[:-2] + bytes(100)):
        assert load_image(cut).tobytes() == load_image(whole).tobytes()
    with pytest.raises(NotAnImage, match="truncated"):
        load_image(whole[:-40])


def test_a_bomb_is_refused_before_its_pixels_are_made() -> None:
    import tracemalloc

    data = png_header(9_000, 9_000)  # below Pillow's own limit of 89 megapixels, above ours
    load = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
    tracemalloc.start()
    with pytest.raises(ImageTooLarge):
        load_image(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS) == load


def test_the_pixel_limit_is_inclusive_and_the_callers_to_choose() -> None:
    data = saved(corners(100, 50), "PNG")
    assert load_image(data, max_pixels=5000).size == (100, 50)
    with pytest.raises(ImageTooLarge, match="use one of at most 0.004999 megapixels"):
        load_image(data, max_pixels=4999)
    with pytest.raises(ImageTooLarge):
        load_image(corners(100, 50), max_pixels=4999)


def test_the_byte_limit_holds_for_bytes_and_files(tmp_path: Path) -> None:
    data = saved(corners(), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    for source in (data, tmp_path / "a.png"):
        assert load_image(source, max_bytes=len(data)).size == (80, 48)
        with pytest.raises(ImageTooLarge) as caught:
            load_image(source, max_bytes=len(data) - 1)
        assert caught.value.reason == "too-many-bytes"


def test_min_side_is_the_short_side_whatever_the_orientation() -> None:
    data = saved(corners(80, 48), "JPEG", exif=exif(6))
    assert load_image(data, min_side=48).size == (48, 80)
    with pytest.raises(ImageTooSmall, match="80 x 48 pixels; use one of at least 49"):
        load_image(data, min_side=49)
    assert load_image(saved(Image.new("RGB", (1, 1)), "PNG")).size == (1, 1)


@pytest.mark.parametrize(
    ("size", "at_least", "decoded"),
    [
        ((1600, 1200), None, (1600, 1200)),
        ((1600, 1200), 150, (200, 150)),
        ((1600, 1200), 151, (400, 300)),
        ((1600, 1200), 600, (800, 600)),
        ((1600, 1200), 601, (1600, 1200)),
        ((1601, 1201), 150, (201, 151)),
        ((1200, 1600), 300, (300, 400)),
        ((100, 80), 640, (100, 80)),
    ],
)
def test_at_least_decodes_jpegs_small_but_never_too_small(size: tuple, at_least: int | None, decoded: tuple) -> None:
    image = load_image(saved(corners(*size), "JPEG"), at_least=at_least)
    assert image.size == decoded
    assert_near(corner_colours(image), [RED, GREEN, BLUE, YELLOW], 6)


def test_at_least_leaves_other_formats_and_the_limits_alone() -> None:
    assert load_image(saved(corners(400, 300), "PNG"), at_least=30).size == (400, 300)
    with pytest.raises(ImageTooLarge):
        load_image(saved(corners(400, 300), "JPEG"), at_least=30, max_pixels=100_000)
    assert load_image(saved(corners(400, 300), "JPEG"), at_least=30, min_side=300).size == (50, 38)


@pytest.mark.parametrize(
    ("size", "most", "decoded"), [((800, 600), 480_000, (800, 600)), ((800, 600), 479_999, (400, 300)),
    ((801, 601), 120_000, (201, 151)), ((600, 800), 10_000, (75, 100))],
)  # fmt: skip
def test_a_large_jpeg_is_reduced_to_fit_and_tells_what_it_was(size: tuple, most: int, decoded: tuple) -> None:
    for orientation in (1, 6):
        data = saved(corners(*size), "JPEG", exif=exif(orientation))
        image = load_image(data, max_pixels=most, reduce=True)
        step = 1 if orientation == 1 else -1
        assert image.size == decoded[::step] and full_size(image) == size[::step]
    with pytest.raises(ImageTooLarge):
        load_image(data, max_pixels=4_000, reduce=True)
    with pytest.raises(ImageTooLarge):
        load_image(saved(corners(*size), "PNG"), max_pixels=size[0] * size[1] - 1, reduce=True)


def test_where_memory_runs_out_while_a_photo_is_made_small_it_is_an_error_of_that_photo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = Image.new("RGB", (90, 60))
    assert load_image(small_jpeg(image, 30, 80)).size == (30, 20) and image.size == (90, 60)

    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "resize", full)
    with pytest.raises(ImageTooLarge, match="more memory than there is"):
        small_jpeg(image, 30, 80)
