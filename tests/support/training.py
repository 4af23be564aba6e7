"""Photos and predictions made up for tests of training."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from mirror.collect.photo_records import Photo
from mirror.training.calibration import HeldOut


def photo(number: int, label: str, phash: str = "") -> Photo:
    name, url = f"images/{label}/{number:03}.jpg", f"https://e.example/{number}"
    sha256 = f"{number:064}"
    return Photo(url, label, file_name=name, sha256=sha256, width=300, height=200, phash=phash, split="train")


def honest(photos: int, labels: int = 2, seed: int = 0, spread: float = 2.0) -> HeldOut:
    """Labels drawn from the very probabilities that the logits stand for: a temperature of 1 is right."""
    random = np.random.default_rng(seed)
    logits = spread * random.normal(size=(photos, labels))
    shares = softmax(logits, axis=1)
    actual = np.array([random.choice(labels, p=share) for share in shares])
    return HeldOut(logits, actual, np.arange(photos))
