"""What was asked for on a command line → the images to answer, named as they were given, in a stable order."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mirror.errors import ImageError, MirrorError
from mirror.wording import count, listed

# What a folder is searched for: the suffixes of the formats that `images.load_image` opens, and whatever begins as
# one of PICTURES (`photo`, `a.jpg_large`, `b.jpg?w=600`). A file named outright is opened whatever it is.
SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .gif .avif .heic .heif .bmp .tif .tiff .ppm .pgm .pbm .pnm".split()
)
PICTURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|....ftyp(?:avi[fs]|hei[cmsx]|hev[cmsx]|mif1|msf1)", re.S
)
NAMED = 3  # files in a sentence


@dataclass(frozen=True)
class ImageSource:
    """One image: `file` as it was given (for a folder: the folder as given, then the path inside it), and where it is.

    location: a path, a URL, or the MirrorError that takes its place in the answers.
    """

    file: str
    location: Path | str | MirrorError


@dataclass
class LeftOut:
    """What folders hold that is not among their images: files that are none, and links to folders that are searched
    anyway or hold the one that was asked for. first: of both, the first NAMED. made: absolute paths of files that the
    program itself makes, which do not count."""

    files: int = 0
    links: int = 0
    first: list[str] = field(default_factory=list)
    made: frozenset[str] = frozenset()

    def add(self, name: str, is_link: bool = False) -> None:
        if self.made and os.path.abspath(name) in self.made:
            return
        self.links, self.files = self.links + is_link, self.files + (not is_link)
        if len(self.first) < NAMED:
            self.first.append(name)

    def __str__(self) -> str:
        """A sentence; "" where nothing was left out."""
        what = [count(self.files, "file") + " without an image"] if self.files else []
        what += [count(self.links, "link") + " to folders that are searched already"] if self.links else []
        rest = self.files + self.links - len(self.first)
        return (
            f"Left out: {listed(what)} ({', '.join(self.first)}{f' and {rest:,} more' if rest else ''})."
            if what
            else ""
        )


def find_sources(given: Iterable[str], left_out: LeftOut | None = None) -> Iterator[ImageSource]:
    """Files, folders and URLs → their images. Folders are walked to the bottom, linked ones too, each once, sorted by
    name, hidden names skipped; what else they hold is noted in `left_out`.

    Lazy: nothing is held but one folder's names. A missing path or a folder without an image is a Source with an error.
    """
    left_out = LeftOut() if left_out is None else left_out
    for name in given:
        if is_url(name):
            yield ImageSource(name, name)
        elif os.path.isdir(name):
            empty = True
            for inside in _walk(name, "", {os.path.realpath(name)}, left_out):
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


def _walk(folder: str, inside: str, searched: set[str], left_out: LeftOut) -> Iterator[str | ImageSource]:
    """The images below, as paths inside `folder` with slashes. searched: the real paths of `folder` and of the linked
    folders that were entered, so that links may go round."""
    names, folders, others = [], set(), []  # names alone: a folder may hold a million
    try:
        with os.scandir(os.path.join(folder, inside)) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if _is_folder(entry):
                    folders.add(entry.name)
                elif os.path.splitext(entry.name)[1].lower() not in SUFFIXES and not _begins_as_a_picture(entry):
                    others.append(entry.name)
                    continue
                names.append(entry.name)
    except OSError as error:
        file = _joined(folder, inside) if inside else folder
        yield ImageSource(file, ImageError(f"{file} cannot be read: {error.strerror or error}."))
        return
    for name in sorted(others):
        left_out.add(_joined(folder, f"{inside}/{name}" if inside else name))
    names.sort()
    for name in names:
        path = f"{inside}/{name}" if inside else name
        if name not in folders:
            yield path
        elif not os.path.islink(where := os.path.join(folder, path)) or enter(where, folder, searched):
            yield from _walk(folder, path, searched, left_out)
        else:
            left_out.add(_joined(folder, path), is_link=True)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that goes round: an image that cannot be read
        return False


def _begins_as_a_picture(entry: os.DirEntry[str]) -> bool:
    try:
        if not entry.is_file():  # a pipe would be waited for
            return False
        with open(entry.path, "rb") as file:
            return PICTURES.match(file.read(16)) is not None
    except OSError:
        return False


def enter(link: str | Path, root: str | Path, searched: set[str]) -> bool:
    """Whether a linked folder is to be searched: not where it lies in one that is, nor where `root` lies in it.
    searched: real paths of the folders that are, to which its own is added then."""
    real, top = os.path.realpath(link), os.path.realpath(root)
    if any(os.path.commonpath((real, known)) == known for known in searched) or os.path.commonpath((real, top)) == real:
        return False
    searched.add(real)
    return True


def _joined(folder: str, inside: str) -> str:
    return f"{folder.rstrip('/') or ''}/{inside}"
