"""Why the mirror says so: a button under its answer, a picture of where it looked, and the endpoint /explain."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import gradio as gr
from PIL import Image

from mirror import answer_sentences
from mirror.errors import MirrorError, UsageError
from mirror.images import encoded
from mirror.inference.classifier import Classifier
from mirror.inference.grad_cam import Explanation, describe_regions, explain, overlay
from mirror.net.fetch import NetworkSettings
from mirror.templates import data_url, render
from mirror.web.fair_scheduling import MIRROR_MODEL
from mirror.web.gradio_blocks import ASKED
from mirror.web.photo_fields import decoded
from mirror.web.photo_input import PhotoInput, to_gradio_error
from mirror.web.served_models import ModelRegistry, ServedModel
from mirror.web.uploads import SentPhoto

T = TypeVar("T")

JPEG_QUALITY = 85
# No photo is explained whose answer is about to be replaced: the button waits for the answer. Our own picture of a
# photo, a data: address, comes with the answer
WAIT = "() => ({__type__: 'update', interactive: false})"
RESET = f"photo => photo?.url?.startsWith('data:') ? undefined : ['', ({WAIT})()]"


def can_explain(served: ServedModel | None) -> bool:
    return served is not None and served.info is not None and served.info.onnx.heat is not None


def build(registry: ModelRegistry) -> tuple[gr.Button, gr.HTML]:
    """The button, which page.css shows once there is an answer, and the place of the picture."""
    button = gr.Button(answer_sentences.EXPLAIN, visible=can_explain(registry.default), elem_id="why-button")
    return button, gr.HTML(elem_id="why")


def closed(served: ServedModel | None) -> tuple[str, dict]:
    """No picture, and the button, for a new answer."""
    return "", gr.update(value=answer_sentences.EXPLAIN, visible=can_explain(served), interactive=True)


def wire(
    registry: ModelRegistry, network: NetworkSettings, button: gr.Button, explanation: gr.HTML, photo: PhotoInput,
    picker: gr.Dropdown,
) -> None:  # fmt: skip
    """A click shows the picture, the next one takes it away, as does any other photo."""
    button.click(partial(_on_click, registry, network), [photo, picker, button], [explanation, button], **ASKED)
    photo.change(None, photo, [explanation, button], js=RESET)


async def explain_photo(
    registry: ModelRegistry, network: NetworkSettings, photo: SentPhoto, model: str | None, label: str | None,
    render_explanation: Callable[[Explanation], T],
) -> T:  # fmt: skip
    """What `render_explanation` makes of the explanation. Raises MirrorError."""
    served = registry.get(model)
    if served.info and not can_explain(served):
        raise UsageError(f"The model {served.name} cannot show why: its network gives no heat map.")

    def decode(body: bytes) -> tuple[Classifier, Image.Image]:
        classifier = served.classifier()
        return classifier, classifier.decode(body)

    def explain_image(classifier: Classifier, image: Image.Image) -> T:
        return render_explanation(explain(classifier, image, label))

    with served.excused():
        async with decoded(photo, network, decode) as (classifier, image):
            return await MIRROR_MODEL.run(explain_image, classifier, image)


async def _on_click(
    registry: ModelRegistry, network: NetworkSettings, photo: SentPhoto | None, model: str | None,
    button_text: str | None,
) -> tuple[str, str]:  # fmt: skip
    """The picture as HTML, and what the button says next."""
    if button_text != answer_sentences.EXPLAIN or not photo:
        return "", answer_sentences.EXPLAIN
    try:
        return await explain_photo(registry, network, photo, model, None, figure), answer_sentences.HIDE
    except MirrorError as error:
        return render(
            "sentence.html", kind="problem", sentence=to_gradio_error(error).message
        ), answer_sentences.EXPLAIN


def figure(explanation: Explanation) -> str:
    """The picture with its words; it is part of the page itself, so that no file has to stay for it."""
    picture = data_url(encoded(overlay(explanation), "JPEG", quality=JPEG_QUALITY))
    regions, is_cut = describe_regions(explanation), explanation.box[0] > 0 or explanation.box[1] > 0
    looked = answer_sentences.regions_sentence(regions, explanation.label, known=explanation.known)
    meaning = answer_sentences.colours_sentence(explanation.label, cut=is_cut)
    return render(
        "heat_map.html", picture=picture, alt=answer_sentences.alt_text(regions), looked=looked, meaning=meaning
    )
