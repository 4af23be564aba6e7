"""A trained network → models/<name>/, settled by the images that were held out and judged by the test images.

The 10,000 test images are looked at once, by the very network that ships, after everything else about it is settled.
"""

from __future__ import annotations

import csv
import dataclasses
import pickle
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from mirror.collect.metadata import VALIDATION, Photo
from mirror.export.feature_bank import bank_rows, fit_feature_bank
from mirror.export.grad_cam_export import add_heat
from mirror.export.onnx_export import compile_learner
from mirror.export.parity import PARITY_PHOTOS
from mirror.export.precision import CALIBRATION_PHOTOS, PreprocessedImages, choose_precision, evenly_spaced, outputs_of
from mirror.fashion_mnist.dataset import LABELS, NAME, SIDE, FashionSet, ImageSplit
from mirror.fashion_mnist.learner import as_learner
from mirror.fashion_mnist.training import ARCH, FashionSettings, TrainedNetwork
from mirror.inference.classifier import SIMILARITY
from mirror.model_folder import DataInfo, ModelFolder, ModelInfo, TrainingInfo, write_model_folder
from mirror.model_schema import Metrics
from mirror.preparation import DATASETS
from mirror.terminal import say
from mirror.training.calibration import HeldOut, calibrate
from mirror.training.metrics import measure
from mirror.training.model_card import NO_PICKLE, model_card
from mirror.training.ood_threshold import add_novelty
from mirror.training.report import draw_report, draw_top_losses

FROM_SCRATCH = "none: it began with random ones"
TEST = "test/"  # before a test image's place, as its name
COLUMNS = ("dataset", "half", "use", "images", "sha256", "places")


def build_fashion(
    grown: TrainedNetwork,
    images: FashionSet,
    path: Path,
    recipe: FashionSettings,
    *,
    precision: str = "auto",
    keep_pickle: bool = True,
    log: Callable[[str], None] = say,
) -> ModelFolder:
    """Writes the model folder `path`, whole or not at all. precision: "auto", "fp32" or "int8". keep_pickle: whether
    learner.pkl (45 MB) stays in it once the network was compiled from it.

    Raises ModelFolderError where the disk refuses, UnsupportedLearner where the compiled network differs.
    """

    def build(place: Path) -> ModelInfo:
        learner, network = place / "learner.pkl", place / "model.onnx"
        as_learner(grown.network, recipe.size, recipe.plan).export(learner.absolute(), pickle_module=pickle)
        held = pictures(images.train, grown.held)
        compiled = compile_learner(learner, network, evenly_spaced(held, PARITY_PHOTOS))
        log(f"model.onnx answers as learn.predict does, to {compiled.difference:.1g} on {compiled.photos} images.")
        if not keep_pickle:
            learner.unlink()
        how = compiled.preprocessing
        seen = pictures(images.train, evenly_spaced(_by_label(images.train, grown.learned), CALIBRATION_PHOTOS))
        actual = images.train.labels[grown.held]
        choice = choose_precision(
            network, PreprocessedImages(seen, how), PreprocessedImages(held, how), actual, precision, log
        )

        logits, features = outputs_of(network, PreprocessedImages(held, how), ("logits", "features"))
        # Compared with held-out images: those it has learned from are nearer to each other than new ones are to them
        compared = bank_rows(len(held), recipe.seed)
        bank = fit_feature_bank(features[compared], np.arange(len(compared)))
        info = choice.describe(compiled.info(path.name))
        onnx, novelty = add_novelty(network, info.onnx, bank, None, log)

        outputs = ("logits", SIMILARITY) if novelty else ("logits",)
        said, *alike = outputs_of(network, PreprocessedImages(pictures(images.test), how), outputs)
        unseen = HeldOut(logits, actual, np.arange(len(held)))
        tested = HeldOut(said, images.test.labels, np.arange(len(said)))
        temperature, calibration = calibrate(unseen, tested, "validation", recipe.seed)
        metrics = _judged(tested.tempered(temperature), images, grown)
        if novelty:
            share = float((alike[0] < novelty.threshold).mean())
            novelty = dataclasses.replace(novelty, test_refused=share)
            log(f"Of the test images, {100 * share:.1f} % are taken for none of the labels.")
        info = dataclasses.replace(
            info,
            pickle=learner.name if keep_pickle else None,
            preprocessing=dataclasses.replace(how, prepare=DATASETS[NAME]),
            arch=ARCH,
            onnx=add_heat(network, onnx, log),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            temperature=temperature,
            novelty=novelty,
            metrics=dataclasses.replace(metrics, calibration=calibration),
            data=DataInfo(source=NAME, counts=_counts(images)),
            training=TrainingInfo(
                seed=recipe.seed,
                epochs=recipe.epochs,
                weights=FROM_SCRATCH,
                recipe=recipe.sentence(),
                seconds=grown.seconds and round(grown.seconds, 1),
                options=_options(recipe, precision, keep_pickle),
                notes=tuple(_notes(grown, images)),
                size=recipe.size,
                held_out_accuracy=grown.accuracy,
            ),
        )
        write_places(place / "photos.csv", images, grown)
        draw_report(info, None, place / "report")
        tests = pictures(images.test)
        draw_top_losses(metrics, lambda name: tests[int(name.removeprefix(TEST))], place / "report" / "top_losses.png")
        (place / "README.md").write_text(model_card(info), encoding="utf-8")
        return info

    return write_model_folder(path, build)


def pictures(half: ImageSplit, places: Iterable[int] | None = None) -> list[Image.Image]:
    """The images at `places` (default: all), as they are given to a model."""
    return [Image.fromarray(half.pixels[i]) for i in (range(len(half.pixels)) if places is None else places)]


def write_places(file: Path, images: FashionSet, grown: TrainedNetwork) -> None:
    """photos.csv: a row for the images that were learned from, held out and judged by, which are named by their places
    in the set's own files ("3-7 9"), not by addresses that they do not have."""
    uses = (("train", "train", grown.learned), ("train", VALIDATION, grown.held))
    every = np.arange(len(images.test.labels))
    with open(file, "w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened, lineterminator="\n")
        rows.writerow(COLUMNS)
        for half, use, places in (*uses, ("test", "test", every)):
            rows.writerow((NAME, half, use, len(places), getattr(images, half).sha256, ranges(places)))


def ranges(places: np.ndarray) -> str:
    """Ascending whole numbers as ranges: [3, 4, 5, 9] → "3-5 9"."""
    runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs if len(run))


def _by_label(half: ImageSplit, places: np.ndarray) -> list[int]:
    return places[np.argsort(half.labels[places], kind="stable")].tolist()


def _judged(tested: HeldOut, images: FashionSet, grown: TrainedNetwork) -> Metrics:
    learned = np.bincount(images.train.labels[grown.learned], minlength=len(LABELS)).tolist()
    shared = {"url": "", "sha256": "", "width": SIDE, "height": SIDE, "phash": "", "split": VALIDATION}
    rows = [Photo(file_name=f"{TEST}{i}", label=LABELS[label], **shared) for i, label in enumerate(tested.actual)]
    return measure(tested.logits, rows, LABELS, dict(zip(LABELS, learned, strict=True)))


def _counts(images: FashionSet) -> dict[str, int]:
    counts = np.bincount(np.concatenate([images.train.labels, images.test.labels]), minlength=len(LABELS))
    return dict(zip(LABELS, counts.tolist(), strict=True))


def _notes(grown: TrainedNetwork, images: FashionSet) -> list[str]:
    return [
        f"Of the {len(images.train.labels):,} training images {len(grown.held):,} were held out, as many of each "
        "label, for the temperature, the threshold of none of these and the check of the 8-bit network; the "
        f"{len(images.test.labels):,} test images served for the figures above alone."
    ]


def _options(recipe: FashionSettings, precision: str, keep_pickle: bool) -> tuple[str, ...]:
    """train.py's options that make this model."""
    options = ["--dataset", NAME, "--epochs", str(recipe.epochs), "--size", str(recipe.size)]
    options += ["--seed", str(recipe.seed)]
    options += ["--precision", precision] if precision != "auto" else []
    return tuple(options if keep_pickle else [*options, NO_PICKLE])
