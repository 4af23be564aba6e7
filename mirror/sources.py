"""What was asked for on a command line → the images to answer, named as they were given, in a stable order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mirror.errors import ImageError, MirrorError

# What a folder is searched for: the suffixes of the formats that `images.load_image` opens. A file named outright is
# opened whatever its suffix.
SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .gif .avif .heic .heif .bmp .tif .tiff .ppm .pgm .pbm .pnm".split()
)


@dataclass(frozen=True)
class ImageSource:
    """One image: `file` as it was given (for a folder: the folder as given, then the path inside it), and where it is.

    location: a path, a URL, or the MirrorError that takes its place in the answers.
    """

    file: str
    location: Path | str | MirrorError


def find_sources(given: Iterable[str]) -> Iterator[ImageSource]:
    """Files, folders and URLs → their images. Folders are walked to the bottom, sorted by name, hidden names skipped.

    Lazy: nothing is held but one folder's names. A missing path or a folder without an image is a Source with an error.
    """
    for name in given:
        if is_url(name):
            yield ImageSource(name, name)
        elif os.path.isdir(name):
            empty = True
            for inside in _walk(name, ""):
                empty = False
                yield (
                    inside
                    if isinstance(inside, ImageSource)
                    else ImageSource(_joined(name, inside), Path(name, inside))
                )
            if empty:
                yield ImageSource(name, ImageError(f"{name} holds no image: name a folder with photos in it."))
        elif os.path.lexists(name):
            yield ImageSource(name, Path(name))
        else:
            yield ImageSource(name, ImageError(f"There is no file or folder {name}: check the path."))


def is_url(name: str) -> bool:
    return name.lower().startswith(("http://", "https://"))


def _walk(folder: str, inside: str) -> Iterator[str | ImageSource]:
    """The images below, as paths inside `folder` with slashes. Linked folders are not entered (they may go round)."""
    names, folders = [], set()  # names alone: a folder may hold a million
    try:
        with os.scandir(os.path.join(folder, inside)) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.add(entry.name)
                elif os.path.splitext(entry.name)[1].lower() not in SUFFIXES or _leads_to_a_folder(entry):
                    continue
                names.append(entry.name)
    except OSError as error:
        file = _joined(folder, inside) if inside else folder
        yield ImageSource(file, ImageError(f"{file} cannot be read: {error.strerror or error}."))
        return
    names.sort()
    for name in names:
        path = f"{inside}/{name}" if inside else name
        if name in folders:
            yield from _walk(folder, path)
        else:
            yield path


def _leads_to_a_folder(link: os.DirEntry) -> bool:
    try:
        return link.is_dir()
    except OSError:  # a link that goes round: an image that cannot be read
        return False


def _joined(folder: str, inside: str) -> str:
    return f"{folder.rstrip('/') or ''}/{inside}"
