"""A model as others get it: without photos that are not ours to publish, and with a description that says so.

What model.json records decides what goes: a file that it does not name stays where it is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from mirror.describe import WORST_PHOTOS
from mirror.model_folder import MODEL_JSON, PICTURES, ModelFolder
from mirror.model_schema import ModelInfo
from mirror.training.model_card import model_card
from mirror.typed_json import encode, without_extra

CARD = "README.md"


def shows_photos(name: str) -> bool:
    """Whether a file of a model folder shows photos that the model was made of."""
    return name == WORST_PHOTOS


def model_files(
    model: ModelFolder, *, serving: bool, photos_may_go: bool, finish_card: Callable[[str], str] = str
) -> dict[str, bytes]:
    """The files of the model folder, model.json and card made anew for what is left of them.

    serving: only what the page opens, without learner pickle, list of photos and tables. photos_may_go: the report may
    show photos; finish_card: the card → the card as it is to be. Raises ModelFolderError for a file that is not what
    model.json records.
    """
    kept = [
        name
        for name in model.info.files
        if (photos_may_go or not shows_photos(name)) and (not serving or _is_served(name, model.info)) and name != CARD
    ]
    files = {name: model.read(name) for name in sorted(kept)}
    info = dataclasses.replace(
        model.info,
        pickle=model.info.pickle if model.info.pickle in files else None,
        files={name: hashlib.sha256(body).hexdigest() for name, body in files.items()},
    )
    files[CARD] = finish_card(model_card(dataclasses.replace(info, files={**info.files, CARD: ""}))).encode()
    info = dataclasses.replace(info, files={**info.files, CARD: hashlib.sha256(files[CARD]).hexdigest()})
    files[MODEL_JSON] = (json.dumps(encode(without_extra(info)), indent=1, ensure_ascii=False) + "\n").encode()
    return files


def _is_served(name: str, info: ModelInfo) -> bool:
    if name in (info.onnx.file, info.onnx.heat):
        return True
    return name.startswith("report/") and Path(name).suffix.lower() in PICTURES
