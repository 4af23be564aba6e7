"""What the serving benchmark needs: a learner exported by plain fastai, its model folders, and photos of three sizes.

The learner is the article's (ResNet-18, RandomResizedCrop(256, min_scale=0.8), aug_transforms(), Normalize), trained
for an epoch from random weights: its speed is that of any ResNet-18, its answers mean little. Its last layer is scaled
so that logits have deviation 1, since one epoch leaves all answers alike and a comparison would have nothing to show.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from benchmarks import DATA
from mirror.images import load_image

PHOTOS = DATA / "ants_bees"

SIZES = {"640 px": (640, 480), "1600 x 1200": (1600, 1200), "12 megapixels": (4000, 3000)}  # width, height
MANY = 500
CALIBRATION = 96
TRAINED_ON = 96


@dataclass(frozen=True)
class Material:
    """pickle: by plain fastai. models: a folder holding "fp32" and "int8", each a folder of one model. photos: a few
    files for each of SIZES. many: MANY files of 640 px. precision: of the model that is measured."""

    pickle: Path
    models: Path
    photos: dict[str, list[Path]]
    many: list[Path]
    precision: str

    def folder(self, precision: str) -> Path:
        return self.models / precision / "mirror"


def gather(place: Path, precision: str = "int8") -> Material:
    """Makes in `place` what is not there yet; about two minutes the first time."""
    place.mkdir(parents=True, exist_ok=True)
    sources = _sources(place)
    pickle = place / "learner.pkl"
    if not pickle.exists():
        _train(sources, pickle)
    models = place / "models"
    for each in ("fp32", "int8"):
        if not (models / each / "mirror" / "model.json").exists():
            _compile(pickle, models / each / "mirror", each, sources)
    photos = {name: [_enlarged(place, name, size, sources[i * 7]) for i in range(3)] for name, size in SIZES.items()}
    return Material(pickle, models, photos, _many(place, sources), precision)


def _sources(place: Path) -> list[Path]:
    """Photos in label folders: ants_bees where it is, else drawn ones."""
    if PHOTOS.is_dir():
        return sorted(PHOTOS.rglob("*.jpg"))
    random = np.random.default_rng(0)
    for label in ("blue", "red"):
        (place / "drawn" / label).mkdir(parents=True, exist_ok=True)
        for i in range(100):
            path = place / "drawn" / label / f"{i}.jpg"
            if not path.exists():
                coarse = random.integers(0, 256, (9, 12, 3), dtype=np.uint8)
                coarse[..., 0 if label == "red" else 2] |= 128
                noisy = np.asarray(Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC), np.int16)
                noisy = noisy + random.integers(-12, 13, noisy.shape, dtype=np.int16)
                Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return sorted((place / "drawn").rglob("*.jpg"))


def _train(sources: list[Path], pickle: Path) -> None:
    from fastai.vision import all as fv

    fv.set_seed(1, reproducible=True)
    step = max(1, len(sources) // TRAINED_ON)
    dls = fv.ImageDataLoaders.from_path_func(
        sources[0].parents[1], sources[::step], fv.parent_label, valid_pct=0.2, seed=1, bs=16, num_workers=0,
        item_tfms=fv.RandomResizedCrop(256, min_scale=0.8),
        batch_tfms=[*fv.aug_transforms(), fv.Normalize.from_stats(*fv.imagenet_stats)],
    )  # fmt: skip
    learner = fv.vision_learner(dls, fv.resnet18, pretrained=False, normalize=False)
    with learner.no_bar(), learner.no_logging():
        learner.unfreeze()
        learner.fit_one_cycle(1, 1e-3)
        logits = learner.get_preds(dl=dls.test_dl(sources[::step]), act=fv.noop)[0]
    last = learner.model[-1][-1]
    last.weight.data /= logits.std(axis=0)[:, None]
    last.bias = fv.nn.Parameter(-logits.mean(axis=0) / logits.std(axis=0))
    learner.opt = None  # its state has no place for the new bias
    learner.export(pickle)


def _compile(pickle: Path, folder: Path, precision: str, sources: list[Path]) -> None:
    from mirror.export.onnx_export import compile_learner
    from mirror.export.quantize import Quantizer
    from mirror.inference.preprocess import preprocess
    from mirror.model_folder import write_model_folder

    def build(place: Path) -> Any:
        network = place / "model.onnx"
        found = compile_learner(pickle, network)
        info = found.info("mirror")
        if precision == "int8":
            chosen = sources[:: max(1, len(sources) // CALIBRATION)]
            pixels = [preprocess(load_image(path), info.preprocessing) for path in chosen]
            whole = place / "fp32.onnx"
            network.rename(whole)
            Quantizer(whole, pixels).write(network)
            whole.unlink()
            info = replace(info, onnx=replace(info.onnx, precision="int8"))
        return info

    write_model_folder(folder, build)


def _enlarged(place: Path, name: str, size: tuple[int, int], source: Path) -> Path:
    """A JPEG of that size (quality 90), as heavy as a camera's: enlarged, then given a sensor's fine noise."""
    path = place / "photos" / name.replace(" ", "") / source.name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        image = load_image(source)
        ratio = min(image.width / size[0], image.height / size[1])
        frame = (round(ratio * size[0]), round(ratio * size[1]))
        left, top = (image.width - frame[0]) // 2, (image.height - frame[1]) // 2
        image = image.crop((left, top, left + frame[0], top + frame[1])).resize(size, Image.Resampling.BICUBIC)
        image = image.filter(ImageFilter.UnsharpMask(2, 80, 0))
        noise = np.random.default_rng(size[0]).normal(0, 5, (size[1], size[0], 3))
        image = Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))
        image.save(path, quality=90)
    return path


def _many(place: Path, sources: list[Path]) -> list[Path]:
    """MANY different files of 640 px: the sources enlarged or reduced, from the second round on mirrored."""
    folder = place / "many"
    folder.mkdir(exist_ok=True)
    files = []
    for i in range(MANY):
        path = folder / f"{i:03d}.jpg"
        files.append(path)
        if path.exists():
            continue
        image = load_image(sources[i % len(sources)])
        if i >= len(sources):
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        scale = 640 / max(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=90)
        path.write_bytes(buffer.getvalue())
    return files
