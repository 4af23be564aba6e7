"""A folder of label folders, as a person has one, and what was said of it."""

from __future__ import annotations

from pathlib import Path

from tests.world import draw_photo, encode


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def tree(source: Path, **labels: range) -> Path:
    for label, numbers in labels.items():
        for number in numbers:
            put(source / label / f"{number}.jpg", encode(draw_photo(label, number)))
    return source


class Lines(list):
    """A log that remembers."""

    def __call__(self, line: str) -> None:
        self.append(line)

    def __str__(self) -> str:
        return "\n".join(self)
