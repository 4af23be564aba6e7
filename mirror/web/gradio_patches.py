"""The one place where gradio is patched: `import_gradio` instead of `import gradio`, the first time.

gradio parses its own source at every import, to write stubs for editors, which takes two fifths of the import's
processor time (gradio 6.31), it makes a page's application four times, it changes matplotlib's backend around every
answer, it keeps every component's settings and values for every visitor, it puts a few of its own words, and the
page's `lang`, into the browser's language, while ours are English, and a page counts the time since it was opened sixty
times a second for as long as it is open. What gradio names differently one day is imported as it is.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType, SimpleNamespace
from typing import Any

STUB_WRITER = "gradio.component_meta"
# Before gradio's own scripts. A page of two languages is marked as one, and read out as that. The clock of gradio's
# spinners goes on after the page's first has gone: a twelfth of a processor's core, all the while that the page is open
HEAD = """<script>
for (const [name, value] of [["language", "en"], ["languages", ["en"]]])
  Object.defineProperty(navigator, name, { get: () => value });
{
  const everyFrame = window.requestAnimationFrame.bind(window);
  const isClock = (next) => /performance\\.now\\(\\)-.*\\/1e3/.test(next);
  window.requestAnimationFrame = (next) => isClock(next) ? setTimeout(next, 500) : everyFrame(next);
}
</script>"""


def import_gradio() -> ModuleType:
    """gradio, imported lean where this process has not imported it yet."""
    # after every answer gradio would build a pandas table of the last 10,000 for a dashboard that is switched off
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(10**9))
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")
    if "gradio" in sys.modules:
        return sys.modules["gradio"]
    finder = _WithoutStubs()
    sys.meta_path.insert(0, finder)
    try:
        import gradio
    finally:
        sys.meta_path.remove(finder)
    if hasattr(gradio.utils, "MatplotlibBackendMananger"):  # around every answer; no answer here is a plot
        vars(gradio.utils)["MatplotlibBackendMananger"] = contextlib.nullcontext
    vars(gradio.state_holder)["SessionState"] = _without_deep_links(gradio.state_holder.SessionState)
    _make_one_application(gradio.routes.App)
    _begin_pages_with(HEAD, gradio.routes.templates.env.loader)
    return gradio


def _make_one_application(kind: Any) -> None:
    """gradio makes an application of eighty routes when a page begins, when its queue is set and when it ends, and one
    more to be launched: that alone is ever asked."""
    made = kind.create_app

    def create_app(blocks: Any, *arguments: Any, **settings: Any) -> Any:
        return None if settings == {"mcp_server": False} else made(blocks, *arguments, **settings)

    kind.create_app = staticmethod(create_app)


def _begin_pages_with(head: str, loader: Any) -> None:
    """The templates of gradio's pages with this before all else in their heads."""
    found = loader.get_source

    def get_source(environment: Any, name: str) -> tuple[str, str | None, Any]:
        source, file, is_fresh = found(environment, name)
        return source.replace("<head>", f"<head>{head}", 1), file, is_fresh

    vars(loader)["get_source"] = get_source


def _without_deep_links(kind: type) -> type:
    """gradio's state of a visitor without the copy of every component's settings, and of what the visitor sent and was
    answered, that only deep links read. No page of ours has those; the copy takes 12 ms of a visit."""

    class Session(kind):
        def __init__(self, blocks: Any) -> None:
            super().__init__(SimpleNamespace(default_config=blocks.default_config, blocks={}))

        def _update_config(self, key: int) -> None:
            pass

        def _update_value_in_config(self, key: int, value: Any) -> None:
            pass

    return Session


class _WithoutStubs(MetaPathFinder):
    """gradio parses its own source at every import, to write a .pyi file beside each component for editors."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != STUB_WRITER:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            if hasattr(module, "create_or_modify_pyi"):
                vars(module)["create_or_modify_pyi"] = lambda *_: None

        vars(spec.loader)["exec_module"] = exec_module
        return spec
