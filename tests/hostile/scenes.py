"""What a command that is killed works on, and what must be true of it: between the kills, and when it has ended.

Every scene is small: 8 to 20 drawings, a network with random weights that fits into a few hundred kilobytes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mirror.collect.corrections import DECISIONS_CSV, current_labels, read_corrections
from mirror.collect.photo_records import read_photos, read_rejections
from mirror.errors import MirrorError
from mirror.model_folder import list_models, read_model_folder
from tests.hostile.killed_commands import OPERATIONS, done_in
from tests.web.studio.folders import photo_folder
from tests.web.tiny import tiny_model
from tests.world import World, draw_photo, encode, near_copy

FOLDER = Path("data/mirror")
VOLATILE = ("retrieved_at", "time")  # columns and keys that say when something was done


@dataclass(frozen=True)
class Result:
    """What a run leaves. rows: what must be there exactly once; files: path → sha256 of what must be the same bytes."""

    rows: Counter[str] = field(default_factory=Counter)
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """lay: makes the working folder and gives the command's arguments. between: sentences on what is wrong with the
    folder right after a kill. result: what the finished run leaves."""

    kind: str
    lay: Callable[[Path], Sequence[str]]
    between: Callable[[Path], list[str]]
    result: Callable[[Path], Result]


def files_below(place: Path, *, but: Sequence[str] = ()) -> dict[str, str]:
    """path → sha256 of every file, hidden ones too; a lock file says who works there and is none of the result."""
    found = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if path.is_file() and path.name != ".lock" and not any(path.match(pattern) for pattern in but):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def csv_rows(path: Path) -> Counter[str]:
    """The rows of a CSV file but for when they were made, under the file's name."""
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    return Counter(json.dumps([path.name, {k: v for k, v in row.items() if k not in VOLATILE}]) for row in rows)


# ---- collecting -----------------------------------------------------------------------------------------------------


def collected(place: Path) -> Result:
    folder = place / FOLDER
    rows = csv_rows(folder / "metadata.csv") + csv_rows(folder / "rejected.csv")
    return Result(rows, files_below(folder, but=("*.csv", "hits.jsonl")))


def collecting(place: Path) -> list[str]:
    """Both tables can be read, and no photo is in either twice."""
    wrong = []
    for name, read in (("metadata.csv", read_photos), ("rejected.csv", read_rejections)):
        path = place / FOLDER / name
        if not path.exists() or not path.stat().st_size:
            continue
        try:
            keys = Counter(row.key for row in read(path))
        except MirrorError as error:
            wrong.append(str(error))
        else:
            wrong += [f"{name}: {key} is there {number} times" for key, number in keys.items() if number > 1]
    return wrong


def search_scene(world: World) -> Scene:
    """Two words, eight photos each; copies, pages and dead links among the hits."""
    host = world.photo_host("photos.example")
    swans, ducks = host.photos("baby swan", 9), host.photos("duckling", 7)
    copy = host.body("/copy.jpg", encode(near_copy(draw_photo("baby swan", 0))))
    page = host.body("/page.jpg", b"<html>No hotlinking.</html>", content_type="image/jpeg")
    world.results("baby swan", [*swans[:3], copy, page, *swans[3:]])
    world.results("duckling", ["https://photos.example/gone.jpg", *ducks, swans[2]])
    words = ("--search", "cygnet=baby swan", "--search", "duckling=duckling", "--count", "8")

    def lay(place: Path) -> Sequence[str]:
        return (*words, "--proxy", world.proxy_url, "--insecure")

    return Scene("search", lay, collecting, collected)


def folder_scene() -> Scene:
    """Twenty files of one's own: copies within and between the labels, and one that is none."""

    def lay(place: Path) -> Sequence[str]:
        for label in ("cygnet", "duckling"):
            (place / "own" / label).mkdir(parents=True)
            for seed in range(8):
                (place / "own" / label / f"{seed}.jpg").write_bytes(encode(draw_photo(label, seed, (160, 128))))
        both = encode(draw_photo("both", 1, (160, 128)))
        (place / "own" / "cygnet" / "both.jpg").write_bytes(both)
        (place / "own" / "duckling" / "both.jpg").write_bytes(both)
        (place / "own" / "duckling" / "copy.jpg").write_bytes((place / "own" / "duckling" / "3.jpg").read_bytes())
        (place / "own" / "duckling" / "none.jpg").write_bytes(b"no photo")
        return ("--data", "own")

    return Scene("folder", lay, collecting, collected)


def recipe_scene(world: World) -> Scene:
    """A model's photos.csv: fourteen photos that are still there, one that changed and one that has gone."""
    host = world.photo_host("recipes.example")

    def lay(place: Path) -> Sequence[str]:
        from dataclasses import replace

        from mirror.collect import PhotoFolder
        from mirror.collect.photo_records import Origin, write_photos
        from mirror.collect.splits import assign_splits

        urls = {label: host.photos(label, 8) for label in ("cygnet", "duckling")}
        with PhotoFolder(place / "made") as folder:
            for label, known in urls.items():
                for seed, url in enumerate(known):
                    folder.add(Origin(url, label, retrieved_at="2026-11-20T10:00:00+00:00"),
                               encode(draw_photo(label, seed, (320, 240))))  # fmt: skip
            rows = assign_splits(folder.photos, seed=7)
        rows[2] = replace(rows[2], sha256="0" * 64)
        rows[5] = replace(rows[5], url="https://recipes.example/gone.jpg")
        write_photos(place / "photos.csv", rows)
        return ("--photos", "photos.csv", "--proxy", world.proxy_url, "--insecure")

    return Scene("recipe", lay, collecting, collected)


# ---- models ---------------------------------------------------------------------------------------------------------


def models_whole(place: Path, name: str) -> list[str]:
    """The one model there was is always there, old or new: listed, open to readers, with every file that it records."""
    entries = list_models(place / "models")
    wrong = [] if [entry.name for entry in entries] == [name] else [f"the models are {entries}"]
    for entry in entries:
        try:
            model = read_model_folder(entry.path)
            for file in model.info.files:
                model.file(file)
        except MirrorError as error:
            wrong.append(str(error))
    return wrong


def modelled(place: Path) -> Result:
    """All but what says when it was made: model.json by its content, the rest by its bytes."""
    rows: Counter[str] = Counter()
    for path in (place / "models").glob("*/model.json"):
        told = json.loads(path.read_bytes())
        told.pop("created_at", None)
        (told.get("training") or {}).pop("seconds", None)
        for name in ("README.md", "learner.pkl"):
            told.get("files", {}).pop(name, None)
        rows[json.dumps(told, sort_keys=True)] += 1
    return Result(rows, files_below(place / "models", but=("model.json", "README.md")))


def training_scene(scratch: Path) -> Scene:
    """Eighteen photos that lie there, and an older model of the same name that serves meanwhile."""

    def lay(place: Path) -> Sequence[str]:
        photo_folder(place / FOLDER, each=9)
        tiny_model(place / "models")
        return ("--collected", str(FOLDER), *_quick(scratch))

    return Scene("training", lay, lambda place: models_whole(place, "mirror") + collecting(place), modelled)


def from_folder_scene(scratch: Path) -> Scene:
    """The whole of train.py, from a folder of files to a model."""
    own = folder_scene()

    def lay(place: Path) -> Sequence[str]:
        tiny_model(place / "models")
        return (*own.lay(place), *_quick(scratch))

    def result(place: Path) -> Result:
        photos, model = collected(place), modelled(place)
        return Result(photos.rows + model.rows, photos.files | model.files)

    return Scene("train.py", lay, lambda place: models_whole(place, "mirror") + collecting(place), result)


def _quick(scratch: Path) -> Sequence[str]:
    """Options for a network of 360,000 random weights, whose file is made once."""
    weights = scratch / "weights.pth"
    if not weights.exists():
        import timm
        import torch

        torch.manual_seed(3)
        torch.save(timm.create_model("test_efficientnet").state_dict(), weights)
    network = ("--arch", "test_efficientnet", "--weights", str(weights), "--size", "64", "--precision", "fp32")
    return (*network, "--no-photos-in-report")


def compile_scene(scratch: Path) -> Scene:
    """A fastai learner's pickle, and an older model of the same name."""
    pickle = scratch / "learner.pkl"

    def lay(place: Path) -> Sequence[str]:
        if not pickle.exists():
            small_learner(pickle)
        tiny_model(place / "models", name="made")
        return ("compile", str(pickle), "--out", "models/made")

    return Scene("compile", lay, lambda place: models_whole(place, "made"), modelled)


def model_scene() -> Scene:
    """The last step of both without torch, so that it is killed often: a model folder takes an older one's place."""

    def lay(place: Path) -> Sequence[str]:
        tiny_model(place / "models", name="made")
        return ()

    return Scene("model", lay, lambda place: models_whole(place, "made"), modelled)


def small_learner(path: Path) -> None:
    """A fastai learner with a few weights, exported as a person exports one."""
    from fastai.vision.all import Learner, Resize
    from torch import nn

    from tests.learners import dataloaders

    loaders = dataloaders(Resize(32), labels=("circle", "cross"))
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    learner = Learner(loaders, network, loss_func=nn.CrossEntropyLoss())
    learner.path = Path(".")
    learner.export(path.absolute())


# ---- the studio -----------------------------------------------------------------------------------------------------


def decisions_scene() -> Scene:
    """Sixteen photos, and somebody who relabels, removes and takes back."""

    def lay(place: Path) -> Sequence[str]:
        photo_folder(place / FOLDER, each=8)
        (place / "models").mkdir()
        return (str(FOLDER),)

    def between(place: Path) -> list[str]:
        acknowledged = place / "acknowledged"
        said = len(acknowledged.read_text()) if acknowledged.exists() else 0
        try:
            held = done_in(place / FOLDER)
        except MirrorError as error:
            return [str(error)]
        return [f"{said - held} decisions that were said to be written are lost"] if held < said else []

    def result(place: Path) -> Result:
        folder = place / FOLDER
        photos = read_photos(folder / "metadata.csv")
        stands = current_labels(photos, read_corrections(folder))
        rows = csv_rows(folder / DECISIONS_CSV) + Counter(f"{name} {stands[name]}" for name in stands)
        assert done_in(folder) == len(OPERATIONS)
        return Result(rows, files_below(folder, but=(DECISIONS_CSV,)))

    return Scene("decisions", lay, between, result)


# ---- batch jobs -----------------------------------------------------------------------------------------------------


def batch_scene(kind: str) -> Scene:
    """Twenty pictures, two of them none; an older file of the same name that stays until the new one is whole."""
    from tests.web.tiny import photo

    colours = [(10 * number, 250 - 10 * number, 5 * number) for number in range(20)]

    def lay(place: Path) -> Sequence[str]:
        tiny_model(place / "models")
        (place / "photos").mkdir()
        for number, colour in enumerate(colours):
            body = photo(colour, (16, 12), format="PNG")
            (place / "photos" / f"{number:02}.png").write_bytes(body[:40] if number in (5, 11) else body)
        (place / f"answers.{kind}").write_bytes(b"mine")
        return ("predict", "photos", "--model", "models/mirror", "--out", f"answers.{kind}")

    def between(place: Path) -> list[str]:
        body = (place / f"answers.{kind}").read_bytes()
        return [] if body == b"mine" or len(body) > 400 else [f"answers.{kind} is cut off"]

    def result(place: Path) -> Result:
        answers = place / f"answers.{kind}"
        rows = answers.read_text(encoding="utf-8").splitlines() if kind != "parquet" else []
        return Result(Counter(rows), files_below(place))

    return Scene("batch", lay, between, result)
