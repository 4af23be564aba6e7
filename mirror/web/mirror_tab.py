"""The mirror itself: a photo in (dropped, picked, pasted, taken or by its address), answer and probabilities out."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from mirror.errors import MirrorError
from mirror.inference.classifier import Classifier, Prediction
from mirror.net.fetch import NetworkSettings
from mirror.preparation import NAMES, Preparation, PreparedImage, preparation
from mirror.templates import render
from mirror.web import heat_map, phrases
from mirror.web.models import ModelRegistry, ServedModel
from mirror.web.photo_fields import NO_ADDRESS, NO_PHOTO, UPLOADS_ONLY, ExamplePhoto, decoded, lay_out_photo
from mirror.web.photo_input import PhotoInput, preview, to_gradio_error
from mirror.web.scheduling import MIRROR_MODEL
from mirror.web.uploads import Address, Sent
from mirror.wording import plain

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
# Folder in examples/ → the labels that its pictures show
EXAMPLES = {made.examples: frozenset(made.labels) for made in map(preparation, NAMES)}
THUMBNAIL_PIXELS = 192  # twice what a tile shows, for screens that are twice as fine
SHOWN_LABELS = 10  # gr.Label's bars; the API gives them all
NOT_KEPT = Image.new("RGB", (1, 1))  # in place of a photo that is not needed any more


@dataclass(frozen=True)
class MirrorTab:
    """The components that a change of model touches."""

    photo: PhotoInput
    answer: gr.HTML
    probabilities: gr.Label
    examples: dict[str, gr.Column]  # by kind
    why: gr.Button
    reason: gr.HTML


def examples_in(folder: Path) -> list[Path]:
    """The pictures a visitor can click, by name; those in a folder of their own last."""
    kinds = [folder, *(folder / kind for kind in EXAMPLES if kind)]
    return [p for kind in kinds if kind.is_dir() for p in sorted(kind.glob("*")) if p.suffix.lower() in PICTURES]


def has_examples(mirror: ServedModel | None, kind: str = "") -> bool:
    """Whether the pictures of that kind (EXAMPLES) show this model's labels; to another they are the wrong question."""
    return mirror is not None and frozenset(mirror.labels) == EXAMPLES[kind]


def build(shelf: ModelRegistry, network: NetworkSettings, examples: list[Path], picker: gr.Dropdown) -> MirrorTab:
    """Lays out the tab inside the current gr.Blocks and wires it."""
    with gr.Row(equal_height=False, elem_id="looking"):
        with gr.Column(scale=6, min_width=300):
            asked = lay_out_photo()
        with gr.Column(scale=5, min_width=300):
            answer = gr.HTML(waiting(shelf.default), elem_id="answer")
            ask, reason = heat_map.build(shelf)
            probabilities = gr.Label(
                label="Probabilities", show_heading=False, num_top_classes=SHOWN_LABELS, elem_id="probabilities"
            )
            tiles = {kind: _tiles(_of_kind(examples, kind), kind, shelf) for kind in EXAMPLES}

    photo, shown = asked.photo, [asked.photo, answer, probabilities]
    quietly = {
        "api_visibility": "private",
        "show_progress": "hidden",
    }  # an answer takes less time than a spinner's fade
    photo.change(partial(_look_at_upload, shelf, network), [photo, picker], shown, js=UPLOADS_ONLY, **quietly)
    blank = {name: [waiting(mirror), {}] for name, mirror in shelf.mirrors.items()}
    photo.clear(None, [picker], [answer, probabilities], js=f"name => ({json.dumps(blank)})[name]")  # as in asking.py
    gr.on(
        [asked.go.click, asked.address.submit], partial(_look_at_address, shelf, network), [asked.address, picker],
        shown, api_visibility="private", show_progress="minimal", show_progress_on=answer,
    )  # fmt: skip
    for _, buttons in filter(None, tiles.values()):
        for path, button in buttons.items():
            button.click(partial(_look_at_example, shelf, path), [picker], shown, **quietly)
    heat_map.wire(shelf, network, ask, reason, photo, picker, probabilities)
    boxes = {kind: found[0] for kind, found in tiles.items() if found}
    return MirrorTab(photo, answer, probabilities, boxes, ask, reason)


def add_api(shelf: ModelRegistry, network: NetworkSettings, photo: PhotoInput, picker: gr.Dropdown) -> None:
    """The endpoints for programs: /predict takes a photo, /predict_url its address; both give gr.Label's value.
    /explain takes a photo and gives a picture of it (heat_map.py)."""
    several = len(shelf.mirrors) > 1
    choice = [picker] if several else []

    async def predict(image: Sent | None, model: str | None = None) -> dict[str, float]:
        """The probability of each label for one photo."""
        return (await _answer(shelf, network, image, model)).prediction.probabilities

    async def predict_url(url: str, model: str | None = None) -> dict[str, float]:
        """The probability of each label for the photo at an http(s) address."""
        return (await _answer(shelf, network, Address(url.strip()), model)).prediction.probabilities

    trigger = gr.Button(visible=False)
    result, url = gr.Label(visible=False), gr.Textbox(visible=False)
    trigger.click(predict, [photo, *choice], result, api_name="predict")
    trigger.click(predict_url, [url, *choice], result, api_name="predict_url")
    heat_map.add_api(shelf, network, photo, choice)


@dataclass(frozen=True)
class Answer:
    """framed: what the model was shown, by which preparation; picture: the photo for the page, if asked for."""

    prediction: Prediction
    framed: PreparedImage
    preparation: Preparation
    picture: bytes | None


async def _answer(
    shelf: ModelRegistry,
    network: NetworkSettings,
    photo: Sent | ExamplePhoto | None,
    model: str | None,
    *,
    shown: bool = False,
) -> Answer:
    """Raises gr.Error with one sentence."""
    if photo is None or photo == Address(""):
        raise gr.Error(NO_PHOTO, print_exception=False)
    try:
        prepare = partial(_prepared, shelf.get(model), shown)
        async with decoded(photo, network, prepare) as (classifier, pixels, framed, picture):
            prediction = await MIRROR_MODEL.run(classifier.answer, pixels, framed)
            return Answer(prediction, framed, classifier.preparation, picture)
    except MirrorError as error:
        raise to_gradio_error(error) from None


def _prepared(
    mirror: ServedModel, shown: bool, body: bytes
) -> tuple[Classifier, np.ndarray, PreparedImage, bytes | None]:
    """All that can be done before it is the network's turn, the picture for the page included."""
    classifier = mirror.classifier()
    photo = classifier.decode(body)
    pixels, framed = classifier.preprocess(photo)
    picture = preview(body, decoded=photo) if shown else None
    return classifier, pixels, framed if framed.made else replace(framed, image=NOT_KEPT), picture


async def look(
    shelf: ModelRegistry, network: NetworkSettings, photo: Sent | ExamplePhoto | None, model: str | None
) -> tuple:
    """The photo as the mirror saw it, its answer, and the probabilities; an error becomes the answer."""
    if photo is None:
        return None, waiting(shelf.get(model) if shelf.mirrors else None), None
    try:
        answer = await _answer(shelf, network, photo, model, shown=True)
    except gr.Error as error:
        return None, trouble(error.message), None
    return answer.picture, spoken(answer), answer.prediction.probabilities


async def _look_at_upload(
    shelf: ModelRegistry, network: NetworkSettings, photo: Sent | None, model: str | None
) -> tuple:
    return (gr.skip(),) * 3 if photo is None else await look(shelf, network, photo, model)


async def _look_at_address(shelf: ModelRegistry, network: NetworkSettings, address: str, model: str | None) -> tuple:
    if not address.strip():
        return None, trouble(NO_ADDRESS), None
    return await look(shelf, network, Address(address.strip()), model)


async def _look_at_example(shelf: ModelRegistry, path: Path, model: str | None) -> tuple:
    return await look(shelf, NetworkSettings(), ExamplePhoto(path), model)


def _of_kind(examples: list[Path], kind: str) -> list[Path]:
    return [path for path in examples if (path.parent.name if path.parent.name in EXAMPLES else "") == kind]


def _tiles(examples: list[Path], kind: str, shelf: ModelRegistry) -> tuple[gr.Column, dict[Path, gr.Button]] | None:
    if not examples:
        return None
    name, visible = f"examples-{kind}" if kind else "examples", has_examples(shelf.default, kind)
    with gr.Column(visible=visible, elem_id=f"{name}-box", elem_classes="examples-box") as box:
        gr.HTML('<p class="hint">No photo at hand? Try one of these.</p>')
        with gr.Row(elem_id=name, elem_classes="examples"):
            buttons = {
                path: gr.Button(
                    plain(path.stem).replace("-", " "),
                    icon=thumbnail(path),
                    elem_classes="example",
                    min_width=88,
                    scale=0,
                )  # fmt: skip
                for path in examples
            }
    return box, buttons


def thumbnail(path: Path) -> dict[str, str]:
    """An example's picture as gradio's file data, within the page itself: a file of its own would be copied among the
    visitors' uploads, and deleted with them."""
    picture = base64.b64encode(preview(path, THUMBNAIL_PIXELS)).decode("ascii")
    return {"path": path.name, "url": f"data:image/jpeg;base64,{picture}"}


def waiting(mirror: ServedModel | None) -> str:
    """The answer's place before there is one."""
    if mirror is None:
        return card("waiting", "The mirror is blind.", "It has no model yet.")
    if mirror.problem:
        return trouble(mirror.problem)
    return card("waiting", "Show me a photo.", "It stays between us: nothing you show is kept.")


def spoken(answer: Answer) -> str:
    """The answer as HTML, with the small picture that the model was shown instead of the photo, each of its pixels
    large, where there is one."""
    prediction, framed, preparation = answer.prediction, answer.framed, answer.preparation
    labels = list(prediction.probabilities)
    return render(
        "answer.html",
        kind="known" if prediction.known else "stranger",
        says=phrases.verdict(prediction) if framed.found else phrases.unframed(labels, preparation.missing),
        sure=phrases.certainty(prediction),
        picture=png_url(framed.image) if framed.made else "",
        size=" × ".join(map(str, framed.image.size)) + " pixels",
        look=preparation.look,
        what=preparation.shown if framed.found else preparation.shown_whole,
    )


def png_url(image: Image.Image) -> str:
    """The image within the page itself, so that no file has to stay for it."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def trouble(sentence: str) -> str:
    return card("trouble", sentence, "")


def card(kind: str, says: str, sure: str) -> str:
    return render("answer.html", kind=kind, says=says, sure=sure, picture="")
