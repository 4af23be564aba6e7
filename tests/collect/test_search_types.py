"""The names of licence filters."""

from __future__ import annotations

import pytest

from mirror.collect.search_types import check_license
from mirror.errors import UsageError


@pytest.mark.parametrize(
    ("given", "known"),
    [(None, None), ("", None), ("any", "any"), ("public", "Public"), ("MODIFYCOMMERCIALLY", "ModifyCommercially")],
)
def test_a_licence_is_known_in_any_case(given: str | None, known: str | None) -> None:
    assert check_license(given) == known


def test_an_unknown_licence_is_a_usage_error_that_lists_them() -> None:
    with pytest.raises(UsageError, match="'cc0' is no licence filter: choose one of any, Public, Share, "):
        check_license("cc0")
