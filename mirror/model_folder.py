"""The door between the halves: models/<name>/ on disk, written atomically and validated when read.

    models/mirror/  model.json  model.onnx  heat.onnx  learner.pkl  photos.csv  README.md  report/*.png

A folder is built in `.name.tmp-held-…` beside its place, flushed to the disk, and renamed. An older one of that name
steps aside as `.name.old`; whoever reads next puts that back if the writer was killed in between.

Everything is derived from learner.pkl. A folder may leave it out, being 45 MB of a ResNet-18: `learner_sha256` still
says which one that was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mirror.errors import ModelFolderError
from mirror.folders import hold_folder, recovered, remove_old, set_aside, swap_folder, sweep_folders
from mirror.model_schema import FORMAT_VERSION, ModelInfo
from mirror.preparation import NAMES
from mirror.storage import flush_to_disk, make_folder, parse_json, read_file, write_atomically
from mirror.typed_json import decode, encode

MODEL_JSON = "model.json"
EXAMPLES = "examples"  # pictures to click, somebody's own
MOST_EXAMPLES = 8  # that a command or the studio puts there
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
PICKLE_NAMES = ("learner.pkl", "export.pkl")  # ours, and fastai's default: preferred where a folder holds several
READ_ATTEMPTS = 10  # while another process replaces the folder
MAX_MODEL_JSON_BYTES = 16 * 1024 * 1024  # 1,000 labels with a confusion matrix take 3 MB
MAX_INPUT_PIXELS = 2**24  # of what the network sees: 200 MB of float32
MAX_FORMAT_VERSION = 10**6  # beyond it, no version but a number made up
MAX_FILE_BYTES = 2 * 1024**3  # a network of more is none that protobuf can hold


@dataclass(frozen=True)
class ModelFolder:
    """A model folder whose model.json was read and found valid; its other files are checked when first asked for."""

    path: Path
    info: ModelInfo

    def file(self, name: str) -> Path:
        """The path of a file of this folder, once its sha256 is the recorded one (hashed at most once by this object).

        Raises ModelFolderError when it is absent, unrecorded or changed.
        """
        if name not in self._checked:
            self.read(name)
        return self.path / name

    def read(self, name: str, limit: int | None = None) -> bytes:
        """The bytes of a file of this folder, checked as `file` does: one that model.json records, and no link.

        limit: bytes it may have, by default MAX_FILE_BYTES.
        """
        expected = self.info.files.get(name)
        if expected is None:
            raise ModelFolderError(f"{self.path}/{MODEL_JSON} lists no file {name}: train or compile the model again.")
        try:
            body = read_file(self.path / name, inside=self.path, limit=limit or MAX_FILE_BYTES)
        except OSError as error:
            reason = error.strerror or error
            raise ModelFolderError(
                f"{self.path / name} cannot be read ({reason}): restore it or make the model again."
            ) from None
        if hashlib.sha256(body).hexdigest() != expected:
            raise ModelFolderError(
                f"{self.path / name} is not the file that {MODEL_JSON} describes (its sha256 differs): "
                "restore it or make the model again."
            )
        self._checked.add(name)
        return body

    @cached_property
    def _checked(self) -> set[str]:
        return set()


@dataclass(frozen=True)
class ModelEntry:
    """A model found in models/.

    kind: "folder" (has a model.json), "pickle-folder" (holds only a learner pickle) or "pickle" (a bare .pkl);
    the last two need compiling (`inference/pickle_cache.py`). problem: a sentence where it cannot be tried, else None.
    """

    name: str
    path: Path
    kind: str
    pickle: Path | None = None
    problem: str | None = None

    @property
    def needs_compiling(self) -> bool:
        return self.kind != "folder"


def published_name(info: ModelInfo) -> str:
    """What a model's folder is called where it is copied to: the model's name, if that is one of a file on every
    system. model.json may be a stranger's, so its name is no path."""
    return re.sub(r"[^\w.-]+", "-", info.name).strip(".-") or "model"


def own_examples(folder: Path) -> list[Path]:
    """The pictures to click that somebody put into a model folder's `examples/`, by name; none through a link."""
    kept = folder / EXAMPLES
    if kept.is_symlink() or not kept.is_dir():
        return []
    found = sorted(path for path in kept.iterdir() if path.suffix.lower() in PICTURES)
    return [path for path in found if path.is_file() and not path.is_symlink()]


def write_examples(folder: Path, pictures: Mapping[str, bytes]) -> None:
    """JPEGs by name without suffix, as the model folder's pictures to click, in place of those that it has. Raises
    OSError where the disk refuses."""
    make_folder(folder / EXAMPLES, inside=folder)
    for name, body in pictures.items():
        write_atomically(folder / EXAMPLES / f"{name}.jpg", body, inside=folder)
    for path in own_examples(folder):
        if path.suffix != ".jpg" or path.stem not in pictures:
            path.unlink()


def read_model_folder(path: str | Path) -> ModelFolder:
    """The model folder at `path`, valid. Raises ModelFolderError with one sentence otherwise."""
    path = recovered(Path(path))
    source = path / MODEL_JSON
    if not path.is_dir():
        raise ModelFolderError(
            f"There is no model folder at {path}: train one with `python train.py`, or check the path."
        )
    try:
        value = parse_json(_read_while_replaced(source))
    except FileNotFoundError:
        raise ModelFolderError(
            f"{path} holds no {MODEL_JSON}, so it is not a model folder: make the model again."
        ) from None
    except OSError as error:
        if error.errno == errno.EFBIG:
            too_large = "is too large to be a model's description"
            raise ModelFolderError(f"{source} {too_large}: make the model again.") from None
        raise ModelFolderError(f"{source} cannot be read ({error.strerror or error}): make the model again.") from None
    except ValueError:
        raise ModelFolderError(f"{source} is not JSON: restore it or make the model again.") from None
    version = value.get("format_version") if isinstance(value, dict) else None
    if isinstance(version, int) and FORMAT_VERSION < version < MAX_FORMAT_VERSION:
        raise ModelFolderError(
            f"{source} has format version {version}, newer than this program's {FORMAT_VERSION}: update it."
        )
    try:
        if version != FORMAT_VERSION or isinstance(version, bool):
            raise ModelFolderError(f"format_version must be {FORMAT_VERSION}, not {version!r}")
        info = decode(ModelInfo, value)
        _check(info)
    except ModelFolderError as error:
        raise ModelFolderError(f"{source} is not valid: {error}; restore it or make the model again.") from None
    return ModelFolder(path, info)


def _read_while_replaced(source: Path) -> bytes:
    """The bytes of a model.json, whose folder a writer may replace and remove just as it is opened."""
    for _ in range(READ_ATTEMPTS - 1):
        with contextlib.suppress(FileNotFoundError):
            return read_file(source, limit=MAX_MODEL_JSON_BYTES)
    return read_file(source, limit=MAX_MODEL_JSON_BYTES)


def _check(info: ModelInfo) -> None:
    """Raises ModelFolderError where the fields are of the right type but cannot be meant together."""
    labels, preprocessing, metrics = info.labels, info.preprocessing, info.metrics
    if len(labels) < 2:
        raise ModelFolderError(f"labels must name at least two labels, not {len(labels)}")
    if any(not label.strip() for label in labels):
        raise ModelFolderError("labels holds an empty label")
    repeated = [label for label, times in Counter(labels).items() if times > 1]
    if repeated:
        raise ModelFolderError(f"labels holds {min(repeated)!r} more than once")
    if preprocessing.prepare not in NAMES:
        allowed = ", ".join(NAMES)
        raise ModelFolderError(f"preprocessing.prepare must be one of {allowed}, not {preprocessing.prepare!r}")
    resizes = preprocessing.batch_resizes
    sizes = [preprocessing.size, preprocessing.crop, *(size for step in resizes for size in (step.size, step.crop))]
    if any(size[0] * size[1] > MAX_INPUT_PIXELS for size in sizes if size):
        raise ModelFolderError(f"preprocessing's sizes must have at most {MAX_INPUT_PIXELS:,} pixels")
    if "logits" not in info.onnx.outputs:
        raise ModelFolderError("onnx.outputs must name logits")
    matrix = metrics.confusion_matrix if metrics else ()
    if matrix and (len(matrix) != len(labels) or any(len(row) != len(labels) for row in matrix)):
        raise ModelFolderError(f"metrics.confusion_matrix must have {len(labels)} rows and columns, one a label")


def write_model_folder(
    path: str | Path, build: Callable[[Path], ModelInfo], keep: Callable[[], Path | None] = lambda: None
) -> ModelFolder:
    """Makes the model folder `path`: `build(folder)` writes the files into an empty folder and returns what they are.

    The sha256 of every file built is recorded in model.json. Readers see the old folder or the new one, whole, whenever
    the writer is killed; if `build` raises, the old one stays. keep: says where the old one goes, None for nowhere.
    Raises ModelFolderError when the disk refuses or the info is wrong.
    """
    path = Path(os.path.abspath(path))
    if path.exists() and not (path / MODEL_JSON).is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise ModelFolderError(f"{path} exists and is not a model folder, so it is not replaced: choose another name.")
    prefix = f".{path.name}.tmp-"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        recovered(path)
        remove_old(path)
        sweep_folders(path.parent, prefix)
        temporary, lock = hold_folder(path.parent, prefix)
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be written: {error.strerror or error}.") from None
    try:
        info = build(temporary)
        try:
            temporary.chmod(0o777 & ~_umask())  # mkdtemp makes it private; a model folder is as readable as any other
            info = _finish(temporary, info)
            for picture in own_examples(path):  # not the model's: they outlast it, and model.json names none of them
                (temporary / EXAMPLES).mkdir(exist_ok=True)
                shutil.copy2(picture, temporary / EXAMPLES)
            swap_folder(temporary, path, keep())
        except OSError as error:
            raise ModelFolderError(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        _remove(temporary)
        if lock is not None:
            os.close(lock)
    return ModelFolder(path, info)


def _finish(folder: Path, info: ModelInfo) -> ModelInfo:
    """Hashes and flushes every file, then writes model.json last."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MODEL_JSON)
    info = dataclasses.replace(info, files={p.relative_to(folder).as_posix(): sha256_of(p) for p in files})
    try:
        encoded = encode(info)
        _check(decode(ModelInfo, encoded))
    except ModelFolderError as error:
        raise ModelFolderError(f"The model's description is not valid: {error}.") from None
    for name in filter(None, (info.onnx.file, info.pickle)):
        if name not in info.files:
            raise ModelFolderError(f"The model's description names {name}, which was not written.")
    text = json.dumps(encoded, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / MODEL_JSON).write_text(text, encoding="utf-8")
    for file in (*files, folder / MODEL_JSON):
        flush_to_disk(file)
    for directory in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        flush_to_disk(directory)
    flush_to_disk(folder)
    return info


def _remove(path: Path) -> None:
    """A folder with all in it; of a link, which may have stood in the model's place, only the link."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def list_models(models_dir: str | Path) -> list[ModelEntry]:
    """Every model in `models_dir`, sorted by name; hidden names are skipped, and a missing directory holds none.

    A name that a folder and a bare pickle share is the folder's; the pickle's is then its file name.
    """
    models_dir = Path(models_dir)
    if not models_dir.is_dir():
        return []
    for path in set_aside(models_dir):
        recovered(path)
    entries = [_entry(path) for path in sorted(models_dir.iterdir()) if not path.name.startswith(".")]
    models = [entry for entry in entries if entry]
    folders = {entry.name for entry in models if entry.kind != "pickle"}
    models = [
        dataclasses.replace(model, name=model.path.name) if model.kind == "pickle" and model.name in folders else model
        for model in models
    ]
    return sorted(models, key=lambda entry: entry.name)


def find_model(path: str | Path) -> ModelEntry:
    """The entry of a model folder, a folder holding a learner pickle, or a pickle. Raises ModelFolderError."""
    entry = _entry(recovered(Path(path)))
    if entry is None:
        exists = Path(path).exists()
        what = f"{path} holds neither a model.json nor a learner pickle" if exists else f"There is no {path}"
        raise ModelFolderError(f"{what}: give a model folder or a learner pickle, or train one with `python train.py`.")
    return entry


def _entry(path: Path) -> ModelEntry | None:
    if path.is_file():
        return ModelEntry(path.stem, path, "pickle", pickle=path) if path.suffix.lower() == ".pkl" else None
    if not path.is_dir():
        return None
    if (path / MODEL_JSON).is_file():
        return ModelEntry(path.name, path, "folder")
    found = [p for p in path.iterdir() if p.suffix.lower() == ".pkl"]
    pickles = sorted(p for p in found if p.is_file() and not p.is_symlink())  # as all of a model folder
    chosen = [p for name in PICKLE_NAMES for p in pickles if p.name.lower() == name] or pickles
    if not chosen:
        return None
    several = len(chosen) > 1 and chosen[0].name.lower() not in PICKLE_NAMES
    problem = f"{path} holds {len(pickles)} pickles: keep one, or name it learner.pkl." if several else None
    return ModelEntry(path.name, path, "pickle-folder", pickle=chosen[0], problem=problem)


def sha256_of(path: Path) -> str:
    """The hex sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
