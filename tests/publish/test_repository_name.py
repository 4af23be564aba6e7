"""A model called in any language is published under a name that the Hub takes."""

from __future__ import annotations

import pytest
from huggingface_hub.utils import validate_repo_id

from mirror.errors import UsageError
from mirror.publish.repository_name import hub_name, repository_name, require_name


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("fruit", "fruit"), ("my_birds-2.1", "my_birds-2.1"), ("Enten & Schwäne", "Enten-Schwane"),
        ("Straße (groß)", "Strasse-gross"), ("a--b..c", "a-b-c"), ("-x-", "x"), ("مرحبا", "mirror"), ("🦆", "mirror"),
        ("../x", "x"), ("x" * 200, "x" * 92),
    ],
)  # fmt: skip
def test_a_models_name_becomes_one_that_the_hub_takes(model: str, name: str) -> None:
    full = repository_name("ana", None, model)
    assert full == f"ana/{name}" and full.isascii()
    validate_repo_id(full)
    assert hub_name(hub_name(model)) == hub_name(model)


@pytest.mark.parametrize("wanted", ["vögel", "ana/vögel", "a b", "a--b", "a/b/c", "x" * 97, "-x", ""])
def test_what_a_person_asks_for_is_taken_as_it_is_or_refused(wanted: str) -> None:
    assert repository_name("ana", "club/birds", "fruit") == "club/birds"
    with pytest.raises(UsageError, match="cannot be the name of a repository"):
        require_name(wanted if "/" in wanted else f"ana/{wanted}")
