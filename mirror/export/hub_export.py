"""A model of the Hub for torch → the same in the layout that answers without it: `mirror compile --task TASK MODEL`.

    config.json, preprocessor_config.json, tokenizer.json    what transformers itself saves
    onnx/model.onnx                                          the network (or model_fp16.onnx, model_int8.onnx)
    parity.json                                              how near its answers are to transformers' own pipeline

The network is traced as it answers: attention written out, one photo at a time for detectors, any number otherwise.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mirror.errors import ModelUnavailable, UsageError, require_installed
from mirror.export.hub_parity import check_parity
from mirror.export.hub_precision import reduce_precision
from mirror.export.parity import synthetic_photos
from mirror.folders import swap_folder
from mirror.storage import parse_json, write_atomically
from mirror.tasks.hub_errors import loading, quietly
from mirror.tasks.hub_layout import NETWORK, PARITY
from mirror.tasks.hub_models import Located, locate
from mirror.tasks.hub_onnx import TRIAL_SIDE
from mirror.tasks.image_processors import ImageProcessor
from mirror.tasks.image_text_towers import SIGMOID_TOKENS, TOKENIZER
from mirror.tasks.request import IMAGE_CLASSIFICATION, OBJECT_DETECTION, ZERO_SHOT
from mirror.tasks.transformers_models import OFFLINE, pretrained, require

OPSET = 18
CLASSES = {  # of transformers
    IMAGE_CLASSIFICATION: "AutoModelForImageClassification",
    OBJECT_DETECTION: "AutoModelForObjectDetection",
    ZERO_SHOT: "AutoModelForZeroShotImageClassification",
}
OUTPUTS = {
    IMAGE_CLASSIFICATION: ("logits",),
    OBJECT_DETECTION: ("logits", "pred_boxes"),
    ZERO_SHOT: ("logits_per_image", "logits_per_text", "text_embeds", "image_embeds"),
}
EXAMPLE_TEXTS = ["cat", "two red cars"]


def compile_hub_model(
    model: str, task: str, out: Path, *, precision: str = "fp32", photos: Sequence[Path] = ()
) -> dict[str, Any]:
    """Makes the folder `out`, or leaves it as it is; what parity.json says of it. photos: besides synthetic ones, those
    that parity and precision are judged by. Raises ModelUnavailable."""
    require_installed(f"Compiling {model}", "torch", "transformers", "onnx")
    if out.exists() and not (out.is_dir() and ((out / PARITY).is_file() or not any(out.iterdir()))):
        raise UsageError(f"{out} is there already, and was not made by this command: name another folder by --out.")
    located = locate(model, for_torch=True)
    require(located, task)
    shown: list[Any] = [*synthetic_photos(), *photos]
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name}-") as scratch:
        folder = Path(scratch, "model")
        export(located, task, folder)
        told = {"model": located.name, "identity": located.identity, "task": task, "precision": precision}
        told |= check_parity(located, task, folder, shown)
        _tell(folder, told)
        if precision != "fp32":
            told |= reduce_precision(folder, task, precision, photos)
            _tell(folder, told)
        swap_folder(folder, out)
    return told


def _tell(folder: Path, told: dict[str, Any]) -> None:
    write_atomically(folder / PARITY, (json.dumps(told, indent=2) + "\n").encode())


def export(located: Located, task: str, folder: Path) -> None:
    """Writes the Hub's layout into `folder`, in float32. Raises ModelUnavailable for what cannot be traced."""
    import torch
    import transformers

    network = pretrained(
        getattr(transformers, CLASSES[task]), located, dtype=torch.float32, attn_implementation="eager"
    )
    (folder / "onnx").mkdir(parents=True)
    with loading(located.name), warnings.catch_warnings(), quietly("transformers"):
        warnings.simplefilter("ignore")  # of the tracer, on shapes that it takes as they are
        known: dict[str, Any] = OFFLINE | {"config": network.config}
        processor = transformers.AutoImageProcessor.from_pretrained(located.source, backend="pil", **known)
        processor.save_pretrained(folder)
        saved = parse_json((folder / "preprocessor_config.json").read_bytes())
        inputs, free = _pixels(ImageProcessor.of(saved, located.name), task)
        if task == ZERO_SHOT:
            words, free_words = _words(located, network, folder, known)
            inputs, free = words | inputs, free_words | free
        network.config.save_pretrained(folder)
        names = OUTPUTS[task]

        class Positional(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.network = network

            def forward(self, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
                given = self.network(**dict(zip(inputs, values, strict=True)))
                return tuple(given[name] for name in names)

        with torch.no_grad():
            torch.onnx.export(
                Positional().eval(), tuple(map(torch.as_tensor, inputs.values())), str(folder / NETWORK),
                input_names=list(inputs), output_names=list(names), dynamic_axes=free, opset_version=OPSET,
                dynamo=False,
            )  # fmt: skip


def _pixels(processor: ImageProcessor, task: str) -> tuple[dict[str, Any], dict[str, dict[int, str]]]:
    """What the network is traced on, and which sides of it are free."""
    import numpy as np

    photo = next(synthetic_photos())
    varies = "longest_edge" in processor.size and processor.pad is None
    if varies:
        shown = {"pixel_values": np.random.default_rng(0).random((3, TRIAL_SIDE, TRIAL_SIDE + 64), np.float32)}
    else:
        shown = processor(photo)
    count = 1 if task == OBJECT_DETECTION else 2
    inputs = {name: np.stack([value] * count) for name, value in shown.items()}
    free: dict[str, dict[int, str]] = {name: {} if count == 1 else {0: "images"} for name in inputs}
    if varies:
        free["pixel_values"] |= {2: "height", 3: "width"}
    return inputs, free


def _words(
    located: Located, network: Any, folder: Path, known: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, dict[int, str]]]:
    """The same of texts; the tokenizer is saved."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(located.source, **known)
    tokenizer.save_pretrained(folder)
    if not (folder / TOKENIZER).is_file():
        _fast(tokenizer).save(str(folder / TOKENIZER))
    fixed = "siglip" in network.config.model_type
    padding: dict[str, Any] = {"padding": "max_length", "max_length": SIGMOID_TOKENS} if fixed else {"padding": True}
    inputs = dict(tokenizer(EXAMPLE_TEXTS, return_tensors="pt", **padding))
    sides = {0: "texts"} if fixed else {0: "texts", 1: "tokens"}
    return inputs, {name: dict(sides) for name in inputs}


def _fast(tokenizer: Any) -> Any:
    """A SentencePiece tokenizer, as the first SigLIP has it, for the library `tokenizers`: small letters, no
    punctuation, and the end of the text at its end. Raises ModelUnavailable for another."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    pieces = getattr(tokenizer, "sp_model", None)
    if type(tokenizer).__name__ != "SiglipTokenizer" or pieces is None:
        raise ModelUnavailable(f"The words of a {type(tokenizer).__name__} cannot be read without transformers.")
    vocabulary = [(pieces.IdToPiece(number), pieces.GetScore(number)) for number in range(pieces.GetPieceSize())]
    made = Tokenizer(models.Unigram(vocabulary, unk_id=pieces.unk_id(), byte_fallback=False))
    steps: list[Any] = [normalizers.Lowercase()] if tokenizer.do_lower_case else []
    steps += [normalizers.Replace(Regex(r"[!-/:-@\[-`{-~]"), ""), normalizers.Replace(Regex(r"\s+"), " ")]
    made.normalizer = normalizers.Sequence([*steps, normalizers.Strip()])
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    end = tokenizer.eos_token
    made.post_processor = processors.TemplateProcessing(f"$A {end}", special_tokens=[(end, tokenizer.eos_token_id)])
    return made
