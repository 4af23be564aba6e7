"""The tab "Your own words" of the page without a server: words that are chosen when it is published.

    words_tab(TaskRequest(ZERO_SHOT, "hf:openai/clip-vit-base-patch32", ("a duck", "a goose")))

The words are read here, once. To the browser goes the half of the model that sees photos, with what was read of the
words as its last layer: pixels → logits. Tokenizer and the half that reads stay here. A network that `mirror compile
--task` put into fewer bits, and measured, stays in them; the words are float32.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mirror import answer_sentences
from mirror.errors import ModelUnavailable, require_installed
from mirror.export.graph import drop_unused
from mirror.export.hub_export import compile_hub_model
from mirror.export.parity import synthetic_photos
from mirror.inference.classifier import softmax
from mirror.inference.onnx_trial import open_tried
from mirror.inference.session import LOGITS
from mirror.static_site.site_tabs import WORDS, NetworkTab
from mirror.storage import read_file
from mirror.tasks.hub_models import MAX_ONNX, Located, locate
from mirror.tasks.image_classification import sigmoid
from mirror.tasks.image_processors import ImageProcessor
from mirror.tasks.image_text_towers import OnnxTowers
from mirror.tasks.registry import check
from mirror.tasks.request import BARE_LABEL, ZERO_SHOT, TaskRequest, public_name
from mirror.tasks.zero_shot import DEFAULT_MODEL, ZeroShot, ZeroShotPredictor, competing
from mirror.templates import render
from mirror.wording import count

PIXELS, IMAGE = "pixel_values", "image_embeds"  # what the half that sees photos takes and gives, by transformers' names
INPUT = "photo"  # its input in the browser, always float32
LARGEST_DIFFERENCE = 1e-4  # of a probability, from the whole model's
MAX_BYTES = 900_000_000  # of a network: a Space has a gigabyte, and a browser's memory for one is not much more
CROPPED_OR_SQUISHED = ({"shortest_edge"}, {"height", "width"})  # sizes that preprocess.js knows


def words_tab(request: TaskRequest) -> NetworkTab:
    """request: of zero-shot classification. A model that has no ONNX form is compiled first, by torch. Raises
    UsageError for words that cannot be meant, ModelUnavailable for a model that cannot be opened or cannot go there."""
    check(request)
    require_installed(f"The tab {WORDS}", "onnx")
    with _in_onnx(request.model or DEFAULT_MODEL) as located:
        towers = OnnxTowers(located, competing(located))
        predictor = ZeroShot(located, towers).bound(request.labels, request.template)
        prepared = page_preprocessing(towers.processor, located.name)
        assert located.onnx is not None
        whole = read_file(located.onnx.resolve(), limit=MAX_ONNX)
        network = words_network(whole, predictor.texts, towers.scale, towers.bias, located.name)
        if len(network) > MAX_BYTES:
            raise ModelUnavailable(
                f"The half of {located.name} that sees photos has {len(network) / 1e6:,.0f} MB, and at most "
                f"{MAX_BYTES / 1e6:,.0f} go to a browser: choose a smaller model, as {DEFAULT_MODEL}, or compile it "
                "with --precision int8."
            )
        _require_same(network, predictor, towers)
        by = public_name(located.name)
    page = _page(request.labels, towers.competing, by) | {"preprocessing": prepared}
    return NetworkTab(page, network, _note(request, by))


def words_network(whole: bytes, texts: np.ndarray, scale: float, bias: float, name: str) -> bytes:
    """The ONNX file of a model that compares photos with words → that of its half for photos, which gives the logits
    of these words: float32 [N, 3, height, width] → [N, words].

    texts: float32 [words, size], each of length 1. scale, bias: of the logits. name: of the model, for sentences.
    Raises ModelUnavailable where the halves cannot be told apart.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(whole)
    graph = model.graph
    for output in [output for output in graph.output if output.name != IMAGE]:
        graph.output.remove(output)
    drop_unused(graph)
    weights = {tensor.name for tensor in graph.initializer}
    taken = {name for node in graph.node for name in node.input}
    inputs = [given for given in graph.input if given.name in taken - weights]
    if [given.name for given in inputs] != [PIXELS] or not graph.output:
        raise ModelUnavailable(
            f"{name} sees a photo and reads words in one piece, so it cannot go to a browser without the words: choose "
            f"another, as {DEFAULT_MODEL}."
        )
    for given in [given for given in graph.input if given.name != PIXELS]:
        graph.input.remove(given)
    (pixels,), kind = graph.input, graph.input[0].type.tensor_type
    graph.node.insert(0, helper.make_node("Cast", [INPUT], [PIXELS], f"{WORDS}/in", to=kind.elem_type))
    pixels.name, kind.elem_type = INPUT, TensorProto.FLOAT
    del graph.output[:], graph.value_info[:]  # shapes of values, many of which are gone
    for of, value in (("texts", texts.astype(np.float32)), ("bias", np.array([bias], np.float32))):
        graph.initializer.append(numpy_helper.from_array(value, f"{WORDS}/{of}"))
    embedding, unit = f"{WORDS}/embedding", f"{WORDS}/unit"
    graph.node.extend([
        helper.make_node("Cast", [IMAGE], [embedding], f"{WORDS}/out", to=TensorProto.FLOAT),
        helper.make_node("LpNormalization", [embedding], [unit], f"{WORDS}/normalize", axis=-1, p=2),
        helper.make_node(
            "Gemm", [unit, f"{WORDS}/texts", f"{WORDS}/bias"], [LOGITS], f"{WORDS}/compare", alpha=scale, transB=1,
        ),
    ])  # fmt: skip
    graph.output.append(helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["N", len(texts)]))
    return model.SerializeToString(deterministic=True)


def page_preprocessing(processor: ImageProcessor, name: str) -> dict[str, Any]:
    """What the processor does, as preprocess.js takes it. name: of the model. Raises ModelUnavailable for more than
    that knows, as photos in patches."""
    settings, size = processor.settings, dict(processor.size)
    known = settings["do_resize"] and set(size) in CROPPED_OR_SQUISHED and not settings.get("do_pad")
    if not known or processor.kind == "ConvNext" or ("shortest_edge" in size and not processor.crop):
        raise ModelUnavailable(
            f"{name} prepares its photos in a way that a page without a server does not know: choose another, as "
            f"{DEFAULT_MODEL}."
        )
    edge = size.get("shortest_edge")
    levels = processor.levels.astype(np.float64)  # of a straight line: (level / 255 - mean) / std
    std = 1 / (levels[:, 255] - levels[:, 0])
    return {
        "resize": "squish" if edge is None else "shortest",
        "size": [size["height"], size["width"]] if edge is None else [edge, edge],
        "crop": list(processor.crop) if processor.crop else None,
        "resample": Image.Resampling(settings["resample"]).name.lower(),
        "mean": (-levels[:, 0] * std).tolist(),
        "std": std.tolist(),
        "pad_mode": "zeros",
        "crop_pad_mode": "zeros",
        "prepare": "none",
        "batch_resizes": [],
    }


@contextmanager
def _in_onnx(model: str) -> Iterator[Located]:
    """The model with its network in ONNX, which is made where it has none. Raises UsageError, ModelUnavailable."""
    located = locate(model)
    competing(located)  # before torch is asked
    if located.onnx is not None:
        yield located
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "model")
        compile_hub_model(model, ZERO_SHOT, folder)
        yield replace(locate(str(folder)), name=located.name)


def _require_same(network: bytes, predictor: ZeroShotPredictor, towers: OnnxTowers) -> None:
    """Raises ModelUnavailable where the half answers otherwise than the whole."""
    photo = next(synthetic_photos())
    pixels = towers.processor(photo)[PIXELS][None]
    engine, _ = open_tried(network, f"The half of {predictor.name} that sees photos", pixels.shape)
    (logits,) = engine.run(pixels)
    found = softmax(logits) if towers.competing else sigmoid(logits)
    expected = list(predictor.classify(photo).probabilities.values())
    if not np.abs(found[0] - expected).max() <= LARGEST_DIFFERENCE:
        raise ModelUnavailable(f"The half of {predictor.name} that sees photos answers otherwise: choose another.")


def _page(labels: tuple[str, ...], compete: bool, by: str) -> dict[str, Any]:
    """What the page knows of it, as that of a model of one's own (model_page.py)."""
    return {
        "name": WORDS,
        **{name: list(labels) for name in ("labels", "shown", "spoken")},
        "several": not compete,
        "temperature": 1.0,
        "threshold": None,
        "similarity": False,
        "at_least": None,
        "heat": None,
        "input": INPUT,
        "question": list(answer_sentences.WORDS_QUESTION),
        "promise": answer_sentences.words_subtitle(labels),
        "says": {
            "sure": [0.0, [answer_sentences.fits_best(label) for label in labels]],  # however probable
            "likely": [0.0, []],
            "certain": answer_sentences.fits_certainty("{percent}", competing=compete, by=by),
            "why": "",
        },
    }


def _note(request: TaskRequest, by: str) -> str:
    """All words, and what they were compared by, as HTML."""
    sentence = "" if request.template == BARE_LABEL else f", each as “{request.template}”"
    words = " · ".join(request.labels)
    return "".join(
        render("sentence.html", kind="hint", sentence=text)
        for text in (f"{by} compares each photo with {count(len(request.labels), 'label')}{sentence}:", words)
    )
