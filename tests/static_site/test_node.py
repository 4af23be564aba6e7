"""The page's pure parts in node, against Pillow and the Python that they follow."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter, PngImagePlugin

from mirror.decoding.orientation import orientation
from mirror.inference.classifier import softmax
from mirror.inference.preprocess import preprocess
from mirror.model_schema import BatchResize, Preprocessing
from mirror.preparation import as_opened
from mirror.static_site.words_tab import page_preprocessing
from mirror.tasks.image_classification import sigmoid
from mirror.tasks.image_processors import ImageProcessor
from mirror.typed_json import encode
from mirror.wording import percent
from tests.static_site.formats import EXAMPLES, encoded, oriented
from tests.support.limits import LIMIT

SUITE = Path(__file__).with_name("node")
FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
HUB_WAYS: dict[str, dict[str, Any]] = {  # preprocessor_config.json, as the tab of one's own words takes it
    "CLIP": {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 24}, "crop_size": 24},
    "CLIP, cropped beyond": {
        "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 21}, "crop_size": 32, "resample": 2,
    },
    "SigLIP": {"image_processor_type": "SiglipImageProcessor", "size": {"height": 24, "width": 20}},
    "as levels": {"image_processor_type": "ViTImageProcessor", "size": 24, "do_rescale": False, "image_std": [9, 8, 7]},
    "not normalised": {"image_processor_type": "ViTImageProcessor", "size": 24, "do_normalize": False},
}  # fmt: skip
RANDOM = np.random.default_rng(5)


def coded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8))


def as_json(image: Image.Image) -> dict[str, Any]:
    return {"width": image.width, "height": image.height, "rgb": coded(image.tobytes())}


def resizes() -> list[dict[str, Any]]:
    return [
        {
            "photo": as_json(image),
            "filter": name,
            "to": to,
            "levels": coded(image.resize(to, Image.Resampling[name.upper()]).tobytes()),
        }
        for image in (noise(61, 47), noise(9, 130))
        for to in ((24, 24), (100, 31), (9, 130), (1, 1))
        for name in FILTERS
    ]


def resizes_in_two() -> list[dict[str, Any]]:
    return [
        {
            "photo": as_json(image),
            "to": to,
            "levels": coded(image.resize(to, Image.Resampling.BILINEAR, reducing_gap=2.0).tobytes()),
        }
        for image in (noise(161, 147), noise(90, 240), noise(12, 10))
        for to in ((24, 20), (31, 7), (8, 8))
    ]


def preprocessings() -> list[dict[str, Any]]:
    plain = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    step = BatchResize(size=(16, 16), crop=None)
    ways = {
        "crop": Preprocessing(resize="crop", size=(32, 32), **plain),
        "crop, not square": Preprocessing(resize="crop", size=(20, 44), resample="bicubic", **plain),
        "squish": Preprocessing(resize="squish", size=(32, 24), **plain),
        "pad, mirrored": Preprocessing(resize="pad", size=(32, 32), pad_mode="reflection", **plain),
        "pad, black": Preprocessing(resize="pad", size=(32, 32), pad_mode="zeros", **plain),
        "pad, edge": Preprocessing(resize="pad", size=(32, 32), pad_mode="border", resample="nearest", **plain),
        "then cropped": Preprocessing(resize="squish", size=(40, 36), crop=(32, 32), **plain),
        "then cropped beyond": Preprocessing(resize="squish", size=(20, 36), crop=(32, 32), **plain),
        "grey": Preprocessing(resize="crop", size=(32, 32), prepare="greyscale", **plain),
        "whole batches": Preprocessing(resize="crop", size=(48, 48), batch_resizes=(step,), **plain),
    }
    images = (noise(61, 47), noise(30, 90))
    found = [
        {
            "name": f"{name}, {image.size}",
            "photo": as_json(image),
            "how": encode(how),
            "pixels": coded(preprocess(as_opened(image, how.prepare), how).tobytes()),
            "within": 1e-5 if how.batch_resizes else 0,
        }
        for name, how in ways.items()
        for image in images
    ]
    for name, settings in HUB_WAYS.items():
        processor = ImageProcessor.of(settings, name)
        found += [
            {
                "name": f"{name}, {image.size}",
                "photo": as_json(image),
                "how": page_preprocessing(processor, name),
                "pixels": coded(processor(image)["pixel_values"].tobytes()),
                "within": 1e-5,
            }
            for image in images
        ]
    return found


def jpegs() -> list[dict[str, Any]]:
    image = Image.open(EXAMPLES / "duckling.jpg").convert("RGB").resize((173, 141))
    files = {
        "4:2:0": encoded(image, "JPEG", subsampling=2),
        "4:2:2": encoded(image, "JPEG", subsampling=1),
        "4:4:4": encoded(image, "JPEG", subsampling=0, quality=97),
        "progressive": encoded(image, "JPEG", progressive=True),
        "restarts": encoded(image, "JPEG", restart_marker_blocks=3),
        "grey": encoded(image.convert("L"), "JPEG"),
        "RGB": encoded(image, "JPEG", keep_rgb=True),
        "two pixels": encoded(image.resize((2, 2)), "JPEG", subsampling=1),
        "noise": encoded(noise(90, 70), "JPEG", quality=100),
        "CMYK": encoded(image.convert("CMYK"), "JPEG"),
        "cut off": encoded(image, "JPEG")[:2000],
    }
    found = []
    for name, body in files.items():
        for scale in (2, 4, 8):
            rgb = None
            if name not in ("CMYK", "cut off"):
                opened = Image.open(io.BytesIO(body))
                opened.draft(None, (max(1, opened.width // scale), max(1, opened.height // scale)))
                if opened.width > 2 or scale == 2:
                    rgb = coded(opened.convert("RGB").tobytes())
                if name == "two pixels" and scale > 2:
                    continue
            found.append({"name": name, "scale": scale, "file": coded(body), "rgb": rgb})
    return found


def orientations() -> list[dict[str, Any]]:
    def directory(endian: str, kind: int, count: int, value: bytes, tag: int = 0x112) -> bytes:
        mark = b"MM\0*" if endian == ">" else b"II*\0"
        return mark + struct.pack(f"{endian}LHHHL", 8, 1, tag, kind, count) + value.ljust(4, b"\0")

    blocks = {
        f"{kind} {endian}": directory(endian, kind, 1, struct.pack(endian + code, 6))
        for endian in "<>"
        for kind, code in ((3, "H"), (4, "L"), (8, "h"), (9, "l"))
    }
    blocks |= {
        "a digit as text": directory("<", 2, 2, b"6\0"),
        "a byte": directory("<", 1, 1, b"6"),
        "too high": directory("<", 3, 1, b"\x09\0"),
        "another tag": directory("<", 3, 1, b"\6\0", tag=0x100),
        "no kind": directory("<", 99, 1, b"\6\0"),
        "cut off": directory("<", 3, 1, b"\6\0")[:15],
        "far away": directory("<", 3, 9, struct.pack("<L", 4000)),
        "none": b"",
        "nonsense": b"Exif\0\0hello",
        "twice": b"Exif\0\0Exif\0\0" + directory("<", 3, 1, b"\6\0"),
        "ours": oriented(7),
    }
    found = [
        {"name": name, "exif": coded(block), "xmp": None, "orientation": orientation({"exif": block})}
        for name, block in blocks.items()
    ]
    for text in (
        b'<x tiff:Orientation="8"/>',
        b"<tiff:Orientation>3</tiff:Orientation>",
        b"nothing",
        b'tiff:Orientation="9"',
    ):
        found.append(
            {"name": text.decode(), "exif": None, "xmp": coded(text), "orientation": orientation({"xmp": text})}
        )
    return found


def files() -> list[dict[str, Any]]:
    image, text = noise(9, 7), PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="5"/>')
    packed = PngImagePlugin.PngInfo()
    packed.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="4"/>', zip=True)
    raw = PngImagePlugin.PngInfo()
    raw.add_text("Raw profile type exif", "\nexif\n  26\n" + oriented(8).hex(), zip=True)
    bodies = {
        "JPEG": encoded(image, "JPEG", exif=oriented(6)),
        "PNG": encoded(image, "PNG", exif=oriented(3)),
        "WebP": encoded(image, "WEBP", exif=oriented(7)),
        "XMP": encoded(image, "PNG", pnginfo=text),
        "XMP, packed": encoded(image, "PNG", pnginfo=packed),
        "ImageMagick's": encoded(image, "PNG", pnginfo=raw),
        "none": encoded(image, "PNG"),
    }
    return [
        {"name": name, "file": coded(body), "orientation": orientation(Image.open(io.BytesIO(body)).info)}
        for name, body in bodies.items()
    ]


def test_parts_that_need_no_browser_give_the_numbers_of_pillow_and_python(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    grey, deep = noise(17, 28).getchannel(0), RANDOM.integers(0, 65536, (13, 11)).astype(np.uint16)
    logits = [[1.5, -2.25, 0.1], [1000.0, 999.0], [-3.0]]
    expected = {
        "resized": resizes(),
        "resized_in_two": resizes_in_two(),
        "preprocessed": preprocessings(),
        "jpegs": jpegs(),
        "orientations": orientations(),
        "files": files(),
        "sharpened": {
            "levels": coded(grey.tobytes()),
            "size": grey.size,
            "found": coded(grey.filter(ImageFilter.UnsharpMask(1, 83, 0)).tobytes()),
        },
        "grey16": [
            {
                "file": coded(encoded(Image.fromarray(levels), "PNG")),
                "levels": coded(np.rint(levels * (255.0 / white)).astype(np.uint8).tobytes()),
            }
            for levels, white in ((deep, 65535.0), (deep // 16, 4095.0))
        ],
        "softmax": [
            {"logits": one, "temperature": t, "probabilities": softmax(np.array([one]), t)[0].tolist()}
            for one in logits
            for t in (1.0, 2.5)
        ],
        "sigmoid": [{"logits": one, "probabilities": sigmoid(np.array(one)).tolist()} for one in logits],
        "percents": [
            (share, percent(share)) for share in (0.0, 0.001, 0.004, 0.006, 0.124, 0.5, 0.994, 0.996, 0.99999, 1.0)
        ],
        "drafts": [
            (4000, 3000, 576, 4),
            (1600, 1200, 576, 2),
            (1151, 1151, 576, 1),
            (768, 768, 320, 2),
            (9999, 9999, 10, 8),
        ],
    }
    (tmp_path / "expected.json").write_text(json.dumps(expected), "utf-8")
    done = subprocess.run(
        [node, "--no-warnings", "--test", str(SUITE / "units.test.mjs")],
        env=os.environ | {"EXPECTED": str(tmp_path / "expected.json")},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stdout[-6000:]
