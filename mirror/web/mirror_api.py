"""The mirror for programs: /predict, /verdict, /predict_url and /explain, in the order in which they are listed.

The tools of other programs (MCP) are the same functions, described by their docstrings.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from PIL import Image

from mirror.errors import MirrorError
from mirror.inference.grad_cam import overlay
from mirror.net.fetch import NetworkSettings
from mirror.web.gradio_blocks import add_endpoint
from mirror.web.heat_map import explain_photo
from mirror.web.photo_fields import NO_PHOTO
from mirror.web.photo_input import PhotoInput, PictureOutput, to_gradio_error
from mirror.web.served_models import ModelRegistry
from mirror.web.tabs.mirror_tab import answer_photo
from mirror.web.uploads import MAX_BASE64, SentPhoto, given_address


def add_endpoints(registry: ModelRegistry, network: NetworkSettings, photo: PhotoInput, picker: gr.Dropdown) -> None:
    """In the current gr.Blocks. `model` may be left out of each: the page's first model then answers."""

    async def predict(image: SentPhoto | None, model: str | None = None) -> dict[str, float]:
        """Which of the model's labels a photo shows: the probability of each. They only compare the labels: /verdict
        also says when a photo shows none of them.

        Args:
            image: the photo, as a file or an http(s) address
            model: the name of one of the page's models
        """
        return (await answer_photo(registry, network, image, model)).prediction.probabilities

    async def verdict(image: SentPhoto | None, model: str | None = None) -> dict[str, Any]:
        """Which of the model's labels a photo shows, and whether it looks like any of them: label, probability,
        probabilities of all labels, and known, which is false for a photo unlike those that the model learned from.

        Args:
            image: the photo, as a file or an http(s) address
            model: the name of one of the page's models
        """
        return (await answer_photo(registry, network, image, model)).prediction.to_json()

    async def predict_url(url: str, model: str | None = None) -> dict[str, float]:
        """Which of the model's labels the photo at an address shows: the probability of each.

        Args:
            url: the http(s) address of the photo
            model: the name of one of the page's models
        """
        return (await answer_photo(registry, network, given_address(url), model)).prediction.probabilities

    async def explain(image: SentPhoto | None, label: str = "", model: str | None = None) -> Image.Image:
        """Where in a photo the evidence for a label lies: the photo in grey, coloured there.

        Args:
            image: the photo, as a file or an http(s) address
            label: one of the model's labels; the most probable one where it is left out
            model: the name of one of the page's models
        """
        if image is None:
            raise gr.Error(NO_PHOTO, print_exception=False)
        try:
            return await explain_photo(registry, network, image, model, label or None, overlay)
        except MirrorError as error:
            raise to_gradio_error(error) from None

    add_endpoint(predict, {"image": photo, "model": picker}, gr.Label(visible=False))
    add_endpoint(verdict, {"image": photo, "model": picker}, gr.JSON(visible=False))
    address = gr.Textbox(visible=False, max_length=MAX_BASE64)  # it may be a data: URL
    add_endpoint(predict_url, {"url": address, "model": picker}, gr.Label(visible=False))
    label = gr.Textbox("", visible=False)
    add_endpoint(explain, {"image": photo, "label": label, "model": picker}, PictureOutput(visible=False))
