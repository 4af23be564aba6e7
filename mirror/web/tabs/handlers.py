"""How a tab answers a photo that came through mirror.web.photo_fields, an error included.

    wire(lay_out_photo("objects"), network, Asked(open_it, answer), [sentence, picture], waiting=…, busy=…, failed=…)

The photo's frame then shows what the model saw, upright and from memory: no file has to stay for it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from PIL import Image

from mirror.errors import MirrorError
from mirror.images import load_image, within_memory
from mirror.net.fetch import NetworkSettings
from mirror.web.photo_fields import NO_ADDRESS, NO_PHOTO, UPLOADS_ONLY, ExamplePhoto, PhotoFields, decoded
from mirror.web.photo_input import preview, to_gradio_error
from mirror.web.scheduling import TASK_MODELS
from mirror.web.uploads import Address, Sent


def _whole(model: Any, body: bytes) -> Image.Image:
    return load_image(body, reduce=True)


@dataclass(frozen=True)
class TaskHandler:
    """What a tab does with a photo, in three steps; each raises MirrorError.

    open     (*inputs) → the model, which the first time takes seconds to minutes
    decode   (model, encoded photo) → the upright photo as the model needs it, at a place of the decoders
    answer   (model, photo, *inputs) → a value for each output, at a place of the models
    """

    open: Callable[..., Awaitable[Any]]
    answer: Callable[..., Sequence[Any]]
    decode: Callable[[Any, bytes], Image.Image] = _whole


def wire(
    asking: PhotoFields, network: NetworkSettings, look: TaskHandler, outputs: Sequence[gr.components.Component], *,
    waiting: Sequence[Any], busy: Sequence[Any], failed: Callable[[str], Sequence[Any]],
    inputs: Sequence[gr.components.Component] = (),
) -> None:  # fmt: skip
    """Asks `look` for each new photo, with the values of `inputs`.

    waiting, busy: what the outputs hold without a photo, as the browser has it, and until the answer is there; failed:
    for a sentence.
    """
    shown = [asking.photo, *outputs]
    quietly = {"api_visibility": "private", "show_progress": "hidden"}
    settings = (network, look, busy, failed)
    asking.photo.change(partial(_look_at_upload, *settings), [asking.photo, *inputs], shown, js=UPLOADS_ONLY, **quietly)
    gr.on(
        [asking.go.click, asking.address.submit], partial(_look_at_address, *settings), [asking.address, *inputs],
        shown, **quietly,
    )  # fmt: skip
    # by the browser alone: it comes before a photo that is pasted or taken, too, whose answer must not be lost by it
    asking.photo.clear(None, None, list(outputs), js=f"() => {json.dumps(waiting)}")


async def answer_photo(network: NetworkSettings, look: TaskHandler, photo: Sent | None, *inputs: Any) -> Any:
    """For an endpoint: the same as on the page, or gr.Error with one sentence."""
    if not photo:
        raise gr.Error(NO_PHOTO, print_exception=False)
    try:
        model = await look.open(*inputs)
        async with decoded(photo, network, partial(look.decode, model)) as image:
            return await TASK_MODELS.run(_answer, look, model, image, *inputs)
    except MirrorError as error:
        raise to_gradio_error(error) from None


async def _look_at_upload(
    network: NetworkSettings, look: TaskHandler, busy: Sequence[Any], failed: Callable[[str], Sequence[Any]],
    photo: Sent | None, *inputs: Any,
) -> AsyncIterator[tuple]:  # fmt: skip
    if photo is None:
        yield (gr.skip(),) * (1 + len(busy))
        return
    async for shown in show_answer(network, look, busy, failed, photo, *inputs):
        yield shown


async def _look_at_address(
    network: NetworkSettings, look: TaskHandler, busy: Sequence[Any], failed: Callable[[str], Sequence[Any]],
    address: str, *inputs: Any,
) -> AsyncIterator[tuple]:  # fmt: skip
    if not address.strip():
        yield None, *failed(NO_ADDRESS)
        return
    async for shown in show_answer(network, look, busy, failed, Address(address.strip()), *inputs):
        yield shown


async def show_answer(
    network: NetworkSettings, look: TaskHandler, busy: Sequence[Any], failed: Callable[[str], Sequence[Any]],
    photo: Sent | ExamplePhoto, *inputs: Any,
) -> AsyncIterator[tuple]:  # fmt: skip
    """That it takes a moment, then the photo with its answer. Where there is no answer, the photo stays."""
    yield gr.skip(), *busy
    model, problem = None, None
    try:
        model = await look.open(*inputs)
    except MirrorError as error:
        problem = error
    try:
        decode = partial(_with_preview, look, model, problem is None)
        async with decoded(photo, network, decode) as (image, picture):
            if problem is None:
                try:
                    answer = await TASK_MODELS.run(_answer, look, model, image, *inputs)
                except MirrorError as error:
                    problem = error
    except MirrorError as error:
        yield None, *failed(to_gradio_error(error).message)
        return
    yield picture, *(answer if problem is None else failed(to_gradio_error(problem).message))


def _answer(look: TaskHandler, model: Any, image: Image.Image, *inputs: Any) -> Any:
    """Raises ImageTooLarge where memory runs out."""
    with within_memory():
        return look.answer(model, image, *inputs)


def _with_preview(look: TaskHandler, model: Any, needed: bool, body: bytes) -> tuple[Image.Image | None, bytes]:
    """needed: whether there is a model to look at it."""
    image = look.decode(model, body) if needed else None
    return image, preview(body, decoded=image)
