"""Records of JSON: what is read, what is kept of what is not known, and one sentence for what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from mirror.errors import ModelFolderError
from mirror.typed_json import Count, List, Number, Object, Record, Share, decode, encode


@dataclass(frozen=True)
class Part(Record):
    share: Share
    name: str | None = None


@dataclass(frozen=True)
class Whole(Record):
    count: Count
    parts: List[Part] = ()
    by_name: Object[Number] = field(default_factory=dict)


def test_what_is_written_is_read_back_and_what_is_not_known_comes_last() -> None:
    whole = Whole(3, (Part(1.0, "a"),), {"x": 2.5}, extra={"later": [1, None]})
    value = encode(whole)
    assert value == {
        "count": 3,
        "parts": [{"share": 1.0, "name": "a"}],
        "by_name": {"x": 2.5},
        "later": [1, None],
    }
    assert list(value)[-1] == "later" and decode(Whole, value) == whole


def test_a_key_that_is_called_extra_is_one_that_is_not_known() -> None:
    part = decode(Part, {"share": 1, "extra": 5})
    assert part.extra == {"extra": 5} and encode(part) == {"share": 1.0, "name": None, "extra": 5}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([], "the file must be an object, not []"),
        ({}, "count is missing"),
        ({"count": "3"}, "count must be a whole number, not '3'"),
        ({"count": True}, "count must be a whole number, not True"),
        ({"count": -1}, "count must be at least 0, not -1"),
        ({"count": 1, "parts": [{"share": 2}]}, "parts[0].share must be at most 1, not 2"),
        ({"count": 1, "parts": [{"share": 1, "name": 4}]}, "parts[0].name must be text, not 4"),
        ({"count": 1, "parts": {"share": 1}}, "parts must be a list, not {'share': 1}"),
        ({"count": 1, "by_name": [1]}, "by_name must be an object, not [1]"),
        ({"count": 1, "by_name": {"x": float("nan")}}, "by_name.x must be a finite number, not nan"),
        ({str(number): 0 for number in range(100_001)}, "the file holds 100,001 entries, and 100,000 are the most"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_told_in_one_sentence(value: Any, sentence: str) -> None:
    with pytest.raises(ModelFolderError) as caught:
        decode(Whole, value)
    assert str(caught.value) == sentence
