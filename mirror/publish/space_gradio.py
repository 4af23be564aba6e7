"""The Gradio Space of a model: what the page needs and nothing else, pinned to what it was tested with.

A Space's builder installs requirements.txt and gradio of `sdk_version` with one command (BUILDER), so requirements.txt
names neither gradio nor what gradio brings. The same folder runs on free CPU and on ZeroGPU, whose start-up check wants
one function for a GPU: app.py has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import files as installed_files
from pathlib import Path

from mirror.model_folder import EXAMPLES, PICTURES, ModelFolder, own_examples, published_name
from mirror.preparation import preparation
from mirror.publish.published_files import MARK, MARK_TEXT
from mirror.publish.published_model import model_files
from mirror.publish.published_photos import without_metadata
from mirror.publish.serving_modules import PACKAGE, serving_files
from mirror.publish.space_card import space_card
from mirror.storage import read_file
from mirror.templates import FOLDER

GRADIO = "6.31.0"  # tested; README.md of this repository says the same
PYTHON = "3.12"  # the only one that free CPU and ZeroGPU share
ZERO_HARDWARE = "zero-a10g"  # the Hub's name for ZeroGPU, whatever GPU that is by now
REQUIREMENTS = """\
onnxruntime==1.32.0
numpy==2.4.6
pillow==12.3.0
pillow-heif==1.8.1
httpx[socks]==0.28.1
httpcore==1.0.9
tokenizers==0.23.3
"""
# sha256 of examples/, its first half
SHIPPED_EXAMPLES = (
    "89a705d5bc92b3d3", "95f4008e67429a98", "0ac183107728a6c1", "71a52df1bf14e7a9", "e8548e65d141a19e",
    "16b54270838c0557",
)  # fmt: skip
BUILDER = (f"gradio[oauth,mcp]=={GRADIO}", "uvicorn>=0.14.0", "websockets>=10.4", "spaces")


def space_gradio(
    model: ModelFolder, *, repository: str | None = None, models: Sequence[str] = (), datasets: Sequence[str] = (),
    photos_may_go: bool = False,
) -> dict[str, bytes]:  # fmt: skip
    """Path → content of the Space. The arguments are those of `space_card`; photos_may_go: as for `model_files`."""
    sdk = {"sdk": "gradio", "sdk_version": GRADIO, "python_version": PYTHON, "app_file": "app.py"}
    card = space_card(
        model.info, repository=repository, models=models, datasets=datasets, **sdk, startup_duration_timeout="10m"
    )
    return page_files(model, photos_may_go=photos_may_go) | {
        "README.md": card,
        "requirements.txt": REQUIREMENTS.encode(),
    }


def page_files(model: ModelFolder, *, photos_may_go: bool) -> dict[str, bytes]:
    """The page: app.py, the modules it needs, one model, and pictures to click where some show its labels."""
    folder = f"models/{published_name(model.info)}"
    served = model_files(model, serving=True, photos_may_go=photos_may_go)
    return {
        "app.py": (FOLDER / "space_app.txt").read_bytes(),
        "LICENSE": _license(),
        MARK: MARK_TEXT,
        **serving_files(),
        **{f"{folder}/{name}": body for name, body in served.items()},
        **{f"{folder}/{EXAMPLES}/{name}": body for name, body in own_pictures(model, photos_may_go).items()},
        **{f"examples/{name}": body for name, body in example_pictures(model, photos_may_go).items()},
    }


def example_pictures(model: ModelFolder, photos_may_go: bool = False) -> dict[str, bytes]:
    """The pictures of examples/ that show this model's labels, by their path in it; none where this program is
    installed without them. Pictures that do not come with this program are among them where photos may go."""
    kind = preparation(model.info.preprocessing.prepare)
    folder = PACKAGE.parent / "examples"
    if set(kind.labels) != set(model.info.labels) or not folder.is_dir():
        return {}
    pictures = sorted(path for path in (folder / kind.examples).iterdir() if path.suffix.lower() in PICTURES)
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in pictures}
    ours = {name for name, body in found.items() if hashlib.sha256(body).hexdigest()[:16] in SHIPPED_EXAMPLES}
    return {
        name: body if name in ours else without_metadata(body, name)
        for name, body in found.items()
        if name in ours or photos_may_go
    }


def own_pictures(model: ModelFolder, photos_may_go: bool) -> dict[str, bytes]:
    """The model folder's own pictures to click, by name, where photos may go; nothing of what a camera wrote."""
    found = own_examples(model.path) if photos_may_go else []
    return {path.name: without_metadata(read_file(path, inside=model.path), path.name) for path in found}


def _license() -> bytes:
    """This program's licence: beside the package in a checkout, among its metadata where it is installed."""
    beside = PACKAGE.parent / "LICENSE"
    if beside.is_file():
        return beside.read_bytes()
    found = [path for path in installed_files("mirror-on-the-wall") or () if path.name == "LICENSE"]
    return Path(str(found[0].locate())).read_bytes()
