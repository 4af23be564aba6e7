"""`python app.py` as a command: its options, its environment, a Space, and how it ends."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

from mirror.cli.serve import require_listening, task_models
from mirror.errors import MirrorError
from tests.support.limits import LIMIT
from tests.support.ports import free_port
from tests.web.serving import REPOSITORY, environment, run_app, serve
from tests.web.tiny import YELLOW, photo, tiny_model

HEAVY = {"torch", "fastai", "torchvision", "transformers", "timm", "fastcore"}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    tiny_model(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    (tmp_path / "photo.jpg").write_bytes(photo(YELLOW))
    return tmp_path / "photo.jpg"


def test_help_tells_every_option_and_variable():
    told = run_app("--help")
    assert (told.returncode, told.stderr) == (0, "")
    source = (REPOSITORY / "mirror" / "cli" / "serve.py").read_text(encoding="utf-8")
    options = set(re.findall(r'"(--[a-z-]+)"', source))
    variables = set(re.findall(r'environ(?:\.get\(|\[)"(MIRROR_\w+)"', source))
    assert options == {
        "--studio", "--models", "--default", "--host", "--port", "--task-model", "--allow-private-hosts", "--mcp",
    }  # fmt: skip
    assert variables == {"MIRROR_MODELS", "MIRROR_TASK_MODELS", "MIRROR_ALLOW_PRIVATE_HOSTS"}
    for name in options | variables | {"GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "GRADIO_SHARE", "HTTPS_PROXY"}:
        assert name in told.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--models", "no/such/folder"], 2, "There is no folder of models at no/such/folder"),
        (["--port", "70000"], 2, "--port must lie between 1 and 65535, not 70000: see"),
        (["--port", "eighty"], 2, "invalid int value"),
        (["--colour", "red"], 2, "Unrecognized arguments"),
        (
            ["--host", "192.0.2.1"],
            1,
            "The page cannot be served at 192.0.2.1 (Cannot assign requested address): choose",
        ),
    ],
    ids=["no such folder", "no such port", "no number", "no such option", "no address of this machine"],
)
def test_a_wrong_option_is_one_sentence(arguments, code, says):
    told = run_app(*arguments)
    assert (told.returncode, told.stdout) == (code, "")
    assert says in told.stderr and "Traceback" not in told.stderr


def test_a_wrong_folder_in_the_environment_is_one_sentence():
    told = run_app(MIRROR_MODELS="no/such/folder")
    assert (told.returncode, told.stderr) == (
        2,
        "There is no folder of models at no/such/folder: make it, or give another with --models.\n",
    )


def test_a_wrong_task_in_the_environment_is_one_sentence(models):
    told = run_app("--models", str(models), MIRROR_TASK_MODELS="face-detection=yunet.onnx, cats=mine")
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert told.stderr.startswith("MIRROR_TASK_MODELS: 'cats=mine' is not TASK=MODEL with a task of image-class")


def test_an_option_names_a_tasks_model_before_the_environment_does(monkeypatch):
    monkeypatch.setenv("MIRROR_TASK_MODELS", "face-detection=one,object-detection=a/b")
    assert task_models() == {"face-detection": "one", "object-detection": "a/b"}
    assert task_models([("face-detection", "two")]) == {"face-detection": "two", "object-detection": "a/b"}


def test_of_a_hosts_addresses_one_that_this_machine_has_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """localhost names ::1 too where there is no IPv6; 192.0.2.1 is nobody's (RFC 5737)."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("192.0.2.1", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    require_listening("localhost", 0)
    del found[1]
    with pytest.raises(MirrorError, match="cannot be served at localhost"):
        require_listening("localhost", 0)


def test_a_port_that_is_taken_is_one_sentence(models):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        told = run_app("--models", str(models), "--port", str(taken.getsockname()[1]))
        port = taken.getsockname()[1]
        in_the_environment = run_app("--models", str(models), GRADIO_SERVER_PORT=str(port))
    said = f"The page cannot be served at 127.0.0.1:{port} (Address already in use): choose another --port or --host.\n"
    assert (told.returncode, told.stdout, told.stderr) == (1, "", said)
    assert in_the_environment.stderr == said


def test_a_port_in_the_environment_that_is_no_number_is_one_sentence(models):
    told = run_app("--models", str(models), GRADIO_SERVER_PORT="eighty")
    assert told.returncode == 2
    assert told.stderr == "GRADIO_SERVER_PORT must be a port's number, not 'eighty': see `python app.py --help`.\n"


@pytest.mark.parametrize("proxy", ["socks4://me:secret@h:1", "http://me:secret@h:port"])
def test_a_proxy_that_is_none_is_one_sentence(models, proxy):
    told = run_app("--models", str(models), HTTPS_PROXY=proxy)
    assert told.returncode == 2
    assert told.stderr.startswith("What is given as proxy is no proxy: ") and told.stderr.count("\n") == 1
    assert "secret" not in told.stderr


def test_photos_come_through_the_proxy_and_the_page_does_not(models, world):
    url = world.photo_host("photos.example", "http").body("/a.jpg", photo(YELLOW))
    with serve("--models", str(models), HTTP_PROXY=world.proxy_url, http_proxy=world.proxy_url) as page:
        assert Client(page.url, verbose=False).predict(url, api_name="/predict_url")["label"] == "duckling"
    assert [asked.url for asked in world.requests] == [url]


def test_the_environment_says_where_to_listen_and_where_the_models_are(models, picture):
    port = free_port()
    variables = {"GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": str(port), "MIRROR_MODELS": str(models)}
    with serve(port=port, **variables) as page:
        assert Client(page.url, verbose=False).predict(handle_file(picture), api_name="/predict")["label"] == "duckling"
        assert f"http://0.0.0.0:{port}" in page.log() and page.log().startswith("Starting the page …\n")


def test_the_serving_process_never_imports_training(models, picture):
    """Every import is on record (-X importtime), from the start to after an answer."""
    with serve("--models", str(models), python=("-X", "importtime")) as page:
        Client(page.url, verbose=False).predict(handle_file(picture), api_name="/predict")
        imported = {
            line.rsplit("|", 1)[1].strip() for line in page.log().splitlines() if line.startswith("import time:")
        }
    assert {"gradio", "onnxruntime", "mirror.web.page"} <= imported
    assert {name for name in imported if name.split(".")[0] in HEAVY} == set()


def test_importing_app_is_light():
    command = "import sys, app; print(sorted({'gradio', 'numpy', 'onnxruntime', 'PIL', 'torch'} & set(sys.modules)))"
    told = subprocess.run(
        [sys.executable, "-c", command],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT,
    )
    assert told.stdout == "[]\n"


def test_the_page_is_found_under_the_name_that_spaces_expect(models):
    command = (
        "import app, gradio; assert isinstance(app.demo, gradio.Blocks) and app.demo is app.demo; print(app.demo.title)"
    )
    told = subprocess.run(
        [sys.executable, "-c", command],
        cwd=REPOSITORY,
        env=environment(MIRROR_MODELS=str(models)),
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert told.stdout == "Mirror, mirror on the wall, am I a duckling or a cygnet after all?\n", told.stderr


def test_it_runs_as_a_space(models, picture):
    """As the platform starts it: gradio knows SYSTEM and SPACE_ID, and would switch on what we did not ask for."""
    port = free_port()
    space = {
        "SYSTEM": "spaces", "SPACE_ID": "someone/mirror", "SPACE_HOST": "someone-mirror.hf.space",
        "SPACE_AUTHOR_NAME": "someone", "SPACE_REPO_NAME": "mirror", "GRADIO_SSR_MODE": "True",
        "GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": str(port),
        "GRADIO_CACHE_EXAMPLES": "true", "GRADIO_VIBE_MODE": "1", "MIRROR_MODELS": str(models),
    }  # fmt: skip
    with serve(port=port, **space) as page:
        config = httpx.get(f"{page.url}/config").json()
        assert config["space_id"] == "someone/mirror"
        assert (config["pwa"], config.get("vibe_mode", False)) == (False, False)
        assert Client(page.url, verbose=False).predict(handle_file(picture), api_name="/predict")["label"] == "duckling"
        # gradio's hot reloading of Spaces misses the platform's own package here, and says so at length
        assert page.log().count("Traceback") == page.log().count("`spaces` package is required")
        assert "SSR" not in page.log() and "demo not found" not in page.log()
        assert list(page.uploads.rglob("*.csv")) == []  # no example was answered before anyone clicked it


def test_a_stopped_page_takes_the_uploads_with_it(models, picture, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    port = free_port()
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(REPOSITORY / "app.py"), "--models", str(models), "--port", str(port)],
            env=environment(TMPDIR=str(scratch)), stdout=log, stderr=log,
        )  # fmt: skip
        try:
            while process.poll() is None:
                try:
                    httpx.get(f"http://127.0.0.1:{port}/").raise_for_status()
                    break
                except httpx.HTTPError:
                    continue
            Client(f"http://127.0.0.1:{port}", verbose=False).predict(handle_file(picture), api_name="/predict")
            (folder,) = scratch.glob("mirror-uploads-*")
            assert (folder.stat().st_mode & 0o777) == 0o700
            assert [p.name for p in folder.rglob("*.jpg")] == ["photo.jpg"]
        finally:
            process.terminate()
            code = process.wait(60)
    assert (code, list(scratch.glob("mirror-uploads-*"))) == (0, [])


def test_a_plain_learner_pickle_is_served(tmp_path, picture):
    """A fastai pickle made without this project, dropped into models/, answers as its own `learn.predict` does."""
    pytest.importorskip("fastai", reason="compiling a pickle needs fastai")
    models = tmp_path / "models"
    models.mkdir()
    made = subprocess.run(
        [sys.executable, "-c", PLAIN_FASTAI, str(models / "fruit.pkl"), str(picture)],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    theirs = dict(zip(("apple", "pear"), map(float, made.stdout.splitlines()[-1].split()), strict=True))
    with serve("--models", str(models), OMP_NUM_THREADS="1") as page:
        answer = Client(page.url, verbose=False).predict(handle_file(picture), api_name="/predict")
        ours = {item["label"]: item["confidence"] for item in answer["confidences"]}
        assert ours == pytest.approx(theirs, abs=1e-4)
        text = httpx.get(page.url).text
        assert "am I an apple or a pear after all?" in text
        assert "bare learner pickle" in text
    assert os.listdir(models) != []


PLAIN_FASTAI = """
import sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from PIL import Image
from fastai.vision.all import *
set_seed(1)
root = Path("photos")
for i in range(8):
    label = ("apple", "pear")[i % 2]
    (root / label).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (80, 60), (200 - 20 * i, 30 * i, 40)).save(root / label / f"{i}.png")
loaders = ImageDataLoaders.from_folder(root, valid_pct=0.25, seed=1, item_tfms=Resize(64), bs=2, num_workers=0)
learner = vision_learner(loaders, resnet18, pretrained=False, normalize=True)
learner.export(sys.argv[1])
with learner.no_bar():
    print(*learner.predict(sys.argv[2])[2].tolist())
"""
