"""Real fastai learners, small ones with random weights, made as a person makes them and exported by plain fastai."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

LABELS = ("circle", "cross", "square")
PACKAGED_ARCH = "tf_efficientnet_lite0"  # its ImageNet weights come with a package


def drawing(label: str, seed: int, size: tuple[int, int] = (96, 80)) -> Image.Image:
    """A coloured shape on noise, so that every learner has something to learn. size: (width, height)."""
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(0, 128, (size[1], size[0], 3), dtype=np.uint8))
    draw, colour = ImageDraw.Draw(image), tuple(int(value) for value in random.integers(160, 256, 3))
    box = (size[0] // 4, size[1] // 4, 3 * size[0] // 4, 3 * size[1] // 4)
    if label == "circle":
        draw.ellipse(box, fill=colour)
    elif label == "square":
        draw.rectangle(box, fill=colour)
    else:
        draw.line(box, fill=colour, width=9)
        draw.line((box[0], box[3], box[2], box[1]), fill=colour, width=9)
    return image


@cache
def scratch() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="learners-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def photo_folder(labels: tuple[str, ...] = LABELS, each: int = 4) -> Path:
    """Drawings as PNG in a folder a label; made once."""
    folder = scratch() / f"photos-{len(labels)}-{each}"
    for number, label in enumerate(() if folder.exists() else labels):
        (folder / label).mkdir(parents=True)
        for seed in range(each):
            drawing(LABELS[number % 3], 100 * number + seed).save(folder / label / f"{seed}.png")
    return folder


def dataloaders(item_tfms: Any, batch_tfms: Any = None, labels: tuple[str, ...] = LABELS, each: int = 4) -> Any:
    from fastai.vision.all import ImageDataLoaders

    return ImageDataLoaders.from_folder(
        photo_folder(labels, each), valid_pct=0.3, seed=1, bs=4, num_workers=0, device="cpu",
        item_tfms=item_tfms, batch_tfms=batch_tfms,
    )  # fmt: skip


def export(learner: Any, name: str) -> Path:
    """The learner's pickle, by fastai alone."""
    path = scratch() / name
    learner.export(path)
    return path


@cache
def plain_pickle() -> Path:
    """ResNet-18 with random weights, trained for an epoch on 12 drawings: what a tutorial's reader would export."""
    from fastai.torch_core import noop, set_seed
    from fastai.vision.all import Normalize, RandomResizedCrop, aug_transforms, imagenet_stats, resnet18, vision_learner
    from torch.nn import Parameter

    set_seed(3)
    normalize = Normalize.from_stats(*imagenet_stats, cuda=False)
    dls = dataloaders(RandomResizedCrop(64, min_scale=0.5), [*aug_transforms(), normalize])
    learner = vision_learner(dls, resnet18, pretrained=False)
    with learner.no_bar(), learner.no_logging():
        learner.fit(1, 1e-3)
        logits = learner.get_preds(dl=dls.test_dl(sorted(photo_folder().rglob("*.png"))), act=noop)[0]
    last = learner.model[-1][
        -1
    ]  # one epoch leaves the answers nearly alike: the logits are spread to mean 0, deviation 1
    last.weight.data /= logits.std(axis=0)[:, None]
    last.bias = Parameter(-logits.mean(axis=0) / logits.std(axis=0))
    learner.opt = None  # its state has no place for the new bias
    return export(learner, "plain.pkl")


@cache
def loaded(pickle: Path) -> Any:
    """`load_learner`, as the learner's owner would call it."""
    from fastai.learner import load_learner

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="load_learner", category=UserWarning)  # it warns of every pickle
        learner = load_learner(pickle)
    learner.remove_cb(next(cb for cb in learner.cbs if type(cb).__name__ == "ProgressCallback"))
    return learner


def predicted(pickle: Path, image: Image.Image | Path | str) -> np.ndarray:
    """fastai's own probabilities [labels] of an image, in vocabulary order."""
    from fastai.vision.core import PILImage

    source = PILImage.create(np.asarray(image)) if isinstance(image, Image.Image) else image
    return loaded(pickle).predict(source)[2].numpy()
