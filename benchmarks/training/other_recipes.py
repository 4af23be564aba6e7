"""Recipes that learners are compared with (fine_tuning.py): each takes pictures and a seed, and gives the logits [n, L]
of the pictures held out.

fastai's own `fine_tune` in batches of 16, without flips, as ours; the body thawed layer by layer (Howard and Ruder
2018, arXiv 1801.06146, section 3.3), in as many passes over the pictures as fine_tune(5); timm's own train.py with
RandAugment (Cubuk et al. 2020, arXiv 1909.13719) and label smoothing, without flips: no package of timm's ships it, so
--timm names that file, from its repository.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.training.material import ARCH, quiet
from benchmarks.training.sets import PictureSet

Method = Callable[[PictureSet, int], np.ndarray]

BATCH = 16
STAGES = 5  # of layer by layer: the head, then the body in four parts
TIMM = (
    "--epochs 10 --warmup-epochs 2 --opt adamw --lr 5e-4 --weight-decay 0.05 --aa rand-m9-mstd0.5 --hflip 0 "
    "--scale 0.35 1"
)


def begin(pictures: PictureSet, seed: int) -> Any:
    from mirror.training.learner import Start
    from mirror.training.pretrained import find_architecture, load_weights

    architecture = find_architecture(ARCH)
    weights = load_weights(architecture, None, quiet)
    return Start(pictures.folder, pictures.data.labels, architecture, *weights, pictures.size, seed)


def fine_tune(epochs: int) -> Method:
    """fastai's vision_learner and its `fine_tune`."""

    def run(pictures: PictureSet, seed: int) -> np.ndarray:
        from mirror.training.fine_tuning import NoValidation

        learner = vision_learner(pictures, seed)
        learner.freeze()  # as vision_learner(pretrained=True) does
        with learner.no_bar(), learner.no_logging():
            learner.fine_tune(epochs, cbs=NoValidation())
        return held_out(learner)

    return run


def layer_by_layer(pictures: PictureSet, seed: int) -> np.ndarray:
    """A pass with the head alone, one more with each further part of the body, the last with all at lower rates."""
    from mirror.training.fine_tuning import NoValidation

    learner = vision_learner(pictures, seed)
    learner.splitter = parts
    learner.create_opt()
    with learner.no_bar(), learner.no_logging():
        for thawed in range(1, STAGES + 1):
            learner.freeze_to(-thawed)
            rate = 1e-2 / 2 ** (thawed - 1)
            learner.fit_one_cycle(1, slice(rate / 2.6 ** (thawed - 1), rate), cbs=NoValidation())
        learner.fit_one_cycle(1, slice(rate / 100, rate / 2), cbs=NoValidation())
    return held_out(learner)


def timms(script: Path) -> Method:
    """timm's train.py on the same weights; the weights after its last epoch answer."""

    def run(pictures: PictureSet, seed: int) -> np.ndarray:
        import timm
        import torch

        start = begin(pictures, seed)
        with tempfile.TemporaryDirectory() as place:
            weights = Path(place) / "weights.pth"
            names = timm.create_model(ARCH).state_dict()
            torch.save(dict(zip(names, start.state.values(), strict=True)), weights)
            command = [
                sys.executable, str(script), "--data-dir", str(pictures.folder), "--model", ARCH, "--device", "cpu",
                "--pretrained", "--pretrained-path", str(weights), "--num-classes", str(len(start.labels)),
                "--img-size", str(pictures.size), "--crop-pct", "1", "-b", str(BATCH), "-j", "1", "--seed", str(seed),
                "--output", place, "--experiment", "run", *TIMM.split(),
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr[-2000:])
            trained = torch.load(Path(place) / "run" / "last.pth.tar", map_location="cpu", weights_only=False)
        learner = start.learner(pictures.data.photos)
        learner.model = timm.create_model(ARCH, num_classes=len(start.labels))
        learner.model.load_state_dict(trained["state_dict"])
        return held_out(learner)

    return run


def vision_learner(pictures: PictureSet, seed: int) -> Any:
    from fastai.vision.all import error_rate, vision_learner

    from mirror.training.pretrained import load_into

    start = begin(pictures, seed)
    loaders = start.learner(pictures.data.photos).dls
    loaders.train.bs = BATCH
    learner = vision_learner(loaders, ARCH, pretrained=False, normalize=False, metrics=error_rate)
    load_into(learner.model[0], start.state, start.source)
    return learner


def parts(model: Any) -> list[list[Any]]:
    """The body's parameters in four parts, the first layers first, then the head's."""
    body, head = (list(part.parameters()) for part in model.children())
    cuts = [len(body) * part // (STAGES - 1) for part in range(STAGES)]
    return [*(body[begin:end] for begin, end in zip(cuts, cuts[1:], strict=False)), head]


def held_out(learner: Any) -> np.ndarray:
    from fastai.torch_core import noop

    with learner.no_bar(), learner.no_logging():
        return learner.get_preds(dl=learner.dls.valid, act=noop)[0].numpy()
