"""How a tab takes a photo: dropped, picked, pasted, taken or by its address; and how it answers, an error included.

    asking = lay_out("objects")                       # in the tab's left column
    wire(asking, network, look, [answer, picture], waiting=…, busy=…, failed=…)

The photo's frame then shows what the model saw, upright and from memory: no file has to stay for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from mirror.errors import MirrorError
from mirror.fetch import Network
from mirror.web.classify import FETCH, FETCHES_AT_ONCE
from mirror.web.guard import Photo, friendly, photo_bytes, preview
from mirror.web.tasks.opened import AT_ONCE, TASK

NO_ADDRESS = "Please paste the address of a photo first: it begins with https://."
NO_PHOTO = "There is no photo: send one as a file or by its http(s) address."
UPLOADS_ONLY = "(photo, ...others) => [photo?.url?.startsWith('data:') ? null : photo, ...others]"
ON_MODEL = {"concurrency_id": TASK, "concurrency_limit": AT_ONCE}  # of every event that asks a model
ON_FETCH = {"concurrency_id": FETCH, "concurrency_limit": FETCHES_AT_ONCE}  # or first waits for somebody's server
AT_THE_MODEL = threading.BoundedSemaphore(AT_ONCE)

Look = Callable[..., Sequence[Any]]  # (encoded photo, *inputs) → a value for each output; raises MirrorError


@dataclass(frozen=True)
class Asking:
    """The components a photo comes through."""

    photo: Photo
    address: gr.Textbox
    go: gr.Button


def lay_out(name: str) -> Asking:
    """In the current column. name: the beginning of the components' element ids."""
    photo = Photo(
        label="Your photo", sources=["upload", "webcam", "clipboard"], height="min(400px, 42vh)",
        elem_id=f"{name}-photo", elem_classes="glass", buttons=["fullscreen"],
        placeholder="Drop a photo here\nor click to choose one", alt_text="The photo you showed",
    )  # fmt: skip
    with gr.Row(elem_classes="address"):
        address = gr.Textbox(
            label="Or the address of a photo", placeholder="https://…", max_lines=1, scale=5, min_width=180,
            elem_classes="address-box",
        )  # fmt: skip
        go = gr.Button("Look", variant="primary", scale=1, min_width=88)
    return Asking(photo, address, go)


def wire(
    asking: Asking, network: Network, look: Look, outputs: Sequence[gr.components.Component], *,
    waiting: Sequence[Any], busy: Sequence[Any], failed: Callable[[str], Sequence[Any]],
    inputs: Sequence[gr.components.Component] = (),
) -> None:  # fmt: skip
    """Asks `look` for each new photo, with the values of `inputs`.

    waiting, busy: what the outputs hold without a photo, and until the answer is there; failed: for a sentence.
    """
    shown = [asking.photo, *outputs]
    quietly = {"api_visibility": "private", "show_progress": "hidden"}
    settings = (network, look, busy, failed)
    # the camera fires nothing but `change`, which also follows each of our own answers: those come to nothing here
    asking.photo.change(
        partial(_look_at_upload, *settings), [asking.photo, *inputs], shown, js=UPLOADS_ONLY, **quietly, **ON_MODEL
    )
    gr.on(
        [asking.go.click, asking.address.submit], partial(_look_at_address, *settings), [asking.address, *inputs],
        shown, **quietly, **ON_FETCH,
    )  # fmt: skip
    asking.photo.clear(lambda: tuple(waiting), None, list(outputs), api_visibility="private", queue=False)


def answered(network: Network, look: Look, photo: bytes | str | None, *inputs: Any) -> Sequence[Any]:
    """For an endpoint: the same as on the page, or gr.Error with one sentence."""
    if not photo:
        raise gr.Error(NO_PHOTO, print_exception=False)
    try:
        body = photo_bytes(photo.strip() if isinstance(photo, str) else photo, network)
        with AT_THE_MODEL:
            return look(body, *inputs)
    except MirrorError as error:
        raise friendly(error) from None


def _look_at_upload(
    network: Network, look: Look, busy: Sequence[Any], failed: Callable[[str], Sequence[Any]],
    photo: bytes | str | None, *inputs: Any,
) -> Iterator[tuple]:  # fmt: skip
    if photo is None:
        yield (gr.skip(),) * (1 + len(busy))
    else:
        yield from looked(network, look, busy, failed, photo, *inputs)


def _look_at_address(
    network: Network,
    look: Look,
    busy: Sequence[Any],
    failed: Callable[[str], Sequence[Any]],
    address: str,
    *inputs: Any,
) -> Iterator[tuple]:
    if not address.strip():
        yield None, *failed(NO_ADDRESS)
    else:
        yield from looked(network, look, busy, failed, address.strip(), *inputs)


def looked(
    network: Network, look: Look, busy: Sequence[Any], failed: Callable[[str], Sequence[Any]],
    photo: bytes | str, *inputs: Any,
) -> Iterator[tuple]:  # fmt: skip
    """First the photo, then the answer: opening a model may take a while."""
    try:
        body = photo_bytes(photo, network)
        yield preview(body), *busy
        with AT_THE_MODEL:
            answer = look(body, *inputs)
        yield gr.skip(), *answer
    except MirrorError as error:
        yield None, *failed(friendly(error).message)
