"""The one decoder, on one small file per way that a photo can be odd, damaged or hostile."""

from __future__ import annotations

import io
import os
import re
import struct
import threading
import warnings
import zlib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from mirror.errors import FetchError, ImageError, ImageTooLarge, ImageTooSmall, NotAnImage, PrivateAddress
from mirror.images import encode_jpeg, full_size, load_image, shrink, small_jpeg
from mirror.net.fetch import NetworkSettings
from tests.support.limits import join

RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)


def corners(width: int = 80, height: int = 48) -> Image.Image:
    """Red top left, green top right, blue bottom left, yellow bottom right: every turn and flip shows."""
    image = Image.new("RGB", (width, height))
    for box, colour in (
        ((0, 0, width // 2, height // 2), RED),
        ((width // 2, 0, width, height // 2), GREEN),
        ((0, height // 2, width // 2, height), BLUE),
        ((width // 2, height // 2, width, height), YELLOW),
    ):
        image.paste(colour, box)
    return image


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def corner_colours(image: Image.Image) -> list[tuple[int, int, int]]:
    width, height = image.size
    places = [(width // 4, height // 4), (3 * width // 4, height // 4)]
    places += [(x, 3 * height // 4) for x, _ in places]
    return [image.getpixel(place) for place in places]


def assert_near(found: list, expected: list, tolerance: int = 6) -> None:
    assert np.abs(np.array(found, dtype=int) - np.array(expected, dtype=int)).max() <= tolerance, (found, expected)


def exif(orientation: object) -> Image.Exif:
    block = Image.Exif()
    block[0x0112] = orientation
    return block


# What EXIF 2.32 says the stored rows and columns are; the file is made by laying out the upright picture that way
STORED = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, 1),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels, -1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_exif_orientation_comes_out_upright(orientation: int, format: str) -> None:
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](np.asarray(corners()))))
    image = load_image(saved(stored, format, exif=exif(orientation), **({"quality": 95} if format == "JPEG" else {})))
    assert image.size == (80, 48)
    assert_near(corner_colours(image), [RED, GREEN, BLUE, YELLOW], 12)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_passed_over(orientation: int) -> None:
    assert corner_colours(load_image(saved(corners(), "PNG", exif=exif(orientation))))[0] == RED


def test_malformed_exif_leaves_the_pixels_usable() -> None:
    image = load_image(saved(corners(), "JPEG", quality=95, exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff\x01"))
    assert_near(corner_colours(image), [RED, GREEN, BLUE, YELLOW], 6)


def test_orientation_is_not_applied_twice() -> None:
    turned = Image.fromarray(np.ascontiguousarray(STORED[6](np.asarray(corners()))))
    once = load_image(saved(turned, "PNG", exif=exif(6)))
    assert load_image(once).tobytes() == once.tobytes()
    assert once.getexif() == {} and once.info == {}


def palette_with_transparency() -> Image.Image:
    image = Image.new("P", (80, 48))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (40, 0, 80, 48))
    return image


def halves(left: object, right: object, mode: str) -> Image.Image:
    image = Image.new(mode, (80, 48), left)
    image.paste(right, (40, 0, 80, 48))
    return image


def sixteen_bit(left: int, right: int) -> Image.Image:
    levels = np.full((48, 80), left, dtype=np.uint16)
    levels[:, 40:] = right
    return Image.fromarray(levels)


def floats(left: float, right: float) -> Image.Image:
    levels = np.full((48, 80), left, dtype=np.float32)
    levels[:, 40:] = right
    return Image.fromarray(levels)


def animation(format: str) -> bytes:
    return saved(corners(), format, save_all=True, append_images=[Image.new("RGB", (80, 48), "white")] * 2, duration=50,
                 **({"lossless": True} if format == "WEBP" else {}))  # fmt: skip


def lab() -> Image.Image:
    srgb, target = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    transform = ImageCms.buildTransform(srgb, target, "RGB", "LAB")
    return ImageCms.applyTransform(halves((200, 40, 40), (40, 40, 200), "RGB"), transform)


CLEAR = (12, 34, 56, 0)
# name: (bytes, colour of the left half, of the right half, tolerance)
MODES = {
    "RGB png": (saved(halves(RED, BLUE, "RGB"), "PNG"), RED, BLUE, 0),
    "grey jpeg": (saved(halves(40, 200, "L"), "JPEG"), (40,) * 3, (200,) * 3, 3),
    "grey with alpha": (saved(halves((40, 255), (40, 0), "LA"), "PNG"), (40,) * 3, (255,) * 3, 0),
    "RGBA, right half clear": (saved(halves((255, 0, 0, 255), CLEAR, "RGBA"), "PNG"), RED, (255,) * 3, 0),
    "RGBA, half transparent": (saved(halves((0, 0, 0, 128), CLEAR, "RGBA"), "PNG"), (127,) * 3, (255,) * 3, 1),
    "RGBA webp": (saved(halves((255, 0, 0, 255), CLEAR, "RGBA"), "WEBP", lossless=True), RED, (255,) * 3, 0),
    "palette": (saved(palette_with_transparency(), "PNG"), RED, BLUE, 0),
    "palette, one colour clear": (saved(palette_with_transparency(), "PNG", transparency=1), RED, (255,) * 3, 0),
    "palette, alpha per colour": (
        saved(palette_with_transparency(), "PNG", transparency=bytes([255, 0])), RED, (255,) * 3, 0,
    ),
    "palette gif, one colour clear": (saved(palette_with_transparency(), "GIF", transparency=1), RED, (255,) * 3, 0),
    "RGB png with a clear colour": (
        saved(halves(RED, BLUE, "RGB"), "PNG", transparency=(0, 0, 255)), RED, (255,) * 3, 0,
    ),
    "1 bit": (saved(halves(0, 1, "1"), "PNG"), (0,) * 3, (255,) * 3, 0),
    "1 bit tiff": (saved(halves(0, 1, "1"), "TIFF", compression="group4"), (0,) * 3, (255,) * 3, 0),
    "16-bit png": (saved(sixteen_bit(0x4000, 0xC000), "PNG"), (64,) * 3, (191,) * 3, 0),
    "12 bits in 16, png": (saved(sixteen_bit(0x0400, 0x0FFF), "PNG"), (64,) * 3, (255,) * 3, 0),
    "12 bits in 16, tiff": (saved(sixteen_bit(0x0400, 0x0C00), "TIFF"), (64,) * 3, (191,) * 3, 0),
    "just above 12 bits": (saved(sixteen_bit(0x0FFF, 0x1000), "PNG"), (16,) * 3, (16,) * 3, 0),
    "16-bit tiff": (saved(sixteen_bit(0x4000, 0xFFFF), "TIFF"), (64,) * 3, (255,) * 3, 0),
    "float tiff of fractions": (saved(floats(0.25, 1.0), "TIFF"), (64,) * 3, (255,) * 3, 0),
    "float tiff of levels": (saved(floats(40.0, 200.0), "TIFF"), (40,) * 3, (200,) * 3, 0),
    "float tiff beyond any level": (saved(floats(0.0, 9000.0), "TIFF"), (0,) * 3, (255,) * 3, 0),
    "float tiff with nan": (saved(floats(float("nan"), 1.0), "TIFF"), (0,) * 3, (255,) * 3, 0),
    "CMYK jpeg": (saved(halves((0, 255, 255, 0), (255, 255, 0, 0), "CMYK"), "JPEG", quality=95), RED, BLUE, 6),
    "CMYK tiff": (saved(halves((0, 255, 255, 0), (0, 0, 0, 255), "CMYK"), "TIFF"), RED, (0,) * 3, 0),
    "LAB tiff": (saved(lab(), "TIFF"), (200, 40, 40), (40, 40, 200), 8),
    "bmp": (saved(halves(RED, BLUE, "RGB"), "BMP"), RED, BLUE, 0),
    "ppm": (saved(halves(RED, BLUE, "RGB"), "PPM"), RED, BLUE, 0),
    "avif": (saved(halves(RED, BLUE, "RGB"), "AVIF", quality=95), RED, BLUE, 12),
    "first frame of a gif": (animation("GIF"), RED, GREEN, 0),
    "first frame of a webp": (animation("WEBP"), RED, GREEN, 0),
    "first frame of an animated png": (animation("PNG"), RED, GREEN, 0),
    "first view of a stereo photo": (
        saved(halves(RED, BLUE, "RGB"), "MPO", save_all=True, append_images=[corners()], quality=95), RED, BLUE, 6,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODES)
def test_any_mode_becomes_rgb_over_white(name: str) -> None:
    data, left, right, tolerance = MODES[name]
    image = load_image(data)
    assert (type(image), image.mode, image.size) == (Image.Image, "RGB", (80, 48))
    assert_near([image.getpixel((20, 12)), image.getpixel((60, 12))], [left, right], tolerance)


def test_a_photoshop_cmyk_jpeg_is_not_a_negative() -> None:
    """Adobe stores CMYK inverted and says so in an APP14 segment, which Pillow writes for CMYK as well."""
    data = saved(Image.new("CMYK", (80, 48), (0, 0, 0, 0)), "JPEG")
    assert b"Adobe" in data
    assert load_image(data).getpixel((5, 5)) == (255, 255, 255)


def test_heic_is_read_where_pillow_heif_is_installed(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    heif = pillow_heif.from_pillow(corners())
    heif.save(tmp_path / "photo.heic", quality=95)
    assert_near(corner_colours(load_image(tmp_path / "photo.heic")), [RED, GREEN, BLUE, YELLOW], 16)


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


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8))
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


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "page.jpg").write_text("<html>not found</html>")
    (tmp_path / "empty.jpg").touch()
    for path, reason, words in (
        (tmp_path, "is-a-folder", "is a folder"),
        (tmp_path / "nowhere.jpg", "missing-file", "does not exist"),
        (tmp_path / "page.jpg" / "x.jpg", "missing-file", "does not exist"),
        (tmp_path / "pipe", "unreadable-file", "not a regular file"),
        ("a\0b.jpg", "unreadable-file", "cannot be read"),
        (tmp_path / "page.jpg", "not-an-image", "is a web page"),
        (tmp_path / "empty.jpg", "empty-file", "is empty"),
    ):
        with pytest.raises(NotAnImage, match=words) as caught:
            load_image(path)
        assert caught.value.reason == reason and str(path) in str(caught.value)


def test_path_string_bytes_and_pil_image_give_the_same_pixels(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(saved(corners(), "JPEG", exif=exif(3)))
    sources = [tmp_path / "a.jpg", str(tmp_path / "a.jpg"), (tmp_path / "a.jpg").read_bytes()]
    with Image.open(tmp_path / "a.jpg") as opened:
        pixels = {load_image(source).tobytes() for source in [*sources, opened]}
    assert len(pixels) == 1


def test_a_url_is_fetched_under_the_same_limits_and_never_from_a_private_address(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(saved(corners(), "PNG"))
    (tmp_path / "page.jpg").write_text("<html>not found</html>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietFiles, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    here = f"http://127.0.0.1:{server.server_port}"
    network = NetworkSettings(allow_private_hosts=True)
    try:
        assert load_image(f"{here}/a.png", network=network).tobytes() == corners().tobytes()
        with pytest.raises(ImageTooLarge, match=f"{here}/a.png is larger than 50 bytes"):
            load_image(f"{here}/a.png", max_bytes=50, network=network)
        with pytest.raises(NotAnImage, match="is a web page"):
            load_image(f"{here}/page.jpg", network=network)
        with pytest.raises(FetchError) as caught:
            load_image(f"{here}/nowhere.jpg", network=network)
        assert caught.value.status == 404
        with pytest.raises(PrivateAddress):
            load_image(f"{here}/a.png")
    finally:
        server.shutdown()
        join(thread)
        server.server_close()


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_a_pil_image_is_never_handed_back_itself() -> None:
    source = corners()
    load_image(source).paste("white", (0, 0, 80, 48))
    assert source.getpixel((0, 0)) == RED


def test_odd_metadata_raises_no_warning_in_any_thread_and_leaves_the_filters_alone() -> None:
    """`catch_warnings` in every thread would leave some thread's filters behind for good."""
    data = MODES["palette, alpha per colour"][0]
    large = saved(Image.new("L", (10_000, 9_000)), "JPEG")  # 90 megapixels: Pillow warns from 89 on
    before = list(warnings.filters)
    seen: list[BaseException] = []

    def decode() -> None:
        try:
            for _ in range(10):
                load_image(data)
            load_image(large, at_least=1000, min_side=1)
        except BaseException as error:
            seen.append(error)

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        join(thread)
    assert seen == []
    assert warnings.filters == before
    with pytest.warns(UserWarning, match="still heard"):
        warnings.warn("still heard", UserWarning, stacklevel=1)


def test_encoded_jpegs_are_small_plain_and_the_same_every_time() -> None:
    photo = NOISE.resize((1000, 500), Image.Resampling.BICUBIC)
    photo.info["comment"] = b"where I live"
    encoded = encode_jpeg(photo)
    assert encode_jpeg(photo) == encoded
    with Image.open(io.BytesIO(encoded)) as stored:
        assert (stored.format, stored.size, stored.mode) == ("JPEG", (640, 320), "RGB")
        assert not stored.getexif() and "comment" not in stored.info


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1000, 500), (640, 320)), ((500, 1000), (320, 640)), ((640, 2), (640, 2)), ((9000, 1), (640, 1))],
)
def test_shrink_keeps_the_shape_and_never_enlarges(size: tuple, expected: tuple) -> None:
    assert shrink(Image.new("RGB", size), 640).size == expected
    assert load_image(encode_jpeg(Image.new("RGB", size))).size == expected


def test_there_is_one_decoder() -> None:
    """What opens an encoded picture otherwise has no budget of memory and time."""
    root = Path(__file__).parents[1]
    openers = re.compile(
        r"\bImage\.open\(|\bImageFile\.|ImagePlugin|\bPILImage\.create\((?!np\.)|\bim(read|decode)\(|\bimageio\b"
        r"|import pillow_heif|\b(read_image|decode_(image|jpeg|png|webp))\(|\bdefault_loader\(|\bImageFolder\("
    )
    found = {
        str(file.relative_to(root)) for file in (*root.glob("mirror/**/*.py"), root / "app.py", root / "train.py")
        if openers.search(file.read_text(encoding="utf-8"))
    }  # fmt: skip
    assert found == {"mirror/decoding/decode.py"}


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
