"""Pixels by Pillow and numpy alone against transformers' own image processors, to the last bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from PIL import Image

from mirror.errors import ImageTooSmall, ModelUnavailable
from mirror.tasks.image_processors import ImageProcessor

SIZES = ((640, 480), (427, 640), (333, 333), (1000, 217), (217, 1000), (61, 47), (20, 31), (224, 224), (800, 900))
EDGE = {"shortest_edge": 64}
NORMALISED = {"do_normalize": True, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.25]}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "ViT": ("ViT", {}),
    "ViT, one mean for all channels": ("ViT", {"size": 96, "image_mean": 0.4, "image_std": 0.3}),
    "ViT, without scaling": ("ViT", {"do_rescale": False, "resample": 3}),
    "ViT, as it is": ("ViT", {"do_resize": False}),
    "Swin": ("ViT", {"size": {"height": 256, "width": 256}, "resample": 3, **NORMALISED}),
    "DeiT": ("DeiT", {}),
    "BEiT": ("Beit", {"do_center_crop": True, "size": 256}),
    "PVT": ("Pvt", {}),
    "ConvNeXT 224": ("ConvNext", {"size": {"shortest_edge": 224}, "crop_pct": 0.875}),
    "ConvNeXT 224, another share": ("ConvNext", {"size": 224, "crop_pct": 0.95}),
    "ConvNeXT 384": ("ConvNext", {}),
    "DINOv2": ("Bit", {"size": {"shortest_edge": 256}, **NORMALISED}),
    "MobileNet": ("MobileNetV2", {}),
    "CLIP": ("CLIP", {}),
    "CLIP, numbers for sizes": ("CLIP", {"size": 96, "crop_size": 96}),
    "CLIP, a crop beyond the photo": ("CLIP", {"size": EDGE, "crop_size": {"height": 91, "width": 80}}),
    "Chinese CLIP": ("ChineseCLIP", {"size": {"height": 112, "width": 96}, "do_center_crop": False}),
    "SigLIP": ("Siglip", {"size": {"height": 384, "width": 384}}),
    "SigLIP 2": ("Siglip2", {"max_num_patches": 100}),
    "DETR": ("Detr", {}),
    "DETR, small": ("Detr", {"size": {"shortest_edge": 224, "longest_edge": 300}}),
    "DETR, numbers for sizes": ("Detr", {"size": 240, "max_size": 400}),
    "DETR, padded": ("Detr", {"size": EDGE | {"longest_edge": 99}, "pad_size": {"height": 101, "width": 120}}),
    "DETR, not padded": ("Detr", {"size": {"shortest_edge": 224, "longest_edge": 300}, "do_pad": False}),
    "YOLOS": ("Yolos", {"size": {"shortest_edge": 333, "longest_edge": 500}}),
    "RT-DETR, D-FINE": ("RTDetr", {}),
    "RT-DETR, normalised": ("RTDetr", {"size": {"height": 320, "width": 256}, "do_normalize": True}),
    "RT-DETR, within limits": ("RTDetr", {"size": {"max_height": 320, "max_width": 200}}),
}


def photo(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(width * height).integers(0, 256, (7, 9, 3), np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("case", CASES)
def test_pixels_are_those_of_transformers(case: str, tmp_path: Path) -> None:
    kind, settings = CASES[case]
    theirs = getattr(transformers, f"{kind}ImageProcessorPil")(**settings)
    theirs.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "preprocessor_config.json").read_text())
    older = {"feature_extractor_type": f"{kind}FeatureExtractor", **settings}
    for configuration in (saved, {"image_processor_type": f"{kind}ImageProcessorFast", **settings}, older):
        ours = ImageProcessor.of(configuration, "a model")
        for size in SIZES:
            expected = theirs(photo(*size), return_tensors="np")
            given = ours(photo(*size))
            assert set(given) == set(expected), size
            for name, value in given.items():
                assert value.shape == expected[name][0].shape, (size, name)
                assert np.array_equal(value, expected[name][0]), (size, name)


@pytest.mark.parametrize("case", CASES)
def test_it_is_known_whether_all_photos_come_out_in_one_size(case: str) -> None:
    kind, settings = CASES[case]
    ours = ImageProcessor.of({"image_processor_type": f"{kind}ImageProcessor", **settings}, "a model")
    shapes = {ours(photo(*size))["pixel_values"].shape for size in SIZES}
    assert ours.gives_one_size == (len(shapes) == 1)


@pytest.mark.parametrize("kind", ["Detr", "CLIP", "Yolos"])
@pytest.mark.parametrize("size", [(3000, 1), (1, 4000)])
def test_a_strip_is_refused(kind: str, size: tuple[int, int]) -> None:
    """Less than a pixel would be left of it, or 150 million be made of it."""
    ours = ImageProcessor.of({"image_processor_type": f"{kind}ImageProcessor"}, "a model")
    with pytest.raises(ImageTooSmall, match=f"An image of {size[0]} x {size[1]} pixels is too narrow"):
        ours(photo(*size))


@pytest.mark.parametrize(
    ("configuration", "says"),
    [
        ({}, "prepares its photos by nothing that it names, which is not supported"),
        ({"image_processor_type": "FuyuImageProcessor"}, "prepares its photos by FuyuImageProcessor, which is not"),
        ({"image_processor_type": "ViTImageProcessor", "size": {"height": 0, "width": 9}}, "makes no sense"),
        ({"image_processor_type": "ViTImageProcessor", "size": {"height": 10**9, "width": 10**9}}, "makes no sense"),
        ({"image_processor_type": "ViTImageProcessor", "size": "large"}, "makes no sense"),
        ({"image_processor_type": "ViTImageProcessor", "size": {"width": 9}}, "makes no sense"),
        ({"image_processor_type": "ViTImageProcessor", "image_std": [0, 1, 1]}, "makes no sense"),
        ({"image_processor_type": "ViTImageProcessor", "image_mean": [1, 2]}, "makes no sense"),
        ({"image_processor_type": "ViTImageProcessor", "resample": 77}, "makes no sense"),
        ({"image_processor_type": "ConvNextImageProcessor", "crop_pct": 0, "size": 224}, "makes no sense"),
        ({"image_processor_type": "Siglip2ImageProcessor", "patch_size": 0}, "makes no sense"),
    ],
    ids=str,
)
def test_a_configuration_that_cannot_be_meant_is_one_sentence(configuration: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelUnavailable, match=says) as told:
        ImageProcessor.of(configuration, "someone/model")
    assert "someone/model" in str(told.value) and "\n" not in str(told.value)
