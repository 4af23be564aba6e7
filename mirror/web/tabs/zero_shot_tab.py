"""Which of your own words? A photo and labels in; the five that fit best, and /zero-shot-image-classification."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import gradio as gr
from PIL import Image

from mirror import answer_sentences
from mirror.errors import MirrorError, UsageError
from mirror.inference.classifier import Prediction
from mirror.net.fetch import NetworkSettings
from mirror.tasks.label_input import split_labels
from mirror.tasks.request import BARE_LABEL, ZERO_SHOT, public_name
from mirror.tasks.zero_shot import ZeroShot
from mirror.web.gradio_blocks import ASKED, add_endpoint
from mirror.web.photo_fields import PhotoFields, lay_out_photo
from mirror.web.photo_input import to_gradio_error
from mirror.web.tabs.handlers import PhotoEvents, TaskHandler, answer_photo
from mirror.web.tabs.mirror_tab import bars, card, error_card, lay_out_answer
from mirror.web.tabs.task_models import TaskModels
from mirror.web.uploads import InlinePhoto, SentPhoto, Upload
from mirror.wording import percent

SHOWN_LABELS = 5
MAX_LABELS = 1_000  # of one visitor: a model reads that many in seconds
MAX_LETTERS = 200  # of a label, and of the template
EXAMPLES = {
    "Cars": ("Audi TT Coupe", "BMW X5 SUV", "Ford F-150 pickup", "Tesla Model S", "Volkswagen Golf", "no car at all"),
    "Animals": ("a bird", "a cat", "a dog", "a duckling", "a horse", "an insect", "no animal"),
    "Places": ("a beach", "a city street", "a forest", "a kitchen", "a living room", "an office"),
}
INVITATION = ("Show me a photo, and tell me your words.", "I choose the one that fits best.")
NO_WORDS = ("Now tell me your words.", "At least two, or take one of the lists.")

Outputs = tuple[str, str]  # as HTML: the answer's card, and the labels' bars


def build(task_models: TaskModels, network: NetworkSettings) -> None:
    """Lays out the tab inside the current gr.Tab, wires it, and adds its endpoint."""
    with gr.Row(equal_height=False, elem_classes="looking", elem_id="own-words"):
        with gr.Column(scale=6, min_width=300):
            fields = lay_out_photo("words")
        with gr.Column(scale=5, min_width=300):
            labels, template, examples, file, compare = _lay_out_words()
            answer = lay_out_answer(card("waiting", *INVITATION), elem_id="words-answer", elem_classes="answer")
            chances = gr.HTML(elem_id="words-probabilities", elem_classes="probabilities")

    compare_again = partial(_compare_again, task_models, network)
    outputs, inputs = [answer, chances], [fields.photo, labels, template]
    events = PhotoEvents(network, _page_handler(task_models), (card("waiting", *answer_sentences.LOOKING), ""), _failed)
    events.wire(fields, outputs, (card("waiting", *INVITATION), ""), [labels, template])
    gr.on([compare.click, labels.submit, template.submit], compare_again, inputs, outputs, **ASKED)
    for button, example in zip(examples, EXAMPLES.values(), strict=True):
        filling = button.click(partial(str, "\n".join(example)), None, labels, **ASKED)
        filling.then(compare_again, inputs, outputs, **ASKED)
    file.upload(partial(_read_file, task_models, network), [file, fields.photo, template], [labels, *outputs], **ASKED)
    _add_api(task_models, network, fields)


def _lay_out_words() -> tuple[gr.Textbox, gr.Textbox, list[gr.Button], gr.UploadButton, gr.Button]:
    """What could be on the photo: the labels, the sentence around them, lists to begin with, a file, the button."""
    labels = gr.Textbox(
        label="Your words, one a line or with commas", lines=3, max_lines=8, elem_id="words-labels",
        placeholder="a cat asleep\na cat on the hunt\na dog",
    )  # fmt: skip
    with gr.Row(elem_id="words-lists"):
        examples = [gr.Button(name, size="sm", min_width=72, scale=0) for name in EXAMPLES]
        file = gr.UploadButton("From a file…", file_types=[".txt"], type="binary", size="sm", min_width=108, scale=0)
    with gr.Row(elem_id="words-sentence"):
        template = gr.Textbox(
            BARE_LABEL, label="In a sentence ({} is the word)", placeholder="a photo of {}", max_lines=1, scale=5,
            min_width=180, elem_classes="address-box",
        )  # fmt: skip
        compare = gr.Button("Compare", variant="primary", scale=1, min_width=100)
    return labels, template, examples, file, compare


def _add_api(task_models: TaskModels, network: NetworkSettings, fields: PhotoFields) -> None:
    def probabilities(model: ZeroShot, image: Image.Image, labels: str, template: str) -> dict[str, float]:
        return _predict(model, image, labels, template).probabilities

    handler = TaskHandler(partial(_open, task_models), probabilities)

    async def classify(image: SentPhoto | None, labels: str, template: str = BARE_LABEL) -> dict[str, float]:
        """How well each of your own labels fits a photo.

        Args:
            image: the photo, as a file or an http(s) address
            labels: one a line, or with commas between them
            template: the sentence that each label is put into, where {} stands for it
        """
        return await answer_photo(network, handler, image, labels, template)

    words = {"labels": gr.Textbox(visible=False), "template": gr.Textbox(BARE_LABEL, visible=False)}
    add_endpoint(classify, {"image": fields.photo, **words}, gr.Label(visible=False), ZERO_SHOT)


def parse_labels(text: str) -> tuple[str, ...]:
    """Those of a visitor. Raises UsageError for none, and for more or longer ones than the page takes."""
    labels = split_labels(text)
    if not labels:
        raise UsageError("There is no label to choose from: write some, one a line or with commas between them.")
    if len(labels) > MAX_LABELS:
        raise UsageError(f"These are {len(labels):,} labels, and I compare at most {MAX_LABELS:,}: leave some out.")
    longest = max(labels, key=len)
    if len(longest) > MAX_LETTERS:
        raise UsageError(f"“{longest[:40]}…” has {len(longest):,} letters: use at most {MAX_LETTERS} for a label.")
    return labels


def parse_template(text: str) -> str:
    """A visitor's template, the bare label where it is empty. Raises UsageError."""
    template = text.strip() or BARE_LABEL
    if template.count("{}") != 1:
        raise UsageError("The sentence must hold {} once, where the word goes: as in a photo of {}.")
    if len(template) > MAX_LETTERS:
        raise UsageError(f"The sentence has {len(template):,} letters: use at most {MAX_LETTERS}.")
    return template


async def _open(task_models: TaskModels, labels: str, template: str) -> ZeroShot:
    """The model, for words that it can compare. Raises MirrorError."""
    parse_labels(labels), parse_template(template)
    return await task_models.wait_for_model(ZERO_SHOT, ZeroShot.load)


def _predict(model: ZeroShot, image: Image.Image, labels: str, template: str) -> Prediction:
    return model.bound(parse_labels(labels), parse_template(template)).predict([image])[0]


def _page_handler(task_models: TaskModels) -> TaskHandler:
    """As the page shows it: a photo may be there before there are words."""

    async def open_model(labels: str, template: str) -> ZeroShot | None:
        return await _open(task_models, labels, template) if split_labels(labels) else None

    def answer(model: ZeroShot | None, image: Image.Image, labels: str, template: str) -> Outputs:
        if model is None:
            return card("waiting", *NO_WORDS), ""
        return answer_card(_predict(model, image, labels, template), model)

    return TaskHandler(open_model, answer)


async def _compare_again(
    task_models: TaskModels, network: NetworkSettings, photo: SentPhoto | None, labels: str, template: str
) -> AsyncIterator[Outputs]:
    """At the photo that is there, for other words."""
    if photo is None:
        yield card("waiting", *INVITATION), ""
        return
    if split_labels(labels):
        yield card("waiting", *answer_sentences.LOOKING), ""
    try:
        yield await answer_photo(network, _page_handler(task_models), photo, labels, template)
    except gr.Error as error:
        yield _failed(error.message)


async def _read_file(
    task_models: TaskModels, network: NetworkSettings, file: Upload | InlinePhoto | None, photo: SentPhoto | None,
    template: str,
) -> AsyncIterator[tuple]:  # fmt: skip
    """The labels of an uploaded text file, for the box; then the answer."""
    try:
        labels = "\n".join(parse_labels(file.read().decode("utf-8-sig") if file else ""))
    except UnicodeDecodeError:
        yield gr.skip(), *_failed("The file is no text in UTF-8: write a label a line into a text file.")
    except MirrorError as error:
        yield gr.skip(), *_failed(to_gradio_error(error).message)
    else:
        async for answer in _compare_again(task_models, network, photo, labels, template):
            yield labels, *answer


def answer_card(prediction: Prediction, model: ZeroShot) -> Outputs:
    share, by = percent(prediction.probability), public_name(model.name)
    sentence = answer_sentences.fits_certainty(share, competing=model.towers.competing, by=by)
    return card("known", answer_sentences.fits_best(prediction.label), sentence), bars(prediction, SHOWN_LABELS)


def _failed(sentence: str, _: ZeroShot | None = None) -> Outputs:
    return error_card(sentence), ""
