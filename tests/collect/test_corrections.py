"""decisions.csv: what it makes of photos, how it grows, and what survives a kill."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mirror.collect import PhotoFolder
from mirror.collect.corrections import (
    COLUMNS,
    DECISIONS_CSV,
    RELABEL,
    REMOVE,
    RESTORE,
    UNDO,
    CorrectedFolder,
    Correction,
    FolderState,
    apply_corrections,
    corrections_summary,
    count_changes,
    current_labels,
    last_corrections,
    read_corrections,
    record_corrections,
    split_as_corrected,
    undo_last,
)
from mirror.collect.photo_records import Origin, Photo, Rejection, write_photos
from mirror.collect.splits import assign_splits
from mirror.errors import DatasetError
from tests.support.limits import LIMIT
from tests.support.photo_folders import check_totals, correct, make_photo
from tests.world import draw_photo, encode, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
PHOTOS = [make_photo(number, label) for label in ("cygnet", "duckling") for number in range(3)]
A, B, C = (photo.file_name for photo in PHOTOS[:3])


def line(action: str, file_name: str = A, label: str = "", time: str = "") -> Correction:
    return Correction(time or action, file_name, action, label)


def shown(photos: list[Photo]) -> dict[str, str]:
    return {photo.file_name: photo.label for photo in photos}


@pytest.mark.parametrize(
    ("decisions", "label"),
    [
        ([], "cygnet"),
        ([line(RELABEL, label="duckling")], "duckling"),
        ([line(RELABEL, label="goose")], "goose"),
        ([line(RELABEL, label="goose"), line(RELABEL, label="swan")], "swan"),
        ([line(REMOVE)], None),
        ([line(REMOVE), line(RESTORE)], "cygnet"),
        ([line(RELABEL, label="goose"), line(REMOVE), line(RESTORE)], "goose"),
        ([line(REMOVE), line(RELABEL, label="goose")], None),
        ([line(RELABEL, label="goose"), line(UNDO)], "cygnet"),
        ([line(RELABEL, label="goose"), line(REMOVE), line(UNDO)], "goose"),
        ([line(RELABEL, label="goose"), line(REMOVE), line(UNDO), line(UNDO)], "cygnet"),
        ([line(REMOVE), line(RESTORE), line(UNDO)], None),
        ([line(REMOVE), line(UNDO), line(RELABEL, label="goose")], "goose"),
        ([line(REMOVE), line(RELABEL, B, "goose"), line(UNDO)], "cygnet"),
        ([line(RESTORE)], "cygnet"),
        ([line(RELABEL, label="cygnet")], "cygnet"),
    ],
    ids=[
        "nothing", "relabel", "a new label", "relabel twice", "remove", "restore", "restore keeps the label",
        "a removed photo stays removed", "undo", "undo the last only", "undo twice", "undo a restore", "after an undo",
        "undo is of one photo", "restore what is there", "confirm",
    ],
)  # fmt: skip
def test_what_decisions_make_of_make_photo(decisions: list[Correction], label: str | None) -> None:
    assert shown(apply_corrections(PHOTOS, decisions)).get(A) == label


def test_all_other_photos_and_their_order_stay() -> None:
    decided = apply_corrections(PHOTOS, [line(REMOVE, B), line(RELABEL, C, "goose")])
    assert [photo.file_name for photo in decided] == [photo.file_name for photo in PHOTOS if photo.file_name != B]
    assert {photo.label for photo in decided} == {"cygnet", "duckling", "goose"}


def test_a_random_journal_is_what_a_stack_of_each_photo_says() -> None:
    for seed in range(200):
        draw = random.Random(seed)
        decisions: list[Correction] = []
        stacks: dict[str, list[tuple[str, bool]]] = {p.file_name: [(p.label, False)] for p in PHOTOS}
        for number in range(30):
            name = draw.choice(list(stacks))
            label, removed = stacks[name][-1]
            action = draw.choice((RELABEL, REMOVE, RESTORE, UNDO))
            if action == UNDO and len(stacks[name]) == 1:
                continue
            new = draw.choice(("cygnet", "goose")) if action == RELABEL else ""
            decisions.append(line(action, name, new, str(number)))
            if action == UNDO:
                stacks[name].pop()
            else:
                stacks[name].append((new or label, removed if action == RELABEL else action == REMOVE))
        expected = {name: stack[-1][0] for name, stack in stacks.items() if not stack[-1][1]}
        assert shown(apply_corrections(PHOTOS, decisions)) == expected


@pytest.mark.parametrize(
    ("decisions", "says"),
    [
        ([], ""),
        ([line(RELABEL, label="cygnet")], ""),
        ([line(RELABEL, label="goose")], "1 photo relabelled by decisions.csv."),
        ([line(REMOVE)], "1 photo removed by decisions.csv."),
        ([line(REMOVE, A), line(REMOVE, B)], "2 photos removed by decisions.csv."),
        ([line(RELABEL, name, "goose") for name in (A, B, C)] + [line(REMOVE, PHOTOS[3].file_name)],
         "3 photos relabelled, 1 removed by decisions.csv."),
        ([line(RELABEL, A, "goose"), line(REMOVE, A)], "1 photo removed by decisions.csv."),
    ],
)  # fmt: skip
def test_the_line_that_train_says(decisions: list[Correction], says: str) -> None:
    assert corrections_summary(*count_changes(PHOTOS, current_labels(PHOTOS, decisions))) == says


# ---- the file ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_photos(tmp_path / "metadata.csv", PHOTOS)
    return tmp_path


def test_no_file_is_no_decision(folder: Path) -> None:
    assert read_corrections(folder) == [] and not (folder / DECISIONS_CSV).exists()


def test_the_file_only_grows_and_reads_back(folder: Path) -> None:
    before = b""
    written = []
    for step in (
        lambda: correct(folder, [A, B], RELABEL, "goose, grey"),
        lambda: correct(folder, [C], REMOVE),
        lambda: record_corrections(folder, [(A, RELABEL, "cygnet"), (B, REMOVE, "")]),
        lambda: correct(folder, [C], UNDO),
    ):
        written += step()
        after = (folder / DECISIONS_CSV).read_bytes()
        assert after.startswith(before)
        before = after
    assert read_corrections(folder) == written
    assert before.splitlines()[0] == b"time,file_name,action,label" and len(before.splitlines()) == 7
    assert shown(apply_corrections(PHOTOS, written)) == {p.file_name: p.label for p in PHOTOS if p.file_name != B}


def test_undo_takes_back_what_was_decided_together_one_after_the_other(folder: Path) -> None:
    correct(folder, [A, B], RELABEL, "goose")
    correct(folder, [B, C], REMOVE)
    assert [one.file_name for one in undo_last(folder)] == [B, C]
    assert shown(apply_corrections(PHOTOS, read_corrections(folder)))[B] == "goose"
    assert {one.file_name for one in undo_last(folder)} == {A, B}
    assert apply_corrections(PHOTOS, read_corrections(folder)) == PHOTOS
    with pytest.raises(DatasetError, match="^There is nothing left to undo.$"):
        undo_last(folder)
    assert len(read_corrections(folder)) == 8 and last_corrections(read_corrections(folder)) == []


@pytest.mark.parametrize("torn", [b"2026-11-21T10:00:00+00:00,images/cyg", b'x,"images/cygnet\n', b"2026"])
def test_half_a_line_is_left_out_and_then_cut(folder: Path, torn: bytes) -> None:
    correct(folder, [A], REMOVE)
    whole = (folder / DECISIONS_CSV).read_bytes()
    (folder / DECISIONS_CSV).write_bytes(whole + torn)
    assert [one.file_name for one in read_corrections(folder)] == [A]
    correct(folder, [B], REMOVE)
    assert (folder / DECISIONS_CSV).read_bytes().startswith(whole + b"20")
    assert [one.file_name for one in read_corrections(folder)] == [A, B]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (f"now,{A},delete,", "line 3: action 'delete' is none of relabel, remove, restore, undo; correct it."),
        (f"now,{A},relabel,", "line 3: A label is empty"),
        (f"now,{A},relabel, goose", "line 3: ' goose' cannot be a label"),
        (f"now,{A},remove,goose", "line 3: only relabel takes a label, not remove; clear it."),
        ("now,../../secret.jpg,remove,", "line 3: file_name '../../secret.jpg' leads out of the folder."),
        (f"now,{A},undo,\nnow,{A},undo,", f"line 4: there is nothing to undo about {A}; delete the line."),
        (f"now,{A},remove", "line 3: 3 fields instead of 4."),
    ],
)
def test_a_line_that_cannot_be_meant_is_named(folder: Path, row: str, says: str) -> None:
    correct(folder, [A], REMOVE)
    with open(folder / DECISIONS_CSV, "a") as file:
        file.write(row + "\n")
    with pytest.raises(DatasetError) as caught:
        read_corrections(folder)
    assert str(folder / DECISIONS_CSV) in str(caught.value) and says in str(caught.value)


def test_a_photo_that_never_was_is_named_with_its_line(folder: Path) -> None:
    (folder / DECISIONS_CSV).write_text(f"{','.join(COLUMNS)}\nnow,{A},remove,\nnow,images/cygnet/typo.jpg,remove,\n")
    with pytest.raises(DatasetError, match=r"decisions.csv, line 3: there is no photo images/cygnet/typo.jpg; "):
        apply_corrections(PHOTOS, read_corrections(folder))


def test_a_photo_that_was_withdrawn_since_does_not_stop_a_training() -> None:
    gone = f"images/cygnet/{'ab' * 8}.jpg"
    row = Rejection("u", "cygnet", reason="removed-by-hand", detail="", sha256="ab" * 32)
    assert apply_corrections(PHOTOS, [line(REMOVE, gone)], [row]) == PHOTOS


@pytest.mark.parametrize(
    ("names", "action", "label", "says"),
    [
        (["images/cygnet/other.jpg"], REMOVE, "", "There is no photo 'images/cygnet/other.jpg'"),
        (["../metadata.csv"], REMOVE, "", "There is no photo '../metadata.csv'"),
        ([A], "delete", "", "'delete' is no decision"),
        ([A], RELABEL, "two\nlines", "cannot be a label"),
        ([A], RELABEL, "", "A label is empty"),
        ([A], UNDO, "", "There is nothing left to undo."),
    ],
)
def test_what_cannot_be_decided_writes_nothing(folder: Path, names: list[str], action: str, label: str, says: str):
    with pytest.raises(DatasetError, match=says):
        correct(folder, names, action, label)
    assert not (folder / DECISIONS_CSV).exists()


def test_no_decision_while_another_process_works_on_the_folder(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path / "photos") as photos:
        stored = photos.add(Origin("https://a/1.jpg", "cygnet"), encode(draw_photo("cygnet", 1)))
        with pytest.raises(DatasetError, match=rf"is in use by another process \(pid {os.getpid()}\)"):
            correct(photos.path, [stored.file_name], REMOVE)
    assert correct(photos.path, [stored.file_name], REMOVE)


WRITER = """
import itertools, sys
from pathlib import Path
from tests.support.photo_folders import correct
folder, names = Path(sys.argv[1]), sys.argv[2:]
for number in itertools.count():
    for decision in correct(folder, names, "relabel", f"goose {number}"):
        print(decision.time, decision.label, sep=",", flush=True)
"""


def test_a_writer_killed_at_any_moment_loses_nothing_that_it_reported(folder: Path) -> None:
    messages = folder / "said.txt"
    for delay in (3, 10, 25):
        with open(messages, "wb") as out:
            writer = subprocess.Popen(
                [sys.executable, "-c", WRITER, str(folder), A, B, C], cwd=REPOSITORY, stdout=out,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            )  # fmt: skip
        wait_until(lambda delay=delay: messages.read_bytes().count(b"\n") >= delay)
        os.kill(writer.pid, signal.SIGKILL)
        assert writer.wait(LIMIT) == -signal.SIGKILL
        reported = messages.read_text().rpartition("\n")[0].splitlines()
        decisions = read_corrections(folder)
        assert set(reported) <= {f"{one.time},{one.label}" for one in decisions}
        apply_corrections(PHOTOS, decisions)
    correct(folder, [A], RELABEL, "after all")
    assert shown(apply_corrections(PHOTOS, read_corrections(folder)))[A] == "after all"


# ---- with the photo folder -----------------------------------------------------------------------------------------


def many(labels: tuple[str, ...] = ("cygnet", "duckling"), each: int = 20, **more: str) -> list[Photo]:
    return [make_photo(number, label, **more) for label in labels for number in range(each)]


def sides(photos: list[Photo]) -> dict[str, str]:
    return {photo.file_name: photo.split for photo in photos}


def test_a_decision_moves_no_other_photo_to_the_other_side() -> None:
    photos = many()
    untouched = sides(assign_splits(photos, seed=3))
    decisions = [line(REMOVE, photos[0].file_name), line(RELABEL, photos[25].file_name, "cygnet")]
    assert sides(split_as_corrected(photos, decisions, seed=3)) == untouched
    assert sides(split_as_corrected(photos[::-1], decisions, seed=3)) == untouched


def test_a_new_label_gets_photos_on_both_sides() -> None:
    photos = many(each=40)
    side = sides(assign_splits(photos, seed=5))
    for only in ("train", "validation"):
        chosen = [photo.file_name for photo in photos if side[photo.file_name] == only][:8]
        decisions = [line(RELABEL, name, "goose") for name in chosen]
        decided = apply_corrections(split_as_corrected(photos, decisions, seed=5), decisions)
        assert {photo.split for photo in decided if photo.label == "goose"} == {"train", "validation"}
        again = split_as_corrected(photos, decisions, seed=5)
        assert again == split_as_corrected(photos, decisions, seed=5)


def test_a_split_that_came_with_the_photos_is_kept() -> None:
    photos = [
        make_photo(number, label, split_given=True, split="validation" if number < 4 else "train")
        for label in ("cygnet", "duckling")
        for number in range(12)
    ]
    decisions = [line(RELABEL, photos[0].file_name, "duckling"), line(REMOVE, photos[5].file_name)]
    assert split_as_corrected(photos, decisions, seed=1) == photos


def test_decisions_change_no_row_but_its_split(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path / "photos") as photos:
        for label in ("cygnet", "duckling"):
            for seed in range(10):
                photos.add(Origin(f"https://a/{label}{seed}.jpg", label), encode(draw_photo(label, seed)))
        photos.reject(Origin("https://a/gone.jpg", "cygnet"), "http-404", "gone")
        before = photos.photos
    correct(photos.path, [before[0].file_name], RELABEL, "duckling")
    correct(photos.path, [before[1].file_name], REMOVE)
    with PhotoFolder(photos.path) as photos:
        decided = CorrectedFolder(photos)
        assert decided.summary == "1 photo relabelled, 1 removed by decisions.csv."
        decided.assign_splits(42)
        check_totals(photos)
        assert len(photos.rows) == 21 and len(decided.photos) == 19 and decided.rejected == photos.rejected
        assert decided.labels == ["cygnet", "duckling"]
        assert [(p.label, p.url, p.file_name) for p in photos.photos] == [(p.label, p.url, p.file_name) for p in before]
        assert {photo.split for photo in decided.photos} == {"train", "validation"}
    reading = FolderState(
        photos.photos, read_corrections(photos.path), current_labels(photos.photos, read_corrections(photos.path))
    )
    assert reading.current_label(before[1]).removed and not reading.current_label(before[2]).removed
