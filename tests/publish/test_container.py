"""The container: its Dockerfile is linted, and where buildah is here it is built and asked, without daemon or registry.

MIRROR_BUILDAH names a tar of a root file system with Python and pip, which stands in for the base image:

    mmdebstrap --variant=minbase --include=python3-pip,python3-venv,python-is-python3 bookworm base.tar
    MIRROR_BUILDAH=base.tar python -m pytest tests/publish/test_container.py
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

from mirror.inference.classifier import Classifier
from mirror.model_folder import read_model_folder
from mirror.publish.publication import Publication
from tests.publish.conftest import ROOT
from tests.support.authorities import as_outside
from tests.support.limits import LIMIT
from tests.support.ports import free_port

BASE = os.environ.get("MIRROR_BUILDAH")
PATIENCE = 120  # seconds
DUCKLING = ROOT / "examples" / "duckling.jpg"


def test_the_dockerfile_has_nothing_to_find_fault_with() -> None:
    hadolint = shutil.which("hadolint") or str(Path(sys.executable).with_name("hadolint"))
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_runs_as_user_1000_on_port_7860_with_a_health_check() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    for line in ("useradd --create-home --uid 1000 user", "USER 1000", "EXPOSE 7860", "HEALTHCHECK "):
        assert line in text
    assert text.index("USER 1000") < text.index('CMD ["python", "app.py"]')


def test_its_packages_are_compiled_when_it_is_built() -> None:
    """Whoever it runs as may not write among them, and each start would compile all of gradio."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert "--no-compile" not in text and "PYTHONDONTWRITEBYTECODE" not in text
    assert text.index("USER 1000") < text.index("RUN python -m compileall -q mirror") < text.index("CMD")


def buildah(*arguments: str | Path, storage: Path) -> str:
    command = ["buildah", "--storage-driver", "vfs", "--root", str(storage / "root"), "--runroot", str(storage / "run")]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


@pytest.fixture(scope="module", params=["space", "repository"])
def container(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A container of the image of a built folder or of this repository, and where buildah keeps it."""
    if not BASE:
        pytest.skip("MIRROR_BUILDAH names no base")
    storage, built = tmp_path_factory.mktemp("storage"), tmp_path_factory.mktemp("built")
    Publication(read_model_folder(ROOT / "models" / "mirror"), "container", ("space",)).write(
        built, None, lambda _: None
    )
    context = built / "space" if request.param == "space" else ROOT
    base = buildah("from", "scratch", storage=storage)
    buildah("add", base, Path(BASE).resolve(), "/", storage=storage)
    buildah("commit", "--format", "docker", base, "localhost/base", storage=storage)
    version = buildah("run", "--isolation", "chroot", base, "python", "-c",
                      "import sys; print('%d.%d' % sys.version_info[:2])", storage=storage)  # fmt: skip
    wheels = built / "wheels"
    download = ["download", "-q", "-d", str(wheels), "-r", str(context / "requirements.txt")]
    download += ["--python-version", version, "--only-binary", ":all:"]
    subprocess.run([sys.executable, "-m", "pip", *download], env=as_outside(), check=True, timeout=LIMIT)
    (built / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\nbreak-system-packages = true\n")
    mounts = ["--volume", f"{wheels}:/wheels:ro", "--volume", f"{built / 'pip.conf'}:/etc/pip.conf:ro"]
    build = ["bud", "--isolation", "chroot", "--format", "docker", "--build-arg", "BASE=localhost/base", *mounts]
    buildah(*build, "-t", "page", context, storage=storage)
    yield buildah("from", "localhost/page", storage=storage), storage


@contextmanager
def running(container: str, storage: Path, *command: str, **variables: str) -> Iterator[subprocess.Popen]:
    given = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
    start = ["buildah", "--storage-driver", "vfs", "--root", str(storage / "root"), "--runroot", str(storage / "run")]
    process = subprocess.Popen([*start, "run", "--isolation", "chroot", *given, container, *command])
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def test_the_page_in_the_container_answers_as_here(container: tuple[str, Path]) -> None:
    name, storage = container
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with running(
        name, storage, "python", "app.py", GRADIO_SERVER_NAME="127.0.0.1", GRADIO_SERVER_PORT=str(port)
    ) as page:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert page.poll() is None and time.monotonic() < deadline
            try:
                httpx.get(address, timeout=5).raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.2)
        answer = Client(address, verbose=False).predict(handle_file(DUCKLING), api_name="/predict")
    here = Classifier.load(read_model_folder(ROOT / "models" / "mirror")).predict(DUCKLING)
    assert answer["label"] == here.label
    assert answer["confidences"][0]["confidence"] == pytest.approx(here.probability, abs=1e-6)


def test_the_container_is_nobodys_root(container: tuple[str, Path]) -> None:
    name, storage = container
    command = "id -u; pwd; test -w /etc && echo writable; ls models/mirror; ls mirror"
    said = subprocess.run(
        ["buildah", "--storage-driver", "vfs", "--root", storage / "root", "--runroot", storage / "run", "run",
         "--isolation", "chroot", name, "sh", "-c", command], capture_output=True, text=True, timeout=LIMIT,
    ).stdout  # fmt: skip
    assert said.startswith("1000\n/home/user/app\n") and "writable" not in said
    assert "learner.pkl" not in said and not re.search(r"^(training|collect)$", said, re.M)
