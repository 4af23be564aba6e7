"""What is this? A photo in; which of 1,000 everyday things it shows, and the endpoint /image-classification."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import gradio as gr
from gradio.context import Context
from PIL import Image

from mirror import answer_sentences
from mirror.errors import MirrorError
from mirror.inference.classifier import Prediction
from mirror.net.fetch import NetworkSettings
from mirror.tasks.predictor import LabelPredictor
from mirror.tasks.registry import open_label_predictor
from mirror.tasks.request import IMAGE_CLASSIFICATION, IMAGENET, TaskRequest, public_name
from mirror.templates import render
from mirror.web.examples import lay_out_tiles
from mirror.web.gradio_blocks import ASKED, PRIVATE, add_endpoint
from mirror.web.photo_fields import ExamplePhoto, PhotoFields, lay_out_photo
from mirror.web.photo_input import to_gradio_error
from mirror.web.tabs.handlers import PhotoEvents, TaskHandler, answer_photo
from mirror.web.tabs.mirror_tab import bars, card, error_card, lay_out_answer
from mirror.web.tabs.task_models import TaskModels
from mirror.web.uploads import SentPhoto

SHOWN_LABELS = 5
Outputs = tuple[str, str, str]  # as HTML: the answer's card, the labels' bars, who answers


def build(task_models: TaskModels, network: NetworkSettings) -> None:
    """Lays out the tab inside the current gr.Tab, wires it, and adds its endpoint."""
    tab = Context.block
    assert isinstance(tab, gr.Tab)
    with gr.Row(equal_height=False, elem_classes="looking"):
        with gr.Column(scale=6, min_width=300):
            fields = lay_out_photo("general")
        with gr.Column(scale=5, min_width=300):
            answer = lay_out_answer(
                card("waiting", *answer_sentences.ANYTHING), elem_id="general-answer", elem_classes="answer"
            )
            chances = gr.HTML(elem_id="general-probabilities", elem_classes="probabilities")
            model_note = gr.HTML(elem_id="general-model")
            tiles = lay_out_tiles([task_models.example] if task_models.example else [], "general-examples")

    handler, outputs = TaskHandler(_opener(task_models), _answer, _decode), [answer, chances, model_note]
    events = PhotoEvents(network, handler, (card("waiting", *answer_sentences.LOOKING), "", gr.skip()), _failed)
    events.wire(fields, outputs, (card("waiting", *answer_sentences.ANYTHING), "", gr.skip()))
    if task_models.example:
        tiles.choose(partial(events.show, ExamplePhoto(task_models.example)), None, [fields.photo, *outputs], **ASKED)
    # opened while the visitor looks for a photo
    tab.select(partial(_open_early, task_models), None, model_note, **PRIVATE)
    _add_api(task_models, network, fields)


def _add_api(task_models: TaskModels, network: NetworkSettings, fields: PhotoFields) -> None:
    def classify_best(predictor: LabelPredictor, photo: Image.Image, top: int) -> dict[str, float]:
        probabilities = predictor.classify(photo).probabilities
        ranked = sorted(probabilities.items(), key=lambda item: -item[1])
        return dict(ranked[: max(1, int(top or SHOWN_LABELS))])

    handler = TaskHandler(_opener(task_models), classify_best, _decode)

    async def classify(image: SentPhoto | None, top: int = SHOWN_LABELS) -> dict[str, float]:
        """Which of 1,000 everyday things a photo shows: the most probable ones, with their probabilities.

        Args:
            image: the photo, as a file or an http(s) address
            top: how many labels
        """
        return await answer_photo(network, handler, image, top)

    top = gr.Number(SHOWN_LABELS, precision=0, minimum=1, visible=False)
    add_endpoint(classify, {"image": fields.photo, "top": top}, gr.Label(visible=False), IMAGE_CLASSIFICATION)


def _opener(task_models: TaskModels) -> Callable[..., Awaitable[LabelPredictor]]:
    return lambda *_: task_models.wait_for_model(IMAGE_CLASSIFICATION, _open_model)


def _open_model(model: str | None) -> LabelPredictor:
    return open_label_predictor(TaskRequest(IMAGE_CLASSIFICATION, model or IMAGENET))


def _decode(predictor: LabelPredictor, body: bytes) -> Image.Image:
    """Raises ImageError."""
    return predictor.decode(body)


def _answer(predictor: LabelPredictor, photo: Image.Image) -> Outputs:
    prediction = predictor.classify(photo)
    return answer_card(prediction), bars(prediction, SHOWN_LABELS), _model_note(predictor)


async def _open_early(task_models: TaskModels) -> str:
    """Who will answer, once that is known: opening the model for the first time takes seconds to minutes."""
    try:
        return _model_note(await task_models.wait_for_model(IMAGE_CLASSIFICATION, _open_model))
    except MirrorError as error:
        return render("sentence.html", kind="hint problem", sentence=to_gradio_error(error).message)


def answer_card(prediction: Prediction) -> str:
    """The most probable label in a sentence; of ImageNet's many names for a thing the first will do."""
    name = prediction.label.partition(",")[0]
    shortened = Prediction({name: prediction.probability}, known=prediction.known)
    return card(
        "known" if shortened.known else "stranger",
        answer_sentences.verdict(shortened),
        answer_sentences.certainty(shortened),
    )


def _model_note(predictor: LabelPredictor) -> str:
    return render("answered_by.html", name=public_name(predictor.name), labels=len(predictor.labels))


def _failed(sentence: str, predictor: LabelPredictor | None) -> tuple:
    return error_card(sentence), "", _model_note(predictor) if predictor else gr.skip()
