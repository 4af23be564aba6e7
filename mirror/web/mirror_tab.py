"""The mirror itself: a photo in (dropped, picked, pasted, taken or by its address), answer and probabilities out.

The same for programs: mirror_api.py.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.blocks import Block
from PIL import Image

from mirror import phrases
from mirror.errors import ImageError, MirrorError
from mirror.images import encoded
from mirror.inference.classifier import Classifier, Prediction
from mirror.model_folder import PICTURES, own_examples
from mirror.net.fetch import NetworkSettings
from mirror.preparation import NAMES, Preparation, PreparedImage, preparation
from mirror.templates import data_url, render
from mirror.terminal import say
from mirror.web import heat_map
from mirror.web.blocks import PRIVATE
from mirror.web.models import ModelRegistry, ServedModel
from mirror.web.photo_fields import NO_ADDRESS, NO_PHOTO, UPLOADS_ONLY, ExamplePhoto, decoded, lay_out_photo
from mirror.web.photo_input import PhotoInput, preview, to_gradio_error
from mirror.web.scheduling import MIRROR_MODEL
from mirror.web.uploads import Address, SentPhoto, given_address
from mirror.wording import percent, plain

OWN = "own-"  # and a model's name: the pictures of its own folder
# Folder in examples/ → the labels that its pictures show
EXAMPLES = {made.examples: frozenset(made.labels) for made in map(preparation, NAMES)}
THUMBNAIL_PIXELS = 192  # twice what a tile shows, for screens that are twice as fine
SHOWN_LABELS = 10  # bars; the API gives them all
PLACEHOLDER = Image.new("RGB", (1, 1))  # in place of a photo that is not needed any more


Tiles = tuple[gr.Column, dict[Path, gr.Button]]  # the column, and a button an example


@dataclass(frozen=True)
class MirrorTab:
    """The components that a change of model touches."""

    photo: PhotoInput
    answer: gr.HTML
    probabilities: gr.HTML
    examples: dict[str, gr.Column]  # by kind
    button: gr.Button  # that asks for the explanation
    explanation: gr.HTML

    @property
    def outputs(self) -> list[Block]:
        parts = (self.photo, self.answer, self.probabilities, self.button, self.explanation)
        return [*parts, *self.examples.values()]


def examples_in(folder: Path) -> list[Path]:
    """The pictures a visitor can click, by name; those in a folder of their own last."""
    kinds = [folder, *(folder / kind for kind in EXAMPLES if kind)]
    return [p for kind in kinds if kind.is_dir() for p in sorted(kind.glob("*")) if p.suffix.lower() in PICTURES]


def has_examples(served: ServedModel | None, kind: str = "") -> bool:
    """Whether the pictures of that kind (EXAMPLES) show this model's labels; to another they are the wrong question."""
    if served is None or kind.startswith(OWN):
        return served is not None and kind == OWN + served.name
    own = own_examples(served.folder.path) if served.folder else []
    return not own and frozenset(served.labels) == EXAMPLES[kind]


def build(registry: ModelRegistry, network: NetworkSettings, examples: list[Path], picker: gr.Dropdown) -> MirrorTab:
    """Lays out the tab inside the current gr.Blocks and wires it."""
    with gr.Row(equal_height=False, elem_id="looking"):
        with gr.Column(scale=6, min_width=300):
            fields = lay_out_photo()
        with gr.Column(scale=5, min_width=300):
            answer = gr.HTML(waiting_card(registry.default), elem_id="answer")
            explain_button, explanation = heat_map.build(registry)
            probabilities = gr.HTML(elem_id="probabilities")
            kinds = {kind: _examples_of(examples, kind) for kind in EXAMPLES}
            kinds |= {OWN + served.name: _own_examples(served) for served in registry.served.values()}
            example_tiles = {kind: _example_tiles(found, kind, registry) for kind, found in kinds.items()}

    photo, outputs = fields.photo, [fields.photo, answer, probabilities]
    photo.change(partial(_on_upload, registry, network), [photo, picker], outputs, js=UPLOADS_ONLY, **PRIVATE)
    blank = {name: [waiting_card(served), ""] for name, served in registry.served.items()}
    by_browser = f"name => ({json.dumps(blank)})[name]"  # as in handlers.py
    photo.clear(None, [picker], [answer, probabilities], js=by_browser)
    gr.on(
        [fields.button.click, fields.address.submit], partial(_on_address, registry, network), [fields.address, picker],
        outputs, api_visibility="private", show_progress="minimal", show_progress_on=answer,
    )  # fmt: skip
    for _, buttons in filter(None, example_tiles.values()):
        for path, button in buttons.items():
            button.click(partial(_on_example, registry, path), [picker], outputs, **PRIVATE)
    heat_map.wire(registry, network, explain_button, explanation, photo, picker)
    columns = {kind: tiles[0] for kind, tiles in example_tiles.items() if tiles}
    return MirrorTab(photo, answer, probabilities, columns, explain_button, explanation)


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
        decode = partial(_prepare, registry.get(model), with_preview)
        async with decoded(photo, network, decode) as (classifier, pixels, prepared, preview_jpeg):
            prediction = await MIRROR_MODEL.run(classifier.answer, pixels, prepared)
            return Answer(prediction, prepared, classifier.preparation, preview_jpeg)
    except MirrorError as error:
        raise to_gradio_error(error) from None


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
    registry: ModelRegistry, network: NetworkSettings, photo: SentPhoto | ExamplePhoto | None, model: str | None
) -> tuple:
    """The photo as the mirror saw it, its answer, and the bars of the probabilities; an error becomes the answer."""
    if photo is None:
        return None, waiting_card(registry.get(model) if registry.served else None), ""
    try:
        answer = await answer_photo(registry, network, photo, model, with_preview=True)
    except gr.Error as error:
        return None, error_card(error.message), ""
    return answer.picture, answer_card(answer), bars(answer.prediction)


async def _on_upload(
    registry: ModelRegistry, network: NetworkSettings, photo: SentPhoto | None, model: str | None
) -> tuple:
    return (gr.skip(),) * 3 if photo is None else await show_answer(registry, network, photo, model)


async def _on_address(registry: ModelRegistry, network: NetworkSettings, address: str, model: str | None) -> tuple:
    try:
        photo = given_address(address)
    except MirrorError as error:
        return None, error_card(to_gradio_error(error).message), ""
    if photo is None:
        return None, error_card(NO_ADDRESS), ""
    return await show_answer(registry, network, photo, model)


async def _on_example(registry: ModelRegistry, path: Path, model: str | None) -> tuple:
    return await show_answer(registry, NetworkSettings(), ExamplePhoto(path), model)


def _examples_of(examples: list[Path], kind: str) -> list[Path]:
    return [path for path in examples if (path.parent.name if path.parent.name in EXAMPLES else "") == kind]


def _own_examples(served: ServedModel) -> list[Path]:
    """The pictures of the model's own folder that can be opened; one that cannot is told to who starts the page."""
    found = []
    for path in own_examples(served.folder.path) if served.folder else []:
        try:
            preview(path, THUMBNAIL_PIXELS)
            found.append(path)
        except ImageError as error:
            say(f"{path} is no example to click: {error}")
    return found


def _example_tiles(examples: list[Path], kind: str, registry: ModelRegistry) -> Tiles | None:
    if not examples:
        return None
    name, visible = (
        "examples-" + re.sub(r"\W+", "-", kind) if kind else "examples",
        has_examples(registry.default, kind),
    )
    with gr.Column(visible=visible, elem_id=f"{name}-box", elem_classes="examples-box") as column:
        gr.HTML(render("sentence.html", kind="hint", sentence="No photo at hand? Try one of these."))
        with gr.Row(elem_id=name, elem_classes="examples"):
            buttons = {path: example_button(path) for path in examples}
    return column, buttons


def example_button(path: Path, elem_id: str | None = None) -> gr.Button:
    """A picture that a visitor can click, in the current row."""
    name = plain(path.stem).replace("-", " ")
    return gr.Button(name, icon=thumbnail(path), elem_id=elem_id, elem_classes="example", min_width=88, scale=0)


def thumbnail(path: Path) -> Any:
    """An example's picture as gradio's file data, within the page itself: a file of its own would be copied among the
    visitors' uploads, and deleted with them."""
    return {"path": path.name, "url": data_url(preview(path, THUMBNAIL_PIXELS))}


def waiting_card(served: ServedModel | None) -> str:
    """The answer's place before there is one."""
    if served is None:
        return card("waiting", "The mirror is blind.", "It has no model yet.")
    if served.problem:
        return error_card(served.problem)
    return card("waiting", "Show me a photo.", "It stays between us: nothing you show is kept.")


def answer_card(answer: Answer) -> str:
    """The answer as HTML, with the small picture that the model was shown instead of the photo, each of its pixels
    large, where there is one."""
    prediction, prepared, preparation = answer.prediction, answer.prepared, answer.preparation
    labels = list(prediction.probabilities)
    return render(
        "answer.html",
        kind="known" if prediction.known else "stranger",
        says=phrases.verdict(prediction) if prepared.found else phrases.not_found(labels, preparation.missing),
        sure=phrases.certainty(prediction),
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
    return render("bars.html", bars=rows, nearest="" if prediction.known else phrases.nearest(prediction.label))


def error_card(sentence: str) -> str:
    return card("trouble", sentence, "")


def card(kind: str, says: str, sure: str) -> str:
    return render("answer.html", kind=kind, says=says, sure=sure, picture="")
