"""The compiled network against the learner it was compiled from: the same probabilities on the same photos?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mirror.errors import UnsupportedLearner
from mirror.images import load_image
from mirror.inference.classifier import softmax
from mirror.inference.preprocess import preprocess
from mirror.inference.session import OnnxModel
from mirror.model_schema import Preprocessing
from mirror.preparation import GREYSCALE, as_opened

LARGEST_DIFFERENCE = 1e-4  # in any probability: the learner's float32 noise is about 1e-6
PARITY_PHOTOS = 200  # at most: `learn.predict` takes 50 to 100 ms for each
BATCH = 8
# Height and width of the synthetic photos: landscape, portrait, odd, extreme, smaller than any input.
SYNTHETIC_SIZES = ((480, 640), (640, 427), (333, 501), (200, 900), (61, 47))


def check_parity(
    learner: Any,
    engine: OnnxModel,
    preprocessing: Preprocessing,
    labels: tuple[str, ...],
    samples: Sequence[Path | Image.Image],
) -> float:
    """The largest difference to `learn.predict` in any probability; UnsupportedLearner above LARGEST_DIFFERENCE."""
    import torch
    from fastai.vision.core import PILImage, PILImageBW

    grey = preprocessing.prepare == GREYSCALE
    kind = PILImageBW if grey else PILImage
    # fastai knows the activation of its own losses only, and gives the logits otherwise
    plain = type(learner.loss_func) is torch.nn.CrossEntropyLoss
    difference = 0.0
    for start in range(0, len(samples), BATCH):
        photos = [load_image(sample) for sample in samples[start : start + BATCH]]
        shown = [as_opened(photo, preprocessing.prepare) for photo in photos]
        (logits,) = engine.run(np.stack([preprocess(photo, preprocessing) for photo in shown]))
        if logits.shape != (len(photos), len(labels)):
            raise UnsupportedLearner(
                f"The learner has {len(labels)} labels, but its network gives {logits.shape[-1]} numbers.",
                "count",
            )
        given = [photo.convert("L") for photo in photos] if grey else photos  # as PILImageBW opens a file
        with learner.no_bar(), learner.no_logging(), torch.no_grad():
            theirs = np.stack([learner.predict(kind.create(np.asarray(photo)))[2].numpy() for photo in given])
        here = np.abs(softmax(logits) - (softmax(theirs) if plain else theirs)).max()
        difference = float(np.maximum(difference, here))  # a nan stays one
    if not difference <= LARGEST_DIFFERENCE:
        raise UnsupportedLearner(
            f"The compiled network differs from the learner by {difference:.2g} in a probability, "
            f"more than the {LARGEST_DIFFERENCE:g} allowed: serve it with fastai.",
            "differs",
        )
    return difference


def synthetic_photos() -> Iterator[Image.Image]:
    """Photos of many shapes, the same every time: smooth colours with some noise."""
    random = np.random.default_rng(0)
    for height, width in SYNTHETIC_SIZES:
        coarse = Image.fromarray(random.integers(0, 256, (5, 7, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
        noise = random.integers(-20, 21, smooth.shape, dtype=np.int16)
        yield Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))
