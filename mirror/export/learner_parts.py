"""A learner as its pickle describes it → a new learner of fastai's making, with that network, labels and transforms.

Only numbers, texts and tensors are taken from the description (`restricted_unpickler.py`). What a validation photo goes
through is made anew of fastai's own classes, with the sizes and modes that are found. What only happens in training is
left out: other transforms, callbacks, metrics, the optimizer, the functions that find photos and labels.
"""

from __future__ import annotations

import inspect
import numbers
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from mirror.errors import UnsupportedLearner
from mirror.export.restricted_unpickler import Part

# What a validation photo may go through: everything that `learner_transforms.py` knows
TRANSFORMS = {
    "fastai.vision.augment": (
        "Resize", "RandomResizedCrop", "CropPad", "RandomCrop", "RandomResizedCropGPU", "AffineCoordTfm", "Flip",
        "Dihedral", "Rotate", "Zoom", "Warp", "Brightness", "Contrast", "Saturation", "Hue", "RandomErasing",
    ),
    "fastai.data.transforms": ("ToTensor", "IntToFloatTensor", "Normalize"),
}  # fmt: skip
COMPOSED = ("aff_fs", "coord_fs", "fs")  # what a transform does in training, as functions
SEEN = "fastai.vision.core.PIL"
GREY = "PILImageBW"
PHOTOS = ("PILBase", "PILImage", GREY)  # of these the last that is named
SOFTMAX = ("CrossEntropyLossFlat", "LabelSmoothingCrossEntropyFlat", "FocalLossFlat", "BaseLoss")  # of fastai.losses
PLAIN = "torch.nn.modules.loss.CrossEntropyLoss"
LOSSES = ("fastai.losses", "fastai.layers")  # until fastai 2.1
ONLY = "only single-label image classifiers are served"
SEVERAL = ("BCEWithLogitsLoss", "BCELoss", "BCEWithLogitsLossFlat")
REGRESSION = ("MSELoss", "L1Loss", "SmoothL1Loss")
NETWORKS_OF = ("torch", "torchvision", "timm", "fastai")
MOST_LABELS = 100_000


def learner_of(read: Any) -> Any:
    """The learner of what `restricted_unpickler.load` gave. Raises UnsupportedLearner."""
    from fastai.callback.core import Callback
    from fastai.data.core import Datasets
    from fastai.data.transforms import Categorize
    from fastai.learner import Learner
    from fastai.losses import CrossEntropyLossFlat
    from torch import nn

    kind = read.name if isinstance(read, Part) else type(read).__name__
    if kind != "fastai.learner.Learner":
        last = kind.rpartition(".")[2]
        raise UnsupportedLearner(
            f"The pickle holds a {last}, not a fastai learner: make it with learn.export().", "kind"
        )
    model, labels, photo = read.get("model"), _labels(read), _photos(read)
    if not isinstance(model, nn.Module):
        raise _strange_network(model.name if isinstance(model, Part) else type(model).__name__)
    strange = next((layer for layer in _held_by(model) if isinstance(layer, Part)), None)
    if strange:
        raise _strange_network(strange.name)
    valid = _valid(read)
    frame, batch = (list(_transforms(valid.get(name))) for name in ("after_item", "after_batch"))
    loss = nn.CrossEntropyLoss() if _name(read.get("loss_func")) == PLAIN else CrossEntropyLossFlat()
    before = list(_transforms(valid.get("before_batch")))
    blank = np.zeros((64, 64) if photo.__name__ == GREY else (64, 64, 3), np.uint8)
    photos = Datasets(
        [blank, blank], [[photo.create], [lambda _: labels[0], Categorize(vocab=list(labels), sort=False)]],
        splits=[[0], [1]], n_inp=1,
    )  # fmt: skip
    dls = photos.dataloaders(
        bs=1, num_workers=0, device="cpu", after_item=frame, before_batch=before, after_batch=batch, drop_last=False
    )
    learner = Learner(dls, model.cpu().float(), loss_func=loss, opt_func=_no_optimizer, cbs=[Callback()])
    arch = read.get("arch")
    learner.arch = arch if isinstance(arch, str) else _name(arch).rpartition(".")[2] or None
    return learner


def _strange_network(name: str) -> UnsupportedLearner:
    package, last = name.partition(".")[0], name.rpartition(".")[2]
    if package in NETWORKS_OF:
        return UnsupportedLearner(
            f"The learner's network holds a {name}, which the installed {package} does not have: it was exported by "
            "another version; export it again with the installed one.",
            "version",
        )
    return UnsupportedLearner(
        f"The learner's network holds a {last}, a class of its own training script: build it of layers of torch, "
        "torchvision, timm or fastai, and export it again.",
        "own network",
    )


def _held_by(model: Any) -> Iterator[Any]:
    """All layers of a network, or what stands in their place."""
    left = [model]
    while left:
        held = vars(left.pop()).get("_modules", {}).values()
        yield from held
        left += [layer for layer in held if layer is not None and not isinstance(layer, Part)]


def _no_optimizer(*_: Any, **__: Any) -> None:
    """Nothing is learned."""


def _name(made: Any) -> str:
    return made.name if isinstance(made, Part) else ""


def _items(made: Any) -> list[Any]:
    """What a list, a tuple, fastai's L or numpy's array of one dimension holds."""
    if isinstance(made, Part) and made.name.endswith("multiarray._reconstruct"):
        state = made.arguments[-1]
        if not isinstance(state, tuple) or len(state) != 5:
            return []
        return list(state[4]) if isinstance(state[4], list) else _numbers(state[2], state[4])
    if isinstance(made, Part):
        inner = made.get("items", made.get("fs"))
        return _items(inner) if inner is not None else list(made.items)
    return list(made) if isinstance(made, list | tuple) else []


def _valid(read: Part) -> Part:
    """The validation DataLoader."""
    dls = read.get("dls")
    loaders = _items(dls.get("loaders")) if isinstance(dls, Part) else []
    if not loaders or not all(isinstance(each, Part) for each in loaders):
        raise UnsupportedLearner(f"The learner has no DataLoaders of fastai's, and {ONLY}.", "labels")
    return loaders[min(1, len(loaders) - 1)]


def _labels(read: Part) -> tuple[str, ...]:
    """The labels in the order of the logits. Raises UnsupportedLearner for anything but single-label classification."""
    loss = read.get("loss_func")
    inner = loss.get("func") if isinstance(loss, Part) else None
    names = {_name(each).rpartition(".")[2] for each in (loss, inner)}
    if names & set(SEVERAL):
        raise UnsupportedLearner(f"The learner gives several labels at once (multi-label), and {ONLY}.", "multi-label")
    if names & set(REGRESSION):
        raise UnsupportedLearner(f"The learner predicts numbers (regression), and {ONLY}.", "regression")
    library, _, last = _name(loss).rpartition(".")
    if _name(loss) != PLAIN and not (library in LOSSES and last in SOFTMAX):
        raise UnsupportedLearner(f"The learner's loss is none whose answers are known, and {ONLY}.", "loss")
    valid = _valid(read)
    dataset = valid.get("dataset")
    tls = _items(dataset.get("tls")) if isinstance(dataset, Part) else []
    if not tls or dataset.get("n_inp", 1) != 1:
        raise UnsupportedLearner(f"The learner has no single list of labels, and {ONLY}.", "labels")
    vocab = next((each.get("vocab") for each in _parts(tls[-1], 2000) if each.get("vocab") is not None), None)
    for holder in (valid, read.get("dls")):
        vocab = holder.get("vocab", vocab)
    labels = [_text(label) for label in _items(vocab)[: MOST_LABELS + 1]]
    if not labels or None in labels:
        raise UnsupportedLearner(f"The learner has no single list of labels, and {ONLY}.", "labels")
    return tuple(label for label in labels if label is not None)


def _photos(read: Part) -> Any:
    """fastai's class of what the learner looks at. Raises UnsupportedLearner for what is no photo."""
    from fastai.vision import core

    inputs = _items(_valid(read).get("dataset").get("tls"))[0]
    seen = {_name(each).rpartition(".")[2] for each in _parts(inputs, 2000) if _name(each).startswith(SEEN)}
    known = [kind for kind in PHOTOS if kind in seen]
    if seen and not known:
        raise UnsupportedLearner(f"The learner looks at a {min(seen)}, and only photos are served.", "photos")
    return getattr(core, known[-1] if known else "PILImage")


def _text(label: Any) -> str | None:
    """A label as text: of texts, numbers and numpy's numbers; None for anything else."""
    if isinstance(label, Part) and label.name.endswith("multiarray.scalar") and len(label.arguments) == 2:
        return next((str(number) for number in _numbers(*label.arguments)), None)
    return str(label) if isinstance(label, str | int | float) else None


def _numbers(dtype: Any, body: Any) -> list[Any]:
    """numpy's numbers or texts in these bytes; none where that is not what they are."""
    code = str(dtype.arguments[0]) if isinstance(dtype, Part) and dtype.arguments else ""
    if not isinstance(body, bytes) or not re.fullmatch(r"[iuf][1248]|b1|U[1-9]\d{0,3}", code):
        return []
    return np.frombuffer(body, code).tolist() if len(body) % np.dtype(code).itemsize == 0 else []


def _parts(made: Any, most: int) -> Iterator[Part]:
    """The description and all inside it, breadth first, `most` at most."""
    left = [made]
    known: set[int] = set()
    while left and len(known) < most:
        each = left.pop(0)
        if id(each) in known:
            continue
        known.add(id(each))
        if isinstance(each, Part):
            yield each
            left += [*each.arguments, *each.state.values(), *each.items]
        elif isinstance(each, list | tuple):
            left += each
        elif isinstance(each, dict):
            left += [*each.keys(), *each.values()]


def _transforms(pipeline: Any) -> Iterator[Any]:
    """fastai's own transforms, as a pipeline of the description has them at validation. Raises UnsupportedLearner."""
    import importlib

    from fasttransform import Transform

    for part in _items(pipeline):
        library, _, last = _name(part).rpartition(".")
        known = last in TRANSFORMS.get(library, ())
        kind = getattr(importlib.import_module(library), last) if known else None
        given = part.get("split_idx", kind and kind.split_idx) if isinstance(part, Part) else None
        if given == 0:
            continue
        if kind is None or not issubclass(kind, Transform):
            from mirror.export.learner_transforms import unsupported

            raise unsupported(last or type(part).__name__)
        made = object.__new__(kind)
        vars(made).update(_later(kind, part.state))
        for name, value in part.state.items():
            plain = _plain(value)
            if name in COMPOSED:
                vars(made)[name] = []
            elif name.isidentifier() and not name.startswith("__") and not callable(getattr(kind, name, None)):
                if value is None or plain is not None:
                    vars(made)[name] = plain
        yield made


def _later(kind: type, state: dict[str, Any]) -> dict[str, Any]:
    """What a transform of an older fastai lacks, as it would be by default: fastai keeps under an argument's name what
    is given."""
    given = {name: one.default for name, one in inspect.signature(kind).parameters.items() if name not in state}
    return {name: value for name, value in given.items() if _plain(value) is not None and not hasattr(kind, name)}


def _plain(value: Any) -> Any:
    """A number, a text, a tensor, or a tuple of them; None for anything else."""
    import torch

    if isinstance(value, Part):
        if value.name.startswith("PIL.Image.") and len(value.arguments) == 1:  # Resampling
            return _plain(value.arguments[0])
        if value.name == "fastcore.basics.fastuple" and len(value.arguments) == 1:
            from fastcore.basics import fastuple

            found = _plain(value.arguments[0])
            return fastuple(*found) if isinstance(found, tuple) else None
        return None
    if isinstance(value, torch.Tensor):
        from fastai.torch_core import TensorBase

        return value.detach().as_subclass(TensorBase)
    if isinstance(value, list | tuple):
        found = tuple(map(_plain, value))
        return None if None in [None if each is None else 0 for each in found] else found
    return value if isinstance(value, bool | str | numbers.Real) else None
