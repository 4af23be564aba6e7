"""A job's folder: whatever a kill or a power cut leaves of it, the next run makes the same bytes of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mirror.batch.checkpoint import Checkpoint, JobStore, list_sources
from mirror.batch.job import Job, JobResult, run_job
from mirror.batch.writers import OutputFilter
from mirror.errors import ImageError, MirrorError
from mirror.image_sources import ImageSource, find_sources
from mirror.inference.classifier import Classifier
from mirror.tasks.predictor import FolderPredictor
from tests.support.batch_process import photos
from tests.web.tiny import GREY, photo, tiny_model

IMAGES = 9


class Case:
    """A folder of photos, a model, and counted answers."""

    def __init__(self, place: Path):
        self.place, self.out, self.answered = place, place / "x.csv", 0
        photos(place / "a", IMAGES - 2)
        (place / "a" / "broken.png").write_bytes(photo(GREY)[:200])
        self.classifier = Classifier.load(tiny_model(place), threads=1)
        self.predictor = FolderPredictor(self.classifier)
        images = [str(place / "a"), str(place / "nowhere.png")]
        self.job = Job.of(
            images, self.predictor.identity, self.out, task="image-classification", format="csv", output=OutputFilter()
        )
        self.folder = place / ".x.csv.job"

    def answer(self, sources: Iterator[ImageSource]) -> Iterator[tuple]:
        for pair in self.predictor.answer_all(sources):
            self.answered += 1
            yield pair

    def run(self, answer: Callable | None = None, **options) -> JobResult:
        self.answered = 0
        return run_job(self.job, self.out, answer or self.answer, **options)

    def interrupted(self, sources: Iterator[ImageSource]) -> Iterator[tuple]:
        """Ctrl-C when everything is answered and nothing is finished."""
        yield from self.answer(sources)
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("work"))


@pytest.fixture
def answered(case: Case, tmp_path: Path) -> tuple[bytes, Path]:
    """What the job makes, and its folder as it is when all rows are written and nothing else is done."""
    assert case.run(restart=True) == JobResult(IMAGES, 2)
    made = case.out.read_bytes()
    case.out.unlink()
    with pytest.raises(KeyboardInterrupt):
        case.run(case.interrupted)
    return made, Path(shutil.copytree(case.folder, tmp_path / "answered"))


def restored(case: Case, kept: Path) -> Path:
    """The job's folder as it was; its rows.jsonl."""
    shutil.rmtree(case.folder, ignore_errors=True)
    shutil.copytree(kept, case.folder)
    case.out.unlink(missing_ok=True)
    return case.folder / "rows.jsonl"


def test_rows_cut_short_anywhere_are_completed(case: Case, answered: tuple[bytes, Path]) -> None:
    made, kept = answered
    whole = (kept / "rows.jsonl").read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == 10]
    assert len(ends) == IMAGES
    cuts = sorted({0, *ends, *(end - 1 for end in ends), *(end + 1 for end in ends[:-1]), ends[2] + 40})
    for cut in cuts:
        restored(case, kept).write_bytes(whole[:cut])
        assert case.run() == JobResult(IMAGES, 2)
        assert (case.out.read_bytes(), case.answered) == (made, IMAGES - sum(end <= cut for end in ends)), cut


GARBAGE = {
    "zeros, as a power cut leaves them": b"\0" * 300,
    "zeros and an end": b"\0" * 300 + b"\n",
    "a row of another image": b'{"file": "z.png", "error": "?"}\n',
    "no row": b"[1]\n",
    "a number": b"7\n",
    "an end": b"\n",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_row_of_the_listing_is_cut_off(case: Case, answered: tuple[bytes, Path], name: str) -> None:
    made, kept = answered
    whole = (kept / "rows.jsonl").read_bytes().splitlines(keepends=True)
    restored(case, kept).write_bytes(b"".join(whole[:4]) + GARBAGE[name] + b"".join(whole[4:]))
    case.run()
    assert (case.out.read_bytes(), case.answered) == (made, IMAGES - 4)


def test_a_kill_while_it_is_finished_costs_nothing(case: Case, answered: tuple[bytes, Path]) -> None:
    made, kept = answered
    restored(case, kept).with_name("finished").write_bytes(b"file,label")  # half made
    case.run()
    assert (case.out.read_bytes(), case.answered) == (made, 0)
    restored(case, kept)
    case.out.write_bytes(made)  # in place, but the job is still there
    assert case.run() == JobResult(IMAGES, 2)
    assert (case.out.read_bytes(), case.answered) == (made, 0) and not case.folder.exists()


@pytest.mark.parametrize("body", [None, b"", b"{", b"[]", b'{"version": 2}'], ids=str)
def test_a_job_exists_once_its_description_does(case: Case, answered: tuple[bytes, Path], body: bytes | None) -> None:
    """Before that, all else is a beginning that was cut short."""
    made, kept = answered
    restored(case, kept)
    (case.folder / "job.json").unlink()
    if body is not None:
        (case.folder / "job.json").write_bytes(body)
    (case.folder / "listing.jsonl").write_bytes(b'"a/')
    case.run()
    assert (case.out.read_bytes(), case.answered) == (made, IMAGES)


def test_a_listing_comes_back_as_it_was(tmp_path: Path) -> None:
    photos(tmp_path / "a", 3)
    given = [str(tmp_path / "a"), "https://example.org/a b.jpg?x=ü#y", "nowhere\udcff.png", "http://", "/nowhere\n"]
    listed = list(find_sources(given))
    with JobStore(tmp_path / "x.csv") as work:
        told = work.begin({}, iter(listed))
        back = list(work.sources())
    assert told == list_sources(listed) and told.images == len(listed) == 7
    assert [source.file for source in back] == [source.file for source in listed]
    for one, other in zip(back, listed, strict=True):
        same = str if isinstance(other.location, MirrorError) else lambda place: place
        assert same(one.location) == same(other.location) and isinstance(one.location, MirrorError) is isinstance(
            other.location, MirrorError
        )


def test_a_listing_is_told_from_any_other() -> None:
    listings = [
        [], ["a"], ["a", "b"], ["b", "a"], ["a", "a"], ["ab"],
        [ImageSource("a", ImageError("There is none."))], [ImageSource("a", ImageError("It is none."))],
    ]  # fmt: skip
    sources = [[s if isinstance(s, ImageSource) else ImageSource(s, Path(s)) for s in names] for names in listings]
    assert len({list_sources(each) for each in sources}) == len(listings)


def test_no_rows_are_kept_where_none_are(tmp_path: Path) -> None:
    with JobStore(tmp_path / "x.csv") as work:
        work.begin({}, [ImageSource("a.png", Path("a.png"))])
        assert work.checkpoint() == Checkpoint(0, 0, 0)
        assert list(work.append([{"file": "a.png", "error": "?"}], Checkpoint())) == [{"file": "a.png", "error": "?"}]
        assert work.checkpoint() == Checkpoint(1, work.rows.stat().st_size, 1)
        assert list(work.read()) == [json.loads(work.rows.read_text())]


def test_a_folder_of_which_no_job_came_is_not_left_behind(tmp_path: Path) -> None:
    with JobStore(tmp_path / "x.csv") as work:
        assert work.folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_the_answering_function_gets_each_image_in_order(case: Case) -> None:
    """What another engine has to do: the seam is a function of images."""
    seen = []

    def engine(sources: Iterator[ImageSource]) -> Iterator[tuple]:
        for source in sources:
            seen.append(source.file)
            yield source, ImageError("It was raining.")

    assert case.run(engine, restart=True) == JobResult(IMAGES, IMAGES)
    assert seen == [source.file for source in find_sources(case.job.images)]
    rows = case.out.read_text(encoding="utf-8")
    assert rows.count("It was raining.") == IMAGES
