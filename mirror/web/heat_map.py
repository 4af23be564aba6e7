"""Why the mirror says so: a button under its answer, a picture of where it looked, and the endpoint /explain."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import gradio as gr
from PIL import Image

from mirror.errors import MirrorError, ModelFolderError
from mirror.inference.classifier import Classifier
from mirror.inference.grad_cam import Explanation, describe_regions, explain, overlay
from mirror.net.fetch import NetworkSettings
from mirror.templates import render
from mirror.web import phrases
from mirror.web.models import ModelRegistry, ServedModel, for_visitors
from mirror.web.photo_fields import NO_PHOTO, decoded
from mirror.web.photo_input import PhotoInput, PictureOutput, to_gradio_error
from mirror.web.scheduling import MIRROR_MODEL
from mirror.web.uploads import Sent

T = TypeVar("T")

JPEG_QUALITY = 85
RESET = f"() => ['', '{phrases.WHY}']"


def can_tell(mirror: ServedModel | None) -> bool:
    return mirror is not None and mirror.info is not None and mirror.info.onnx.heat is not None


def build(shelf: ModelRegistry) -> tuple[gr.Button, gr.HTML]:
    """The button, which page.css shows once there is an answer, and the place of the picture."""
    button = gr.Button(phrases.WHY, visible=can_tell(shelf.default), elem_id="why-button")
    return button, gr.HTML(elem_id="why")


def wire(
    shelf: ModelRegistry, network: NetworkSettings, button: gr.Button, reason: gr.HTML, photo: PhotoInput,
    picker: gr.Dropdown, probabilities: gr.Label,
) -> None:  # fmt: skip
    """A click shows the picture, the next one takes it away, as does any other photo."""
    button.click(
        partial(_tell, shelf, network), [photo, picker, probabilities, button], [reason, button],
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip
    photo.change(None, None, [reason, button], js=RESET)


def add_api(shelf: ModelRegistry, network: NetworkSettings, photo: PhotoInput, choice: list[gr.Dropdown]) -> None:
    """/explain takes a photo and, if need be, one of the model's labels; it gives a picture."""

    async def heat(image: Sent | None, label: str = "", model: str | None = None) -> Image.Image:
        """Where in the photo the evidence for a label lies (default: for the most probable one)."""
        if image is None:
            raise gr.Error(NO_PHOTO, print_exception=False)
        try:
            return await _explained(shelf, network, image, model, label or None, overlay)
        except MirrorError as error:
            raise to_gradio_error(error) from None

    trigger, label, result = gr.Button(visible=False), gr.Textbox("", visible=False), PictureOutput(visible=False)
    trigger.click(heat, [photo, label, *choice], result, api_name="explain")


async def _explained(
    shelf: ModelRegistry, network: NetworkSettings, photo: Sent, model: str | None, label: str | None,
    show: Callable[[Explanation], T],
) -> T:  # fmt: skip
    """What `show` makes of the explanation. Raises MirrorError."""
    mirror = shelf.get(model)

    def decode(body: bytes) -> tuple[Classifier, Image.Image]:
        classifier = mirror.classifier()
        return classifier, classifier.decode(body)

    def explained(classifier: Classifier, image: Image.Image) -> T:
        try:
            return show(explain(classifier, image, label))
        except ModelFolderError as error:
            raise ModelFolderError(for_visitors(error, shelf.models)) from None

    async with decoded(photo, network, decode) as (classifier, image):
        return await MIRROR_MODEL.run(explained, classifier, image)


async def _tell(
    shelf: ModelRegistry, network: NetworkSettings, photo: Sent | None, model: str | None,
    probabilities: dict[str, float] | str | None, said: str | None,
) -> tuple[str, str]:  # fmt: skip
    """The picture as HTML, and what the button says next."""
    if said != phrases.WHY or not photo or not isinstance(probabilities, dict) or not probabilities:
        return "", phrases.WHY
    try:
        label = max(probabilities, key=probabilities.__getitem__)  # what was answered, to the last digit's rounding
        return await _explained(shelf, network, photo, model, label, figure), phrases.ENOUGH
    except MirrorError as error:
        return render("sentence.html", kind="problem", sentence=to_gradio_error(error).message), phrases.WHY


def figure(explanation: Explanation) -> str:
    """The picture with its words; it is part of the page itself, so that no file has to stay for it."""
    buffer = io.BytesIO()
    overlay(explanation).save(buffer, "JPEG", quality=JPEG_QUALITY)
    picture = base64.b64encode(buffer.getvalue()).decode("ascii")
    found, cut = describe_regions(explanation), explanation.box[0] > 0 or explanation.box[1] > 0
    looked = phrases.looked(found, explanation.label, known=explanation.known)
    meaning = phrases.heat(explanation.label, cut=cut)
    picture = f"data:image/jpeg;base64,{picture}"
    return render("heat_map.html", picture=picture, alt=phrases.heat_alt(found), looked=looked, meaning=meaning)
