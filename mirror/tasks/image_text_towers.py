"""The two halves of a model that compares pictures with words: each gives features, which are then compared.

    towers = OnnxTowers(located)                                  # or TransformersTowers, by torch
    towers.images([photo]) @ towers.texts(["a cat", "a dog"]).T   # cosines, [1, 2]

Rows are float32 and of length 1. `scale` and `bias` make a cosine the model's own logit. An ONNX network of the whole
model (`onnx/model.onnx`) holds both halves; what is not asked for is not worked out, and scale and bias are what its
own logits show, for they stand in no file beside it.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mirror.errors import ModelUnavailable
from mirror.inference.session import require_finite
from mirror.tasks.hub_errors import loading
from mirror.tasks.hub_models import MAX_DESCRIPTION, Located
from mirror.tasks.hub_onnx import TEXT_INPUTS, HubNetwork, description
from mirror.tasks.image_processors import ImageProcessor
from mirror.tasks.request import ZERO_SHOT

if TYPE_CHECKING:
    from PIL import Image

SIGMOID_TOKENS = 64  # that SigLIP reads, always padded to them, as transformers' pipeline does
TOKENS = {"clip": 77, "metaclip_2": 77}  # that a text may have where the files do not say so
TOKENIZER = "tokenizer.json"
PADDED_LEFT = ("GemmaTokenizer", "Siglip2Tokenizer")  # where neither file says so, as transformers' classes have it
OUTPUTS = ("image_embeds", "text_embeds", "logits_per_image")
PROBES = ("cat", "a red car", "two dogs in a garden", "1")  # texts by which scale and bias are found
AGREEMENT = 1e-3  # of a logit, within which scale and bias must explain it


class Towers(ABC):
    """competing: whether words compete for an image (a softmax), or each has a chance of its own (a sigmoid). scale,
    bias: of the logits. Safe to use from several threads."""

    competing: bool
    scale: float
    bias: float

    @property
    @abstractmethod
    def tokens_at_most(self) -> int:
        """The tokens that a text may have."""

    @abstractmethod
    def lengths(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text, its begin and its end included."""

    @abstractmethod
    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Texts that are no longer than the model reads → [texts, size]."""

    @abstractmethod
    def images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Upright RGB images → [images, size]."""


class OnnxTowers(Towers):
    """By onnxruntime and the tokenizers of tokenizer.json."""

    def __init__(self, located: Located, competing: bool):
        """Raises ModelUnavailable where it cannot be opened."""
        self.competing, self._kind = competing, str(located.config.get("model_type"))
        self._at_most, self._tokenizer = _tokenizer(located, competing, self._kind)
        self._network = HubNetwork(located, OUTPUTS, tokens=self._at_most if not competing else 8)
        self._one_by_one = self._network.takes_one
        self.scale, self.bias = self._measured(located.name)

    @property
    def tokens_at_most(self) -> int:
        return self._at_most

    @property
    def processor(self) -> ImageProcessor:
        """What photos are shown by."""
        return self._network.processor

    def lengths(self, texts: Sequence[str]) -> list[int]:
        return [sum(encoded.attention_mask) for encoded in self._tokenizer.encode_batch(list(texts))]

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        (features,) = self._network.run(self._words(texts) | _one_photo(self._network), ["text_embeds"])
        return of_length_one(features)

    def images(self, images: Sequence[Image.Image]) -> np.ndarray:
        words, count = self._words([""]), 1 if self._one_by_one else max(1, len(images))
        parts = [self._network.photos(images[start : start + count]) for start in range(0, len(images), count)]
        found = [self._network.run(words | photos, ["image_embeds"])[0] for photos in parts]
        return of_length_one(np.concatenate(found))

    def _words(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """What the network reads of texts, padded to the longest (to all that SigLIP reads)."""
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = np.array([each.ids for each in encoded], np.int64)
        mask = np.array([each.attention_mask for each in encoded], np.int64)
        given = dict(zip(TEXT_INPUTS, (ids, mask, np.zeros_like(ids)), strict=True))
        return {name: value for name, value in given.items() if name in self._network.inputs}

    def _measured(self, name: str) -> tuple[float, float]:
        """Scale and bias, from logits of noise and a few words."""
        photo = _one_photo(self._network)
        noise = np.random.default_rng(0).standard_normal(photo["pixel_values"].shape)
        inputs = self._words(PROBES) | photo | {"pixel_values": noise}
        image, text, logits = self._network.run(inputs)
        cosines = (of_length_one(image) @ of_length_one(text).T).astype(np.float64).ravel()
        values = logits.astype(np.float64).ravel()
        if len(values) != len(cosines):
            raise ModelUnavailable(f"{name} does not compare images with words as CLIP does: choose another.")
        known = [cosines] if self.competing else [cosines, np.ones_like(cosines)]
        found = np.linalg.lstsq(np.stack(known, axis=1), values, rcond=None)[0]
        off = np.abs(np.stack(known, axis=1) @ found - values).max()
        if not off <= AGREEMENT * max(1.0, float(np.abs(values).max())):
            raise ModelUnavailable(f"{name} does not compare images with words as CLIP does: choose another.")
        return float(found[0]), float(found[1]) if len(found) > 1 else 0.0


class TransformersTowers(Towers):
    """By transformers and torch."""

    def __init__(self, located: Located, competing: bool):
        """Raises ModelUnavailable where it cannot be opened, or does another task."""
        from mirror.tasks.transformers_models import OFFLINE, pretrained, require

        require(located, ZERO_SHOT)
        with loading(located.name):
            import torch
            from transformers import AutoImageProcessor, AutoModelForZeroShotImageClassification, AutoTokenizer

            model = pretrained(AutoModelForZeroShotImageClassification, located, dtype=torch.float32)
            known: dict[str, Any] = OFFLINE | {"config": model.config}
            self._tokenizer: Any = AutoTokenizer.from_pretrained(located.source, **known)
            self._image_processor: Any = AutoImageProcessor.from_pretrained(located.source, **known)
        self.name, self.model, self.competing = located.name, model, competing
        self.scale = model.logit_scale.detach().exp().item()
        self.bias = 0.0 if competing else model.logit_bias.detach().item()
        self._lock = threading.Lock()  # the tokenizer changes its own settings while it pads

    @property
    def tokens_at_most(self) -> int:
        if not self.competing:
            return SIGMOID_TOKENS
        return min(self._tokenizer.model_max_length, self.model.config.text_config.max_position_embeddings)

    def lengths(self, texts: Sequence[str]) -> list[int]:
        with self._lock:
            return [len(tokens) for tokens in self._tokenizer(list(texts), verbose=False)["input_ids"]]

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        padding = {"padding": True} if self.competing else {"padding": "max_length", "max_length": SIGMOID_TOKENS}
        with self._lock:
            inputs = self._tokenizer(list(texts), return_tensors="pt", **padding)
        with torch.inference_mode():
            return of_length_one(self.model.get_text_features(**inputs).pooler_output.numpy())

    def images(self, images: Sequence[Image.Image]) -> np.ndarray:
        import torch

        inputs = self._image_processor(images=list(images), return_tensors="pt")
        with torch.inference_mode():
            features = self.model.get_image_features(**inputs).pooler_output.numpy()
        require_finite(self.name, features)
        return of_length_one(features)


def of_length_one(features: np.ndarray) -> np.ndarray:
    """Each row divided by its length."""
    return features / np.linalg.norm(features, axis=-1, keepdims=True)


def _one_photo(network: HubNetwork) -> dict[str, np.ndarray]:
    from PIL import Image

    return network.photos([Image.new("RGB", (64, 64))])


def _tokenizer(located: Located, competing: bool, kind: str) -> tuple[int, Any]:
    """The tokens that a text may have, and the tokenizer, which pads to the longest (to all that SigLIP reads)."""
    path = located.source / TOKENIZER
    if not path.is_file() or path.stat().st_size > MAX_DESCRIPTION:
        raise ModelUnavailable(f"{located.name} has no {TOKENIZER}, by which words are read: choose another model.")
    settings = description(located, "tokenizer_config.json")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads complain of processes that start others
    with loading(located.name):
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(path.resolve()))
            padding = tokenizer.padding or {}
            tokenizer.no_truncation()
            tokenizer.encode_batch(["", *PROBES])
        except BaseException as error:  # tokenizers is Rust: its panics are no Exception
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            raise ModelUnavailable(
                f"The {TOKENIZER} of {located.name} cannot be used ({str(error)[:100]}): fetch the model again."
            ) from None
    token = settings.get("pad_token") or description(located, "special_tokens_map.json").get("pad_token")
    token = token.get("content") if isinstance(token, dict) else token
    token = token if isinstance(token, str) else str(padding.get("pad_token", ""))
    by_class = "left" if str(settings.get("tokenizer_class")).removesuffix("Fast") in PADDED_LEFT else "right"
    side = str(settings.get("padding_side") or padding.get("direction") or by_class).lower()
    tokenizer.enable_padding(
        direction="left" if side == "left" else "right", pad_id=tokenizer.token_to_id(token) or 0, pad_token=token,
        length=None if competing else SIGMOID_TOKENS,
    )  # fmt: skip
    if not competing:
        return SIGMOID_TOKENS, tokenizer
    text = located.config.get("text_config")
    positions = text.get("max_position_embeddings") if isinstance(text, dict) else None
    limits = [settings.get("model_max_length"), positions or TOKENS.get(kind)]
    numbers = [int(limit) for limit in limits if isinstance(limit, int | float) and 0 < limit < 1e6]
    return min(numbers, default=TOKENS["clip"]), tokenizer
