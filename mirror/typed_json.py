"""JSON ↔ frozen dataclasses, which pydantic reads and checks; unknown keys are kept, errors are sentences.

    @dataclass(frozen=True)
    class Validation(Record):
        photos: Count

`decode(Validation, value)` gives the record, or raises ModelFolderError with a sentence that names the place
(`validation.photos must be a whole number, not 'eight'`); `encode(record)` gives the JSON object. Keys that a record
does not know are kept in `extra` and written back: a newer tool's additions survive.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, TypeVar

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from mirror.errors import ModelFolderError
from mirror.storage import is_deeper

MAX_ITEMS = 100_000  # of a list or an object
MAX_TEXT = 20_000  # characters
MAX_DEPTH = 40  # lists and objects inside each other, also under keys that are not known
MAX_WHOLE = 2**53  # the largest number up to which every JSON reader counts exactly
MAX_NUMBER = 1e15

# What would lead a terminal or a reader astray: control characters, line separators, overrides of the direction of text
MISLEADING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

T = TypeVar("T", bound="Record")
Item = TypeVar("Item")
List = Annotated[tuple[Item, ...], Field(max_length=MAX_ITEMS, fail_fast=True)]  # JSON has no tuples
Object = Annotated[dict[str, Item], Field(max_length=MAX_ITEMS)]
Whole = Annotated[int, Field(strict=True, ge=-MAX_WHOLE, le=MAX_WHOLE)]
Count = Annotated[int, Field(strict=True, ge=0, le=MAX_WHOLE)]
Number = Annotated[float, Field(strict=True, ge=-MAX_NUMBER, le=MAX_NUMBER)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]


@dataclass(frozen=True)
class Record:
    """An object of a JSON file; `extra` holds the keys that it does not know."""

    extra: dict[str, Any] = field(default_factory=dict, kw_only=True, repr=False)

    __pydantic_config__ = ConfigDict(str_max_length=MAX_TEXT, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _keep_unknown_keys(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if len(value) > MAX_ITEMS:
            raise PydanticCustomError("too_long", "too many keys")
        known = cls.__dataclass_fields__.keys() - {"extra"}
        unknown = {key: item for key, item in value.items() if key not in known}
        return {key: item for key, item in value.items() if key in known} | {"extra": unknown}

    @model_serializer(mode="wrap")
    def _write_unknown_keys_last(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        known = handler(self)
        extra = known.pop("extra")
        return known | {key: item for key, item in extra.items() if key not in known}


def without_extra(record: Any) -> Any:
    """The record, and those in it, without the keys that this version does not know: what others noted is theirs."""
    if isinstance(record, Record):
        items = {each.name: without_extra(getattr(record, each.name)) for each in fields(record) if each.init}
        return replace(record, **(items | {"extra": {}}))
    if isinstance(record, tuple):
        return tuple(map(without_extra, record))
    return record


def check_plain(text: str) -> str:
    """Text that is one line and leads no reader astray."""
    if MISLEADING.search(text):
        raise PydanticCustomError("sentence", "holds a control character: {text}", {"text": ascii(text)[:60]})
    return text


_adapters: dict[type, TypeAdapter[Any]] = {}


def _adapter(record: type) -> TypeAdapter[Any]:
    if record not in _adapters:
        _adapters[record] = TypeAdapter(record)
    return _adapters[record]


def decode(record: type[T], value: Any) -> T:
    """The record of a JSON value. Raises ModelFolderError, whose text names the place; the caller knows the file."""
    if is_deeper(value, MAX_DEPTH):
        raise ModelFolderError(f"it has more than {MAX_DEPTH} lists and objects inside each other")
    try:
        return _adapter(record).validate_python(value)
    except ValidationError as error:
        raise ModelFolderError(_sentence(error.errors(include_url=False)[0])) from None


def encode(record: Record) -> dict[str, Any]:
    """The JSON object of a record: tuples are lists, the keys that it does not know come last. Nothing is checked."""
    return _adapter(type(record)).dump_python(record, mode="json", warnings="none")


TYPES = {
    "int": "a whole number",
    "float": "a finite number",
    "finite": "a finite number",
    "string": "text",
    "bool": "true or false",
    "tuple": "a list",
    "dict": "an object",
    "dataclass": "an object",
}


def _sentence(error: ErrorDetails) -> str:
    """`metrics.validation.photos must be a whole number, not 'eight'`, of one of pydantic's errors."""
    *outer, last = error["loc"] or ("the file",)
    where = _place(error["loc"]) if last != "[key]" else f"a key of {_place(outer[:-1])}"
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind == "missing":
        return f"{where} is missing"
    if kind == "sentence":
        return f"{where} {error['msg']}"
    if kind == "string_too_long":
        return f"{where} has {len(value):,} characters, and {context['max_length']:,} are the most"
    if kind == "too_long" and isinstance(value, (list, dict)) and len(value) > MAX_ITEMS:
        return f"{where} holds {len(value):,} entries, and {MAX_ITEMS:,} are the most"
    if kind == "too_long":
        return f"{where} must be a list of {context['max_length']}, not {_shown(value)}"
    if kind in ("greater_than_equal", "less_than_equal"):
        side, (bound,) = "at least" if kind == "greater_than_equal" else "at most", context.values()
        text = f"{bound:,}" if isinstance(bound, int) else f"{bound:,g}"
        return f"{where} must be {side} {text}, not {_shown(value)}"
    expected = TYPES.get(kind.split("_")[0]) or f"one of {context['expected'].replace(' or ', ', ')}"
    return f"{where} must be {expected}, not {_shown(value)}"


def _place(location: tuple[int | str, ...] | list[int | str]) -> str:
    """`confusion_matrix[0][1]`; what is not in any object is "the file"."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).lstrip(".") or "the file"


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than some thousand digits
        text = "a number of very many digits"
    return text if len(text) <= 60 else text[:57] + "…"
