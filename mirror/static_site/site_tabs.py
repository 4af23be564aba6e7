"""Further tabs of the page without a server: other ways of seeing that a model's page may have, and what each says.

things     one of 1,000 everyday things, by the packaged model
garments   models/fashion
faces      where faces are, by the packaged detector
words      which of somebody's own words fits best (words_tab.py)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirror import answer_sentences
from mirror.errors import ModelFolderError, UsageError
from mirror.model_folder import ModelFolder, read_model_folder
from mirror.model_schema import ModelInfo
from mirror.tasks import face_detection as faces
from mirror.tasks.detections import SHOWN_FROM
from mirror.tasks.face_networks import CELL, PACKAGED_FILE, CenterFace, of_any_size
from mirror.tasks.imagenet import FOLDER, packaged_folder
from mirror.tasks.registry import shipped_model
from mirror.templates import render
from mirror.wording import plain, with_article

THINGS, GARMENTS, FACES, WORDS = "things", "garments", "faces", "words"
TITLES = {THINGS: "What is this?", GARMENTS: "Garments", FACES: "Faces", WORDS: "Your own words"}
TABS = tuple(TITLES)
READY = TABS[:3]  # those that need nothing to be told
FACES_BY = "The detector is CenterFace (Xu et al. 2019, arXiv 1911.03599), under the MIT licence."
SHOWN_THINGS = 5  # bars
LICENSES = {THINGS: FOLDER / "efficientnet_lite0.LICENSE", FACES: PACKAGED_FILE.with_suffix(".LICENSE")}


@dataclass(frozen=True)
class NetworkTab:
    """A tab whose model is in no model folder. page: what the browser knows of it, as JSON; network: its ONNX file;
    note: on it, as HTML."""

    page: dict[str, Any]
    network: bytes
    note: str


def tab_model(tab: str) -> ModelFolder | None:
    """The model folder that answers in a tab; None for faces and words, which have none. Raises UsageError where it is
    not here, ModelFolderError where it is damaged."""
    if tab == THINGS:
        return packaged_folder()
    if tab in (FACES, WORDS):
        return None
    folder = Path(shipped_model("fashion"))
    if not folder.is_dir():
        raise UsageError(
            f"The tab {GARMENTS} needs {folder}, which is not here: make it with `python train.py --dataset "
            "fashion-mnist`, or leave the tab out."
        )
    return read_model_folder(folder)


def tab_page(tab: str, info: ModelInfo) -> dict[str, Any]:
    """What a tab's page says otherwise than that of a model of one's own (model_page.py)."""
    if tab != THINGS:
        return {}
    firsts = [plain(label.partition(",")[0]) for label in info.labels]  # of many names for a thing the first will do

    def verdicts(probability: float) -> list[str]:
        return [answer_sentences.claim(first, probability, [first]) for first in firsts]

    says = {
        "sure": [answer_sentences.SURE, verdicts(1.0)],
        "likely": [answer_sentences.LIKELY, verdicts(answer_sentences.LIKELY)],
        "perhaps": verdicts(0.0),
    }
    promise = " ".join(answer_sentences.ANYTHING)
    return {"promise": promise, "spoken": [with_article(first) for first in firsts], "most": SHOWN_THINGS, "says": says}


def faces_tab() -> NetworkTab:
    """The packaged detector; the sizes and limits are those of face_detection.py. Raises ModelFolderError where its
    file is damaged."""
    names = ("FLOOR", "MAX_BOXES", "FINE", "COARSE", "GLANCE", "ENLARGED", "SMALL", "LARGE", "SAME", "PART")
    page = {
        "name": FACES,
        "kind": FACES,
        "at_least": None,
        "heat": None,
        "examples": [],
        "input": CenterFace.input,
        "outputs": CenterFace.outputs,
        "cell": CELL,
        "stride": CenterFace.stride,
        "shown_from": SHOWN_FROM,
        "label": faces.LABEL,
        "limits": {name.lower(): getattr(faces, name) for name in names},
        "question": ["Mirror, mirror on the wall,", "where are the faces after all?"],
        "promise": answer_sentences.NEVER_WHOSE,
        "says": {"why": "", "none": "No face.", "one": "One face.", "many": "{count} faces."},
    }
    note = render("sentence.html", kind="hint", sentence=f"{answer_sentences.NEVER_WHOSE} {FACES_BY}")
    try:
        return NetworkTab(page, of_any_size(PACKAGED_FILE.read_bytes()), note)
    except (OSError, ValueError, LookupError, TypeError):
        raise ModelFolderError(f"{PACKAGED_FILE} is damaged: install this program again.") from None
