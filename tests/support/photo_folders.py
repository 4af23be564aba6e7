"""Photo folders and their rows, as tests make and check them."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from mirror.collect.corrections import REMOVE, Correction, record_corrections
from mirror.collect.download import DownloadCache
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import Origin, Photo, read_photos, read_rejections
from mirror.collect.search import SearchCache
from mirror.collect.search_types import Hit, SearchFilters, SearchPage, SearchTerm
from mirror.errors import MirrorError
from mirror.folders import holder_of
from mirror.net.fetch import Fetched
from tests.web.tiny import BLUE, RED, YELLOW
from tests.world import draw_photo, encode


def make_photo(number: int, label: str = "cygnet", phash: str = "", page_url: str = "", **more: Any) -> Photo:
    """A row of metadata.csv without a file. `more`: other columns."""
    values = {
        "file_name": f"images/{label}/{number:016x}.jpg",
        "sha256": f"{Random(f'{label}/{number}').getrandbits(256):064x}",
        "engine": "test",
        "width": 64,
        "height": 64,
        **more,
    }
    return Photo(f"https://photos.example/{label}/{number}", label, page_url, phash=phash, **values)


def correct(folder: Path, file_names: Sequence[str], action: str, label: str = "") -> list[Correction]:
    """One action on several photos, decided together."""
    return record_corrections(folder, [(name, action, label) for name in file_names])


def check_totals(folder: PhotoFolder) -> None:
    """The files on disk say what the open folder says, no (label, url) is there twice, and images/ holds its photos."""
    photos, rejected = read_photos(folder.metadata_csv), read_rejections(folder.rejected_csv)
    assert (photos, rejected) == (folder.photos, folder.rejected)
    keys = [row.key for row in [*photos, *rejected]]
    assert len(set(keys)) == len(keys)
    stored = {path.relative_to(folder.path).as_posix() for path in folder.path.glob("images/*/*.jpg")}
    assert stored == {photo.file_name for photo in photos}


def origin(number: int, label: str = "cygnet", **more: Any) -> Origin:
    values = {"page_url": f"https://pages.example/{label}/{number}", "query": "baby swan", "engine": "test"}
    return Origin(f"https://photos.example/{label}/{number}.jpg", label, **{**values, **more})


def drawing(number: int, label: str = "cygnet") -> bytes:
    return encode(draw_photo(label, number))


def fill(folder: PhotoFolder, numbers: range, label: str = "cygnet") -> None:
    for number in numbers:
        assert isinstance(folder.add(origin(number, label), drawing(number, label)), Photo)


def csv_rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def photo_folder(place: Path) -> Path:
    """Two photos, a rejection, a search page and a decision."""
    use_photo_folder(place, (YELLOW, BLUE))
    return place


def use_photo_folder(place: Path, colours: tuple[tuple[int, int, int], ...] = (RED,)) -> None:
    """All that collecting, the studio and a training do to a photo folder, as far as each comes."""
    hits = [Origin(f"https://example.org/{'-'.join(map(str, colour))}.png", "cygnet") for colour in colours]
    with contextlib.suppress(MirrorError), PhotoFolder(place) as folder:
        for hit, colour in zip(hits, colours, strict=True):
            with contextlib.suppress(MirrorError):
                folder.add(hit, noise(colour))
        with contextlib.suppress(MirrorError):
            folder.save_splits(folder.photos)
    with contextlib.suppress(MirrorError):
        with PhotoFolder(place) as folder:
            name = folder.photos[0].file_name
        correct(place, [name], REMOVE)
    term = SearchTerm("baby swan", "cygnet")
    page = SearchPage("engine", (Hit("https://example.org/a.png", "cygnet"),), None)
    with contextlib.suppress(MirrorError):
        SearchCache(place, SearchFilters()).append(term, page)
    spool = DownloadCache(place / ".incoming")
    with contextlib.suppress(MirrorError):
        spool.put("https://example.org/b.png", Fetched("https://example.org/b.png", b"x", "image/png", {}))
    spool.get("https://example.org/b.png")
    spool.clear()
    holder_of(place)


def noise(colour: tuple[int, int, int]) -> bytes:
    """A picture large enough to be kept, with something in it."""
    import io

    from PIL import Image

    image = Image.effect_noise((320, 240), 60).convert("RGB")
    image.paste(colour, (40, 40, 160, 160))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
