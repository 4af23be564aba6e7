"""How a tab answers a photo that came through mirror.web.photo, an error included.

    wire(lay_out_photo("objects"), network, look, [answer, picture], waiting=…, busy=…, failed=…)

The photo's frame then shows what the model saw, upright and from memory: no file has to stay for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import gradio as gr

from mirror.errors import MirrorError
from mirror.fetch import Network
from mirror.web.guard import friendly, photo_bytes, preview
from mirror.web.photo import FETCH, NO_ADDRESS, NO_PHOTO, QUICKLY, UPLOADS_ONLY, Asking
from mirror.web.tasks.opened import AT_ONCE, TASK

ON_MODEL = {"concurrency_id": TASK, "concurrency_limit": AT_ONCE}  # of every event that asks a model
AT_THE_MODEL = threading.BoundedSemaphore(AT_ONCE)

Look = Callable[..., Sequence[Any]]  # (encoded photo, *inputs) → a value for each output; raises MirrorError


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
    asking.photo.change(
        partial(_look_at_upload, *settings), [asking.photo, *inputs], shown, js=UPLOADS_ONLY, **quietly, **ON_MODEL
    )
    gr.on(
        [asking.go.click, asking.address.submit], partial(_look_at_address, *settings), [asking.address, *inputs],
        shown, **quietly, **FETCH,
    )  # fmt: skip
    asking.photo.clear(lambda: tuple(waiting), None, list(outputs), api_visibility="private", **QUICKLY)


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
