"""The data set repository of a model: which photos it was made of, and the photos themselves where they may go.

    README.md, photos.csv                     without photos: the list from which they can be fetched again
    decisions.csv                             what was decided by hand, where the photo folder is here
    train/metadata.jsonl, train/<n>.jpg …     with photos: an ImageFolder, as `datasets.load_dataset` reads it

The labels are text in both, also 01, None and nan, which a reader of tables would take for numbers and nothings: the
card's front matter says so, and metadata.jsonl has types of its own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from markupsafe import Markup

from mirror.collect.corrections import DECISIONS_CSV
from mirror.collect.photo_records import METADATA_COLUMNS, TRAIN, VALIDATION, Photo, format_row, read_photos
from mirror.describe import ModelDescription
from mirror.errors import PublishError
from mirror.model_folder import ModelFolder
from mirror.publish.published_files import MARK, MARK_TEXT, Files
from mirror.publish.published_model import published_info, web_address
from mirror.publish.published_photos import without_metadata
from mirror.storage import read_file
from mirror.templates import render_markdown
from mirror.wording import plain

PHOTOS_CSV, METADATA_CSV = "photos.csv", "metadata.csv"
SPLIT_NAMES = {TRAIN: "train", VALIDATION: "validation", "": "train"}
TYPES = {"width": "int64", "height": "int64"}  # of photos.csv's columns; the others are text
TOLD = ("label", "url", "page_url", "title", "query", "engine", "license_filter", "retrieved_at", "sha256")
OTHER_LICENSE = "other"


def dataset_repository(
    model: ModelFolder, data: Path | None, *, license: str | None = None, photos_may_go: bool = False
) -> dict[str, bytes | Path]:
    """Path → content. data: the model's photo folder, where it is here; license: of the photos, None for each its own.
    Raises PublishError where photos are to go and are not here, DatasetError for a folder that cannot be read."""
    photos = _listed(model)
    files: dict[str, bytes | Path] = {MARK: MARK_TEXT}
    if data is not None and (data / DECISIONS_CSV).is_file():
        files[DECISIONS_CSV] = read_file(data / DECISIONS_CSV, inside=data)
    files[PHOTOS_CSV] = _table(photos)
    if photos_may_go:
        if data is None:
            raise PublishError(
                f"The photos of {model.info.name} are to go with it and their folder is not here: name it with --data, "
                "or leave out --license and --own-photos."
            )
        del files[PHOTOS_CSV]
        files |= image_folder(photos, data)
    files["README.md"] = _card(model, photos, license if photos_may_go else None, photos_may_go, files).encode()
    return files


def image_folder(photos: Iterable[Photo], data: Path) -> Files:
    """The photos by split, each split with a metadata.jsonl that says what is known of each; nothing of what a
    camera wrote into them. PublishError for one that is gone, or that the photo folder does not list as the model's."""
    own = {photo.file_name: photo.sha256 for photo in read_photos(data / METADATA_CSV)}
    files: dict[str, bytes | Path] = {}
    lines: dict[str, list[str]] = {}
    for number, photo in enumerate(sorted(photos, key=lambda photo: photo.file_name)):
        split = SPLIT_NAMES[photo.split]
        path = photo.path(data)
        if not path.is_file():
            raise PublishError(f"{path} is not there any more: train the model again, or publish without its photos.")
        if own.get(photo.file_name) != photo.sha256:
            raise PublishError(
                f"{data / METADATA_CSV} does not list {photo.file_name} as the photo that the model was made of: name "
                "the model's own photo folder with --data, or publish without its photos."
            )
        name = f"{number:06}.jpg"
        content = read_file(path, inside=data)
        plain_photo = without_metadata(content, photo.file_name)
        files[f"{split}/{name}"] = path if plain_photo == content else plain_photo
        row = {"file_name": name} | {column: getattr(photo, column) for column in TOLD}
        lines.setdefault(split, []).append(json.dumps(row, ensure_ascii=False) + "\n")
    return files | {f"{split}/metadata.jsonl": "".join(rows).encode() for split, rows in lines.items()}


def _listed(model: ModelFolder) -> list[Photo]:
    """The photos that the model was made of, from its own list, with addresses on the Web alone, and without the names
    that files have on somebody's machine."""
    model.file(PHOTOS_CSV)
    return [
        dataclasses.replace(
            photo,
            url=web_address(photo.url),
            page_url=web_address(photo.page_url),
            title="" if photo.is_own else photo.title,
        )
        for photo in read_photos(model.path / PHOTOS_CSV)
    ]


def _table(photos: Iterable[Photo]) -> bytes:
    rows = [format_row(METADATA_COLUMNS), *(format_row(getattr(p, name) for name in METADATA_COLUMNS) for p in photos)]
    return "".join(rows).encode()


def _card(model: ModelFolder, photos: list[Photo], license: str | None, photos_may_go: bool, files: Files) -> str:
    from huggingface_hub import DatasetCardData

    told = ModelDescription(published_info(model.info))
    labels = sorted({photo.label for photo in photos})
    counts = {label: sum(photo.label == label for photo in photos) for label in labels}
    data = DatasetCardData(
        license=license or OTHER_LICENSE, task_categories=["image-classification"], pretty_name=model.info.name,
        tags=["image-classification"], configs=_configs(photos_may_go, files), dataset_info=_features(photos_may_go),
    )  # fmt: skip
    return render_markdown(
        "dataset_card.md", card_data=Markup(data.to_yaml()), name=model.info.name, photos=len(photos),
        rows=[(plain(label), f"{number:,}") for label, number in counts.items()], origins=told.origin_sentences,
        license=license, photos_may_go=photos_may_go,
        fetchable=any(photo.url.startswith("http") for photo in photos), decisions=DECISIONS_CSV in files,
    )  # fmt: skip


def _configs(photos_may_go: bool, files: Files) -> list[dict[str, Any]]:
    if not photos_may_go:
        # What pandas takes for nothing (None, nan, NA) is text here
        return [{"config_name": "default", "data_files": PHOTOS_CSV, "keep_default_na": False}]
    splits = [split for split in dict.fromkeys(SPLIT_NAMES.values()) if f"{split}/metadata.jsonl" in files]
    return [
        {"config_name": "default", "data_files": [{"split": split, "path": f"{split}/**"} for split in splits]},
    ]


def _features(photos_may_go: bool) -> dict[str, Any]:
    columns = TOLD if photos_may_go else METADATA_COLUMNS
    features = [{"name": name, "dtype": TYPES.get(name, "string")} for name in columns]
    return {"features": [{"name": "image", "dtype": "image"}, *features] if photos_may_go else features}
