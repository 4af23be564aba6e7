"""The package away from the checkout: a wheel in a fresh environment, used from an empty folder."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import httpx
import pytest

import mirror
from tests.support.authorities import as_outside
from tests.support.limits import LIMIT
from tests.web.serving import serve

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DUCKLING, MODEL = ROOT / "examples" / "duckling.jpg", ROOT / "models" / "mirror"
TIMEOUT = 300


def run(command: list[object], cwd: Path) -> subprocess.CompletedProcess:
    variables = {name: value for name, value in as_outside().items() if name != "PYTHONPATH"}
    return subprocess.run(
        list(map(str, command)), cwd=cwd, env=variables, capture_output=True, text=True, timeout=TIMEOUT
    )


def lines(file: str) -> list[str]:
    """The requirements of a file, without comments and the files that it includes."""
    text = (ROOT / file).read_text(encoding="utf-8")
    bare = [re.sub(r"\s*#.*", "", line).strip() for line in text.splitlines()]
    return [line for line in bare if line and not line.startswith("-r ")]


@pytest.mark.parametrize(
    ("extra", "file"),
    [("train", "requirements-train.txt"), ("ray", "requirements-ray.txt"), ("dev", "tests/requirements.txt")],
)
def test_an_extra_is_what_its_file_of_requirements_says(extra: str, file: str) -> None:
    assert PROJECT["optional-dependencies"][extra] == lines(file)


def test_what_the_page_needs_holds_nothing_of_what_training_needs() -> None:
    names = {re.split(r"[<>=\[]", line)[0].lower() for line in lines("requirements.txt")}
    heavy = {re.split(r"[<>=\[]", line)[0].lower() for line in lines("requirements-train.txt")}
    assert not names & heavy and not names & {"torch", "scikit-learn", "transformers"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(ROOT / "mirror", source / "mirror", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.txt"):
        shutil.copy(ROOT / name, source)
    done = run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", out, source], out)
    assert done.returncode == 0, done.stderr
    [path] = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def bin(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds the wheel and, by a .pth file, what this one has installed."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    (site,) = home.glob("lib/python*/site-packages")
    (site / "tests.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    done = run([sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel], home)
    assert done.returncode == 0, done.stderr
    return home / "bin"


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package_and_none_besides(wheel: Path) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "mirror").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == files


@pytest.mark.slow
@pytest.mark.parametrize("program", ["train.py", "app.py", "mirror"])
def test_an_older_python_is_told_in_one_sentence(program: str) -> None:
    started = "import runpy, sys; sys.version_info = (3, 10, 13, 'final', 0); sys.argv = sys.argv[1:]\n"
    started += "run = runpy.run_path if sys.argv[0].endswith('.py') else runpy.run_module\n"
    started += "run(sys.argv[0], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", started, program], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT
    )
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.startswith("This needs Python 3.11 to 3.13, and")
    assert done.stderr.count("\n") == 1


def test_the_command_tells_its_version(bin: Path, tmp_path: Path) -> None:
    done = run([bin / "mirror", "--version"], tmp_path)
    assert (done.returncode, done.stdout) == (0, f"mirror {mirror.__version__}\n")


@pytest.mark.slow
def test_a_photo_is_predicted_from_an_empty_folder(bin: Path, tmp_path: Path) -> None:
    done = run([bin / "mirror", "predict", DUCKLING, "--model", MODEL], tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and "duckling" in done.stdout


@pytest.mark.slow
def test_the_library_answers_from_an_empty_folder(bin: Path, tmp_path: Path) -> None:
    program = f"import mirror; print(mirror.__file__, mirror.load({str(MODEL)!r}).predict({str(DUCKLING)!r}).label)"
    file, label = run([bin / "python", "-c", program], tmp_path).stdout.split()
    assert Path(file).is_relative_to(bin.parent) and label == "duckling"


def test_importing_the_library_imports_nothing_heavy(tmp_path: Path) -> None:
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); before = set(sys.modules); import mirror\n"
    program += "print(sorted(name for name in set(sys.modules) - before if '.' not in name and name[0] != '_'))"
    assert {"numpy", "PIL", "gradio", "onnxruntime"}.isdisjoint(
        eval(run([sys.executable, "-c", program], tmp_path).stdout)
    )


@pytest.mark.slow
def test_the_page_starts_in_an_empty_folder_and_looks_like_itself(bin: Path, tmp_path: Path) -> None:
    with serve("serve", app=bin / "mirror", interpreter=bin / "python", cwd=tmp_path) as page:
        config = httpx.get(f"{page.url}/config").text
        theme = httpx.get(f"{page.url}/theme.css").status_code
    assert "nothing to go by yet" in config and 'id=\\"question\\"' in config and theme == 200


@pytest.mark.slow
def test_a_training_starts_from_an_empty_folder(bin: Path, tmp_path: Path) -> None:
    done = run([bin / "mirror", "train", "--data", "no/such/folder"], tmp_path)
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.startswith("mirror: "), done.stderr
