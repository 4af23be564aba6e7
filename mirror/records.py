"""Frozen dataclasses as JSON and back: every field checked against its annotation and its bounds, unknown keys kept.

`decode(ModelInfo, json_object)` says where it went wrong (`metrics.validation.photos must be a whole number, not
'eight'`). Keys that this version does not know are kept in `extra` and written back: a newer tool's additions survive.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from dataclasses import dataclass, field
from typing import Any, TypeVar, Union

from mirror.errors import ModelFolderError

T = TypeVar("T")
MAX_ITEMS = 100_000  # of a list or an object
MAX_TEXT = 20_000  # characters
MAX_DEPTH = 40  # lists and objects inside each other, also under keys that this version does not know
MAX_WHOLE = 2**53  # the largest number up to which every JSON reader counts exactly
MAX_NUMBER = 1e15


@dataclass(frozen=True)
class Between:
    """The least and the largest value of a number, as in `Annotated[float, Between(0, 1)]`."""

    low: float
    high: float


_SURROGATES = re.compile("[\ud800-\udfff]")  # halves of characters, which no UTF-8 can hold


@dataclass(frozen=True)
class Record:
    """An object of model.json; `extra` holds the keys this version does not know."""

    extra: dict[str, Any] = field(default_factory=dict, kw_only=True, repr=False)


def decode(cls: type[T], value: Any, where: str = "") -> T:
    """A JSON value as `cls` (a Record, str, int, float, bool, tuple[…], dict[str, …], or a union of these).

    Raises ModelFolderError that names the place ("metrics.validation.photos must be …"); the caller knows the file.
    """
    origin, arguments = typing.get_origin(cls), typing.get_args(cls)
    if origin is typing.Annotated:
        found, bounds = decode(arguments[0], value, where), arguments[1]
        if not bounds.low <= found <= bounds.high:
            raise _wrong(where, f"from {bounds.low:,g} to {bounds.high:,g}", value)
        return found
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return decode(next(a for a in arguments if a is not type(None)), value, where)
    if dataclasses.is_dataclass(cls):
        return _decode_record(cls, value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong(where, "an object", value)
        _check_items(where, value)
        for key in value:
            decode(str, key, f"a key of {where}")
        return {key: decode(arguments[1], item, _inside(where, key)) for key, item in value.items()}
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise _wrong(where, "a list", value)
        _check_items(where, value)
        types_ = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(types_) != len(value):
            raise _wrong(where, f"a list of {len(types_)}", value)
        pairs = zip(types_, value, strict=True)
        return tuple(decode(type_, item, f"{where}[{i}]") for i, (type_, item) in enumerate(pairs))
    if cls is float and isinstance(value, (int, float)) and not isinstance(value, bool) and _is_finite(value):
        return float(value)
    if cls is int and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_WHOLE:
        return value
    if cls is str and isinstance(value, str) and len(value) <= MAX_TEXT and not _SURROGATES.search(value):
        return value
    names = {float: "a finite number", int: "a whole number", str: "text"}
    raise _wrong(where, names[cls], value)


def _decode_record(cls: type[T], value: Any, where: str) -> T:
    if not isinstance(value, dict):
        raise _wrong(where or "the file", "an object", value)
    _check_items(where or "the file", value)
    hints = typing.get_type_hints(cls, include_extras=True)
    known = {f.name: f for f in dataclasses.fields(cls) if f.name != "extra"}
    found = {}
    for name, spec in known.items():
        if name in value:
            found[name] = decode(hints[name], value[name], _inside(where, name))
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise ModelFolderError(f"{_inside(where, name)} is missing")
    return cls(**found, extra={key: item for key, item in value.items() if key not in known})


def encode(value: Any) -> Any:
    """The JSON value of a Record (tuples become lists, `extra` keys come last)."""
    if dataclasses.is_dataclass(value):
        fields = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name != "extra"}
        return fields | {key: item for key, item in value.extra.items() if key not in fields}
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    return value


def check_depth(value: Any) -> None:
    """Raises ModelFolderError for a JSON value with lists and objects more than MAX_DEPTH inside each other."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for one in level
            if isinstance(one, (list, dict))
            for item in (one.values() if isinstance(one, dict) else one)
            if isinstance(item, (list, dict))
        ]
        if not level:
            return
    raise ModelFolderError(f"it has more than {MAX_DEPTH} lists and objects inside each other")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value) and abs(value) <= MAX_NUMBER
    except OverflowError:  # a whole number with more digits than a float has
        return False


def _check_items(where: str, value: Any) -> None:
    if len(value) > MAX_ITEMS:
        raise ModelFolderError(f"{where} holds {len(value):,} entries, and {MAX_ITEMS:,} are the most")


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _wrong(where: str, expected: str, value: Any) -> ModelFolderError:
    try:
        shown = repr(value)
    except ValueError:  # Python writes no number of more than some thousand digits
        shown = "a number of very many digits"
    return ModelFolderError(f"{where} must be {expected}, not {shown if len(shown) <= 60 else shown[:57] + '…'}")
