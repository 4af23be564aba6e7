"""How a visitor hands over a photo, the same in every tab: dropped, picked, pasted, taken or by its address.

    async with decoded(photo, network, load_image) as image: …

gradio begins every event at once; what waits, waits in fair_scheduling.py: for an address to be fetched, then for the
file to be decoded, then for a model.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import gradio as gr

from mirror.decoding.budget import SMALL
from mirror.decoding.headers import read_header
from mirror.decoding.limits import MAX_PIXELS, TooCostly
from mirror.errors import MirrorError
from mirror.images import within_memory
from mirror.net.fetch import NetworkSettings, fetch
from mirror.web.fair_scheduling import DECODING, FETCHING, LARGE_PHOTOS, on_thread
from mirror.web.photo_input import JPEG, PhotoInput, to_gradio_error
from mirror.web.uploads import MAX_BASE64, MAX_UPLOAD_BYTES, Address, SentPhoto, given_address

T = TypeVar("T")

NO_ADDRESS = "Please paste the address of a photo first: it begins with https://."
# gradio's JavaScript client says as much of a file that the server refused for its size
NO_PHOTO = (
    f"There is no photo: send one of at most {MAX_UPLOAD_BYTES / 2**20:g} MB as a file, or by its http(s) address."
)
# The camera fires nothing but `change`, which also follows our own answers and a photo that is taken away.
# These come to nothing, whatever the other inputs hold; page.js learns of what is asked
UPLOADS_ONLY = """(photo, ...others) => {
  if (!photo || photo.url?.startsWith('data:')) return [null, ...others.fill(null)];
  document.dispatchEvent(new CustomEvent('asked', { detail: photo.orig_name }));
  return [photo, ...others];
}"""


@dataclass(frozen=True)
class PhotoFields:
    """The components a photo comes through."""

    photo: PhotoInput
    address: gr.Textbox
    button: gr.Button


def lay_out_photo(name: str = "") -> PhotoFields:
    """In the current column. name: what the photo's element id begins with, where a page has several."""
    photo = PhotoInput(
        label="Your photo", sources=["upload", "webcam", "clipboard"], height="min(400px, 42vh)",
        elem_id=f"{name}-photo" if name else "photo", elem_classes="glass", buttons=["fullscreen"],
        placeholder="Drop a photo here\nor click to choose one", alt_text="The photo you showed",
    )  # fmt: skip
    with gr.Row(elem_classes="address"):
        address = gr.Textbox(
            label="Or the address of a photo", placeholder="https://…", max_lines=1, scale=5, min_width=180,
            elem_classes="address-box", max_length=MAX_BASE64,  # of a data: URL
        )  # fmt: skip
        button = gr.Button("Look", variant="primary", scale=1, min_width=88)
    return PhotoFields(photo, address, button)


def read_address(text: str) -> tuple[SentPhoto | None, str]:
    """(what a visitor wrote as a photo's address, ""), or (None, a sentence on why it is none)."""
    try:
        photo = given_address(text)
    except MirrorError as error:
        return None, to_gradio_error(error).message
    return photo, NO_ADDRESS if photo is None else ""


@dataclass(frozen=True)
class ExamplePhoto:
    """A picture of ours that a visitor clicks."""

    path: Path

    def read(self) -> bytes:
        return self.path.read_bytes()


@asynccontextmanager
async def decoded(
    photo: SentPhoto | ExamplePhoto, network: NetworkSettings, decode: Callable[[bytes], T]
) -> AsyncIterator[T]:
    """What `decode` makes of the photo's bytes. Inside, a place of the decoders is held, so that there are never more
    decoded photos in memory than there are places. Raises MirrorError, and what `decode` raises."""
    async with AsyncExitStack() as slots:
        if isinstance(photo, Address):
            async with FETCHING.turn():  # until its bytes are decoded
                body = (await on_thread(fetch, photo.url, network)).body
                await slots.enter_async_context(DECODING.turn())
                result = await _decoded(decode, lambda: body)
                del body
        else:
            await slots.enter_async_context(DECODING.turn())
            result = await _decoded(decode, photo.read)
        yield result


async def _decoded(decode: Callable[[bytes], T], read: Callable[[], bytes]) -> T:
    """At once, where that is quick, else when it is the turn of a large photo."""

    def decode_if_small() -> tuple[T | None, bytes | None]:
        body = read()
        return (None, body) if is_large(body) else (_within_memory(decode, body), None)

    result, large_body = await on_thread(decode_if_small)
    if large_body is None:
        return cast(T, result)
    async with LARGE_PHOTOS.turn():
        return await on_thread(_within_memory, decode, large_body)


def is_large(body: bytes) -> bool:
    """Whether decoding keeps a CPU of this process busy for long. A JPEG's does not: it is decoded at a reduced scale,
    or by another process."""
    if body.startswith(JPEG):
        return False
    try:
        header = read_header(body, None, MAX_PIXELS)
    except TooCostly:
        return False  # it is refused at once
    return header is not None and header.in_process and header.memory > SMALL


def _within_memory(decode: Callable[[bytes], T], body: bytes) -> T:
    """Raises ImageTooLarge where memory runs out."""
    with within_memory():
        return decode(body)
