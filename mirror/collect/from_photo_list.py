"""Photos that were collected before: a model's photos.csv fetched again, or a photo folder as it lies there.

    report = collect_from_photo_list(Path("data/mirror"), Path("models/mirror/photos.csv"))
    report.matched, report.changed, report.vanished
    collected = open_collected(Path("data/mirror"), Path("models/mirror"))

photos.csv has metadata.csv's columns. Nothing is searched for; every http(s) URL is fetched once, and its bytes are
kept only if their sha256 is the recorded one. Labels and splits stay as the list says.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mirror.collect.copies import LABELLED
from mirror.collect.corrections import require_photo_folder
from mirror.collect.download import DownloadCache, DownloadSettings, Outcome, download_many
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import FOLDER, VALIDATION, Photo, Rejection, read_photos
from mirror.collect.screening import sha256_of
from mirror.errors import DatasetError, FetchError, ModelFolderError, UsageError
from mirror.image_sources import is_url
from mirror.model_folder import read_model_folder
from mirror.model_schema import OLD_PHOTO_LIST, PHOTO_LIST
from mirror.net.fetch import Client, NetworkSettings
from mirror.progress import ProgressBar
from mirror.terminal import say

CHANGED = "changed-since"  # the URL answers, with other bytes


@dataclass
class PhotoListReport:
    """What became of the photos of a list.

    matched: photos of `folder`, the same bytes as then. changed: other bytes, or bytes that today's screening refuses.
    vanished: no bytes at all. offline: photos that never had an http(s) URL. Together they are the rows of the list.
    """

    folder: PhotoFolder
    matched: list[Photo] = field(default_factory=list)
    changed: list[Rejection] = field(default_factory=list)
    vanished: list[Rejection] = field(default_factory=list)
    offline: list[Photo] = field(default_factory=list)

    def summary(self) -> str:
        rows = len(self.matched) + len(self.changed) + len(self.vanished) + len(self.offline)
        text = f"{len(self.matched)} of {rows} photos are as they were"
        for rejections, outcome in ((self.changed, "changed"), (self.vanished, "vanished")):
            if rejections:
                text += f", {len(rejections)} {outcome}"
        if self.offline:
            text += f", {len(self.offline)} came from a folder and cannot be fetched"
        return f"{text}."


def read_list(photos_csv: Path) -> tuple[list[Photo], list[Photo]]:
    """The photos of the list, and those of them that can be fetched. Raises DatasetError where there are none."""
    listed = read_photos(Path(os.path.realpath(photos_csv)))  # the path is the person's own, so it may be a link
    if not listed:
        raise DatasetError(f"{photos_csv} lists no photo; give the photos.csv of a model.")
    online = [photo for photo in listed if is_url(photo.url)]
    if not online:
        raise DatasetError(
            f"None of the {len(listed)} photos in {photos_csv} has a web address: the model was trained from a folder "
            "(--data DIR), and only whoever has that folder can train it again."
        )
    return listed, online


def collect_from_photo_list(
    folder: Path,
    photos_csv: Path,
    *,
    network: NetworkSettings | None = None,
    log: Callable[[str], None] = say,
    settings: DownloadSettings | None = None,
) -> PhotoListReport:
    """Fetch the photos that `photos_csv` lists into `folder`; `report.folder` is open.

    A run that was stopped goes on where it was; a photo that has changed or vanished is not asked for again. Raises
    DatasetError for a file that is no such list or of which no photo can be fetched, UsageError where `folder` holds
    other photos already, FetchError where the proxy is down.
    """
    settings = settings or DownloadSettings()
    listed, online = read_list(photos_csv)
    photos = PhotoFolder(folder, LABELLED)  # whoever made the list has decided what is in it
    try:
        if unlisted := {photo.key for photo in photos.photos if not photo.is_own} - {photo.key for photo in listed}:
            raise UsageError(
                f"{photos.path} holds {len(unlisted)} photos that the photo list does not name: choose another --name, "
                "or delete the folder."
            )
        report = PhotoListReport(photos, offline=[photo for photo in listed if not is_url(photo.url)])
        if report.offline:
            log(f"{len(report.offline)} of {len(listed)} photos came from a folder, not from the web: they stay out.")
        _fetch(photos, online, network or NetworkSettings(), settings, log)
        for photo in online:
            outcome = photos.outcome(photo.url, photo.label)
            if isinstance(outcome, Photo):
                report.matched.append(outcome)
            elif outcome is not None:
                (report.changed if outcome.sha256 else report.vanished).append(outcome)
        log(report.summary())
        for row in report.changed + report.vanished:
            log(f"  {row.label}: {row.url} ({row.reason})")
        if not report.matched:
            raise DatasetError(f"Nothing that {photos_csv} lists can still be had: search anew with --search.")
    except BaseException:
        photos.close()
        raise
    return report


def _fetch(
    photos: PhotoFolder,
    online: list[Photo],
    network: NetworkSettings,
    settings: DownloadSettings,
    log: Callable[[str], None],
) -> None:
    """Gives every photo that has no outcome yet its outcome in the folder."""
    cache = DownloadCache(photos.path / ".incoming")
    missing = [photo for photo in online if not photos.has_tried(photo.url, photo.label)]
    tried = len(online) - len(missing)
    with (
        Client(network, per_host=settings.per_host) as client,
        ProgressBar("photo list", "photo", log, done=tried) as progress,
    ):
        progress.log(f"photo list: {tried} of {len(online)} photos, collecting more.")
        urls = [photo.url for photo in missing]
        with contextlib.closing(download_many(urls, client=client, settings=settings, cache=cache)) as outcomes:
            for photo, outcome in zip(missing, outcomes, strict=True):
                if isinstance(outcome, FetchError) and outcome.reason == "proxy-failed":
                    raise outcome
                _record(photos, photo, outcome)
                cache.forget(photo.url)
                progress(len(photos.rows), len(online), f"{len(photos.rejected)} rejected")
        progress.close()
        progress.log(f"photo list: {len(photos.photos)} of {len(online)} photos, {len(photos.rejected)} rejected.")
    cache.clear()


def _record(photos: PhotoFolder, photo: Photo, outcome: Outcome) -> None:
    if isinstance(outcome, FetchError):
        photos.reject(photo, outcome.reason, str(outcome))
        return
    sha256 = sha256_of(outcome.body)
    if sha256 == photo.sha256:
        photos.add(photo, outcome.body)
    else:
        photos.reject(photo, CHANGED, f"sha256 was {photo.sha256} and is {sha256}", sha256)


@dataclass(frozen=True)
class Collected:
    """folder: open. source: "search", "folder" or PHOTO_LIST, as in model.json; queries: (label, query) pairs. split:
    whether a photo list says which of the photos are held out, which its rows say after any training."""

    folder: PhotoFolder
    source: str
    queries: tuple[tuple[str, str], ...]
    license_filter: str | None
    split: bool = False


def is_split(photos_csv: Path) -> bool:
    """Whether a model's list of photos says which of them are held out. Raises DatasetError."""
    sides = {photo.split for photo in read_photos(Path(os.path.realpath(photos_csv)))}
    return VALIDATION in sides and "" not in sides


def open_collected(folder: Path, model: Path, *, log: Callable[[str], None] = say) -> Collected:
    """Opens a photo folder that train.py made (`--collected DIR`); nothing is searched for or fetched.

    What the photos came from is read from `model`, the model that may have been made from them; without one, from their
    rows. Raises DatasetError where `folder` is no photo folder.
    """
    require_photo_folder(Path(folder))
    photos = PhotoFolder(folder)
    for note in photos.notes:
        log(note)
    with contextlib.suppress(ModelFolderError, DatasetError):
        info = read_model_folder(model).info
        if info.data is not None and set(photos.labels) & set(info.labels):
            queries = tuple((query.label, query.query) for query in info.data.queries)
            source = PHOTO_LIST if info.data.source == OLD_PHOTO_LIST else info.data.source
            listed = Path(model, "photos.csv")
            split = source == PHOTO_LIST and listed.is_file() and is_split(listed)
            return Collected(photos, source, queries, info.data.license_filter, split)
    rows = [photo for photo in photos.photos if not photo.is_own]
    licenses = {row.license_filter for row in rows}
    return Collected(
        photos,
        source="folder" if all(row.engine == FOLDER for row in rows) else "search",
        queries=tuple(sorted({(row.label, row.query) for row in rows if row.query})),
        license_filter=(licenses.pop() or None) if len(licenses) == 1 else None,
    )
