"""What is careful about visitors: their photos reach our decoder untouched, and nothing that they send is kept.

gradio's own Image component opens every upload before the app sees it (a broken file ends in a traceback), rewrites
CMYK and palette images, and downloads addresses whatever their size. `PhotoInput` hands over the bytes instead, and
an address goes through `mirror.net.fetch`. The picture shown after an answer is a data: URL, so no file has to stay.
"""

from __future__ import annotations

import re
import secrets
from abc import ABCMeta
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.component_meta import ComponentMeta
from gradio.data_classes import ImageData
from gradio.image_utils import postprocess_image
from gradio.utils import get_upload_folder
from PIL import Image

from mirror.errors import FetchError, MirrorError, NoProxy
from mirror.images import load_image, small_jpeg
from mirror.templates import data_url
from mirror.web.uploads import SHOWN, SentPhoto, parse_sent

JPEG = b"\xff\xd8"  # how its files begin
# Why an address cannot be fetched, where that would tell of this server's network: its proxy, its names, its options
NETWORK_REASONS = ("private-address", "unknown-host", "connection-failed", "tls-failed", "proxy-failed")
ONLY_PUBLIC = "the mirror looks at photos on the public web only, at addresses that answer."
ERROR_TITLE = "The mirror cannot see it"
LONGEST_SENTENCE = 400  # letters
QUOTED = 80  # letters of what was sent that a sentence repeats
LONG_QUOTE = re.compile(r"(?<=[\s(][“'\"])[^”'\"]{81,}(?=[”'\"])|\S{81,}")
PREVIEW_PIXELS = 1024  # long side of the picture shown after an answer


class NoStubFile(ComponentMeta):
    """gradio's metaclass writes a .pyi file beside the source of every component; this one is none of the users'."""

    def __new__(mcs, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> type:
        return ABCMeta.__new__(mcs, name, bases, attributes)


class PhotoInput(gr.Image, metaclass=NoStubFile):
    """gr.Image for the browser and the API; the handler gets what was sent, unread (uploads.py), or None."""

    is_template = True  # the browser's side is gr.Image's

    def preprocess(self, payload: Any) -> SentPhoto | None:  # type: ignore[override]  # for our handlers only
        """The photo, out of whatever was sent for it. Raises gr.Error with one sentence."""
        try:
            return parse_sent(payload.model_dump() if isinstance(payload, ImageData) else payload, upload_folder())
        except MirrorError as error:
            raise to_gradio_error(error) from None

    def postprocess(self, value: bytes | None) -> ImageData | None:  # type: ignore[override]
        """Encoded JPEG bytes → a data: URL; nothing is written to disk."""
        if value is None:
            return None
        return ImageData(url=data_url(value), mime_type="image/jpeg", orig_name=SHOWN)


class PictureOutput(gr.Image, metaclass=NoStubFile):
    """gr.Image for a picture that the API answers with. gradio names its file by what it shows, so that whoever has the
    same photo could ask whether somebody else showed it; here it lies in a folder whose name nobody can guess."""

    is_template = True

    def postprocess(self, value: Image.Image | None) -> ImageData | None:  # type: ignore[override]
        folder = Path(upload_folder()) / secrets.token_hex(16)
        return postprocess_image(value, cache_dir=str(folder), format=self.format)


@cache
def upload_folder() -> str:
    """Where this process keeps uploads, as it is when first asked for: before any visitor."""
    return get_upload_folder()


def preview(photo: bytes | Path, pixels: int = PREVIEW_PIXELS, decoded: Image.Image | None = None) -> bytes:
    """What the mirror saw, upright, as a JPEG of at most `pixels` a side. Raises ImageError.

    decoded: the photo as a model has it, which is made small here, instead of being decoded once more, unless it is a
    JPEG that may have been decoded smaller than it is shown.
    """
    is_jpeg = isinstance(photo, bytes) and photo.startswith(JPEG)
    if decoded is None or (is_jpeg and min(decoded.size) < pixels // 2):
        decoded = load_image(photo, at_least=pixels // 2)
    return small_jpeg(decoded, pixels, 88)


def to_gradio_error(error: MirrorError, title: str = ERROR_TITLE, *, in_short: bool = True) -> gr.Error:
    """The error as gradio shows it: one sentence, no traceback in the log. in_short: what was sent is repeated in part;
    not to the owner of the machine, whose folders have names as long as they are."""
    sentence = str(error)
    if isinstance(error, NoProxy) or (isinstance(error, FetchError) and error.reason in NETWORK_REASONS):
        sentence = f"{getattr(error, 'url', 'The address')} cannot be fetched: {ONLY_PUBLIC}"
    for long in {getattr(error, "url", ""), *LONG_QUOTE.findall(sentence)}:
        if in_short and len(long) > QUOTED:
            sentence = sentence.replace(long, f"{long[: QUOTED // 2]} … {long[-QUOTED // 3 :]}")
    sentence = "".join(letter if letter.isprintable() else " " for letter in sentence)
    if len(sentence) > LONGEST_SENTENCE:  # it repeats a label or an address of the visitor's
        sentence = f"{sentence[: LONGEST_SENTENCE // 2]} … {sentence[-LONGEST_SENTENCE // 3 :]}"
    return gr.Error(re.sub(r"^the\b", "The", sentence), print_exception=False, title=title)
