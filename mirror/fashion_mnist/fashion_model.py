"""A network trained on Fashion-MNIST, as `training/build.py` makes a model folder of it.

It is settled by the images that were held out. The 10,000 test images are looked at once, by the very network that
ships, after everything else about it is settled.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mirror.collect.photo_records import VALIDATION
from mirror.export.int8_gate import CALIBRATION_PHOTOS, evenly_spaced
from mirror.export.novelty import bank_rows, fit_feature_bank
from mirror.export.parity import PARITY_PHOTOS
from mirror.fashion_mnist.dataset import LABELS, NAME, SIDE, FashionSet, ImageSplit
from mirror.fashion_mnist.fashion_settings import ARCH, FashionSettings, Plan
from mirror.fashion_mnist.from_scratch import TrainedNetwork
from mirror.inference.session import SIMILARITY
from mirror.model_schema import DataInfo, ModelInfo, TrainingInfo
from mirror.preparation import DATASETS
from mirror.training.build import Samples, ShippedNetwork, given_options
from mirror.training.calibration import HeldOut, calibrate
from mirror.training.evaluation import Evaluation
from mirror.training.metrics import measure
from mirror.training.report_pictures import Picture

FROM_SCRATCH = "none: it began with random ones"
TEST = "test/"  # before a test image's index, as its name
COLUMNS = ("dataset", "half", "use", "images", "sha256", "places")


@dataclass(frozen=True)
class FashionModel:
    """A trained network, the set, and the settings it was trained by."""

    trained: TrainedNetwork
    images: FashionSet
    settings: FashionSettings
    noun: str = "images"

    @cached_property
    def learner(self) -> Any:
        return as_learner(self.trained.network, self.settings.size, self.settings.plan)

    @property
    def picture(self) -> Picture:
        return lambda name: pictures(self.images.test, [int(name.removeprefix(TEST))])[0]

    def samples(self) -> Samples:
        train = self.images.train
        held, learned = pictures(train, self.trained.held), self.trained.learned
        by_label = learned[np.argsort(train.labels[learned], kind="stable")].tolist()
        return Samples(
            parity=evenly_spaced(held, PARITY_PHOTOS),
            calibration=pictures(train, evenly_spaced(by_label, CALIBRATION_PHOTOS)),
            compared=held,
            actual=train.labels[self.trained.held],
        )

    def judge(self, network: ShippedNetwork) -> Evaluation:
        train, test, held = self.images.train, self.images.test, self.trained.held
        logits, features = network.outputs(pictures(train, held), ("logits", "features"))
        # Compared with held-out images: those it has learned from are nearer to each other than new ones are to them
        compared = bank_rows(len(held), self.settings.seed)
        novelty = network.add_novelty(fit_feature_bank(features[compared], np.arange(len(compared))))
        outputs = ("logits", SIMILARITY) if novelty else ("logits",)
        test_logits, *similarities = network.outputs(pictures(test), outputs)
        unseen = HeldOut(logits, train.labels[held], np.arange(len(held)))
        tested = HeldOut(test_logits, test.labels, np.arange(len(test_logits)))
        temperature, calibration = calibrate(unseen, tested, "validation", self.settings.seed)
        learned = np.bincount(train.labels[self.trained.learned], minlength=len(LABELS))
        names: list[tuple[str, str | None]] = [(f"{TEST}{i}", None) for i in range(len(test.labels))]
        metrics = measure(tested.tempered(temperature).logits, test.labels, LABELS, learned, names)
        if novelty and novelty.threshold is not None:
            share = float((similarities[0] < novelty.threshold).mean())
            novelty = dataclasses.replace(novelty, test_refused=share)
            network.log(f"Of the test images, {100 * share:.1f} % are taken for none of the labels.")
        return Evaluation(temperature, dataclasses.replace(metrics, calibration=calibration), novelty)

    def describe(self, info: ModelInfo, precision: str, keep_pickle: bool) -> ModelInfo:
        trained, settings, images = self.trained, self.settings, self.images
        counts = np.bincount(np.concatenate([images.train.labels, images.test.labels]), minlength=len(LABELS))
        options = given_options(
            ("--dataset", NAME, None),
            ("--epochs", settings.epochs, None),
            ("--size", settings.size, None),
            ("--seed", settings.seed, None),
            ("--precision", precision, "auto"),
            keep_pickle=keep_pickle,
        )
        note = (
            f"Of the {len(images.train.labels):,} training images {len(trained.held):,} were held out, as many of each "
            "label, for the temperature, the threshold of none of these and the check of the 8-bit network; the "
            f"{len(images.test.labels):,} test images served for the figures above alone."
        )
        training = TrainingInfo(
            seed=settings.seed,
            epochs=settings.epochs,
            weights=FROM_SCRATCH,
            recipe=settings.sentence(),
            seconds=trained.seconds and round(trained.seconds, 1),
            options=options,
            notes=(note,),
            size=settings.size,
            held_out_accuracy=trained.accuracy,
        )
        return dataclasses.replace(
            info,
            preprocessing=dataclasses.replace(info.preprocessing, prepare=DATASETS[NAME]),
            arch=ARCH,
            data=DataInfo(source=NAME, counts=dict(zip(LABELS, counts.tolist(), strict=True))),
            training=training,
        )

    def write_lists(self, folder: Path, evaluation: Evaluation) -> None:
        """photos.csv: a row for the images that were learned from, held out and judged by, which are named by their
        indices in the set's own files ("3-7 9"), not by addresses that they do not have."""
        trained = self.trained
        every = np.arange(len(self.images.test.labels))
        uses = (("train", "train", trained.learned), ("train", VALIDATION, trained.held), ("test", "test", every))
        with open(folder / "photos.csv", "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(COLUMNS)
            for half, use, indices in uses:
                rows.writerow((NAME, half, use, len(indices), getattr(self.images, half).sha256, ranges(indices)))


def pictures(split: ImageSplit, indices: Iterable[int] | None = None) -> list[Image.Image]:
    """The images at `indices` (default: all), as they are given to a model."""
    return [Image.fromarray(split.pixels[i]) for i in (range(len(split.pixels)) if indices is None else indices)]


def ranges(indices: np.ndarray) -> str:
    """Ascending whole numbers as ranges: [3, 4, 5, 9] → "3-5 9"."""
    runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs if len(run))


def as_learner(network: Any, size: int, plan: Plan) -> Any:
    """The learner that answers as `network` [N, 3, size, size] → [N, 10] does, with the settings' resize and mean.

    Nothing in it is ours, so that its pickle opens with plain fastai where this package is not installed."""
    from fastai.vision import all as fv
    from torchvision.models import resnet18

    block = fv.DataBlock(
        blocks=(fv.ImageBlock, fv.CategoryBlock(vocab=list(LABELS), sort=False)),
        get_x=fv.ItemGetter(0),
        get_y=fv.ItemGetter(1),
        splitter=fv.IndexSplitter([0]),
        item_tfms=fv.Resize(size, method=fv.ResizeMethod.Squish),
        batch_tfms=[fv.Normalize.from_stats([plan.mean] * 3, [plan.std] * 3)],
    )
    blank = np.zeros((SIDE, SIDE, 3), np.uint8)  # fastai wants images to begin with; an exported learner has none
    loaders = block.dataloaders([(blank, label) for label in LABELS], path=Path("."), bs=2, num_workers=0)
    from torch import nn

    linear = nn.Linear(network.fc.in_features, network.fc.out_features)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
    learner = fv.vision_learner(
        loaders, resnet18, pretrained=False, normalize=False, metrics=fv.error_rate, custom_head=head,
        loss_func=fv.CrossEntropyLossFlat(), path=Path("."),
    )  # fmt: skip
    body = learner.model[0]  # the same layers in the same order, by number instead of by name
    trained = {name: value for name, value in network.state_dict().items() if not name.startswith("fc.")}
    body.load_state_dict(dict(zip(body.state_dict(), trained.values(), strict=True)))
    linear.load_state_dict(network.fc.state_dict())  # only now, for fastai gives every head new weights
    learner.model.eval()
    return learner
