"""What is done to a photo before a network sees it, by the name that model.json gives it, and what is said of it.

    preparation("garment").prepare(photo)

A published data set whose pictures are unlike photos is a plug-in: a package of its own with a module that holds a
`PREPARATION`. The two tables here are the only places outside that package that name it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

PLUGINS = {"garment": "mirror.fashion_mnist.plugin"}  # `prepare` in model.json → the module that holds PREPARATION
DATASETS = {"fashion-mnist": "garment"}  # --dataset, `source` in model.json → its preparation
GREYSCALE = "greyscale"
NAMES = ("none", GREYSCALE, *PLUGINS)


@dataclass(frozen=True)
class PreparedImage:
    """What the network is shown of a photo. box: left, top, right and bottom of it in shares of the photo's sides,
    beyond 0..1 where the photo was extended. found: whether it is what it should be, or only the photo as a whole.
    made: whether it was made for the network, rather than being the photo itself."""

    image: Image.Image
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    found: bool = True
    made: bool = False


@dataclass(frozen=True)
class PublishedDataset:
    """A data set that others published. name: of --dataset, and the data's source in model.json; model: the name of a
    model trained on it, unless another is given; photos: of a model card, with {total} and {counts}; hub: its
    repository on the Hugging Face Hub; task, test_split: its name as a task, and that of its test images, in a card's
    metadata.

    size, epochs: what it is trained with unless told otherwise, px and passes over its images; options: train.py's that
    its recipe follows; train: does it, by these, and writes the model folder."""

    name: str
    model: str
    photos: str
    hub: str
    task: str
    test_split: str
    size: int
    epochs: int
    options: tuple[str, ...]
    train: Callable[[Any], None]


@dataclass(frozen=True)
class Preparation:
    """prepare: an upright RGB photo → what the network is shown; min_side: px of the short side below which a photo
    must not be decoded, None: as the resize asks.

    Its sentences. subject: what to show it; missing: where that was not found; shown, shown_whole: what it made of a
    photo in which it was found, and in which it was not; look: of the picture that it makes; view: what the network
    sees, None: as the resize says; limits: what such models cannot do.

    examples: the folder in examples/ whose pictures show these `labels`, "" for examples/ itself. dataset: where its
    models come from."""

    prepare: Callable[[Image.Image], PreparedImage]
    limits: str
    min_side: int | None = None
    subject: str = "a photo"
    missing: str = ""
    shown: str = ""
    shown_whole: str = ""
    look: str = ""
    view: str | None = None
    examples: str = ""
    labels: tuple[str, ...] = ()
    dataset: PublishedDataset | None = None


NONE = Preparation(
    prepare=PreparedImage,
    labels=("cygnet", "duckling"),
    limits=(
        "The photos it learned from are those that a search or a folder happened to hold: kinds, places and seasons "
        "that they lack, it does not know. It sees the whole photo, and may go by the background, the light or the "
        "quality of the picture."
    ),
)


def as_opened(photo: Image.Image, name: str) -> Image.Image:
    """An upright RGB photo as a learner with this preparation opens a file: where that is fastai's PILImageBW, its
    brightness, in three channels that are alike."""
    return photo.convert("L").convert("RGB") if name == GREYSCALE else photo


GREY = replace(NONE, prepare=lambda photo: PreparedImage(as_opened(photo, GREYSCALE)))


@cache
def preparation(name: str) -> Preparation:
    """The preparation of this name in model.json. Raises KeyError for one that is not in NAMES."""
    own = {"none": NONE, GREYSCALE: GREY}
    return own[name] if name in own else importlib.import_module(PLUGINS[name]).PREPARATION


def published_dataset(name: str) -> PublishedDataset | None:
    """The published data set of this name, None where there is none."""
    return preparation(DATASETS[name]).dataset if name in DATASETS else None
