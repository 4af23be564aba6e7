"""model.json as older versions wrote it is read whole; what it may not say is in test_model_folder.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from mirror.model_folder import read_model_folder
from mirror.typed_json import Record


def records(value: object) -> Iterator[Record]:
    """The record, and all those inside it."""
    if isinstance(value, Record):
        yield value
        for field in fields(value):
            yield from records(getattr(value, field.name))
    elif isinstance(value, (tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from records(item)


@pytest.mark.parametrize(("name", "pickle"), [("mirror", "learner.pkl"), ("fashion", None)])
def test_older_files_are_read_whole_and_nothing_of_them_is_unknown(name: str, pickle: str | None) -> None:
    info = read_model_folder(Path(__file__).parents[1] / "models" / name).info
    assert not [record for record in records(info) if record.extra]
    assert info.pickle == pickle and info.parity.against == "learn.predict"
    assert info.quantisation.shipped.passed or info.quantisation.asked == "int8"  # which ships it whatever it changes
    assert info.training.size == info.preprocessing.size[0]
    assert info.training.notes and isinstance(info.metrics.history, tuple)
