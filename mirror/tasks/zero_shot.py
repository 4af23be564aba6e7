"""zero-shot-image-classification: which of your own words fits an image best, by a model that compares both (CLIP).

    model = ZeroShot.load("openai/clip-vit-base-patch32")
    predictor = model.bound(("a cat", "a dog"))             # the words are read here, once
    predictor.predict([image])                              # from then on only the image is

The numbers are those of transformers' CLIPModel called with the words and the image together: CLIP and its kin give
probabilities that sum to 1 (a softmax over the words), SigLIP and its kin give each word its own (a sigmoid).
Radford et al. 2021, arXiv 2103.00020; Zhai et al. 2023, arXiv 2303.15343.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mirror.errors import ModelUnavailable, UsageError
from mirror.inference.classifier import Prediction, softmax
from mirror.inference.session import require_finite
from mirror.tasks.hub_models import Located, opened_by
from mirror.tasks.hub_onnx import require_task
from mirror.tasks.image_classification import sigmoid
from mirror.tasks.image_text_towers import OnnxTowers, Towers, TransformersTowers
from mirror.tasks.predictor import BatchPredictor, LabelPredictor
from mirror.tasks.request import BARE_LABEL, ZERO_SHOT, TaskRequest

if TYPE_CHECKING:
    from PIL import Image

    from mirror.net.fetch import NetworkSettings

DEFAULT_MODEL = "openai/clip-vit-base-patch32"
SOFTMAX = frozenset({"chinese_clip", "clip", "metaclip_2"})  # model types whose words compete for one image
SIGMOID = frozenset({"siglip", "siglip2"})  # those that judge each word by itself
TEXTS_AT_ONCE = 64  # more take no less time each, and memory grows with them
SETS_KEPT = 16  # sets of labels whose features are kept: 2 MB for a thousand labels of 512 numbers


def open_zero_shot(request: TaskRequest, *, network: NetworkSettings | None = None) -> ZeroShotPredictor:
    """Raises UsageError for words that cannot be meant, ModelUnavailable for a model that cannot be opened."""
    model = ZeroShot.load(request.model)
    return model.bound(request.labels, request.template, network=network)


class ZeroShot:
    """The model, for any words. Safe to use from several threads."""

    def __init__(self, located: Located, towers: Towers):
        self.name, self.identity, self.towers = located.name, located.identity, towers
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def load(cls, model: str | None = None) -> ZeroShot:
        """model: a folder of the Hub's layout or a Hub id. Raises UsageError and ModelUnavailable."""

        def by(towers: type[OnnxTowers] | type[TransformersTowers], located: Located) -> ZeroShot:
            return cls(located, towers(located, competing(located)))

        return opened_by(
            model or DEFAULT_MODEL,
            lambda located: by(OnnxTowers, located),
            lambda located: by(TransformersTowers, located),
        )

    def bound(
        self, labels: Sequence[str], template: str = BARE_LABEL, *, network: NetworkSettings | None = None
    ) -> ZeroShotPredictor:
        """The predictor that chooses among `labels`, each put in the place of {} in `template`.

        Raises UsageError for a label that is longer than the model reads, and for a single one where labels compete.
        """
        if any("\ud800" <= letter <= "\udfff" for text in (template, *labels) for letter in text):
            raise UsageError("A label or the template is not valid UTF-8: write it again.")
        if self.towers.competing and len(labels) < 2:
            raise UsageError(
                f"With {labels[0]} as the only label, the answer would be that, at 100 %, whatever the image shows: "
                "give at least two labels."
            )
        return ZeroShotPredictor(self, tuple(labels), template, network)

    def text_features(self, labels: Sequence[str], template: str = BARE_LABEL) -> np.ndarray:
        """float32 [labels, size], each of length 1; kept for the sets that were asked for last. Raises UsageError for a
        label on which transformers would fail (CLIP), or of which it would read only the beginning (SigLIP)."""
        texts = [template.replace("{}", label) for label in labels]
        key = _digest(texts)  # the words themselves are a visitor's, and are not kept
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        at_most = self.towers.tokens_at_most
        for text, tokens in zip(texts, self.towers.lengths(texts), strict=True):
            if tokens > at_most:
                shown = text if len(text) <= 60 else f"{text[:57]}…"
                raise UsageError(
                    f"“{shown}” is too long: the model reads {at_most} tokens and it has {tokens}, so use fewer words."
                )
        starts = range(0, len(texts), TEXTS_AT_ONCE)
        features = np.concatenate([self.towers.texts(texts[start : start + TEXTS_AT_ONCE]) for start in starts])
        with self._lock:
            self._kept[key] = features
            while len(self._kept) > SETS_KEPT:
                self._kept.popitem(last=False)
        return features

    def probabilities(self, images: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """Features [images, size] and [labels, size] → [images, labels]. Raises ModelFolderError where any is not
        finite."""
        logits = images @ texts.T * self.towers.scale + self.towers.bias
        require_finite(self.name, logits)
        return softmax(logits) if self.towers.competing else sigmoid(logits)


class ZeroShotPredictor(BatchPredictor, LabelPredictor):
    """A model with the labels to choose from."""

    def __init__(self, model: ZeroShot, labels: tuple[str, ...], template: str, network: NetworkSettings | None):
        self.model, self.name, self.labels, self.network = model, model.name, labels, network
        self.texts = model.text_features(labels, template)
        self.identity = _digest([model.identity, template, *labels])

    def classify(self, photo: Image.Image) -> Prediction:
        return self.predict([photo])[0]

    def predict(self, images: Sequence[Image.Image]) -> list[Prediction]:
        rows = self.model.probabilities(self.model.towers.images(images), self.texts)
        return [Prediction(dict(zip(self.labels, row, strict=True))) for row in rows.tolist()]


def competing(located: Located) -> bool:
    """Whether a model's words compete for an image. Raises ModelUnavailable for a kind that is not known here."""
    kind = located.config.get("model_type")
    if kind not in SOFTMAX | SIGMOID:
        require_task(located, ZERO_SHOT)
        raise ModelUnavailable(
            f"{located.name} is of the kind {kind}, which is not supported for {ZERO_SHOT}: choose one of the kinds "
            f"{', '.join(sorted(SOFTMAX | SIGMOID))}, as {DEFAULT_MODEL}."
        )
    return kind in SOFTMAX


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()
