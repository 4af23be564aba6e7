"""What a request sends for a choice: one of those offered, or a sentence."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from mirror.web.arguments import check_argument

RADIO = gr.Radio([("One", "1"), ("Two", "2")], value="1", label="Number")
GROUP = gr.CheckboxGroup([("One", "1"), ("Two", "2")], label="Numbers")
CHECKBOX = gr.Checkbox(label="Private")


@pytest.mark.parametrize(
    ("component", "value", "expected"),
    [
        (RADIO, "2", "2"), (RADIO, None, "1"), (GROUP, [], []), (GROUP, ["2", "1"], ["2", "1"]),
        (CHECKBOX, True, True), (CHECKBOX, False, False), (CHECKBOX, None, False), (CHECKBOX, "true", False),
    ],
)  # fmt: skip
def test_what_is_offered_may_be_chosen(component: Any, value: Any, expected: Any) -> None:
    assert check_argument(component, value, "x") == expected


@pytest.mark.parametrize(
    ("component", "value"),
    [(RADIO, "3"), (RADIO, ["1"]), (RADIO, "One"), (GROUP, ["3"]), (GROUP, None), (GROUP, "1"), (GROUP, [["1"]])],
)
def test_what_is_not_offered_is_a_sentence(component: Any, value: Any) -> None:
    with pytest.raises(gr.Error, match=r"“Numbers?”|There is no number named") as refused:
        check_argument(component, value, "x")
    assert refused.value.message.endswith(".")
