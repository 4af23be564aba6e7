"""The page, and the Space: `python app.py --help`. Options, models and what is launched: mirror/cli/serve.py."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mirror.command_process import run_program

if os.environ.get("SPACES_ZERO_GPU"):  # there no page starts without a function for a GPU; this one needs none
    import spaces

    spaces.GPU(lambda: None)

HOME = Path(__file__).resolve().parent  # models/ and examples/ lie beside this file


def main(arguments: Sequence[str] | None = None) -> int:
    from mirror.cli import serve

    return serve.main(arguments, HOME)


def __getattr__(name: str) -> Any:
    """`demo`, where Spaces and `gradio app.py` look for it; built when asked for, so that importing stays light."""
    if name != "demo":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mirror.cli import serve

    globals()["demo"] = serve.build(HOME)[0]
    return globals()["demo"]


if __name__ == "__main__":
    run_program("mirror.cli.serve", "Stopped.", None, HOME)
