"""How a tab answers a photo that came through mirror.web.photo_fields, an error included.

    events = PhotoEvents(network, TaskHandler(open_model, answer), busy=…, failed=…)
    events.wire(lay_out_photo("objects"), [sentence, picture], waiting=…)

The photo's frame then shows what the model saw, upright and from memory: no file has to stay for it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import gradio as gr
from gradio.components import Component
from PIL import Image

from mirror.errors import MirrorError
from mirror.images import load_image, within_memory
from mirror.net.fetch import NetworkSettings
from mirror.web.fair_scheduling import TASK_MODELS
from mirror.web.gradio_blocks import ASKED
from mirror.web.photo_fields import NO_PHOTO, UPLOADS_ONLY, ExamplePhoto, PhotoFields, decoded, read_address
from mirror.web.photo_input import preview, to_gradio_error
from mirror.web.tabs.task_models import excused
from mirror.web.uploads import SentPhoto


def _decode_whole(model: Any, body: bytes) -> Image.Image:
    return load_image(body, reduce=True)


@dataclass(frozen=True)
class TaskHandler:
    """What a tab does with a photo, in three steps; each raises MirrorError.

    open     (*inputs) → the model, which the first time takes seconds to minutes
    decode   (model, encoded photo) → the upright photo as the model needs it, at a place of the decoders
    answer   (model, photo, *inputs) → a value for each output of the page, or the endpoint's; at a place of the models
    """

    open: Callable[..., Awaitable[Any]]
    answer: Callable[..., Any]
    decode: Callable[[Any, bytes], Image.Image] = _decode_whole


@dataclass(frozen=True)
class PhotoEvents:
    """What a tab's outputs hold for a photo: `busy` until the answer is there; without one, `failed` of a sentence and
    the model (None where that is not open)."""

    network: NetworkSettings
    handler: TaskHandler
    busy: Sequence[Any]
    failed: Callable[[str, Any], Sequence[Any]]

    def wire(
        self, fields: PhotoFields, outputs: Sequence[Component], waiting: Sequence[Any],
        inputs: Sequence[Component] = (),
    ) -> None:  # fmt: skip
        """Answers each new photo, with the values of `inputs`. outputs: the answer (lay_out_answer) first. waiting:
        what they hold without a photo, as the browser has it."""
        shown = [fields.photo, *outputs]
        fields.photo.change(self.on_upload, [fields.photo, *inputs], shown, js=UPLOADS_ONLY, **ASKED)
        asked_by = [fields.button.click, fields.address.submit]
        gr.on(asked_by, self.on_address, [fields.address, *inputs], shown, **ASKED)
        # by the browser alone: it comes before a photo that is pasted or taken, too, whose answer must not be lost
        for event in (fields.photo.clear, cast(gr.HTML, outputs[0]).emptied):
            event(None, None, list(outputs), js=f"() => {json.dumps(waiting)}")
        fields.photo.clear(lambda: [gr.skip()] * len(shown), None, shown, **ASKED)  # and no answer comes after that

    async def on_upload(self, photo: SentPhoto | None, *inputs: Any) -> AsyncIterator[tuple]:
        if photo is None:
            yield (gr.skip(),) * (1 + len(self.busy))
            return
        async for values in self.show(photo, *inputs):
            yield values

    async def on_address(self, address: str, *inputs: Any) -> AsyncIterator[tuple]:
        photo, problem = read_address(address)
        if photo is None:
            yield None, *self.failed(problem, None)
            return
        async for values in self.show(photo, *inputs):
            yield values

    async def show(self, photo: SentPhoto | ExamplePhoto, *inputs: Any) -> AsyncIterator[tuple]:
        """That it takes a moment, then the photo with its answer. Where there is no answer, the photo stays."""
        yield gr.skip(), *self.busy
        model, problem, answer = None, None, ()
        try:
            model = await self.handler.open(*inputs)
        except MirrorError as error:
            problem = error
        try:
            decode = partial(_with_preview, self.handler, model, problem is None)
            async with decoded(photo, self.network, decode) as (image, preview_jpeg):
                if image is not None:
                    try:
                        answer = await TASK_MODELS.run(_answer, self.handler, model, image, *inputs)
                    except MirrorError as error:
                        problem = error
        except MirrorError as error:
            yield None, *self.failed(to_gradio_error(error).message, model)
            return
        yield preview_jpeg, *(answer if problem is None else self.failed(to_gradio_error(problem).message, model))


async def answer_photo(network: NetworkSettings, handler: TaskHandler, photo: SentPhoto | None, *inputs: Any) -> Any:
    """For an endpoint: the same as on the page, or gr.Error with one sentence."""
    if not photo:
        raise gr.Error(NO_PHOTO, print_exception=False)
    try:
        model = await handler.open(*inputs)
        async with decoded(photo, network, partial(handler.decode, model)) as image:
            return await TASK_MODELS.run(_answer, handler, model, image, *inputs)
    except MirrorError as error:
        raise to_gradio_error(error) from None


def _answer(handler: TaskHandler, model: Any, image: Image.Image, *inputs: Any) -> Any:
    """Raises ImageTooLarge where memory runs out."""
    with within_memory(), excused():
        return handler.answer(model, image, *inputs)


def _with_preview(handler: TaskHandler, model: Any, is_open: bool, body: bytes) -> tuple[Image.Image | None, bytes]:
    """The photo for the model, where that is open, and for the page."""
    image = handler.decode(model, body) if is_open else None
    return image, preview(body, decoded=image)
