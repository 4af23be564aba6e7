"""A learner pickle → the learner, run or only read; where that fails, the true reason in a sentence."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mirror.errors import UnsupportedLearner
from mirror.export.learner_parts import learner_of
from mirror.export.pickled_tensors import NotForAPickle
from mirror.export.restricted_unpickler import load as restricted_load
from mirror.export.restricted_unpickler import refused
from mirror.inference.pickle_allowlist import LIBRARIES_OF_LEARNERS


@contextlib.contextmanager
def refusals(pickle: Path) -> Iterator[None]:
    """What an untrusted pickle was not allowed to do is a sentence, wherever it tried."""
    try:
        yield
    except Exception as error:
        sentence = refused(pickle, error)
        if sentence is None:
            raise
        raise sentence from error


def open_learner(pickle: Path, trusted: bool = True) -> Any:
    """fastai's `load_learner` (2.8), whose handling of import errors hides what was missing."""
    import torch
    from fastai.learner import Learner

    try:
        if not trusted:
            return learner_of(restricted_load(pickle))
        learner = torch.load(pickle, map_location="cpu", weights_only=False)
    except (NotForAPickle, UnsupportedLearner):
        raise
    except (AttributeError, ImportError) as error:
        raise _not_here(pickle, error, trusted) from error
    except Exception as error:  # unpickling runs whatever the file says, and may raise anything
        reason = _brief(error)
        raise UnsupportedLearner(
            f"{pickle} is not a learner pickle that opens here ({reason}): export it again.",
            "not a pickle",
        ) from error
    if not isinstance(learner, Learner) or not hasattr(learner, "dls"):
        kind = type(learner).__name__
        raise UnsupportedLearner(f"{pickle} holds a {kind}, not a fastai learner: make it with learn.export().", "kind")
    learner.dls.cpu()
    if hasattr(learner, "channels_last"):
        learner = learner.to_contiguous(to_fp32=True)
    elif hasattr(learner, "mixed_precision"):
        learner = learner.to_fp32()
    return learner


def _not_here(pickle: Path, error: AttributeError | ImportError, trusted: bool) -> UnsupportedLearner:
    """What a learner needs that this machine does not have: a module, or what one of them holds. Where it was only
    read (not `trusted`), nothing of its own script was asked for."""
    module = re.search(r"(?:module '|named '|from )([\w.]+)", str(error))
    package = (isinstance(error, ImportError) and error.name) or (module[1] if module else "")
    if not trusted or package.partition(".")[0] in LIBRARIES_OF_LEARNERS and "." in package:
        return UnsupportedLearner(
            f"{pickle} was exported by another version of its libraries ({_brief(error)}): export it again with the "
            "installed ones.",
            "version",
        )
    if isinstance(error, ImportError):
        return UnsupportedLearner(
            f"{pickle} needs {package or error}, which is not installed here: "
            "install it, or export the learner without code of your own.",
            "missing",
        )
    named = re.search(r"attribute '([^']+)'", str(error))
    return UnsupportedLearner(
        f"{pickle} uses {named[1] if named else error}, a function or class of its own training script: "
        "train it again without one (for labels use parent_label or RegexLabeller) and export it.",
        "own code",
    )


def _brief(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:160]
