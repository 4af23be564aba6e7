"""What must hold of the files before anything is sent: the Hub's rules for a README, sizes, no secret, no photo that is
not meant to go."""

from __future__ import annotations

import gzip
import io
import itertools
import math
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any, BinaryIO

from mirror.decoding.headers import format_of
from mirror.errors import PublishError
from mirror.inference.pickle_scan import is_archive
from mirror.publish.published_files import Files, check_path, content_of, megabytes, size_of, total_size
from mirror.publish.space_card import SHORT

COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
MAX_SPACE = 10**9  # bytes; more than this in a Space's repository was refused to people
MAX_FILE = 50 * 10**9  # bytes of one file, as the Hub advises
MAX_FILES = 100_000
DESCRIBES = (".csv", ".html", ".json", ".jsonl", ".md", ".onnx", ".pkl")  # files that may tell where a model was made
MAX_UNPACKED = 10**9  # bytes of a compressed file
PIECE, OVERLAP = 1 << 20, 1 << 10  # bytes that are looked through for secrets at a time, and twice

PAGE = ("app.py", "LICENSE", ".mirror", "README.md", "requirements.txt", "mirror/*", "models/*", "examples/*")
ALLOWED = {  # by kind: what may be in it, and nothing else
    "gradio": PAGE,
    "container": (*PAGE, "Dockerfile"),
    "static": ("*.html", "*.js", "*.css", "*.json", "*.gz", "*.wasm", "*.svg", "*.png", "*.jpg", "*.md", "*.onnx",
               "*.webmanifest", "*LICENSE*", ".mirror"),
    "model": (".mirror", "README.md", "model.json", "config.json", "preprocessor_config.json", "pyproject.toml",
              "photos.csv", "*.onnx", "*.pkl", "report/*.png", "report/*.csv",
              "report/report.html"),
    "dataset": (".mirror", "README.md", "photos.csv", "decisions.csv", "*/metadata.jsonl", "train/*", "validation/*"),
}  # fmt: skip
SECRETS: dict[str, tuple[tuple[bytes, ...], bytes]] = {  # what, in small letters, each holds, and its pattern
    "a token of Hugging Face": ((b"hf_",), rb"\bhf_[A-Za-z0-9]{30,}\b"),
    "a token of GitHub": (
        (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
        rb"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{50,})\b",
    ),
    "a key of OpenAI or Anthropic": ((b"sk-",), rb"\bsk-(?=[\w-]*[A-Z])(?=[\w-]*\d)[\w-]{32,}"),
    "a key of Google": ((b"aiza",), rb"\bAIza[0-9A-Za-z_-]{35}\b"),
    "a key of Amazon": (
        (b"akia", b"asia", b"aws_secret"),
        rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|(?i:aws_secret_access_key)\W{1,5}[A-Za-z0-9/+]{40}",
    ),
    "a token of Slack": ((b"xox",), rb"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    "a private key": ((b"private key-",), rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a password in an address": ((b"://",), rb"://[^\s/:@\"']{0,100}:[^\s/@\"']{3,100}@"),
}
BINARY = (".onnx", ".pkl", ".gz", ".wasm")  # numbers with words between them
# Pictures of figures, and the icons and preview of the page without a server
DRAWN = re.compile(
    r"(?:(?:models/[^/]+/)?report/(?:confusion|reliability|training)|icon-(?:192|512))\.png|preview\.jpg"
)


def check_files(kind: str, files: Files, photos_may_go: bool) -> None:
    """kind: of ALLOWED. photos_may_go: pictures of any kind may be among them. Raises PublishError for the first file
    that must not go, with what to do."""
    for name, content in files.items():
        _check_name(kind, name)
        if size_of(content) > MAX_FILE:
            raise PublishError(f"{name} has {megabytes(size_of(content))}, more than the Hub takes: leave it out.")
        if not photos_may_go and not _may_show(name) and _is_picture(name, content):
            raise PublishError(
                f"{name} is a picture, and perhaps not yours to publish: say --own-photos or --license if it may go, "
                "or remove it."
            )
        _check_secrets(name, content)
        _check_home(name, content)
    if len(files) > MAX_FILES:
        raise PublishError(f"There are {len(files):,} files, more than the Hub takes in one repository.")
    if kind in ("gradio", "static", "container") and total_size(files) > MAX_SPACE:
        raise PublishError(f"The Space has {megabytes(total_size(files))}; at most {megabytes(MAX_SPACE)} can go.")
    if kind in ("gradio", "static", "container"):
        check_space_card(content_of(files["README.md"]).decode())


def _check_name(kind: str, name: str) -> None:
    check_path(name)
    if not any(fnmatchcase(name, pattern) for pattern in ALLOWED[kind]) or "__pycache__" in name:
        raise PublishError(f"{name} does not belong there, so it is not published: remove it.")


def _may_show(name: str) -> bool:
    """Whether a picture is one of figures, or one of examples/ that ships with this program."""
    return name.startswith("examples/") or DRAWN.fullmatch(name) is not None


def _is_picture(name: str, content: bytes | Path) -> bool:
    kind = format_of(next(_pieces(content), b""))
    return kind is not None and (kind != "PPM" or Path(name).suffix in (".pbm", ".pgm", ".ppm", ".pnm"))


def _check_secrets(name: str, content: bytes | Path) -> None:
    binary = Path(name).suffix in BINARY
    for piece in itertools.chain(_pieces(content), _unpacked(name, content)):
        if what := secret_in(piece, binary):
            raise PublishError(f"{name} holds what looks like {what}: remove it before it is published.")


def secret_in(text: bytes, binary: bool = False) -> str | None:
    """What of SECRETS the text holds. binary: it is numbers with words between them."""
    small = text.lower()
    for what, (marks, pattern) in SECRETS.items():
        if any(mark in small for mark in marks) and _matches(pattern, text, binary):
            return what
    return None


def _check_home(name: str, content: bytes | Path) -> None:
    """A model's own files must not name the home folder, and so the person, as a learner does that was exported with
    its `path`."""
    home = Path(os.path.expanduser("~"))  # "~" where nobody knows it
    if not home.is_absolute() or len(home.parts) <= 2:  # as /root
        return
    forms = {str(home), home.as_uri(), str(home).replace("\\", "\\\\")}
    named = re.compile(b"(?:%s)(?![\\w-])" % b"|".join(re.escape(form.encode()) for form in sorted(forms)))
    if Path(name).suffix in DESCRIBES and not name.startswith("mirror/"):
        for piece in itertools.chain(_pieces(content), _unpacked(name, content)):
            if named.search(piece):
                raise PublishError(
                    f"{name} names {home}, a folder of this machine, so it is not published: train the model "
                    "again, or leave that out of it (of a learner: `learn.path = learn.dls.path = Path()`)."
                )


def _matches(pattern: bytes, piece: bytes, binary: bool) -> bool:
    if not binary:
        return re.search(pattern, piece) is not None
    # A word's length stands before it, which may be a letter; and what numbers spell by chance is no text
    matches = re.finditer(pattern.removeprefix(rb"\b"), piece)
    return any(all(0x20 <= byte < 0x7F for byte in match[0]) for match in matches)


def _unpacked(name: str, content: bytes | Path) -> Iterator[bytes]:
    """What is compressed in the content, in pieces. Raises PublishError where it is damaged, or unpacks to more than
    MAX_UNPACKED bytes."""
    try:
        with _opened(content) as file:
            if name.endswith(".gz") and not name.endswith(".wasm.gz"):  # but the runtime that comes with this program
                with gzip.open(file) as unpacked:
                    yield from _read(unpacked, MAX_UNPACKED)
            elif name.endswith(".pkl") and is_archive(file):  # as torch writes them, whose entries may be compressed
                room = MAX_UNPACKED
                with zipfile.ZipFile(file) as archive:
                    for entry in archive.infolist():
                        if entry.compress_type != zipfile.ZIP_STORED:
                            with archive.open(entry) as unpacked:
                                yield from _read(unpacked, room)
                            room -= entry.file_size
    except (EOFError, OSError, ValueError, RuntimeError, NotImplementedError, zlib.error, zipfile.BadZipFile):
        raise PublishError(f"{name} is damaged, so it cannot be looked through for secrets: make it again.") from None


def _opened(content: bytes | Path) -> BinaryIO:
    return io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb")


def _pieces(content: bytes | Path) -> Iterator[bytes]:
    """The content, a piece after another, each with the end of the one before."""
    with _opened(content) as file:
        yield from _read(file)


def _read(file: BinaryIO | gzip.GzipFile | IO[bytes], room: float = math.inf) -> Iterator[bytes]:
    """room: bytes, more than which raise ValueError."""
    end = b""
    while piece := file.read(PIECE):
        room -= len(piece)
        if room < 0:
            raise ValueError("unpacks to too much")
        yield end + piece
        end = piece[-OVERLAP:]


def check_space_card(text: str) -> None:
    """The Hub's rules for the front matter of a Space's README, which refuses a push otherwise. Raises PublishError."""
    import yaml

    front: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    rules: dict[str, Callable[[Any], bool]] = {
        "title": bool,
        "colorFrom": COLOURS.__contains__,
        "colorTo": COLOURS.__contains__,
        "sdk": ("gradio", "docker", "static").__contains__,
        "short_description": lambda value: value is None or len(value) <= SHORT,
        "sdk_version": lambda value: front["sdk"] != "gradio" or bool(re.fullmatch(r"\d+\.\d+\.\d+", str(value))),
        "python_version": lambda value: value is None or (isinstance(value, str) and "." in value),
        "app_file": lambda value: front["sdk"] != "gradio" or bool(value),
    }
    for key, rule in rules.items():
        if not rule(front.get(key)):
            raise PublishError(f"README.md of the Space says {key}: {front.get(key)!r}, which the Hub does not take.")
