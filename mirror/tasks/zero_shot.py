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
from typing import TYPE_CHECKING, Any

from mirror.errors import ModelUnavailable, UsageError
from mirror.inference.classifier import Prediction
from mirror.inference.session import require_finite
from mirror.tasks.hub import OFFLINE, Located, loading, locate, pretrained, require
from mirror.tasks.predictor import BatchPredictor, LabelPredictor
from mirror.tasks.request import BARE_LABEL, ZERO_SHOT, TaskRequest

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from mirror.net.fetch import NetworkSettings

DEFAULT_MODEL = "openai/clip-vit-base-patch32"
SOFTMAX = frozenset({"chinese_clip", "clip", "metaclip_2"})  # model types whose words compete for one image
SIGMOID = frozenset({"siglip", "siglip2"})  # those that judge each word by itself
SIGMOID_TOKENS = 64  # that SigLIP reads, always padded to them, as transformers' pipeline does
TEXTS_AT_ONCE = 64  # more take no less time each, and memory grows with them
SETS_KEPT = 16  # sets of labels whose features are kept: 2 MB for a thousand labels of 512 numbers


def open_zero_shot(request: TaskRequest, *, network: NetworkSettings | None = None) -> ZeroShotPredictor:
    """Raises UsageError for words that cannot be meant, ModelUnavailable for a model that cannot be opened."""
    model = ZeroShot.load(request.model)
    return model.bound(request.labels, request.template, network=network)


class ZeroShot:
    """The model, for any words. Safe to use from several threads."""

    def __init__(self, located: Located, model: Any, tokenizer: Any, image_processor: Any):
        self.name, self.identity = located.name, located.identity
        self._model, self._tokenizer, self._image_processor = model, tokenizer, image_processor
        self.competing = model.config.model_type in SOFTMAX
        self._kept: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._lock = threading.Lock()
        self._tokenizer_lock = threading.Lock()  # it changes its own settings while it pads

    @classmethod
    def load(cls, model: str | None = None) -> ZeroShot:
        """model: a transformers folder or a Hub id. Raises UsageError and ModelUnavailable."""
        located = locate(model or DEFAULT_MODEL)
        require(located, ZERO_SHOT)
        kind = located.config.get("model_type")
        if kind not in SOFTMAX | SIGMOID:
            raise ModelUnavailable(
                f"{located.name} is of the kind {kind}, which is not supported for {ZERO_SHOT}: choose one of the "
                f"kinds {', '.join(sorted(SOFTMAX | SIGMOID))}, as {DEFAULT_MODEL}."
            )
        with loading(located.name):
            import torch
            from transformers import AutoImageProcessor, AutoModelForZeroShotImageClassification, AutoTokenizer

            network = pretrained(AutoModelForZeroShotImageClassification, located, dtype=torch.float32)
            known = OFFLINE | {"config": network.config}
            tokenizer = AutoTokenizer.from_pretrained(located.source, **known)
            image_processor = AutoImageProcessor.from_pretrained(located.source, **known)
        return cls(located, network, tokenizer, image_processor)

    def bound(
        self, labels: Sequence[str], template: str = BARE_LABEL, *, network: NetworkSettings | None = None
    ) -> ZeroShotPredictor:
        """The predictor that chooses among `labels`, each put in the place of {} in `template`.

        Raises UsageError for a label that is longer than the model reads, and for a single one where labels compete.
        """
        if any("\ud800" <= letter <= "\udfff" for text in (template, *labels) for letter in text):
            raise UsageError("A label or the template is not valid UTF-8: write it again.")
        if self.competing and len(labels) < 2:
            raise UsageError(
                f"With {labels[0]} as the only label, the answer would be that, at 100 %, whatever the image shows: "
                "give at least two labels."
            )
        return ZeroShotPredictor(self, tuple(labels), template, network)

    def text_features(self, labels: Sequence[str], template: str = BARE_LABEL) -> torch.Tensor:
        """float32 [labels, size], each of length 1; kept for the sets that were asked for last."""
        texts = [template.replace("{}", label) for label in labels]
        key = _digest(texts)  # the words themselves are a visitor's, and are not kept
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        features = self._read(texts)
        with self._lock:
            self._kept[key] = features
            while len(self._kept) > SETS_KEPT:
                self._kept.popitem(last=False)
        return features

    def image_features(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Upright RGB images → float32 [images, size], each of length 1."""
        import torch

        inputs = self._image_processor(images=list(images), return_tensors="pt")
        with torch.inference_mode():
            return _of_length_one(self._model.get_image_features(**inputs))

    def probabilities(self, images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """Features [images, size] and [labels, size] → [images, labels]. Raises ModelFolderError
        where any is not finite."""
        import torch

        with torch.inference_mode():
            logits = images @ texts.T * self._model.logit_scale.exp()
            require_finite(self.name, logits)
            return logits.softmax(dim=1) if self.competing else torch.sigmoid(logits + self._model.logit_bias)

    def _read(self, texts: list[str]) -> torch.Tensor:
        import torch

        parts = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            with self._tokenizer_lock:
                inputs = self._tokens(texts[start : start + TEXTS_AT_ONCE])
            with torch.inference_mode():
                parts.append(_of_length_one(self._model.get_text_features(**inputs)))
        return torch.cat(parts)

    def _tokens(self, texts: list[str]) -> Any:
        """The tokenizer's output as tensors. Raises UsageError where transformers would fail on a text that is too long
        (CLIP), or read only its beginning (SigLIP)."""
        at_most = self._tokens_at_most()
        for text, tokens in zip(texts, self._tokenizer(texts, verbose=False)["input_ids"], strict=True):
            if len(tokens) > at_most:
                shown = text if len(text) <= 60 else f"{text[:57]}…"
                raise UsageError(
                    f"“{shown}” is too long: the model reads {at_most} tokens and it has {len(tokens)}, so use fewer "
                    "words."
                )
        padding = {"padding": True} if self.competing else {"padding": "max_length", "max_length": at_most}
        return self._tokenizer(texts, return_tensors="pt", **padding)

    def _tokens_at_most(self) -> int:
        if not self.competing:
            return SIGMOID_TOKENS
        return min(self._tokenizer.model_max_length, self._model.config.text_config.max_position_embeddings)


class ZeroShotPredictor(BatchPredictor, LabelPredictor):
    """A model with the labels to choose from."""

    def __init__(self, model: ZeroShot, labels: tuple[str, ...], template: str, network: NetworkSettings | None):
        self.model, self.name, self.labels, self.network = model, model.name, labels, network
        self.texts = model.text_features(labels, template)
        self.identity = _digest([model.identity, template, *labels])

    def classify(self, photo: Image.Image) -> Prediction:
        return self.predict([photo])[0]

    def predict(self, images: Sequence[Image.Image]) -> list[Prediction]:
        rows = self.model.probabilities(self.model.image_features(images), self.texts)
        return [Prediction(dict(zip(self.labels, row, strict=True))) for row in rows.tolist()]


def _of_length_one(output: Any) -> torch.Tensor:
    features = output.pooler_output
    return features / features.norm(p=2, dim=-1, keepdim=True)


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()
