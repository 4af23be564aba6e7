"""The projects of the workshop: what lies in data/ and models/ under a name, and what is known of it. Pure: no gradio.

    projects = Projects(home)                  every photo folder and model that lies there
    projects.of("fruit").card()

No list of them is kept anywhere: the folders are the state, so that what a command made is here, and the other way
round.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mirror.collect.corrections import require_photo_folder
from mirror.collect.search_json import SEARCH_JSON, read_search
from mirror.collect.search_types import SearchTerm
from mirror.errors import MirrorError, UsageError
from mirror.folders import is_folder_name, set_aside, why_no_folder
from mirror.metric_sentences import error_sentence
from mirror.model_folder import MODEL_JSON, read_model_folder
from mirror.model_schema import ModelInfo
from mirror.publish.publication_record import PublicationRecord, read_record
from mirror.search_doctor.exclusions import PREVIEW_JSON
from mirror.terminal import typed
from mirror.web.studio.state import StudioState
from mirror.web.workshop.long_run import LongRun

METADATA_CSV = "metadata.csv"


@dataclass(frozen=True)
class Card:
    """What the start page shows of a project. photos: None where none were collected; picture: the name of a photo of
    it, "" where there is none; error: of the model, as a sentence; published: an address, "" for none; last: the last
    step; problem: what is broken."""

    name: str
    labels: tuple[str, ...] = ()
    photos: int | None = None
    picture: str = ""
    error: str = ""
    published: str = ""
    last: str = ""
    problem: str = ""


class Project:
    """One name: its photo folder and its model, each of which may not be there yet, and the commands that run for it.
    home: the folder that the commands are started in."""

    def __init__(self, name: str, folder: Path, models: Path, home: Path):
        self.name, self.folder, self.models, self.home = name, folder, models, home
        self._state: StudioState | None = None
        self._runs: dict[str, LongRun] = {}

    @property
    def model(self) -> Path:
        return self.models / self.name

    @property
    def collectable(self) -> bool:
        """Whether train.py collects into this very folder: data/<name> of where it is started."""
        return self.folder.resolve() == (self.home / "data" / self.name).resolve()

    @property
    def elsewhere(self) -> str:
        """Why nothing is searched for it; "" where something can be."""
        if self.collectable:
            return ""
        return (
            f"{self.folder} is not a folder of data/, where train.py collects: its photos can be cleaned, trained "
            "on and added to; a search begins in a project of its own (`python app.py --studio`)."
        )

    def given(self, folder: Path) -> str:
        """A folder as it is given to a command that is started in `home`."""
        folder, home = folder.absolute(), self.home.absolute()
        return str(folder.relative_to(home) if folder.is_relative_to(home) else folder)

    @property
    def shown_folder(self) -> str:
        """The photo folder as a person is told of it: from where the commands are started, or from ~."""
        return typed([self.given(self.folder)])

    @property
    def is_new(self) -> bool:
        """Whether nothing of it is there yet."""
        return not (self.folder.exists() or self.model.exists())

    def state(self) -> StudioState | None:
        """The photos, the decisions and what the model says of them; None where no photo was collected yet. Raises
        DatasetError for a folder that cannot be read."""
        if not (self.folder / METADATA_CSV).exists():
            self._state = None
        elif self._state is None:
            self._state = StudioState(self.folder, self.models, self.name)
        return self._state

    def info(self) -> ModelInfo | None:
        """What the model says of itself; None where there is none. Raises MirrorError for one that is broken."""
        return read_model_folder(self.model).info if (self.model / MODEL_JSON).exists() else None

    def publication(self) -> PublicationRecord | None:
        """What of it was published from here, and where; None where nothing was."""
        return read_record(self.model)

    def words(self) -> tuple[SearchTerm, ...]:
        """What is searched for, in the order it was given; () where nothing is. Raises DatasetError."""
        search = read_search(self.folder)
        return tuple(search.terms) if search else ()

    def run(self, step: str) -> LongRun:
        """The step's command, the same for every tab of a browser."""
        return self._runs.setdefault(step, LongRun(self.home))

    @property
    def running(self) -> bool:
        return any(run.progress().running for run in self._runs.values())

    @property
    def last_run(self) -> str:
        """The step whose command was started last; "" where none was."""
        started = {step: run.begun for step, run in self._runs.items() if run.started}
        return max(started, key=lambda step: started[step], default="")

    def train(self, *arguments: str) -> list[str]:
        """The arguments of a train.py of this project, with --models where they do not lie beside data/."""
        return ["--name", self.name, *self._models, *arguments]

    def learn(self) -> list[str]:
        """The arguments of a train.py that learns from the photos as they lie there, however often it did."""
        return ["--name", self.name, "--collected", self.given(self.folder), *self._models, "--again"]

    @property
    def _models(self) -> list[str]:
        given = self.given(self.models)
        return [] if given == "models" else ["--models", given]

    def card(self) -> Card:
        """Whatever is wrong with it is its `problem`."""
        labels: tuple[str, ...] = ()
        photos, picture, error, published, last, problem = None, "", "", "", "", ""
        try:
            if words := self.words():
                labels = tuple(dict.fromkeys(term.label for term in words))
                last = f"words chosen on {_day(self.folder / SEARCH_JSON)}"
            if state := self.state():
                snapshot = state.snapshot()
                labels = tuple(snapshot.labels)
                photos = sum(snapshot.counts.values())
                picture = next((name for name in snapshot.photos if not snapshot.is_missing(snapshot.photos[name])), "")
                last = f"collected on {_day(self.folder / METADATA_CSV)}"
            if info := self.info():
                labels = labels or info.labels
                error = error_sentence(info.judged) if info.judged else ""
                last = f"trained on {(info.created_at or _day(self.model / MODEL_JSON))[:10]}"
                if record := self.publication():
                    published = record.addresses[0] if record.addresses else ""
                    last = f"published on {record.day}" if record.is_of(info) else f"{last}, after it was published"
        except MirrorError as failure:
            problem = str(failure)
        return Card(self.name, labels, photos, picture, error, published, last, problem)


class Projects:
    """Those of a folder. home: where data/ and models/ are; models: another folder of models. only: the one photo
    folder that there is to see, wherever it lies. Raises DatasetError for one that is
    broken, or without photos and words."""

    def __init__(self, home: Path, models: Path | None = None, only: Path | None = None):
        self.home, self.models = home, models or home / "models"
        self.only = only.resolve().name if only else None
        self._opened: dict[str, Project] = {}
        if only and self.only:
            self._opened[self.only] = project = Project(self.only, only, self.models, home)
            if not project.state() and not any((only / name).is_file() for name in (SEARCH_JSON, PREVIEW_JSON)):
                require_photo_folder(only)

    def of(self, name: str) -> Project:
        """The project of this name, which need not exist yet. Raises UsageError for a name that none can have."""
        if self.only and name != self.only:
            raise UsageError(f"This studio is for {self.only} alone: start `python app.py --studio` for others.")
        if not self.only and (advice := why_no_folder(name)):
            raise UsageError(f"“{name[:60]}” cannot be a project's name, which is that of a folder too: {advice}.")
        if name not in self._opened:
            self._opened[name] = Project(name, self.home / "data" / name, self.models, self.home)
        return self._opened[name]

    def names(self) -> list[str]:
        """Of those that exist, sorted."""
        if self.only:
            return [self.only]
        found = {folder.name for folder in self._folders() if is_folder_name(folder.name)}
        return sorted(found, key=lambda name: (name.casefold(), name))

    def cards(self) -> list[Card]:
        return [self.of(name).card() for name in self.names()]

    def free_name(self, wanted: str = "mirror") -> str:
        """That name, or one like it that no project has."""
        taken, number, name = set(self.names()), 1, wanted
        while name in taken:
            number += 1
            name = f"{wanted}-{number}"
        return name

    def _folders(self) -> Iterator[Path]:
        begun = (METADATA_CSV, SEARCH_JSON, PREVIEW_JSON)
        yield from (one for one in _inside(self.home / "data") if any((one / name).is_file() for name in begun))
        yield from (one for one in _inside(self.models) if (one / MODEL_JSON).is_file())
        yield from set_aside(self.models)


def _inside(folder: Path) -> list[Path]:
    try:
        return [one for one in folder.iterdir() if one.is_dir()]
    except OSError:
        return []


def _day(file: Path) -> str:
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, UTC).strftime("%Y-%m-%d")
    except (OSError, ValueError, OverflowError):
        return ""
