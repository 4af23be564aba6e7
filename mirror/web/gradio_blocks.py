"""gr.Blocks whose requests end in an answer or in one sentence, of which nothing is written to the log.

    with VisitedBlocks(title=…) as page: …      # for strangers
    with SentenceBlocks(title=…) as page: …     # for the owner: without the queue that is fair among visitors

What differs from gradio's: arguments go through arguments.py and are not remembered as the session's last values, and
an exception that nobody foresaw becomes a sentence for whoever asked and a line for the log (failures.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypedDict

import anyio.to_thread
import gradio as gr
from gradio.block_function import BlockFunction
from gradio.components import Component
from gradio.state_holder import SessionState

from mirror.errors import MirrorError
from mirror.web.arguments import check_argument, fill_defaults
from mirror.web.failures import FAILED, report
from mirror.web.fair_scheduling import ANONYMOUS, VISIT, Visit, Visitor, VisitorLeft
from mirror.web.gradio_queue import VisitorsQueue, visitors_address
from mirror.web.photo_input import ERROR_TITLE, to_gradio_error

LEFT = "The page was closed before the answer: please send the photo again."


class _Private(TypedDict):
    api_visibility: Literal["private"]
    show_progress: Literal["hidden"]


class _Asked(_Private):
    trigger_mode: Literal["multiple"]


# Of the page's own events: no endpoint, and no spinner, whose fade takes longer than an answer
PRIVATE: _Private = {"api_visibility": "private", "show_progress": "hidden"}
# … that a visitor may ask anew before the answer is there: the last one counts (gradio_queue.py)
ASKED: _Asked = {**PRIVATE, "trigger_mode": "multiple"}


def add_endpoint(
    function: Callable[..., Any],
    inputs: dict[str, Component],
    output: Component,
    name: str = "",
    about: str | None = None,
) -> None:
    """Offers `function`, whose docstring describes it and its arguments, to programs, in the order of these calls.

    inputs: its arguments by name, as components; those that the page does not show are called what the argument is.
    name: of the endpoint, where it is not the function's; about: what it does, where the docstring does not say.
    """
    name = name or function.__name__
    function.__name__ = name.replace("-", "_")  # the tool's, for MCP
    for argument, component in [*inputs.items(), ("answer", output)]:
        if not component.visible:
            component.label = argument
    gr.Button(visible=False).click(function, list(inputs.values()), output, api_name=name, api_description=about)


class SentenceBlocks(gr.Blocks):
    """error_title: stands above the sentence of an error."""

    in_short = False  # what of the sentence was sent (photo_input.py)

    def __init__(self, *, error_title: str = ERROR_TITLE, **settings: Any):
        super().__init__(**settings)
        self.error_title = error_title

    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: list[Any], state: SessionState | None, explicit_call: bool = False
    ) -> list[Any]:
        """The handler's arguments. Raises gr.Error with one sentence."""
        return await anyio.to_thread.run_sync(_check_arguments, block_fn, inputs, state, limiter=self.limiter)

    async def process_api(self, block_fn: BlockFunction | int, *arguments: Any, **settings: Any) -> dict[str, Any]:
        try:
            return await super().process_api(block_fn, *arguments, **settings)
        except MirrorError as error:
            raise to_gradio_error(error, self.error_title, in_short=self.in_short) from None
        except VisitorLeft:
            raise gr.Error(LEFT, print_exception=False) from None
        except gr.Error as error:
            raise gr.Error(error.message, error.duration, error.visible, error.title, print_exception=False) from None
        except Exception as error:
            report(error)
            raise gr.Error(FAILED, print_exception=False) from None


class VisitedBlocks(SentenceBlocks):
    """For strangers: their requests wait in a fair queue that keeps nothing and knows which was last."""

    in_short = True

    def queue(self, *arguments: Any, **settings: Any) -> VisitedBlocks:
        super().queue(*arguments, **settings)
        self._queue.__class__ = VisitorsQueue  # gradio has no setting for the class of its queue
        return self

    async def process_api(self, block_fn: BlockFunction | int, *arguments: Any, **settings: Any) -> dict[str, Any]:
        queued = self._queue.visit(settings.get("event_id")) if isinstance(self._queue, VisitorsQueue) else None
        VISIT.set(queued or _unqueued(settings))
        return await super().process_api(block_fn, *arguments, **settings)

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any], state: SessionState | None
    ) -> list[Any]:
        return _still_wanted(block_fn, await super().postprocess_data(block_fn, predictions, state))

    def handle_streaming_diffs(
        self, block_fn: BlockFunction, data: list[Any], *arguments: Any, **settings: Any
    ) -> list:
        """gradio says once more, at the end of several answers, what the last one was."""
        last = super().handle_streaming_diffs(block_fn, data, *arguments, **settings)
        return _still_wanted(block_fn, last) if settings.get("final") else last


def _still_wanted(block_fn: BlockFunction, values: list[Any]) -> list[Any]:
    """For the browser, without what was asked for anew meanwhile."""
    owns = VISIT.get(ANONYMOUS).owns
    return [v if owns(out._id) else gr.skip() for out, v in zip(block_fn.outputs, values, strict=True)]


def _check_arguments(block_fn: BlockFunction, inputs: list[Any], state: SessionState | None) -> list[Any]:
    components = block_fn.inputs
    names = [name or f"argument {index + 1}" for index, name in enumerate(block_fn.input_parameter_names)]
    return [
        state[component._id] if isinstance(component, gr.State) and state else check_argument(component, value, name)
        for component, value, name in zip(components, fill_defaults(components, inputs), names, strict=True)
    ]


def _unqueued(settings: dict[str, Any]) -> Visit:
    request, session = settings.get("request"), settings.get("session_hash")
    return Visit(Visitor(visitors_address(request) if request else "", session or ""))
