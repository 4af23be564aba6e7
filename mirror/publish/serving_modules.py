"""Which modules and files of this package the page needs, found by what they import: a Space holds these and no others.

`serving_files()` starts at ROOTS and follows every import, also those inside functions and those by name (a string that
is a module's), but for LEFT_OUT: what a published page never does. A kept module may import one of them all the same,
inside a function that a Space never calls; `seams()` lists those places, and a test what they are.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import mirror
from mirror.preparation import PLUGINS
from mirror.tasks.imagenet import FOLDER

PACKAGE = Path(mirror.__file__).parent
ROOTS = ("mirror.cli.serve", *PLUGINS.values())
LEFT_OUT = (  # modules, and packages with all that is in them
    "mirror.collect", "mirror.export", "mirror.training", "mirror.batch", "mirror.publish", "mirror.static_site",
    "mirror.web.studio", "mirror.web.workshop", "mirror.cli.add_photo", "mirror.cli.compile", "mirror.cli.explain",
    "mirror.cli.history", "mirror.cli.predict", "mirror.cli.publish", "mirror.cli.train",
    "mirror.fashion_mnist.fashion_model", "mirror.fashion_mnist.from_scratch",
)  # fmt: skip
RESOURCES = (".css", ".html", ".js", ".json", ".LICENSE", ".md", ".onnx", ".svg")


def serving_files() -> dict[str, bytes]:
    """`mirror/…` → content: the kept modules, and what lies beside them that is no module."""
    kept = [_modules()[name] for name in sorted(closure())]
    beside = {
        path
        for folder in {path.parent for path in kept} | {PACKAGE / "templates", FOLDER}
        for path in folder.iterdir()
        if path.suffix in RESOURCES and path.is_file()
    }
    home = PACKAGE.parent
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in sorted({*kept, *beside})}


def closure() -> set[str]:
    """The modules that the page may import."""
    kept: set[str] = set()
    ahead = list(ROOTS)
    while ahead:
        name = ahead.pop()
        if name not in kept:
            kept.add(name)
            ahead += [other for other in _named_in(name) if not _is_left_out(other)]
            ahead += [name.rpartition(".")[0]] if "." in name else []
    return kept


def seams() -> set[tuple[str, str]]:
    """(module, module left out) of each import that a Space must never come to."""
    return {(name, other) for name in closure() for other in _named_in(name) if _is_left_out(other)}


def _is_left_out(name: str) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in LEFT_OUT)


@cache
def _modules() -> dict[str, Path]:
    paths = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in paths.items()}


@cache
def _named_in(name: str) -> frozenset[str]:
    """The modules of this package that a module imports or names, but for those that only annotations need."""
    found: set[str] = set()
    for node in _running(ast.parse(_modules()[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return frozenset(found & _modules().keys() - {name, "mirror"})


def _running(tree: ast.AST) -> list[ast.AST]:
    """The nodes that run: without the bodies of `if TYPE_CHECKING`."""
    nodes = [tree]
    for node in ast.iter_child_nodes(tree):
        below = node.orelse if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) else [node]
        for each in below:
            nodes += _running(each)
    return nodes
