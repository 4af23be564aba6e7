"""A picture → what the packaged ImageNet network sees: a direction to compare it by, and the classes it is like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mirror.inference.classifier import Classifier, softmax
from mirror.inference.session import FEATURES, LOGITS, require_finite
from mirror.tasks.imagenet import packaged_folder


@dataclass(frozen=True)
class Embedding:
    """vector: [D] float32 of length 1; two are compared by their scalar product. probabilities: [1000], of the
    classes."""

    vector: np.ndarray
    probabilities: np.ndarray


class Embedder:
    """The network, opened. Raises ModelFolderError where it is damaged."""

    def __init__(self) -> None:
        self._classifier = Classifier.load(packaged_folder())
        info = self._classifier.info
        self.classes = info.labels
        self.network = info.files[info.onnx.file]  # its sha256

    def embed(self, picture: bytes | Path | Image.Image) -> Embedding:
        """Raises ImageError where it cannot be decoded."""
        photo = self._classifier.decode(picture)
        pixels, _ = self._classifier.preprocess(photo)
        logits, features = self._classifier.engine.run(pixels[None], (LOGITS, FEATURES))
        require_finite(self._classifier.info.name, logits, features)
        return Embedding(direction(features)[0], softmax(logits)[0])


def direction(features: np.ndarray) -> np.ndarray:
    """Pooled features [N, D] → unit vectors [N, D] float32: square roots, so that a few strong channels do not decide
    alone, less their own mean, so that unlike pictures are at right angles."""
    roots = np.sqrt(np.maximum(features, 0))
    centred = roots - roots.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return (centred / np.maximum(lengths, 1e-9)).astype(np.float32)
