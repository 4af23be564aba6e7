"""gr.Blocks for strangers: every request ends in an answer or in one sentence, and nothing of it is written to the log.

    with VisitedBlocks(title=…) as page: …

What differs from gradio's: arguments go through arguments.py and are not remembered as the session's last values, and
an exception that nobody foresaw becomes a sentence for the visitor and a line for the log (failures.py).
"""

from __future__ import annotations

from typing import Any

import anyio.to_thread
import gradio as gr
from gradio.block_function import BlockFunction
from gradio.state_holder import SessionState

from mirror.errors import MirrorError
from mirror.web.arguments import checked, complete
from mirror.web.failures import FAILED, report
from mirror.web.photo_input import to_gradio_error
from mirror.web.queueing import VisitorsQueue, visitors_address
from mirror.web.scheduling import VISIT, Left, Visit, Visitor

LEFT = "The page was closed before the answer: please send the photo again."


class VisitedBlocks(gr.Blocks):
    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: list[Any], state: SessionState | None, explicit_call: bool = False
    ) -> list[Any]:
        """The handler's arguments. Raises gr.Error with one sentence."""
        return await anyio.to_thread.run_sync(_arguments, block_fn, inputs, limiter=self.limiter)

    def queue(self, *arguments: Any, **settings: Any) -> VisitedBlocks:
        super().queue(*arguments, **settings)
        self._queue.__class__ = VisitorsQueue  # gradio has no setting for the class of its queue
        return self

    async def process_api(self, block_fn: BlockFunction | int, *arguments: Any, **settings: Any) -> dict[str, Any]:
        VISIT.set(self._queue.visit(settings.get("event_id")) or _unqueued(settings))
        try:
            return await super().process_api(block_fn, *arguments, **settings)
        except MirrorError as error:
            raise to_gradio_error(error) from None
        except Left:
            raise gr.Error(LEFT, print_exception=False) from None
        except gr.Error as error:
            raise gr.Error(error.message, error.duration, error.visible, error.title, print_exception=False) from None
        except Exception as error:
            report(error)
            raise gr.Error(FAILED, print_exception=False) from None


def _arguments(block_fn: BlockFunction, inputs: list[Any]) -> list[Any]:
    blocks = block_fn.inputs
    names = [name or f"argument {place + 1}" for place, name in enumerate(block_fn.input_parameter_names)]
    return [checked(*each) for each in zip(blocks, complete(blocks, inputs), names, strict=True)]


def _unqueued(settings: dict[str, Any]) -> Visit:
    request, session = settings.get("request"), settings.get("session_hash")
    return Visit(Visitor(visitors_address(request) if request else "", session or ""))
