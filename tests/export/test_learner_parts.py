"""A learner made anew of its description answers as the one that fastai opens: however its labels were given, whatever
it was trained with.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.callback.all import CSVLogger, EarlyStoppingCallback, MixUp, SaveModelCallback
from fastai.losses import FocalLossFlat, LabelSmoothingCrossEntropyFlat
from fastai.vision.all import (
    CategoryBlock,
    CrossEntropyLossFlat,
    DataBlock,
    ImageBlock,
    ImageDataLoaders,
    Learner,
    Normalize,
    PILImageBW,
    PILMask,
    RandomCrop,
    RandomResizedCropGPU,
    Resize,
    accuracy,
    aug_transforms,
    error_rate,
    get_image_files,
    imagenet_stats,
    parent_label,
    xresnet18,
)
from torch import nn

from mirror.errors import UnsupportedLearner
from mirror.export.learner_parts import learner_of
from mirror.export.onnx_export import compile_learner, compile_to_folder
from mirror.export.restricted_unpickler import load
from mirror.inference.classifier import Classifier
from mirror.inference.pickle_scan import check_pickle
from tests.learners import LABELS, dataloaders, drawing, export, loaded, photo_folder

NORMALIZE = Normalize.from_stats(*imagenet_stats, cuda=False)
LOADED = {"bs": 4, "num_workers": 0, "device": "cpu", "item_tfms": Resize(32)}


def small(dls, labels: int = 3, first=None, **options) -> Learner:
    body = (first or nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, labels))
    return Learner(dls, nn.Sequential(*body), **{"loss_func": CrossEntropyLossFlat()} | options)


def of_table(kind: str) -> Learner:
    files = sorted(photo_folder().rglob("*.png"))
    labels = [LABELS.index(file.parent.name) if kind == "numbers" else file.parent.name for file in files]
    table = pd.DataFrame({"name": [str(file) for file in files], "label": labels})
    if kind == "categories":
        table["label"] = table["label"].astype("category")
    return small(ImageDataLoaders.from_df(table, path="/", valid_pct=0.3, seed=1, **LOADED))


def of_block(vocab) -> Learner:
    blocks = (ImageBlock, CategoryBlock(vocab))
    block = DataBlock(blocks, get_items=get_image_files, get_y=parent_label, item_tfms=Resize(32))
    return small(block.dataloaders(photo_folder(), bs=4, num_workers=0, device="cpu"))


def of_expression() -> Learner:
    files = get_image_files(photo_folder())
    return small(ImageDataLoaders.from_name_re(photo_folder(), files, r"(\d)\.png$", seed=1, **LOADED), 4)


def of_grey_photos(*batch_tfms, channels: int) -> Learner:
    blocks = (ImageBlock(PILImageBW), CategoryBlock)
    block = DataBlock(
        blocks, get_items=get_image_files, get_y=parent_label, item_tfms=Resize(32), batch_tfms=batch_tfms
    )
    dls = block.dataloaders(photo_folder(), bs=4, num_workers=0, device="cpu")
    return small(dls, first=nn.Conv2d(channels, 4, 3))


GREY = {
    "grey photos, a network of one channel": partial(of_grey_photos, channels=1),
    "grey photos of a mean of their own": partial(
        of_grey_photos, Normalize.from_stats([0.4], [0.3], cuda=False), channels=1
    ),
    # fastai adds the three channels' means to the one channel, which makes three of it
    "grey photos, a pretrained network": partial(of_grey_photos, NORMALIZE, channels=3),
    "grey photos of a folder": lambda: small(
        ImageDataLoaders.from_folder(photo_folder(), valid_pct=0.3, seed=1, img_cls=PILImageBW, **LOADED),
        first=nn.Conv2d(1, 4, 3),
    ),
}
LEARNERS = GREY | {
    "texts of a table": partial(of_table, "texts"),
    "numbers of a table": partial(of_table, "numbers"),
    "categories of a table": partial(of_table, "categories"),
    "labels of a block": partial(of_block, None),
    "labels of an array": partial(of_block, np.array(LABELS)),
    "labels by a regular expression": of_expression,
    "labels made smooth": lambda: small(dataloaders(Resize(32)), loss_func=LabelSmoothingCrossEntropyFlat()),
    "a focal loss": lambda: small(dataloaders(Resize(32)), loss_func=FocalLossFlat()),
    "torch's own loss": lambda: small(dataloaders(Resize(32)), loss_func=nn.CrossEntropyLoss()),
    "callbacks": lambda: small(
        dataloaders(Resize(32)), cbs=[SaveModelCallback(), EarlyStoppingCallback(), MixUp(), CSVLogger()]
    ),
    "metrics": lambda: small(dataloaders(Resize(32)), metrics=[error_rate, accuracy]),
    "half precision": lambda: small(dataloaders(Resize(32))).to_fp16(),
    "a padded photo": lambda: small(dataloaders(Resize(32, method="pad", pad_mode="zeros"))),
    "a crop": lambda: small(dataloaders(RandomCrop(32))),
    "sizes in a batch": lambda: small(dataloaders(Resize(48), [*aug_transforms(size=32), NORMALIZE])),
    "a crop in a batch": lambda: small(dataloaders(Resize(48), [RandomResizedCropGPU(32), NORMALIZE])),
    "weights by a spectral norm": lambda: small(
        dataloaders(Resize(32)), first=torch.nn.utils.spectral_norm(nn.Conv2d(3, 4, 3))
    ),
    "fastai's own network": lambda: Learner(
        dataloaders(Resize(32)), xresnet18(n_out=3), loss_func=CrossEntropyLossFlat()
    ),
}


@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
@pytest.mark.parametrize("name", LEARNERS)
def test_it_answers_as_the_one_that_fastai_opens(tmp_path: Path, name: str) -> None:
    path = export(LEARNERS[name](), f"{name}.pkl")
    check_pickle(path)
    read, opened = (
        compile_learner(path, tmp_path / f"{kind}.onnx", trusted=kind == "opened") for kind in ("read", "opened")
    )
    assert (read.labels, read.preprocessing, read.onnx.outputs) == (
        opened.labels, opened.preprocessing, opened.onnx.outputs,
    )  # fmt: skip
    assert read.arch == opened.arch and read.difference < 1e-5
    assert (tmp_path / "read.onnx").read_bytes() == (tmp_path / "opened.onnx").read_bytes()


@pytest.mark.parametrize("name", GREY)
def test_a_learner_of_grey_photos_is_served_as_fastai_answers(tmp_path: Path, name: str) -> None:
    """Of colour photos and grey ones, by their files, through all that serving does."""
    path = export(GREY[name](), f"{name}.pkl")
    folder = compile_to_folder(path, tmp_path / "model", log=lambda line: None, trusted=False)
    assert folder.info.preprocessing.prepare == "greyscale"
    files = []
    for number, mode in enumerate(("RGB", "L", "RGB")):
        files.append(tmp_path / f"{number}.png")
        drawing("cross", number, (90, 70)).convert(mode).save(files[-1])
    learner, classifier = loaded(path), Classifier.load(folder)
    with learner.no_bar(), learner.no_logging():
        theirs = [learner.predict(file)[2].numpy() for file in files]
    assert np.ptp(theirs, axis=0).max() > 1e-4
    np.testing.assert_allclose([list(classifier.predict(f).probabilities.values()) for f in files], theirs, atol=1e-5)


def test_a_learner_of_masks_is_refused() -> None:
    block = DataBlock(
        (ImageBlock(PILMask), CategoryBlock), get_items=get_image_files, get_y=parent_label, item_tfms=Resize(32)
    )
    learner = small(block.dataloaders(photo_folder(), bs=4, num_workers=0, device="cpu"))
    with pytest.raises(UnsupportedLearner, match="looks at a PILMask, and only photos are served"):
        learner_of(load(export(learner, "masks.pkl")))


def test_nothing_of_the_training_is_in_it() -> None:
    path = export(small(dataloaders(Resize(32)), cbs=[CSVLogger()], metrics=[error_rate]), "whole.pkl")
    learner = learner_of(load(path))
    assert "csv_logger" not in [callback.name for callback in learner.cbs] and not learner.metrics
    assert {type(each).__module__ for each in learner.dls.valid.after_item.fs} <= {
        "fastai.vision.augment",
        "fastai.data.transforms",
    }
