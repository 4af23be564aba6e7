"""The documents cannot rot: every option, variable and command in them exists, and every one that exists is in them."""

from __future__ import annotations

import ast
import doctest
import functools
import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mirror.cli import build_parser
from mirror.cli.train import parse as parse_training
from mirror.cli.train_steps import searches
from mirror.errors import MirrorError
from mirror.telemetry import SWITCHES
from tests.support.limits import LIMIT
from tests.support.photo_folders import photo_folder
from tests.web.tiny import YELLOW, photo, tiny_model

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
CODE = [ROOT / "app.py", ROOT / "train.py", *sorted((ROOT / "mirror").rglob("*.py"))]
COMMANDS = [
    ("app.py",), ("train.py",), ("-m", "mirror"), ("-m", "mirror", "predict"), ("-m", "mirror", "explain"),
    ("-m", "mirror", "compile"), ("-m", "mirror", "publish"), ("-m", "mirror", "add-photo"),
    ("-m", "mirror", "history"),
]  # fmt: skip
# Set by us for a library, or read by libraries of their own accord
NOT_SETTINGS = {
    "GRADIO_ANALYTICS_ENABLED", "GRADIO_ANALYTICS_CACHE_FREQUENCY", "GRADIO_ANALYTICS_MAX_EVENTS", "GRADIO_VIBE_MODE",
    "GRADIO_TEMP_DIR", "CUBLAS_WORKSPACE_CONFIG", "PYTHONPATH", "TOKENIZERS_PARALLELISM", *SWITCHES,
}  # fmt: skip


@functools.cache
def helped(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=LIMIT
    )
    return done.stdout


def fenced(name: str) -> str:
    """The command under `<!-- name -->`."""
    found = re.search(rf"<!-- {name} -->\n```bash\n(.+)\n```", README)
    assert found, name
    return found[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_option_of_its_parser_and_teaches_by_example(command: tuple[str, ...]) -> None:
    text = helped(*command)
    assert "python " in text and len(text) > 400


OURS = re.compile(
    r"\s*(?:\w+=\S+ )*((?:python (?:train|app)\.py|"
    r"(?:python -m )?mirror (?:predict|explain|compile|publish|train|serve|add-photo|history))\b.*)"
)


def examples() -> list[str]:
    """Every command of ours that help texts, README and docs print."""
    texts = [helped(*command) for command in COMMANDS] + [page.read_text(encoding="utf-8") for page in PAGES]
    found: dict[str, None] = {}
    for text in texts:
        for line in text.replace("\\\n", " ").splitlines():
            command = OURS.match(line)
            if command and not re.search(r"[…<\[]", command[1]):
                found[re.split(r" {3,}|  #|  (?=[a-z])", command[1])[0].strip()] = None
    return list(found)


def test_every_example_can_be_meant() -> None:
    """Each is parsed as it stands, and what contradicts itself in it is found."""
    shown = examples()
    assert len(shown) > 40
    for line in shown:
        words = shlex.split(line, comments=True)
        try:
            if words[:2] == ["python", "train.py"]:
                searches(parse_training(words[2:]))
            elif words[:2] == ["python", "app.py"]:
                build_parser().parse_args(["serve", *words[2:]])
            else:
                build_parser().parse_args(words[words.index("mirror") + 1 :])
        except MirrorError as error:
            pytest.fail(f"{line}: {error}")


@pytest.mark.slow
def test_the_examples_of_the_command_do_what_they_say(tmp_path: Path) -> None:
    """Those of `python -m mirror` that need neither network nor torch run as they are printed."""
    tiny_model(tmp_path / "models")
    for folder in (".", "photos", "city/a", "city/b"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "bird.jpg").write_bytes(photo(YELLOW))
    (tmp_path / "garden.jpg").write_bytes(photo(YELLOW))
    tiny_model(tmp_path / "models", "fruit")
    photo_folder(tmp_path / "data" / "fruit")
    shown = [
        line
        for line in re.findall(r"python -m mirror [a-z].*?(?=  |\n)", helped("-m", "mirror"))
        if "publish" not in line
    ]
    ours = [line for line in shown if "export.pkl" not in line]
    assert len(ours) >= 5 and len(shown) - len(ours) == 3
    for line in ours:
        command = [sys.executable, *(word for word in shlex.split(line)[1:] if "https://" not in word)]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
    assert {"answers.csv", "a.parquet", "a.summary.png", "heat.png"} <= {path.name for path in tmp_path.iterdir()}


INTERRUPTED = """\
import runpy, sys
class Impatient:
    def find_spec(self, name, path, target=None):
        if name == "mirror.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Impatient())
sys.argv[1] == "mirror" and runpy.run_module("mirror", run_name="__main__")
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.mark.parametrize("program", ["mirror", "train.py"])
def test_stopping_a_command_while_it_is_imported_is_one_line(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, program], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT
    )
    assert (done.returncode, done.stdout) == (130, "") and done.stderr.startswith(f"{program}: stopped")
    assert done.stderr.count("\n") == 1


def test_every_option_of_train_is_in_its_table() -> None:
    options = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", helped("train.py"))) - {"--help", "--version"}
    text = (ROOT / "docs" / "train.md").read_text(encoding="utf-8")
    table = text[text.index("| option |") : text.index("Without an internet connection")]
    assert options == set(re.findall(r"--[a-z][\w-]*", table))


def test_every_option_in_the_documents_exists() -> None:
    known = "".join(helped(*command) for command in (*COMMANDS, ("-m", "mirror", "compile")))
    known += "".join(path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").rglob("*.py"))
    known += "ray start --head --port --address, pytest --dist, docker run --rm, hf repos delete --repo-type"
    for page in PAGES:
        for option in set(re.findall(r"(?<![\w-])--[a-z][\w-]*", page.read_text(encoding="utf-8"))):
            assert option in known, f"{option} in {page.name}"


def test_every_benchmark_is_in_the_documents_and_every_one_that_they_name_exists() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"python -m (benchmarks[.\w]*)", text))
    runnable = set()
    for path in (ROOT / "benchmarks").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
        if re.search(rf"python -m {module}\b", path.read_text(encoding="utf-8")) and path.name != "__init__.py":
            runnable.add(module)
    assert named == runnable


def test_figures_on_classes_that_the_network_was_taught_say_so() -> None:
    """Ant and bee are classes of ImageNet: that a network tells them apart says little of how well it learns."""
    from benchmarks.training.fine_tuning import DEFAULT_SETS
    from benchmarks.training.sets import MAKERS, TAUGHT

    of_them = re.compile(r"\bants\b|\bants_bees\b")
    sections = re.split(r"^## ", (ROOT / "docs" / "figures.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    silent = {part.splitlines()[0] for part in sections if of_them.search(part) and "taught" not in part}
    assert silent == {"Garments"}  # whose network was taught garments alone: insects are strangers to it
    modules = [path for path in (ROOT / "benchmarks").rglob("*.py") if path.name != "__init__.py"]
    told = {path.name: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for path in modules}
    assert not [name for name, text in told.items() if of_them.search(text) and "taught" not in text]
    assert len(DEFAULT_SETS) >= 3 and set(DEFAULT_SETS) <= set(MAKERS) - set(TAUGHT)


def test_every_environment_variable_that_the_code_reads_is_documented() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    text += helped("app.py") + helped("train.py") + helped("-m", "mirror", "predict")
    for file in CODE:
        code = file.read_text(encoding="utf-8")
        for name in re.findall(r'environ(?:\.get\(|\[|\.setdefault\()\s*"([A-Z_]+)"', code):
            assert name in text or name in NOT_SETTINGS, f"{name} in {file.name}"


def test_the_two_commands_do_all_the_setting_up() -> None:
    for name in ("start command", "test command"):
        command = fenced(name)
        assert command.startswith("python3 -m venv ~/.venvs/mirror && ")
    assert len(README.split("---\n", 2)[2].splitlines()) <= 120
    assert " && scripts/check && " in fenced("test command")
    assert " -r requirements.txt && " in fenced("start command") and fenced("start command").endswith("python app.py")
    assert " -r requirements-train.txt -r tests/requirements.txt && " in fenced("test command")
    assert fenced("test command").endswith("python -m pytest -n auto --dist loadfile")


def test_ci_runs_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    picks = re.search(r"command=\$\((.+)\)", script)[1]
    picked = subprocess.run(["bash", "-c", picks], cwd=ROOT, capture_output=True, text=True, check=True, timeout=LIMIT)
    assert picked.stdout.strip() == fenced("test command")


def test_the_front_matter_is_a_spaces() -> None:
    front = yaml.safe_load(README.split("---\n")[1])
    assert front["sdk"] == "gradio" and front["app_file"] == "app.py" and len(front["short_description"]) <= 60
    pinned = next(line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("gradio"))
    assert front["sdk_version"].rsplit(".", 1)[0] in pinned


def test_the_architecture_names_what_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "mirror").iterdir()):
        if path.name not in ("__init__.py", "__main__.py", "__pycache__", "py.typed"):
            assert path.name in text, path.name
    for name in re.findall(r"\b\w+\.py\b", text):
        assert any(path.name == name for path in ROOT.rglob("*.py")), name


def test_every_module_that_docstrings_and_comments_name_exists() -> None:
    foreign = {"augment.py", "data_files.py"}  # of fastai and of datasets
    modules = {path.name for path in ROOT.rglob("*.py")} | foreign
    sources = [*CODE, *(ROOT / "benchmarks").rglob("*.py")]
    named = {(path.name, name) for path in sources for name in re.findall(r"\b\w+\.py\b", path.read_text("utf-8"))}
    assert sorted((path, name) for path, name in named if name not in modules) == []


def test_every_package_says_what_each_of_its_modules_is_for() -> None:
    for package in sorted(path.parent for path in (ROOT / "mirror").rglob("*/__init__.py")):
        text = (package / "__init__.py").read_text(encoding="utf-8")
        for module in sorted(package.glob("*.py")):
            if module.name != "__init__.py":
                assert module.name in text, f"{package.name}/__init__.py does not name {module.name}"


EXAMPLES = [path for path in [*PAGES, *CODE] if re.search(r"^\s*>>> ", path.read_text(encoding="utf-8"), re.M)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_example_gives_what_it_says(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    if path.suffix == ".md":
        failed, tried = doctest.testfile(str(path), module_relative=False, optionflags=doctest.ELLIPSIS)
    else:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        failed, tried = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0 < tried


def test_every_link_to_a_file_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{target} in {page.name}"


def test_every_link_to_a_heading_leads_to_one() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        headings = {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in text.splitlines()
                    if line.startswith("#")}  # fmt: skip
        for target in re.findall(r"\]\(#([^)]+)\)", text):
            assert target in headings, f"#{target} in {page.name}"
