"""Imports point one way (ARCHITECTURE.md, rule 5): no module imports what stands above it, and there are no circles.

What is imported inside a function counts as well: it is needed all the same. What is imported for annotations alone
(`if TYPE_CHECKING`) does not run, and does not count. `mirror/__init__.py` is the door for programs: its version is
read by all, and what it opens stands above all.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "mirror").rglob("*.py"))
}
PACKAGES = [name for name, path in MODULES.items() if path.name == "__init__.py"]
ORDER = (  # from the ground up
    "command_process errors defaults telemetry terminal progress storage folders wording image_sources net decoding "
    "images preparation typed_json metrics_schema model_schema model_folder answer_sentences charts palette "
    "page_pictures intervals metric_sentences model_history templates describe model_card report_page model_note "
    "collect inference tasks search_doctor export training fashion_mnist batch static_site publish web cli __main__"
).split()


def runs(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module that run: all but those for annotations alone."""
    yield tree
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from runs(other)
        else:
            yield from runs(node)


def imported(source: str) -> set[str]:
    """The modules of this package that a text imports."""
    names: set[str] = set()
    for node in runs(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a module is imported by its whole name"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names.update(inner & MODULES.keys() or {node.module or ""})
    return names & MODULES.keys() - {"mirror"}


@functools.cache
def imports_of(module: str) -> set[str]:
    return imported(MODULES[module].read_text(encoding="utf-8"))


def test_no_module_imports_what_stands_above_it() -> None:
    floors = {f"mirror.{name}": floor for floor, name in enumerate(ORDER)}
    rooms = {name: ".".join(name.split(".")[:2]) for name in MODULES if name != "mirror"}
    assert sorted(set(rooms.values()) - floors.keys()) == [], "where in ORDER does it stand?"
    upward = [
        f"{name} imports {other}"
        for name, room in rooms.items()
        for other in imports_of(name)
        if floors[rooms[other]] > floors[room]
    ]
    assert upward == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_modules_of_a_package_and_the_packages_in_it_form_no_circle(package: str) -> None:
    depth = package.count(".") + 2
    members = {name: ".".join(name.split(".")[:depth]) for name in MODULES if name.startswith(f"{package}.")}
    graph: dict[str, set[str]] = {member: set() for member in members.values()}
    for name, member in members.items():
        graph[member] |= {members[other] for other in imports_of(name) if other in members} - {member}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import mirror.errors", {"mirror.errors"}),
        ("from mirror import storage, __version__", {"mirror.storage"}),
        ("from mirror.errors import MirrorError", {"mirror.errors"}),
        ("def f():\n    from mirror.collect import photo_records", {"mirror.collect.photo_records"}),
        ("if TYPE_CHECKING:\n    import mirror.errors\nelse:\n    import mirror.storage", {"mirror.storage"}),
        ("import numpy\nfrom PIL import Image", set()),
    ],
)
def test_imports_are_found_wherever_they_are(source: str, expected: set[str]) -> None:
    assert imported(source) == expected


def test_no_name_of_a_module_is_given_twice() -> None:
    """So that who asks for a module by its name finds one file."""
    names = [name.rpartition(".")[2] for name, path in MODULES.items() if path.name != "__init__.py"]
    assert {name for name in names if names.count(name) > 1} == set()


def test_no_test_file_lends_its_helpers_to_another() -> None:
    """What several need lies in tests/support, also for what runs in a process of its own."""
    lends = re.compile(r"\b(?:from|import)\s+(?:tests|benchmarks)\.(?:\w+\.)*test_\w+")
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    assert {path.name for path in files if lends.search(path.read_text(encoding="utf-8"))} == set()


def test_what_benchmarks_import_is_there() -> None:
    """Few of them run in tests: a name that a module no longer has would be found by the next who measures."""
    missing = []
    for path in sorted((ROOT / "benchmarks").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("mirror", "tests"):
                missing += [
                    f"{path.name}: {alias.name}" for alias in node.names if not is_there(node.module, alias.name)
                ]
    assert missing == []


def test_what_code_in_strings_imports_is_there() -> None:
    """It runs in processes of their own, where neither mypy nor an import of the module looks."""
    code = re.compile(r"from (mirror[\w.]*) import (\w+(?:, \w+)*)")
    missing = [
        f"{path.name}: {module}.{name}"
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for module, names in code.findall(node.value)
        for name in names.split(", ")
        if not is_there(module, name)
    ]
    assert missing == []


def is_there(module: str | None, name: str) -> bool:
    """Whether a module of the checkout has a name, which may be a module of its own."""
    place = ROOT.joinpath(*(module or "").split("."))
    if (place / name).is_dir() or (place / f"{name}.py").exists():
        return True
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    defined = rf"^(?:(?:async )?def |class |(?:\w+, )*){name}\b|^(?:from|import) .*\b{name}\b|^    {name},$"
    return re.search(defined, file.read_text(encoding="utf-8"), re.MULTILINE) is not None
