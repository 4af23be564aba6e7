"""A Space holds the modules that the page needs, and no others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from mirror.publish.serving_modules import LEFT_OUT, closure, seams, serving_files

ROOT = Path(__file__).resolve().parents[2]
SEAMS = {  # inside functions that a Space never calls
    ("mirror.cli", "mirror.cli.add_photo"): "build_parser: the commands",
    ("mirror.cli", "mirror.cli.compile"): "build_parser",
    ("mirror.cli", "mirror.cli.explain"): "build_parser",
    ("mirror.cli", "mirror.cli.history"): "build_parser",
    ("mirror.cli", "mirror.cli.predict"): "build_parser",
    ("mirror.cli", "mirror.cli.publish"): "build_parser",
    ("mirror.cli", "mirror.cli.train"): "build_parser",
    ("mirror.cli.serve", "mirror.web.workshop.access"): "--studio",
    ("mirror.cli.serve", "mirror.web.workshop.projects"): "--studio",
    ("mirror.cli.serve", "mirror.web.workshop.workshop_page"): "--studio",
    ("mirror.fashion_mnist.plugin", "mirror.fashion_mnist.fashion_model"): "train.py --dataset",
    ("mirror.fashion_mnist.plugin", "mirror.fashion_mnist.from_scratch"): "train.py --dataset",
    ("mirror.fashion_mnist.plugin", "mirror.training.build"): "train.py --dataset",
    ("mirror.inference.pickle_cache", "mirror.export.compile_child"): "a learner pickle among the models",
}


def test_what_is_left_out_is_imported_only_where_a_space_never_comes() -> None:
    assert seams() == set(SEAMS)


def test_nothing_of_training_collecting_and_the_studio_is_among_the_files() -> None:
    names = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in serving_files()}
    assert not [name for name in names if any(name == out or name.startswith(f"{out}.") for out in LEFT_OUT)]
    assert {"mirror.cli.serve", "mirror.web.page", "mirror.fashion_mnist.garment"} <= names


def test_what_lies_beside_the_modules_goes_with_them() -> None:
    names = set(serving_files())
    beside = {"mirror/web/page.css", "mirror/templates/favicon.svg", "mirror/tasks/centerface.onnx"}
    assert beside | {"mirror/tasks/centerface.LICENSE", "mirror/templates/about.html"} <= names
    things = "mirror/tasks/efficientnet_lite0/"
    assert {things + name for name in ("model.json", "model.onnx", "efficientnet_lite0.LICENSE")} <= names
    assert not [name for name in names if "__pycache__" in name or "studio/" in name]


def test_every_kept_module_can_be_imported_where_only_they_are(tmp_path: Path) -> None:
    for name, body in serving_files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(body)
    program = (
        f"import importlib, sys; [importlib.import_module(n) for n in {sorted(closure())!r}]; print(len(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_container_of_the_repository_leaves_out_the_same() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    packages = {name.replace(".", "/") for name in LEFT_OUT if (ROOT / name.replace(".", "/")).is_dir()}
    assert {line for line in lines if re.match("mirror/", line)} == packages
