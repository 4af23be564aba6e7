"""Heat maps: what they cost, whether they are Grad-CAM, and whether what they call hot decides.

    python -m benchmarks.serving.explanations                   # about 4 minutes on 2 cores
    python -m benchmarks.serving.explanations --keep kept       # keeps the models there, and uses those that are there

Trains two models on ../shared/data/ants_bees/train: ours (`train.py`, EfficientNet-Lite0, which was taught both
classes), and a plain fastai ResNet-18 (its own head, random weights, one epoch: Grad-CAM does not care). On photos of
.../val:

- time: `predict`, `explain`, and `explain` with its picture, in turns; the network with and without its output "maps".
- agreement: Spearman's rank correlation of each photo's map with captum's LayerGradCam on the learner itself.
- deletion: a tenth of what the network saw of a photo is painted in its mean colour, or blurred, and the probability of
  the label that was predicted falls. The hottest tenth, against the same shape elsewhere (the map rolled by random
  steps, mean of SHIFTS) and against a disc in the middle. 95 % intervals: bootstrap over photos.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from benchmarks import DATA, ROOT
from mirror.images import load_image
from mirror.inference.classifier import Classifier
from mirror.inference.grad_cam import HEAT, MAPS, Explanation, explain, overlay, upsample
from mirror.inference.preprocess import preprocess
from mirror.inference.session import OnnxModel

PHOTOS = DATA / "ants_bees"

ROUNDS = 40  # of each photo that is timed
COMPARED = 40  # photos whose maps are compared with captum's
SHIFTS = 8  # random places for the same shape
SHARE = 0.1  # of what was seen that is blanked
DRAWS = 10_000  # of the bootstrap


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the models there, and use those that are there")
    options = parser.parse_args()
    if not PHOTOS.is_dir():
        print(f"explanations.py: {PHOTOS} is not there: the benchmark needs the ants_bees photos.", file=sys.stderr)
        return 1
    warnings.simplefilter("ignore")
    photos = sorted((PHOTOS / "val").rglob("*.jpg"))
    with place(options.keep) as folder:
        ours, plain = train_ours(folder), train_plain(folder)
        times(ours, plain, photos)
        agreement(folder, photos)
        deletion(ours, photos)
    return 0


@contextlib.contextmanager
def place(keep: Path | None) -> Iterator[Path]:
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.absolute()
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


def train_ours(folder: Path) -> Path:
    """models/ours, as `train.py` makes it."""
    model = folder / "models" / "ours"
    if not model.is_dir():
        command = [sys.executable, "-W", "ignore", str(ROOT / "train.py"), "--name", "ours", "--data", str(PHOTOS)]
        command += ["--arch", "tf_efficientnet_lite0", "--models", "models", "--no-photos-in-report"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return model


def train_plain(folder: Path) -> Path:
    """A plain fastai ResNet-18, exported and compiled as a user's pickle would be."""
    model = folder / "models" / "plain"
    if not model.is_dir():
        from fastai.vision import all as fv

        from mirror.export.onnx_export import compile_to_folder

        fv.set_seed(0, reproducible=True)
        loaders = fv.ImageDataLoaders.from_folder(
            PHOTOS, train="train", valid="val", item_tfms=fv.Resize(224), bs=32, num_workers=0
        )
        learner = fv.vision_learner(loaders, fv.resnet18, pretrained=False)
        with learner.no_bar(), learner.no_logging():
            learner.fit_one_cycle(1, 1e-3)
        learner.export(folder / "plain.pkl")
        compile_to_folder(folder / "plain.pkl", model, "auto", PHOTOS / "train", log=lambda line: None)
    return model


def times(ours: Path, plain: Path, photos: list[Path]) -> None:
    photo = photos[0]
    print(f"| time on {Image.open(photo).size[0]} x {Image.open(photo).size[1]} px, p50, ms | ours | plain fastai |")
    print("| --- | ---: | ---: |")
    columns = []
    for folder in (ours, plain):
        classifier = Classifier.load(folder)
        bare = OnnxModel(without_maps(folder / classifier.info.onnx.file))
        pixels = preprocess(load_image(photo), classifier.info.preprocessing)[None]
        columns.append(
            in_turns({
                "the network without the output maps": lambda e=bare, p=pixels: e.run(p),
                "the network with it, not asked for it": lambda e=classifier.engine, p=pixels: e.run(p),
                "predict": lambda c=classifier: c.predict(photo),
                "explain (which predicts)": lambda c=classifier: explain(c, photo),
                "explain, with its picture": lambda c=classifier: overlay(explain(c, photo)),
            })
        )  # fmt: skip
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(f"{1000 * column[name]:.2f}" for column in columns) + " |")
    ratios = [column["explain, with its picture"] / column["predict"] for column in columns]
    print("| explain with its picture / predict | " + " | ".join(f"{ratio:.2f} x" for ratio in ratios) + " |\n")


def without_maps(network: Path) -> bytes:
    import onnx

    model = onnx.load(network)
    for output in [output for output in model.graph.output if output.name == MAPS]:
        model.graph.output.remove(output)
    return model.SerializeToString()


def in_turns(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(ROUNDS + 5):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn >= 5:  # warm by then
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def agreement(folder: Path, photos: list[Path]) -> None:
    import torch
    from captum.attr import LayerGradCam
    from scipy.stats import spearmanr

    from mirror.export.grad_cam_export import add_heat
    from mirror.export.onnx_export import compile_learner

    pickles = {"ours": folder / "models" / "ours" / "learner.pkl", "plain fastai": folder / "plain.pkl"}
    chosen = photos[:: len(photos) // COMPARED][:COMPARED]
    print(f"| rank correlation with captum's LayerGradCam, {len(chosen)} photos | mean | lowest |")
    print("| --- | ---: | ---: |")
    for (name, pickle), shipped in zip(pickles.items(), ("ours", "plain"), strict=True):
        learner = torch.load(pickle, map_location="cpu", weights_only=False)
        model = learner.model.float().eval()
        grad_cam = LayerGradCam(model, model[0])
        full = folder / f"{shipped}-fp32" / "model.onnx"
        full.parent.mkdir(exist_ok=True)
        compiled = compile_learner(pickle, full)
        add_heat(full, compiled.onnx)
        classifier = Classifier.load(folder / "models" / shipped)
        networks = {"fp32": full, classifier.info.onnx.precision: folder / "models" / shipped / "model.onnx"}
        for precision, network in networks.items():
            engine, heater = OnnxModel(network), OnnxModel(network.with_name("heat.onnx"), threads=1)
            found = []
            for photo in chosen:
                pixels = preprocess(load_image(photo), compiled.preprocessing)[None]
                logits, maps = engine.run(pixels, ("logits", MAPS))
                label = int(logits[0].argmax())
                theirs = grad_cam.attribute(torch.from_numpy(pixels), target=label).detach().numpy()
                found.append(spearmanr(heater.run(maps, (HEAT,))[0][0, label].ravel(), theirs.ravel()).statistic)
            print(f"| {name}, {precision} | {np.mean(found):.4f} | {min(found):.4f} |")
    print()


def deletion(model: Path, photos: list[Path]) -> None:
    classifier, random = Classifier.load(model), np.random.default_rng(0)
    names = ("the hottest", "the same shape elsewhere", "a disc in the middle")
    blanks = {"the mean colour": mean_colour, "a blur": blurred}
    drops: dict[tuple[str, str], list[float]] = {(blank, name): [] for blank in blanks for name in names}
    for path in photos:
        photo = load_image(path)
        found = explain(classifier, photo)
        shapes = {
            "the hottest": [hottest(found)],
            "the same shape elsewhere": [hottest(rolled(found, random)) for _ in range(SHIFTS)],
            "a disc in the middle": [hottest(centred(found))],
        }
        for blank, painted in blanks.items():
            paint = painted(photo)
            for name, masks in shapes.items():
                answers = [classifier.predict(Image.composite(paint, photo, Image.fromarray(mask))) for mask in masks]
                left = statistics.fmean(answer.probabilities[found.label] for answer in answers)
                drops[blank, name].append(found.probability - left)
    title = f"a tenth of {len(photos)} photos painted with"
    print(f"| {title} | which tenth | probability falls by | the hottest exceeds it by |")
    print("| --- | --- | ---: | ---: |")
    for (blank, name), values in drops.items():
        print(f"| {blank} | {name} | {interval(values, random)} | ", end="")
        gap = np.subtract(drops[blank, "the hottest"], values)
        print("|" if name == "the hottest" else f"{interval(gap, random)} |")


def hottest(found: Explanation) -> np.ndarray:
    """[height, width] uint8, 255 at SHARE of the pixels that the network saw."""
    heat, (left, top, right, bottom) = upsample(found, found.photo.size)
    seen = heat[top:bottom, left:right]
    order = np.argsort(-seen, axis=None, kind="stable")[: round(SHARE * seen.size)]
    mask = np.zeros(heat.shape, np.uint8)
    inside = np.zeros(seen.size, np.uint8)
    inside[order] = 255
    mask[top:bottom, left:right] = inside.reshape(seen.shape)
    return mask


def rolled(found: Explanation, random: np.random.Generator) -> Explanation:
    steps = tuple(int(random.integers(side)) for side in found.heat.shape)
    return dataclasses.replace(found, heat=np.roll(found.heat, steps, axis=(0, 1)))


def centred(found: Explanation) -> Explanation:
    rows, columns = (np.linspace(-1, 1, side, dtype=np.float32) ** 2 for side in (65, 65))
    return dataclasses.replace(found, heat=np.maximum(0, 1 - (rows[:, None] + columns[None]) / 2))


def mean_colour(photo: Image.Image) -> Image.Image:
    return Image.new("RGB", photo.size, tuple(np.asarray(photo).mean(axis=(0, 1)).round().astype(int).tolist()))


def blurred(photo: Image.Image) -> Image.Image:
    return photo.filter(ImageFilter.GaussianBlur(max(photo.size) / 20))


def interval(values: np.ndarray | list[float], random: np.random.Generator) -> str:
    """Mean and 95 % bootstrap interval, in points of a hundred."""
    values = 100 * np.asarray(values)
    means = np.sort(values[random.integers(len(values), size=(DRAWS, len(values)))].mean(axis=1))
    low, high = means[int(0.025 * DRAWS)], means[int(0.975 * DRAWS)]
    return f"{values.mean():.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    raise SystemExit(main())
