"""What is this? A photo in; which of 1,000 everyday things it shows, and the endpoint /image-classification."""

from __future__ import annotations

import html
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import gradio as gr
from gradio.context import Context

from mirror.errors import MirrorError
from mirror.fetch import Network
from mirror.images import load_image
from mirror.inference.classifier import Prediction
from mirror.tasks import imagenet
from mirror.tasks.asked import IMAGE_CLASSIFICATION
from mirror.tasks.predictor import FolderPredictor, Predictor
from mirror.web import words
from mirror.web.classify import card, thumbnail, trouble
from mirror.web.guard import friendly
from mirror.web.photo import Asking, lay_out_photo
from mirror.web.tasks import asking
from mirror.web.tasks.opened import AT_ONCE, Opened

SHOWN_LABELS = 5
EXAMPLE = Path(__file__).parents[3] / "examples" / "pineapple.jpg"  # of the three there, the one that ImageNet has
INVITATION = ("Show me anything.", "An animal, a tool, a dish: I know everyday things by their names.")
BUSY = ("I am looking…", "The first time it takes a while to open the model.")
OPENING = "opening"  # the concurrency group of visitors who wait for a model before they ask it anything

Shown = tuple[str, dict[str, float] | None, str]  # the answer's card as HTML, the labels' bars, who answers as HTML


def build(opened: Opened, network: Network) -> None:
    """Lays out the tab inside the current gr.Tab, wires it, and adds its endpoint."""
    tab = Context.block
    with gr.Row(equal_height=False, elem_classes="looking"):
        with gr.Column(scale=6, min_width=300):
            asked = lay_out_photo("general")
        with gr.Column(scale=5, min_width=300):
            answer = gr.HTML(card("waiting", *INVITATION), elem_id="general-answer", elem_classes="answer")
            bars = gr.Label(
                label="Probabilities", show_heading=False, num_top_classes=SHOWN_LABELS,
                elem_id="general-probabilities", elem_classes="probabilities",
            )  # fmt: skip
            who = gr.HTML(elem_id="general-model")
            example = _example() if EXAMPLE.is_file() else None

    look, busy, shown = partial(_look, opened), (card("waiting", *BUSY), None, gr.skip()), [answer, bars, who]
    waiting = (card("waiting", *INVITATION), None, gr.skip())
    asking.wire(asked, network, look, shown, waiting=waiting, busy=busy, failed=_failed)
    quietly = {"api_visibility": "private", "show_progress": "hidden"}
    if example:

        def look_at_example() -> Iterator[tuple]:
            yield from asking.looked(network, look, busy, _failed, EXAMPLE.read_bytes())

        example.click(look_at_example, None, [asked.photo, *shown], **quietly, **asking.ON_MODEL)
    # opened while the visitor looks for a photo
    tab.select(partial(_open, opened), None, who, concurrency_id=OPENING, concurrency_limit=AT_ONCE, **quietly)
    _add_api(opened, network, asked)


def _example() -> gr.Button:
    with gr.Column(elem_classes="examples-box"):
        gr.HTML('<p class="hint">No photo at hand? Try this one.</p>')
        with gr.Row(elem_classes="examples"):
            return gr.Button(
                EXAMPLE.stem, icon=thumbnail(EXAMPLE), elem_id="general-example", elem_classes="example", min_width=88,
                scale=0,
            )  # fmt: skip


def _add_api(opened: Opened, network: Network, asked: Asking) -> None:
    def classify(image: bytes | str | None, top: int = SHOWN_LABELS) -> dict[str, float]:
        """The most probable of the model's labels for one photo; top: how many of them."""

        def look(body: bytes) -> dict[str, float]:
            probabilities = _predict(_predictor(opened), body).probabilities
            best = sorted(probabilities.items(), key=lambda item: -item[1])
            return dict(best[: max(1, int(top or SHOWN_LABELS))])

        return asking.answered(network, look, image)

    trigger, result = gr.Button(visible=False), gr.Label(visible=False)
    top = gr.Number(SHOWN_LABELS, precision=0, minimum=1, visible=False)
    trigger.click(classify, [asked.photo, top], result, api_name=IMAGE_CLASSIFICATION, **asking.ON_MODEL)


def _predictor(opened: Opened) -> Predictor:
    """Raises MirrorError."""
    return opened.get(IMAGE_CLASSIFICATION, imagenet.NAME)


def _predict(predictor: Predictor, body: bytes) -> Prediction:
    """Raises ImageError."""
    if isinstance(predictor, FolderPredictor):
        return predictor.classifier.predict(body)
    return predictor.predict([load_image(body)])[0]


def _look(opened: Opened, body: bytes) -> Shown:
    """An error becomes the answer, so that the photo stays."""
    try:
        predictor = _predictor(opened)
        prediction = _predict(predictor, body)
    except MirrorError as error:
        return _failed(friendly(error).message)
    return spoken(prediction), prediction.probabilities, _who(predictor)


def _open(opened: Opened) -> str:
    """Who will answer, once that is known: opening the model for the first time takes seconds to minutes."""
    try:
        return _who(_predictor(opened))
    except MirrorError as error:
        return f'<p class="hint problem">{html.escape(friendly(error).message)}</p>'


def spoken(prediction: Prediction) -> str:
    """The most probable label in a sentence; of ImageNet's many names for a thing the first will do."""
    name = prediction.label.partition(",")[0]
    said = Prediction({name: prediction.probability}, known=prediction.known)
    return card("known" if said.known else "stranger", words.verdict(said), words.certainty(said))


def _who(predictor: Predictor) -> str:
    if isinstance(predictor, FolderPredictor):
        info = predictor.classifier.info
        name, labels = getattr(predictor, "name", info.name), len(info.labels)
    else:
        name, labels = predictor.name, len(predictor.labels)
    return f'<p class="hint">Answered by <b>{html.escape(name)}</b>, which knows {labels:,} labels.</p>'


def _failed(sentence: str) -> tuple:
    return trouble(sentence), None, gr.skip()
