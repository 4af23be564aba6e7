"""What is this? A photo in; which of 1,000 everyday things it shows, and the endpoint /image-classification."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import gradio as gr
from gradio.context import Context
from PIL import Image

from mirror.errors import MirrorError
from mirror.inference.classifier import Prediction
from mirror.net.fetch import NetworkSettings
from mirror.tasks.predictor import LabelPredictor
from mirror.tasks.registry import open_label_predictor
from mirror.tasks.request import IMAGE_CLASSIFICATION, IMAGENET, TaskRequest
from mirror.templates import render
from mirror.web import phrases
from mirror.web.mirror_tab import card, thumbnail, trouble
from mirror.web.photo_fields import ExamplePhoto, PhotoFields, lay_out_photo
from mirror.web.photo_input import to_gradio_error
from mirror.web.tabs import handlers
from mirror.web.tabs.handlers import TaskHandler
from mirror.web.tabs.task_models import TaskModels
from mirror.web.uploads import Sent

SHOWN_LABELS = 5
INVITATION = ("Show me anything.", "An animal, a tool, a dish: I know everyday things by their names.")
BUSY = ("I am looking…", "The first time it takes a while to open the model.")

Shown = tuple[str, dict[str, float] | None, str]  # the answer's card as HTML, the labels' bars, who answers as HTML


def build(opened: TaskModels, network: NetworkSettings) -> None:
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
            example = _example(opened.example) if opened.example else None

    look, shown = TaskHandler(_opener(opened), _look, _decode), [answer, bars, who]
    busy = (card("waiting", *BUSY), None, gr.skip())
    waiting = (card("waiting", *INVITATION), {}, gr.skip())
    handlers.wire(asked, network, look, shown, waiting=waiting, busy=busy, failed=_failed)
    quietly = {"api_visibility": "private", "show_progress": "hidden"}
    if example and opened.example:
        photo = ExamplePhoto(opened.example)

        async def look_at_example() -> AsyncIterator[tuple]:
            async for answer_so_far in handlers.show_answer(network, look, busy, _failed, photo):
                yield answer_so_far

        example.click(look_at_example, None, [asked.photo, *shown], **quietly)
    # opened while the visitor looks for a photo
    tab.select(partial(_open, opened), None, who, **quietly)
    _add_api(opened, network, asked)


def _example(path: Path) -> gr.Button:
    with gr.Column(elem_classes="examples-box"):
        gr.HTML('<p class="hint">No photo at hand? Try this one.</p>')
        with gr.Row(elem_classes="examples"):
            return gr.Button(
                path.stem, icon=thumbnail(path), elem_id="general-example", elem_classes="example", min_width=88,
                scale=0,
            )  # fmt: skip


def _add_api(opened: TaskModels, network: NetworkSettings, asked: PhotoFields) -> None:
    def best(predictor: LabelPredictor, photo: Image.Image, top: int) -> dict[str, float]:
        probabilities = predictor.classify(photo).probabilities
        ranked = sorted(probabilities.items(), key=lambda item: -item[1])
        return dict(ranked[: max(1, int(top or SHOWN_LABELS))])

    look = TaskHandler(_opener(opened), best, _decode)

    async def classify(image: Sent | None, top: int = SHOWN_LABELS) -> dict[str, float]:
        """The most probable of the model's labels for one photo; top: how many of them."""
        return await handlers.answer_photo(network, look, image, top)

    trigger, result = gr.Button(visible=False), gr.Label(visible=False)
    top = gr.Number(SHOWN_LABELS, precision=0, minimum=1, visible=False)
    trigger.click(classify, [asked.photo, top], result, api_name=IMAGE_CLASSIFICATION)


def _opener(opened: TaskModels) -> Callable[..., Awaitable[LabelPredictor]]:
    return lambda *_: opened.wait_for_model(IMAGE_CLASSIFICATION, _open_model)


def _open_model(model: str | None) -> LabelPredictor:
    return open_label_predictor(TaskRequest(IMAGE_CLASSIFICATION, model or IMAGENET))


def _decode(predictor: LabelPredictor, body: bytes) -> Image.Image:
    """Raises ImageError."""
    return predictor.decode(body)


def _look(predictor: LabelPredictor, photo: Image.Image) -> Shown:
    prediction = predictor.classify(photo)
    return spoken(prediction), prediction.probabilities, _who(predictor)


async def _open(opened: TaskModels) -> str:
    """Who will answer, once that is known: opening the model for the first time takes seconds to minutes."""
    try:
        return _who(await opened.wait_for_model(IMAGE_CLASSIFICATION, _open_model))
    except MirrorError as error:
        return render("sentence.html", kind="hint problem", sentence=to_gradio_error(error).message)


def spoken(prediction: Prediction) -> str:
    """The most probable label in a sentence; of ImageNet's many names for a thing the first will do."""
    name = prediction.label.partition(",")[0]
    said = Prediction({name: prediction.probability}, known=prediction.known)
    return card("known" if said.known else "stranger", phrases.verdict(said), phrases.certainty(said))


def _who(predictor: LabelPredictor) -> str:
    return render("answered_by.html", name=predictor.name, labels=len(predictor.labels))


def _failed(sentence: str) -> tuple:
    return trouble(sentence), None, gr.skip()
