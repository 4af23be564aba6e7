"""The mirror itself: a photo in (dropped, picked, pasted, taken or by its address), answer and probabilities out.

The same for programs: mirror_api.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from mirror import answer_sentences
from mirror.errors import MirrorError, ModelFolderError
from mirror.images import encoded
from mirror.inference.classifier import Classifier, Prediction
from mirror.net.fetch import NetworkSettings
from mirror.preparation import Preparation, PreparedImage
from mirror.templates import FOLDER, data_url, render
from mirror.web import heat_map
from mirror.web.examples import Examples, lay_out_tiles
from mirror.web.fair_scheduling import MIRROR_MODEL
from mirror.web.gradio_blocks import ASKED
from mirror.web.photo_fields import NO_PHOTO, UPLOADS_ONLY, ExamplePhoto, decoded, lay_out_photo, read_address
from mirror.web.photo_input import PhotoInput, preview, to_gradio_error
from mirror.web.served_models import ModelRegistry, ServedModel
from mirror.web.uploads import Address, SentPhoto
from mirror.wording import percent, plain

SHOWN_LABELS = 10  # bars; the API gives them all
INVITATION = ("Show me a photo.", "It stays between us: nothing you show is kept.")
# The answer as a picture (templates/share.js), drawn by the browser: it goes nowhere but into the visitor's downloads
SHARE_JS = """async () => {
  SCRIPT
  const text = selector => document.querySelector(selector)?.textContent.trim() ?? "";
  const pictures = [...document.querySelectorAll("#photo img, #why figure img")];
  await Promise.all(pictures.map(picture => picture.decode()));
  const says = text("#answer .says");
  await save(answerPicture(document.title, says, text("#answer .sure"), pictures), "mirror-answer.png");
}""".replace("SCRIPT", (FOLDER / "share.js").read_text(encoding="utf-8").replace("export ", ""))
# What page.js hears of a photo that gradio's page could not take, or of a question that was turned down, is the answer;
# and it tells of an answer that comes after its photo was taken away
ANSWER_JS = """element.addEventListener("emptied", () => trigger("emptied"));
element.addEventListener("refused", ({ detail }) => {
  const says = Object.assign(document.createElement("p"), { className: "says", textContent: detail });
  props.value = `<div class="verdict trouble">${says.outerHTML}</div>`;
});"""
PLACEHOLDER = Image.new("RGB", (1, 1))  # in place of a photo that is not needed any more


@dataclass(frozen=True)
class MirrorTab:
    """The components that a change of model touches."""

    photo: PhotoInput
    tiles: gr.HTML  # of the pictures to try
    button: gr.Button  # that asks for the explanation
    parts: gr.Row  # all of the tab


def build(registry: ModelRegistry, network: NetworkSettings, examples: Examples, picker: gr.Dropdown) -> MirrorTab:
    """Lays out the tab inside the current gr.Blocks and wires it. It is hidden while there is no model."""
    with gr.Row(equal_height=False, elem_id="looking", visible=registry.default is not None) as parts:
        with gr.Column(scale=6, min_width=300):
            fields = lay_out_photo()
        with gr.Column(scale=5, min_width=300):
            answer = lay_out_answer(waiting_card(registry.default), elem_id="answer")
            explain_button, explanation = heat_map.build(registry)
            share = gr.Button("Save as a picture", elem_id="share-button")
            probabilities = gr.HTML(elem_id="probabilities")
            tiles = lay_out_tiles(examples.of(registry.default), "examples")

    photo, outputs = fields.photo, [fields.photo, answer, probabilities, explanation, explain_button]

    async def show(
        given: SentPhoto | ExamplePhoto | None, model: str | None, network: NetworkSettings, with_picture: bool = True
    ) -> tuple:
        answered = await show_answer(registry, network, given, model, with_picture)
        return *answered, *heat_map.closed(registry.served.get(model or ""))

    async def on_upload(given: SentPhoto | None, model: str | None) -> tuple:
        return (gr.skip(),) * len(outputs) if given is None else await show(given, model, network)

    async def on_model(given: SentPhoto | None, model: str | None) -> tuple:
        # one that is on its way by now must stay: the picture that the page shows would take its place
        return await show(given, model, network, with_picture=given is not None and not given.shown)

    async def on_address(address: str, model: str | None) -> tuple:
        given, problem = read_address(address)
        if given is not None:
            return await show(given, model, network)
        return None, error_card(problem), "", *heat_map.closed(registry.served.get(model or ""))

    async def on_example(model: str | None, event: gr.EventData) -> tuple:
        path = examples.named(registry.get(model), event)
        return await show(ExamplePhoto(path), model, NetworkSettings())

    asked_by = [fields.button.click, fields.address.submit]
    # first, as gradio does what an event is to do one by one, answers included
    tiles.choose(None, None, explain_button, js=heat_map.WAIT)  # gr.on does not take it
    gr.on([picker.input, *asked_by], None, None, explain_button, js=heat_map.WAIT)
    heat_map.wire(registry, network, explain_button, explanation, photo, picker)
    photo.change(on_upload, [photo, picker], outputs, js=UPLOADS_ONLY, **ASKED)
    picker.change(on_model, [photo, picker], outputs, **ASKED)
    tiles.choose(on_example, [picker], outputs, **ASKED)
    progress = {"show_progress": "minimal", "show_progress_on": answer}
    gr.on(asked_by, on_address, [fields.address, picker], outputs, **(ASKED | progress))
    blank = {name: [waiting_card(served), ""] for name, served in registry.served.items()}
    waiting = [card("waiting", *INVITATION), ""]  # of a model that came later
    by_browser = f"name => ({json.dumps(blank)})[name] ?? {json.dumps(waiting)}"  # as in handlers.py
    for event in (photo.clear, answer.emptied):
        event(None, [picker], [answer, probabilities], js=by_browser)
    photo.clear(lambda: [gr.skip()] * len(outputs), None, outputs, **ASKED)  # whose answer is on its way comes no more
    share.click(None, js=SHARE_JS)
    return MirrorTab(photo, tiles, explain_button, parts)


@dataclass(frozen=True)
class Answer:
    """prepared: what the model was shown, by which preparation; picture: the photo for the page, if asked for."""

    prediction: Prediction
    prepared: PreparedImage
    preparation: Preparation
    picture: bytes | None


async def answer_photo(
    registry: ModelRegistry,
    network: NetworkSettings,
    photo: SentPhoto | ExamplePhoto | None,
    model: str | None,
    *,
    with_preview: bool = False,
) -> Answer:
    """Raises gr.Error with one sentence."""
    if photo is None or photo == Address(""):
        raise gr.Error(NO_PHOTO, print_exception=False)
    try:
        served = registry.get(model)
        with served.excused():
            decode = partial(_prepare, served, with_preview)
            async with decoded(photo, network, decode) as (classifier, pixels, prepared, preview_jpeg):
                prediction = await MIRROR_MODEL.run(classifier.answer, pixels, prepared)
                return Answer(prediction, prepared, classifier.preparation, preview_jpeg)
    except MirrorError as error:
        raise to_gradio_error(error) from error


def _prepare(
    served: ServedModel, with_preview: bool, body: bytes
) -> tuple[Classifier, np.ndarray, PreparedImage, bytes | None]:
    """All that can be done before it is the network's turn, the picture for the page included."""
    classifier = served.classifier()
    photo = classifier.decode(body)
    pixels, prepared = classifier.preprocess(photo)
    picture = preview(body, decoded=photo) if with_preview else None
    return classifier, pixels, prepared if prepared.made else replace(prepared, image=PLACEHOLDER), picture


async def show_answer(
    registry: ModelRegistry, network: NetworkSettings, photo: SentPhoto | ExamplePhoto | None, model: str | None,
    with_picture: bool = True,
) -> tuple:  # fmt: skip
    """The photo as the mirror saw it, its answer, and the bars of the probabilities; an error becomes the answer.
    with_picture: otherwise the page keeps what its frame holds."""
    if photo is None:
        waiting = waiting_card(registry.get(model) if registry.served else None)
        return None if with_picture else gr.skip(), waiting, ""
    try:
        answer = await answer_photo(registry, network, photo, model, with_preview=with_picture)
    except gr.Error as error:
        at_fault = isinstance(error.__cause__, ModelFolderError)
        picture = await _picture_of(photo) if at_fault and with_picture else None
        return picture if with_picture else gr.skip(), error_card(error.message), ""
    return answer.picture if with_picture else gr.skip(), answer_card(answer), bars(answer.prediction)


async def _picture_of(photo: SentPhoto | ExamplePhoto) -> bytes | None:
    """A photo for the page that its model could not answer; None for one that would have to be fetched again."""
    if isinstance(photo, Address):
        return None
    try:
        async with decoded(photo, NetworkSettings(), preview) as picture:
            return picture
    except MirrorError:
        return None


def waiting_card(served: ServedModel | None) -> str:
    """The answer's place before there is one."""
    if served and served.problem:
        return error_card(served.problem)
    return card("waiting", *INVITATION)


def answer_card(answer: Answer) -> str:
    """The answer as HTML, with the small picture that the model was shown instead of the photo, each of its pixels
    large, where there is one."""
    prediction, prepared, preparation = answer.prediction, answer.prepared, answer.preparation
    labels = list(prediction.probabilities)
    return render(
        "answer.html",
        kind="known" if prediction.known else "stranger",
        says=answer_sentences.verdict(prediction)
        if prepared.found
        else answer_sentences.not_found(labels, preparation.missing),
        sure=answer_sentences.certainty(prediction),
        picture=data_url(encoded(prepared.image, "PNG"), "png") if prepared.made else "",
        size=" × ".join(map(str, prepared.image.size)) + " pixels",
        look=preparation.look,
        what=preparation.shown if prepared.found else preparation.shown_whole,
    )


def bars(prediction: Prediction, shown: int = SHOWN_LABELS) -> str:
    """The probabilities as HTML, rounded as the sentence is. Of a photo that is none of the labels they say little:
    there they are grey, folded up, and called what they are."""
    ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])[:shown]
    rows = [{"label": plain(label), "percent": percent(share), "share": share} for label, share in ranked]
    return render(
        "bars.html", bars=rows, nearest="" if prediction.known else answer_sentences.nearest(prediction.label)
    )


def lay_out_answer(html: str, **settings: Any) -> gr.HTML:
    """The answer's place, in the current column: what there is before an answer, then whatever is said of a photo."""
    return gr.HTML(html, js_on_load=ANSWER_JS, **settings)


def error_card(sentence: str) -> str:
    return card("trouble", sentence, "")


def card(kind: str, says: str, sure: str) -> str:
    return render("answer.html", kind=kind, says=says, sure=sure, picture="")
