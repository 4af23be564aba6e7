"""Why a learner pickle is not served, as sentences that hold nothing of the file: for visitors, logs and exit codes.

A confined process tells its reason as an exit status, `FIRST` and the reason's place in REFUSALS; what else it says is
the file's own word. `python -m mirror compile` prints that too, made harmless, for the pickle's owner.
"""

from __future__ import annotations

from mirror.errors import UnsupportedLearner

FIRST = 64  # beyond what Python itself, signals below it and argparse exit with
_EXPORT = "export it again"
REFUSALS = {
    "unknown": "does not compile",
    "names": "names what no learner needs, so it is not opened: `python -m mirror compile FILE` says what",
    "not a learner": "does what no learner does, so it was not opened",
    "own code": "uses a function or class of its own training script: train it again without one and " + _EXPORT,
    "missing": "needs a package that is not installed here: install it, or export the learner without code of your own",
    "version": f"was exported by another version of its libraries: {_EXPORT} with the installed ones",
    "not a pickle": f"is not a learner pickle that opens here: {_EXPORT}",
    "cut short": "is cut short, as by a download that did not end: copy or fetch it again",
    "web page": "is a web page, not a model: fetch the file itself",
    "lfs": "is a pointer of git LFS, not the model itself: fetch it with `git lfs pull`, and install git-lfs first",
    "kind": "holds something else than a fastai learner: make it with learn.export()",
    "own network": f"holds a network of its own training script: build it of the libraries' layers, and {_EXPORT}",
    "multi-label": "gives several labels at once (multi-label), and only single-label image classifiers are served",
    "regression": "predicts numbers (regression), and only single-label image classifiers are served",
    "loss": "was trained with a loss whose answers are not known here: use CrossEntropyLossFlat",
    "labels": "has no single list of different labels, and only single-label image classifiers are served",
    "photos": "looks at something else than photos, and only those are served",
    "transform": "has a transform that cannot be reproduced outside fastai: train it with Resize, RandomResizedCrop or "
    "CropPad, aug_transforms and Normalize",
    "no size": f"resizes its photos nowhere: add item_tfms=Resize(…) and {_EXPORT}",
    "bytes": "feeds its network bytes, not numbers from 0 to 1, which is not supported",
    "network": "holds a network that fails on photos of its size",
    "export": "holds a network that torch cannot export to ONNX",
    "count": "has another number of labels than its network answers",
    "differs": "compiles to a network that differs from the learner: serve it with fastai",
    "memory": "needs more memory to be compiled than there is: close other programs, or raise the limit (ulimit -v)",
    "few photos": "needs more photos to be fitted to int8 than --calibrate holds",
}
_CODES = tuple(REFUSALS)


def status_of(reason: str) -> int:
    """The exit status that tells a reason."""
    return FIRST + _CODES.index(reason if reason in REFUSALS else "unknown")


def refusal_of(status: int, what: str) -> UnsupportedLearner | None:
    """The error of an exit status; None for one that tells no reason."""
    place = status - FIRST
    return refusal(_CODES[place], what) if 0 <= place < len(_CODES) else None


def refusal(reason: str, what: str) -> UnsupportedLearner:
    """The error for a reason. what: the pickle."""
    return UnsupportedLearner(f"{what} {REFUSALS.get(reason, REFUSALS['unknown'])}.", reason)
