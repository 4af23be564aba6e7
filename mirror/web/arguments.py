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

from mirror.errors import MirrorError, UsageError
from mirror.web.failures import NOT_UNDERSTOOD
from mirror.web.model_picker import ModelPicker
from mirror.web.photo_input import PhotoInput, to_gradio_error, upload_folder
from mirror.web.uploads import Address, SentPhoto, parse_sent

MAX_TEXT = 300_000  # letters: 1,000 labels of 200 letters each, and what stands between them
MAX_QUOTED = 40  # letters of an argument that a sentence repeats


def fill_defaults(components: Sequence[Block], values: Sequence[Any]) -> list[Any]:
    """A value for each input: those that were sent, then the defaults of those that were left out; more are ignored."""
    return [*values[: len(components)], *(_default(component) for component in components[len(values) :])]


def check_argument(component: Block, value: Any, name: str) -> Any:
    """One argument as the handler gets it. Raises gr.Error with one sentence, without a traceback in the log.

    name: of the argument in the API; the sentence has what stands beside it on the page, where there is that.
    """
    name = f"“{getattr(component, 'label', None) or name}”"
    try:
        if isinstance(component, PhotoInput):
            return component.preprocess(value)
        if isinstance(component, gr.Dropdown | gr.Radio):
            return _choice(component, value, name)
        if isinstance(component, gr.CheckboxGroup):
            return _choices(component, value, name)
        if isinstance(component, gr.Checkbox):
            return value is True
        if isinstance(component, gr.Number | gr.Slider):
            return _number(component, value, name)
        if isinstance(component, gr.Textbox):
            return _text(component, value, name)
        if isinstance(component, gr.UploadButton):
            return _file(value, name)
        if isinstance(component, gr.Button):
            return value if isinstance(value, str) else None
    except gr.Error as error:
        raise gr.Error(error.message, print_exception=False, title=error.title) from None
    except MirrorError as error:
        raise to_gradio_error(error) from None
    except Exception:  # whatever a component trips over; its message may hold the argument itself
        raise gr.Error(NOT_UNDERSTOOD, print_exception=False) from None
    raise NotImplementedError(f"arguments of the kind {type(component).__name__} are not checked yet")


def _default(component: Block) -> Any:
    return None if isinstance(component, PhotoInput) else getattr(component, "value", None)


def _choice(dropdown: gr.Dropdown | gr.Radio, value: Any, name: str) -> Any:
    """None, as the page and API clients leave it, is the choice that the page begins with."""
    if value is None:
        return dropdown.value
    if isinstance(dropdown, ModelPicker) and value not in (name for _, name in dropdown.choices):
        dropdown.refresh()  # it may have been trained a minute ago
    choices = [str(choice) for _, choice in dropdown.choices]
    if isinstance(value, str) and value in choices:
        return value
    if not isinstance(value, str):
        raise UsageError(f"{name} must be a name: choose one of {', '.join(choices)}.")
    what = str(dropdown.label).lower()
    raise UsageError(f"There is no {what} named {quoted(value)}: choose one of {', '.join(choices)}.")


def _choices(group: gr.CheckboxGroup, value: Any, name: str) -> list[str]:
    offered = [choice for _, choice in group.choices]
    if not isinstance(value, list) or any(one not in offered for one in value):
        raise UsageError(f"{name} must be a list out of {', '.join(map(str, offered))}.")
    return value


def _number(component: gr.Number | gr.Slider, value: Any, name: str) -> float | int | None:
    if value is None:
        return component.value
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    low, high = component.minimum, component.maximum
    if not math.isfinite(number) or (low is not None and number < low) or (high is not None and number > high):
        if low is None or high is None:
            raise UsageError(f"{name} must be a number" + (f" of at least {low}." if low is not None else "."))
        raise UsageError(f"{name} must be a number from {low} to {high}.")
    return round(number) if component.precision == 0 else number


def _text(component: gr.Textbox, value: Any, name: str) -> str:
    if value is None:
        return component.value or ""
    if isinstance(value, int | float):
        value = str(value)
    if not isinstance(value, str):
        raise UsageError(f"{name} must be a text.")
    if len(value) > (limit := component.max_length or MAX_TEXT):
        raise UsageError(f"{name} has {len(value):,} letters: send at most {limit:,}.")
    if any("\ud800" <= letter <= "\udfff" for letter in value):  # half of a pair, which no answer could repeat
        raise UsageError(f"{name} holds something that is no letter: please write it again.")
    return value


def _file(value: Any, name: str) -> SentPhoto | None:
    """An uploaded file that is no photo."""
    if isinstance(file := parse_sent(value, upload_folder()), Address):
        raise UsageError(f"The file for {name} must be sent itself, not by an address.")
    return file


def quoted(text: str) -> str:
    """A visitor's word as a sentence repeats it: on one line, printable, and not for long."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: MAX_QUOTED + 1]).strip()
    return f"“{printable[:MAX_QUOTED]}…”" if len(text) > MAX_QUOTED else f"“{printable}”"
