"""A model's photos.csv as a recipe: the same photos again, each checked against what it was.

    report = collect_from_photo_list(Path("data/mirror"), Path("models/mirror/photos.csv"))
    report.matched, report.changed, report.vanished

photos.csv has metadata.csv's columns. Nothing is searched for; every http(s) URL is fetched once, and its bytes are
kept only if their sha256 is the recorded one. Labels and splits stay as the recipe says.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mirror.collect.download import DownloadSettings, download_many
from mirror.collect.download_cache import DownloadCache
from mirror.collect.metadata import Photo, Rejection, read_photos
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.progress import Progress
from mirror.collect.screening import sha256_of
from mirror.errors import DatasetError, FetchError, UsageError
from mirror.net.fetch import Client, Fetched, NetworkSettings
from mirror.terminal import say

CHANGED = "changed-since"  # the URL answers, with other bytes


@dataclass
class PhotoListReport:
    """What became of a recipe's photos.

    matched: photos of `folder`, the same bytes as then. changed: other bytes, or bytes that today's screening refuses.
    vanished: no bytes at all. offline: photos that never had an http(s) URL. Together they are the recipe's rows.
    """

    folder: PhotoFolder
    matched: list[Photo] = field(default_factory=list)
    changed: list[Rejection] = field(default_factory=list)
    vanished: list[Rejection] = field(default_factory=list)
    offline: list[Photo] = field(default_factory=list)

    def summary(self) -> str:
        rows = len(self.matched) + len(self.changed) + len(self.vanished) + len(self.offline)
        text = f"{len(self.matched)} of {rows} photos are as they were"
        for number, what in ((len(self.changed), "changed"), (len(self.vanished), "vanished")):
            if number:
                text += f", {number} {what}"
        if self.offline:
            text += f", {len(self.offline)} came from a folder and cannot be fetched"
        return f"{text}."


def collect_from_photo_list(
    folder: Path,
    photos_csv: Path,
    *,
    network: NetworkSettings | None = None,
    log: Callable[[str], None] = say,
    settings: DownloadSettings | None = None,
) -> PhotoListReport:
    """Fetch the photos that `photos_csv` lists into `folder`; `report.folder` is open.

    A run that was stopped goes on where it was; what has changed or vanished once is not asked for again. Raises
    DatasetError for a file that is no such list or of which nothing can be had, UsageError where `folder` holds other
    photos already, FetchError where the proxy is down.
    """
    settings = settings or DownloadSettings()
    wanted = read_photos(Path(os.path.realpath(photos_csv)))  # the name is the person's, who may link to it
    if not wanted:
        raise DatasetError(f"{photos_csv} lists no photo; give the photos.csv of a model.")
    online = [photo for photo in wanted if photo.url.lower().startswith(("http://", "https://"))]
    if not online:
        raise DatasetError(
            f"None of the {len(wanted)} photos in {photos_csv} has a web address: the model was trained from a folder "
            "(--data DIR), and only whoever has that folder can train it again."
        )
    photos = PhotoFolder(folder)
    try:
        _check_belongs(photos, wanted)
        report = PhotoListReport(photos)
        listed = {photo.key for photo in online}
        report.offline = [photo for photo in wanted if photo.key not in listed]
        if report.offline:
            log(f"{len(report.offline)} of {len(wanted)} photos came from a folder, not from the web: they stay out.")
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


def _check_belongs(photos: PhotoFolder, wanted: list[Photo]) -> None:
    strangers = {photo.key for photo in photos.photos} - {photo.key for photo in wanted}
    if strangers:
        raise UsageError(
            f"{photos.path} holds {len(strangers)} photos that the recipe does not list: choose another --name, or "
            "delete the folder."
        )


def _fetch(
    photos: PhotoFolder,
    online: list[Photo],
    network: NetworkSettings,
    settings: DownloadSettings,
    log: Callable[[str], None],
) -> None:
    """Every photo that has no outcome yet gets one. A Photo is a hit: it has the URL, label and provenance of one."""
    spool = DownloadCache(photos.path / ".incoming")
    missing = [photo for photo in online if not photos.has_tried(photo.url, photo.label)]
    with Client(network, per_host=settings.per_host) as client, Progress(log) as progress:
        progress.begin("recipe", len(online) - len(missing), len(online))
        with contextlib.closing(download_many(missing, client=client, settings=settings, store=spool)) as results:
            for photo, outcome in results:
                if isinstance(outcome, FetchError) and outcome.reason == "proxy-failed":
                    raise outcome
                _record(photos, photo, outcome)
                spool.forget(photo.url)
                progress.update(len(photos.photos), len(photos.rejected))
        progress.end(len(photos.rejected))
    spool.clear()


def _record(photos: PhotoFolder, photo: Photo, outcome: Fetched | FetchError) -> None:
    if isinstance(outcome, FetchError):
        photos.reject(photo, outcome.reason, str(outcome))
        return
    sha256 = sha256_of(outcome.body)
    if sha256 == photo.sha256:
        photos.add(photo, outcome.body)
    else:
        photos.reject(photo, CHANGED, f"sha256 was {photo.sha256} and is {sha256}", sha256)
