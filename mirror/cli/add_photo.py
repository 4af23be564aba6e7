"""`python -m mirror add-photo data/fruit pear garden.jpg`: photos of one's own, added to a label of a photo folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from mirror.terminal import sentence
from mirror.wording import count, plain

TEXT = """\
Adds photos of your own to a label of a photo folder, whatever its others came from: they are marked as yours, nothing
leaves them out again, and they are learned from when the model is trained again. A photo that is there already gets the
label instead.
"""
EXAMPLES = """\
examples:
  python -m mirror add-photo data/fruit pear garden.jpg         one that the model took for an apple
  python -m mirror add-photo data/fruit quince quinces/*.jpg    a new label
"""


def add(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "add-photo", help="add photos of your own to a label", description=TEXT, epilog=EXAMPLES
    )
    command.set_defaults(run=run)
    command.add_argument("folder", type=Path, metavar="FOLDER", help="a photo folder of train.py, as data/fruit")
    command.add_argument("label", metavar="LABEL", help="what the photos show; a new label needs several photos")
    command.add_argument("photos", type=Path, metavar="PHOTO", nargs="+", help="files")


def run(options: argparse.Namespace) -> int:
    from mirror.collect.corrections import require_photo_folder
    from mirror.collect.own_photos import add_own_photos
    from mirror.errors import ImageError, UsageError
    from mirror.images import read_file

    require_photo_folder(options.folder)
    folders = [path for path in options.photos if path.is_dir()]
    if folders:
        raise UsageError(f"{folders[0]} is a folder: give its photos, as {quote(str(folders[0]))}/*.jpg.")
    unread: list[str] = []

    def bodies() -> Iterator[tuple[str, bytes]]:
        for path in options.photos:
            try:
                yield path.name, read_file(path)
            except ImageError as error:
                unread.append(str(error))

    added, label = add_own_photos(options.folder, options.label.strip(), bodies()), plain(options.label.strip())
    for problem in (*unread, *(row.detail for row in added.rejected)):
        print(sentence(problem), file=sys.stderr)
    if added.photos:
        print(f"{count(len(added.photos), 'photo')} added to {label}.")
    if added.known:
        print(f"{count(len(added.known), 'photo')} of the folder, with the label {label} from now on.")
    if added.photos or added.known:
        print(f"What was added counts in the next training: python train.py --collected {quote(str(options.folder))}")
    return 1 if unread or added.rejected else 0
