"""A model as others get it: without photos that are not ours to publish, without the names of folders and hosts at
home, and with a description that says so.

What model.json records decides what goes: a file that it does not name stays where it is.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import ipaddress
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from mirror.collect.photo_records import format_row
from mirror.describe import REPORT_PAGE, WORST_PHOTOS
from mirror.errors import PublishError
from mirror.model_card import model_card
from mirror.model_folder import MODEL_JSON, PICTURES, ModelFolder
from mirror.model_schema import ModelInfo
from mirror.report_page import report_page
from mirror.typed_json import encode, without_extra

CARD = "README.md"
ADDRESSES = ("url", "page_url")  # columns of tables
AT_HOME = (".local", ".lan", ".home", ".internal", ".intranet", ".corp", ".localdomain", ".arpa")  # ends of names


def shows_photos(name: str) -> bool:
    """Whether a file of a model folder shows photos that the model was made of, and nothing but them."""
    return name == WORST_PHOTOS


def web_address(url: str) -> str:
    """The address where others can reach it; "" for a path of this machine and a host of one's own network, whose names
    may tell of people and places, and for an address with a password."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:  # no address at all
        return ""
    if parts.scheme not in ("http", "https") or parts.username or host.endswith(AT_HOME):
        return ""
    try:
        return url if ipaddress.ip_address(host).is_global else ""
    except ValueError:  # a name
        return url if "." in host else ""


def published_table(table: bytes) -> bytes:
    """A CSV file with addresses on the Web alone; the same bytes where there are no others. PublishError for none."""
    try:
        rows = list(csv.reader(io.StringIO(table.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        raise PublishError(
            "A table of the model cannot be read, so nothing is published: train it again, or fetch it once more."
        ) from None
    places = [place for place, name in enumerate(rows[0]) if name in ADDRESSES] if rows else []
    made = [[web_address(cell) if place in places else cell for place, cell in enumerate(row)] for row in rows[1:]]
    return table if made == rows[1:] else "".join(map(format_row, [rows[0], *made])).encode()


def published_info(info: ModelInfo) -> ModelInfo:
    """The description with addresses on the Web alone."""
    metrics, data = info.metrics, info.data
    if metrics:
        losses = tuple(
            dataclasses.replace(loss, url=web_address(loss.url or "") or None) for loss in metrics.top_losses
        )
        metrics = dataclasses.replace(metrics, top_losses=losses)
    if data:
        sites = {site: count for site, count in data.sites.items() if web_address(f"https://{site}/")}
        data = dataclasses.replace(data, sites=sites)
    return dataclasses.replace(info, metrics=metrics, data=data)


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
    if REPORT_PAGE in files and not photos_may_go:
        files[REPORT_PAGE] = report_page(published_info(model.info)).encode()
    files |= {name: published_table(body) for name, body in files.items() if name.endswith(".csv")}
    info = dataclasses.replace(
        published_info(model.info),
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
    return name == REPORT_PAGE or (name.startswith("report/") and Path(name).suffix.lower() in PICTURES)
