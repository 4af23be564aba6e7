"""Which of your own words? A photo and labels in; the five that fit best, and /zero-shot-image-classification."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import gradio as gr
from PIL import Image

from mirror.errors import MirrorError, UsageError
from mirror.inference.classifier import Prediction
from mirror.net.fetch import NetworkSettings
from mirror.tasks.label_input import split_labels
from mirror.tasks.request import BARE_LABEL, ZERO_SHOT
from mirror.tasks.zero_shot import ZeroShot
from mirror.web.mirror_tab import card, trouble
from mirror.web.photo_fields import PhotoFields, lay_out_photo
from mirror.web.photo_input import to_gradio_error
from mirror.web.tabs import handlers
from mirror.web.tabs.handlers import TaskHandler
from mirror.web.tabs.task_models import TaskModels
from mirror.web.uploads import Sent
from mirror.wording import percent

SHOWN_LABELS = 5
MOST_LABELS = 1_000  # of one visitor: a model reads that many in seconds
MOST_LETTERS = 200  # of a label, and of the template
EXAMPLES = {
    "Cars": ("Audi TT Coupe", "BMW X5 SUV", "Ford F-150 pickup", "Tesla Model S", "Volkswagen Golf", "no car at all"),
    "Animals": ("a bird", "a cat", "a dog", "a duckling", "a horse", "an insect", "no animal"),
    "Places": ("a beach", "a city street", "a forest", "a kitchen", "a living room", "an office"),
}
INVITATION = ("Show me a photo, and tell me your words.", "I choose the one that fits best.")
WORDLESS = ("Now tell me your words.", "At least two, or take one of the lists.")
BUSY = ("I compare…", "The first time it takes a while to open the model.")

Shown = tuple[str, dict[str, float] | None]  # the answer's card as HTML, and the labels with their probabilities


def build(opened: TaskModels, network: NetworkSettings) -> None:
    """Lays out the tab inside the current gr.Tab, wires it, and adds its endpoint."""
    with gr.Row(equal_height=False, elem_classes="looking", elem_id="own-words"):
        with gr.Column(scale=6, min_width=300):
            asked = lay_out_photo("words")
        with gr.Column(scale=5, min_width=300):
            labels, template, examples, file, compare = _words()
            answer = gr.HTML(card("waiting", *INVITATION), elem_id="words-answer", elem_classes="answer")
            bars = gr.Label(
                label="Probabilities", show_heading=False, num_top_classes=SHOWN_LABELS, elem_id="words-probabilities",
                elem_classes="probabilities",
            )  # fmt: skip

    handlers.wire(
        asked, network, _look(opened), [answer, bars], inputs=[labels, template],
        waiting=(card("waiting", *INVITATION), {}), busy=(card("waiting", *BUSY), None), failed=_failed,
    )  # fmt: skip
    again = partial(_look_again, opened, network)
    shown, given = [answer, bars], [asked.photo, labels, template]
    quietly = {"api_visibility": "private", "show_progress": "hidden"}
    gr.on([compare.click, labels.submit, template.submit], again, given, shown, **quietly)
    for button, example in zip(examples, EXAMPLES.values(), strict=True):
        filled = button.click(partial(str, "\n".join(example)), None, labels, **quietly)
        filled.then(again, given, shown, **quietly)
    file.upload(partial(_read_file, opened, network), [file, asked.photo, template], [labels, *shown], **quietly)
    _add_api(opened, network, asked)


def _words() -> tuple[gr.Textbox, gr.Textbox, list[gr.Button], gr.UploadButton, gr.Button]:
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


def _add_api(opened: TaskModels, network: NetworkSettings, asked: PhotoFields) -> None:
    def probabilities(model: ZeroShot, image: Image.Image, labels: str, template: str) -> dict[str, float]:
        return _predict(model, image, labels, template).probabilities

    look = TaskHandler(partial(_opened, opened), probabilities)

    async def classify(image: Sent | None, labels: str, template: str = BARE_LABEL) -> dict[str, float]:
        """How well each label fits one photo. labels: one a line, or with commas; template: {} stands for a label."""
        return await handlers.answer_photo(network, look, image, labels, template)

    trigger, result = gr.Button(visible=False), gr.Label(visible=False)
    labels, template = gr.Textbox(visible=False), gr.Textbox(BARE_LABEL, visible=False)
    trigger.click(classify, [asked.photo, labels, template], result, api_name=ZERO_SHOT)


def given_labels(text: str) -> tuple[str, ...]:
    """Those of a visitor. Raises UsageError for none, and for more or longer ones than the page takes."""
    labels = split_labels(text)
    if not labels:
        raise UsageError("There is no label to choose from: write some, one a line or with commas between them.")
    if len(labels) > MOST_LABELS:
        raise UsageError(f"These are {len(labels):,} labels, and I compare at most {MOST_LABELS:,}: leave some out.")
    longest = max(labels, key=len)
    if len(longest) > MOST_LETTERS:
        raise UsageError(f"“{longest[:40]}…” has {len(longest):,} letters: use at most {MOST_LETTERS} for a label.")
    return labels


def given_template(text: str) -> str:
    """A visitor's template, the bare label where it is empty. Raises UsageError."""
    template = text.strip() or BARE_LABEL
    if template.count("{}") != 1:
        raise UsageError("The sentence must hold {} once, where the word goes: as in a photo of {}.")
    if len(template) > MOST_LETTERS:
        raise UsageError(f"The sentence has {len(template):,} letters: use at most {MOST_LETTERS}.")
    return template


async def _opened(opened: TaskModels, labels: str, template: str) -> ZeroShot:
    """The model, for words that it can compare. Raises MirrorError."""
    given_labels(labels), given_template(template)
    return await opened.wait_for_model(ZERO_SHOT, ZeroShot.load)


def _predict(model: ZeroShot, image: Image.Image, labels: str, template: str) -> Prediction:
    return model.bound(given_labels(labels), given_template(template)).predict([image])[0]


def _look(opened: TaskModels) -> TaskHandler:
    """As the page shows it: a photo may be there before there are words."""

    async def open_model(labels: str, template: str) -> ZeroShot | None:
        return await _opened(opened, labels, template) if split_labels(labels) else None

    def answer(model: ZeroShot | None, image: Image.Image, labels: str, template: str) -> Shown:
        if model is None:
            return card("waiting", *WORDLESS), None
        return spoken(_predict(model, image, labels, template), model)

    return TaskHandler(open_model, answer)


async def _look_again(
    opened: TaskModels, network: NetworkSettings, photo: Sent | None, labels: str, template: str
) -> AsyncIterator[Shown]:
    """At the photo that is there, for other words."""
    if photo is None:
        yield card("waiting", *INVITATION), None
        return
    if split_labels(labels):
        yield card("waiting", *BUSY), None
    try:
        yield await handlers.answer_photo(network, _look(opened), photo, labels, template)
    except gr.Error as error:
        yield _failed(error.message)


async def _read_file(
    opened: TaskModels, network: NetworkSettings, file: Sent | None, photo: Sent | None, template: str
) -> AsyncIterator[tuple]:
    """The labels of an uploaded text file, for the box; then the answer."""
    try:
        labels = "\n".join(given_labels(file.read().decode("utf-8-sig") if file else ""))
    except UnicodeDecodeError:
        yield gr.skip(), *_failed("The file is no text in UTF-8: write a label a line into a text file.")
    except MirrorError as error:
        yield gr.skip(), *_failed(to_gradio_error(error).message)
    else:
        async for answer in _look_again(opened, network, photo, labels, template):
            yield labels, *answer


def spoken(prediction: Prediction, model: ZeroShot) -> Shown:
    """What the probabilities can mean is said with them: where labels compete, one of them must win."""
    sure = percent(prediction.probability)
    if model.competing:
        told = f"It gets {sure} of my trust, the other labels the rest: one of them must win, even if none fits."
    else:
        told = f"I am {sure} sure. Each label is judged by itself: several may fit, or none."
    return card("known", f"“{prediction.label}” fits best.", told), prediction.probabilities


def _failed(sentence: str) -> Shown:
    return trouble(sentence), None
