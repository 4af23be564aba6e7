"""Nothing is reported to anyone. The kind: a library that reports by default, reached by any way into this program.

Each way in runs as a process of its own with a fresh home and an environment that asks for reports. Afterwards the home
holds nothing but what this program keeps, and (where strace is installed) no name was looked up and no other machine
was connected to.
"""

from __future__ import annotations

import ast
import base64
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from mirror.telemetry import SWITCHES
from tests.support.limits import LIMIT
from tests.web.serving import serve
from tests.web.tiny import YELLOW, photo, tiny_model

ROOT = Path(__file__).resolve().parents[1]
CONTRARY = {
    "ORT_DISABLE_TELEMETRY": "0", "GRADIO_ANALYTICS_ENABLED": "True", "HF_HUB_DISABLE_TELEMETRY": "0",
    "HF_XET_TELEMETRY_ENABLED": "true", "RAY_USAGE_STATS_ENABLED": "1", "DO_NOT_TRACK": "0",
}  # fmt: skip
STRACE = shutil.which("strace")
REPORTERS = ("onnxruntime", "gradio", "huggingface_hub", "hf_xet", "transformers", "timm", "datasets", "ray")
OURS = (".cache/mirror", ".config/matplotlib", ".cache/matplotlib", ".cache/torch", ".cache/fontconfig")
REMOTE = re.compile(r'sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)|'
                    r'sin6_port=htons\((\d+)\).*?inet_pton\(AF_INET6, "([^"]+)"')  # fmt: skip


def traced(command: list[str], log: Path) -> list[str]:
    if STRACE is None:
        return command
    calls = "trace=connect,sendto,sendmsg,sendmmsg"
    return [STRACE, "-D", "-f", "-qq", "--seccomp-bpf", "-e", calls, "-o", str(log), *command]


def others_reached(log: Path) -> list[str]:
    """Addresses of other machines, and name servers, that a traced process turned to."""
    found = []
    for line in log.read_text(errors="replace").splitlines() if log.exists() else ():
        for port, four, port6, six in REMOTE.findall(line):
            address, port = four or six, int(port or port6)
            if port == 53 or not (address.startswith("127.") or address == "::1" or port == 0):
                found.append(f"{address} port {port}")
    return found


def left_in(home: Path) -> list[str]:
    """Files that are not this program's own, nor a cache of fonts or compiled code."""
    names = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
    return [name for name in names if not name.startswith(OURS)]


def in_a_fresh_home(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess:
    """`python …` to its end, with nothing found in its home and nobody told."""
    home, log = tmp_path / "home", tmp_path / "trace.txt"
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "HF_", "TORCH_"))}
    environment = kept | CONTRARY | {"HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = traced([sys.executable, *arguments], log)
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert left_in(home) == [] and others_reached(log) == []
    return done


def test_importing_the_package_sets_every_switch_whatever_the_environment_says() -> None:
    program = "import mirror, os, json; print(json.dumps(dict(os.environ)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | CONTRARY,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT,
    )
    assert SWITCHES.items() <= json.loads(done.stdout).items()
    assert SWITCHES.keys() == CONTRARY.keys()


def test_no_script_imports_a_library_that_reports_before_this_package() -> None:
    """Inside mirror/ and benchmarks/ their __init__.py comes first; a worker of Ray unpickles by importing it."""
    assert set(imports(ROOT / "benchmarks" / "__init__.py")) == {"mirror", "os", "pathlib"}
    imported = {file: imports(file) for file in ROOT.glob("*.py")}
    ours = {"mirror"} | {file.stem for file, names in imported.items() if "mirror" in names}
    for file, names in imported.items():
        reporters = [line for name, line in names.items() if name in REPORTERS]
        if reporters:
            assert min((line for name, line in names.items() if name in ours), default=10**9) < min(reporters), file


def imports(file: Path) -> dict[str, int]:
    """The top-level packages that a file imports, each with the line where it does so first."""
    first: dict[str, int] = {}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            package = name.split(".")[0]
            first[package] = min(node.lineno, first.get(package, node.lineno))
    return first


def test_predict_reports_nothing(tmp_path: Path) -> None:
    tiny_model(tmp_path / "models")
    (tmp_path / "a.png").write_bytes(photo(YELLOW, format="PNG"))
    done = in_a_fresh_home(tmp_path, "-m", "mirror", "predict", "a.png")
    assert done.returncode == 0 and "duckling" in done.stdout


def test_the_page_reports_nothing(tmp_path: Path) -> None:
    tiny_model(tmp_path / "models")
    home, log = tmp_path / "home", tmp_path / "trace.txt"
    home.mkdir()
    before = traced([], log)
    program = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"  # becomes strace, or the page itself
    python = ("-c", program, *before, sys.executable)
    with serve(
        "--models", str(tmp_path / "models"), python=python, HOME=str(home), XDG_CACHE_HOME="", XDG_CONFIG_HOME="",
        **{name: value for name, value in CONTRARY.items()},
    ) as page:  # fmt: skip
        uri = "data:image/png;base64," + base64.b64encode(photo(YELLOW, format="PNG")).decode()
        event = httpx.post(f"{page.url}/gradio_api/call/predict", json={"data": [{"url": uri}, "mirror"]}).json()
        answer = httpx.get(f"{page.url}/gradio_api/call/predict/{event['event_id']}", timeout=60).text
        assert "duckling" in answer
    assert left_in(home) == [] and others_reached(log) == []


def test_compiling_a_learner_reports_nothing(tmp_path: Path) -> None:
    from tests.learners import plain_pickle

    shutil.copy(plain_pickle(), tmp_path / "plain.pkl")
    done = in_a_fresh_home(tmp_path, "-m", "mirror", "compile", "plain.pkl")
    assert done.returncode == 0, done.stderr


def test_a_ray_cluster_reports_nothing(tmp_path: Path) -> None:
    pytest.importorskip("ray.data", reason="Ray Data is not installed")
    tiny_model(tmp_path / "models")
    (tmp_path / "a.png").write_bytes(photo(YELLOW, format="PNG"))
    home = tmp_path / "home"
    home.mkdir()
    program = (
        "import sys; from mirror.cli import main\n"
        "sys.exit(main(['predict', 'a.png', '--engine', 'ray', '--ray-workers', '1', '--out', 'x.jsonl']))"
    )
    environment = os.environ | CONTRARY | {"HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    environment |= {"RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "duckling" in (tmp_path / "x.jsonl").read_text("utf-8")
    assert left_in(home) == []
