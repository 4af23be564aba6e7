"""A page whose handlers fail in every way that a handler can: `python tests/web/app_that_fails.py --port N`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
from starlette.middleware import Middleware

from mirror.errors import NotAnImage
from mirror.web.failures import Failures
from mirror.web.gradio_blocks import VisitedBlocks

SECRET = "geheimnis"


class Odd(Exception):
    def __str__(self) -> str:
        raise RuntimeError(SECRET)


FAULTS = {
    "value": ValueError(SECRET), "key": KeyError(SECRET), "memory": MemoryError(), "odd": Odd(),
    "os": OSError(2, SECRET), "assertion": AssertionError(SECRET), "stop": StopIteration(SECRET),
    "unicode": UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET), "gradio": gr.Error("A sentence."),
}  # fmt: skip


def plain(name: str) -> str:
    raise FAULTS[name]


async def coroutine(name: str) -> str:
    raise FAULTS[name]


def generator(name: str) -> Iterator[str]:
    yield "so far"
    raise FAULTS[name]


async def async_generator(name: str) -> AsyncIterator[str]:
    yield "so far"
    raise FAULTS[name]


def refused(name: str) -> str:
    raise NotAnImage("the file is no photo; send another.")


def unshown(name: str) -> dict[str, object]:
    return {"a": {name: object()}}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    with VisitedBlocks(analytics_enabled=False) as page:
        name, said = gr.Textbox(), gr.Textbox()
        for function in (plain, coroutine, generator, async_generator, refused):
            gr.Button().click(function, name, said, api_name=function.__name__)
        gr.Button().click(unshown, name, gr.Label(), api_name="unshown")
    page.queue(default_concurrency_limit=None)
    page.launch(server_port=parser.parse_args().port, app_kwargs={"middleware": [Middleware(Failures)]})


if __name__ == "__main__":
    main()
