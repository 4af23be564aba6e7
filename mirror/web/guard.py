"""What is careful about visitors: their photos reach our decoder untouched, and nothing that they send is kept.

gradio's own Image component opens every upload before the app sees it (a broken file ends in a traceback), rewrites
CMYK and palette images, and downloads addresses whatever their size. `Photo` hands over the bytes instead, and an
address goes through `mirror.fetch`. The picture shown after an answer is a data: URL, so no file has to stay for it.
"""

from __future__ import annotations

import base64
import io
import re
import threading
import time
from abc import ABCMeta
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from gradio.state_holder import StateHolder

from mirror.errors import MirrorError, NotAnImage, PrivateAddress
from mirror.fetch import Network, fetch
from mirror.images import load_image

MAX_UPLOAD_BYTES = 20 * 1024 * 1024
SWEEP_SECONDS = 2  # uploads are deleted once they are UPLOAD_SECONDS old, checked this often
UPLOAD_SECONDS = (
    20  # gradio names an upload by its sha256, so two visitors may share it: not deleted while one may wait
)
PREVIEW_PIXELS = 1024  # long side of the picture shown after an answer


class _NoStubFile(type(gr.Image)):
    """gradio's metaclass writes a .pyi file beside the source of every component; this one is none of the users'."""

    def __new__(mcs, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> type:
        return ABCMeta.__new__(mcs, name, bases, attributes)


class Photo(gr.Image, metaclass=_NoStubFile):
    """gr.Image for the browser and the API; the handler gets encoded bytes, or an http(s) address as text, or None."""

    is_template = True  # the browser's side is gr.Image's

    def preprocess(self, payload: ImageData | None) -> bytes | str | None:
        """The photo as it was sent. Raises gr.Error with one sentence."""
        if payload is None:
            return None
        try:
            return _sent(payload)
        except MirrorError as error:
            raise friendly(error) from None

    def postprocess(self, value: bytes | None) -> ImageData | None:
        """Encoded JPEG bytes → a data: URL; nothing is written to disk."""
        if value is None:
            return None
        return ImageData(url=f"data:image/jpeg;base64,{base64.b64encode(value).decode()}", mime_type="image/jpeg")

    async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        """Leaves an address alone, where gradio would download it whatever its size."""
        if url_or_file_path is not None and is_address(str(url_or_file_path)):
            return str(url_or_file_path)
        return await super().async_move_resource_to_block_cache(url_or_file_path)


def _sent(payload: ImageData) -> bytes | str | None:
    if payload.url and payload.url.startswith("data:"):
        try:
            return base64.b64decode(payload.url.partition(",")[2], validate=True)
        except ValueError:
            raise NotAnImage("The photo's data: URL is not base64: send the photo as a file.") from None
    if payload.path is None:
        return None
    if is_address(payload.path):
        return payload.path
    try:
        return Path(payload.path).read_bytes()
    except OSError:
        raise NotAnImage(
            "The photo is no longer here (uploads are deleted soon after the answer): please send it again."
        ) from None


def is_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def photo_bytes(photo: bytes | str, network: Network) -> bytes:
    """The encoded photo: as it is, or fetched from its address. Raises FetchError."""
    return photo if isinstance(photo, bytes) else fetch(photo, network).body


def preview(photo: bytes | Path, pixels: int = PREVIEW_PIXELS) -> bytes:
    """What the mirror saw, upright, as a JPEG of at most `pixels` a side. Raises ImageError."""
    image = load_image(photo, at_least=pixels // 2)
    image.thumbnail((pixels, pixels))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def forget_sessions(page: gr.Blocks) -> threading.Thread:
    """Drops what gradio remembers of a visit (the last values, a photo among them) UPLOAD_SECONDS after it was used.

    gradio would keep them for as long as there is room, to restore components on the server's side; this page has none
    that need it. Runs as long as the process.
    """

    def sweep() -> None:
        while True:
            time.sleep(SWEEP_SECONDS)
            if holder := getattr(page, "state_holder", None):  # set when the page is launched
                forget_idle(holder, datetime.now() - timedelta(seconds=UPLOAD_SECONDS))

    thread = threading.Thread(target=sweep, name="forget", daemon=True)
    thread.start()
    return thread


def forget_idle(holder: StateHolder, before: datetime) -> None:
    """Drops the sessions that were last used before then."""
    with holder.lock:
        for session, used in list(holder.time_last_used.items()):
            if used < before:
                holder.session_data.pop(session, None)
                holder.time_last_used.pop(session, None)


def friendly(error: MirrorError) -> gr.Error:
    """The error as gradio shows it: one sentence, no traceback in the log."""
    sentence = str(error)
    if isinstance(error, PrivateAddress):  # the sentence itself tells of an option that is not the visitor's to give
        sentence = f"{error.url} is not a public address, and the mirror only looks at photos on the public web."
    return gr.Error(re.sub(r"^the\b", "The", sentence), print_exception=False, title="The mirror cannot see it")
