"""The one decoder, on one small file per way that a photo can be odd, damaged or hostile."""

from __future__ import annotations

import io
import os
import re
import threading
import warnings
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from mirror.errors import FetchError, ImageTooLarge, NotAnImage, PrivateAddress
from mirror.images import encode_jpeg, load_image, shrink
from mirror.net.fetch import NetworkSettings
from tests.support.limits import join
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
        str(file.relative_to(root))
        for file in (*root.glob("mirror/**/*.py"), root / "app.py", root / "train.py")
        if openers.search(file.read_text(encoding="utf-8"))
    }
    assert found == {"mirror/decoding/decode.py"}
