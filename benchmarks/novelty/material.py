"""What the novelty benchmark judges: photos that a model knows and does not know, and networks' features of them.

Features come the way they do in serving: a model folder's network, its preprocessing, its output "features".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import DATA, ROOT
from mirror.model_folder import read_model_folder
from mirror.model_schema import Preprocessing

ARCH = "tf_efficientnet_lite0"
SEED = 42
SUFFIXES = (".jpg", ".jpeg", ".png")
KINDS = {"chick": "chicks, goslings", "gosling": "chicks, goslings", "other_bird": "other birds"}
PACKAGED = (
    "astronaut.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "horse.png", "hubble_deep_field.jpg",
    "moon.png", "motorcycle_left.png", "page.png", "retina.jpg", "rocket.jpg", "brick.png", "grass.png", "gravel.png",
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """files: photos of the labels; labels [N]; groups [N]: photos of one source; held_out [N]: a split that came with
    it, None where it came with none."""

    files: list[Path]
    labels: np.ndarray
    groups: np.ndarray
    held_out: np.ndarray | None = None

    def only(self, label: int) -> np.ndarray:
        return np.flatnonzero(self.labels == label)


@dataclass(frozen=True)
class Network:
    file: Path
    preprocessing: Preprocessing

    @classmethod
    def of(cls, folder: Path) -> Network:
        found = read_model_folder(folder)
        return cls(found.path / found.info.onnx.file, found.info.preprocessing)

    def features(self, files: Sequence[Path | Image.Image]) -> np.ndarray:
        """[N, D] float32."""
        from mirror.export.int8_gate import PreprocessedImages, outputs_of

        return outputs_of(self.file, PreprocessedImages(list(files), self.preprocessing), ("features",))[0]


def waterfowl() -> Known:
    """cygnet 0, duckling 1: what the shipped mirror learned from. Photos named alike but for a number, and crops of one
    photo, are of one source: web_duckies0, web_duckies1."""
    files = photos("waterfowl") + photos("waterfowl_more")
    labels = np.array([["cygnet", "duckling"].index(file.parent.name) for file in files])
    sources = [f"{file.parent.name}/{re.sub(r'_crop_.*$|[0-9]+$', '', file.stem)}" for file in files]
    return Known(files, labels, np.unique(sources, return_inverse=True)[1])


def waterfowl_near() -> tuple[list[Path], np.ndarray, np.ndarray]:
    """Photos of other birds, what each shows ("grown" ducks, swans and geese; "young" geese and chickens; "other
    birds"), and whose collection it is from."""
    files = photos("waterfowl_near")
    kinds = [KINDS.get(file.parent.name, "grown ducks, swans, geese") for file in files]
    _, collection = np.unique([file.stem.partition("__")[0] for file in files], return_inverse=True)
    return files, np.array(kinds), collection


def ants_bees() -> Known:
    """ants 0, bees 1, with the split they came with."""
    files = photos("ants_bees")
    labels = np.array([["ants", "bees"].index(file.parent.name) for file in files])
    held_out = np.array([file.parent.parent.name == "val" for file in files])
    return Known(files, labels, np.arange(len(files)), held_out)


def everyday() -> dict[str, list[Path]]:
    """Photos of neither, by what they show; the drawings that the page offers as examples."""
    import skimage

    packaged = Path(skimage.__file__).parent / "data"
    return {
        "bikes and bins": photos("bikes_bins"),
        "scenes": photos("scenes"),
        "packaged": [packaged / name for name in PACKAGED if (packaged / name).is_file()],
        "drawn": [ROOT / "examples" / "pineapple.jpg"],
    }


def photos(below: str) -> list[Path]:
    return sorted(path for path in (DATA / below).rglob("*") if path.suffix.lower() in SUFFIXES)


def make_network(place: Path) -> Network:
    """A network for ants_bees: the model folder that train.py makes of it with --epochs 0 (int8)."""
    from mirror.collect import assign_splits, collect_from_folder
    from mirror.training.build import build_model
    from mirror.training.photo_model import PhotoModel, describe_data
    from mirror.training.recipe import train
    from mirror.training.settings import TrainingSettings

    settings = TrainingSettings(ARCH, seed=SEED, epochs=0)
    with collect_from_folder(place / "photos", DATA / "ants_bees", log=quiet) as folder:
        rows = assign_splits(folder.photos, seed=SEED)
        trained = train(rows, folder.path, settings, log=quiet)
        content = PhotoModel(trained, folder.path, describe_data(folder, "folder"), settings)
        shipped = build_model(content, place / "ants_bees", log=quiet)
    return Network.of(shipped.path)


def quiet(*_: object) -> None:
    pass
