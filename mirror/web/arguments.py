"""The arguments of a request, checked before a handler sees them: values, defaults for what is missing, or a sentence.

gradio's own checks print what they refuse into the log, a photo in base64 included, and end in `{"error": null}`. Here
an argument that cannot be meant becomes a gr.Error for its sender, and nothing of it is repeated but a short name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components.label import LabelData

from mirror.errors import MirrorError, UsageError
from mirror.web.failures import NOT_UNDERSTOOD
from mirror.web.photo_input import PhotoInput, to_gradio_error, upload_folder
from mirror.web.uploads import Address, Sent, received

MAX_TEXT = 300_000  # letters: 1,000 labels of 200 letters each, and what stands between them
SHOWN = 40  # letters of an argument that a sentence repeats


def complete(blocks: Sequence[Block], sent: Sequence[Any]) -> list[Any]:
    """A value for each input: those that were sent, then the defaults of those that were left out; more are ignored."""
    return [*sent[: len(blocks)], *(_default(block) for block in blocks[len(sent) :])]


def checked(block: Block, sent: Any, name: str) -> Any:
    """One argument as the handler gets it. Raises gr.Error with one sentence, without a traceback in the log.

    name: of the argument in the API; the sentence has what stands beside it on the page, where there is that.
    """
    name = f"“{getattr(block, 'label', None) or name}”"
    try:
        if isinstance(block, PhotoInput):
            return block.preprocess(sent)
        if isinstance(block, gr.Dropdown):
            return _choice(block, sent, name)
        if isinstance(block, gr.Number | gr.Slider):
            return _number(block, sent, name)
        if isinstance(block, gr.Textbox):
            return _text(block, sent, name)
        if isinstance(block, gr.UploadButton):
            return _file(sent, name)
        if isinstance(block, gr.Label):
            return block.preprocess(None if sent is None else LabelData.model_validate(sent))
        if isinstance(block, gr.Button):
            return sent if isinstance(sent, str) else None
    except gr.Error as error:
        raise gr.Error(error.message, print_exception=False, title=error.title) from None
    except MirrorError as error:
        raise to_gradio_error(error) from None
    except Exception:  # whatever a component trips over; its message may hold the argument itself
        raise gr.Error(NOT_UNDERSTOOD, print_exception=False) from None
    raise NotImplementedError(f"arguments of the kind {type(block).__name__} are not checked yet")


def _default(block: Block) -> Any:
    return None if isinstance(block, PhotoInput) else getattr(block, "value", None)


def _choice(block: gr.Dropdown, sent: Any, name: str) -> Any:
    """None, as the page and API clients leave it, is the choice that the page begins with."""
    if sent is None:
        return block.value
    choices = [value for _, value in block.choices]
    if isinstance(sent, str) and sent in choices:
        return sent
    if not isinstance(sent, str):
        raise UsageError(f"{name} must be a name: choose one of {', '.join(map(str, choices))}.")
    raise UsageError(f"There is no {block.label.lower()} named {short(sent)}: choose one of {', '.join(choices)}.")


def _number(block: gr.Number | gr.Slider, sent: Any, name: str) -> float | int | None:
    if sent is None:
        return block.value
    try:
        number = math.nan if isinstance(sent, bool) else float(sent)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    low, high = block.minimum, block.maximum
    if not math.isfinite(number) or (low is not None and number < low) or (high is not None and number > high):
        if low is None or high is None:
            raise UsageError(f"{name} must be a number" + (f" of at least {low}." if low is not None else "."))
        raise UsageError(f"{name} must be a number from {low} to {high}.")
    return round(number) if block.precision == 0 else number


def _text(block: gr.Textbox, sent: Any, name: str) -> str:
    if sent is None:
        return block.value or ""
    if isinstance(sent, int | float):
        sent = str(sent)
    if not isinstance(sent, str):
        raise UsageError(f"{name} must be a text.")
    if len(sent) > MAX_TEXT:
        raise UsageError(f"{name} has {len(sent):,} letters: send at most {MAX_TEXT:,}.")
    if any("\ud800" <= letter <= "\udfff" for letter in sent):  # half of a pair, which no answer could repeat
        raise UsageError(f"{name} holds something that is no letter: please write it again.")
    return sent


def _file(sent: Any, name: str) -> Sent | None:
    """An uploaded file that is no photo."""
    if isinstance(file := received(sent, upload_folder()), Address):
        raise UsageError(f"The file for {name} must be sent itself, not by an address.")
    return file


def short(text: str) -> str:
    """A visitor's word as a sentence repeats it: on one line, printable, and not for long."""
    kept = "".join(letter if letter.isprintable() else " " for letter in text[: SHOWN + 1]).strip()
    return f"“{kept[:SHOWN]}…”" if len(text) > SHOWN else f"“{kept}”"
