"""Photos that a person adds by hand: they are marked, decided about, and no rule of a search leaves them out again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.cli import main
from mirror.collect.corrections import REMOVE, CorrectedFolder, FolderState, current_labels, read_corrections
from mirror.collect.from_folder import collect_from_folder
from mirror.collect.from_photo_list import collect_from_photo_list, open_collected
from mirror.collect.from_search import CollectSettings, collect_by_search
from mirror.collect.own_photos import add_own_photos, waiting
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import OWN, Origin, Photo, Rejection, read_photos, write_photos
from mirror.collect.search import SearchSettings
from mirror.collect.search_types import SearchTerm
from mirror.collect.splits import assign_splits
from mirror.errors import DatasetError
from mirror.net.fetch import NetworkSettings
from tests.support.photo_folders import check_totals, correct, drawing, fill, make_photo, origin
from tests.world import World, draw_photo, encode, near_copy

SWAN, DUCK = SearchTerm("baby swan", "cygnet"), SearchTerm("duckling", "duckling")
COPY = encode(near_copy(draw_photo("cygnet", 1)))  # of drawing(1), as a camera takes the same bird again


def searched(folder: Path, each: int = 4) -> Path:
    """A photo folder of a search."""
    with PhotoFolder(folder) as photos:
        fill(photos, range(each))
        fill(photos, range(each), "duckling")
    return folder


def labels(folder: Path) -> dict[str, str]:
    """sha256 → the label that training takes."""
    with PhotoFolder(folder) as photos:
        check_totals(photos)
        return {photo.sha256: photo.label for photo in CorrectedFolder(photos).photos}


def test_a_photo_of_ones_own_is_marked_as_such_and_its_label_is_decided(tmp_path: Path) -> None:
    added = add_own_photos(searched(tmp_path), "cygnet", [("garden.jpg", drawing(9))])
    (photo,) = added.photos
    assert (photo.engine, photo.title, photo.label, photo.query) == (OWN, "garden.jpg", "cygnet", "")
    assert photo.url == f"own/{photo.sha256[:16]}" and (added.known, added.rejected) == ((), ())
    (decision,) = read_corrections(tmp_path)
    assert (decision.file_name, decision.action, decision.label) == (photo.file_name, "relabel", "cygnet")
    assert len(labels(tmp_path)) == 9 and read_photos(tmp_path / "metadata.csv")[-1] == photo


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    first = add_own_photos(tmp_path, "cygnet", [("a.jpg", drawing(9)), ("again.jpg", drawing(9))])
    assert len(first.photos) == len(first.known) == 1
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.csv")}
    again = add_own_photos(tmp_path, "cygnet", [("b.jpg", drawing(9))])
    assert again.known == first.photos and not again.photos
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.csv")} == before


def test_a_photo_that_is_there_gets_the_label_by_a_decision_and_comes_back_where_it_was_removed(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as photos:
        stored = photos.add(origin(1, "duckling"), drawing(1))
    correct(tmp_path, [stored.file_name], REMOVE)
    assert labels(tmp_path) == {}
    added = add_own_photos(tmp_path, "cygnet", [("a.jpg", drawing(1))])
    assert added.known == (stored,) and labels(tmp_path) == {stored.sha256: "cygnet"}


def test_what_is_no_photo_is_a_row_and_may_be_one_later(tmp_path: Path) -> None:
    added = add_own_photos(searched(tmp_path), "cygnet", [("notes.jpg", b"not a photo"), ("a.jpg", drawing(9))])
    (row,) = added.rejected
    assert (row.engine, row.title, row.reason) == (OWN, "notes.jpg", "not-an-image") and "notes.jpg" in row.detail
    assert len(added.photos) == 1
    (tmp_path / added.photos[0].file_name).unlink()
    assert len(labels(tmp_path)) == 8  # deleted by hand
    assert add_own_photos(tmp_path, "cygnet", [("a.jpg", drawing(9))]).photos and len(labels(tmp_path)) == 9


@pytest.mark.parametrize("label", ["", " swan", "a\nb"])
def test_no_photo_is_added_to_what_cannot_be_a_label(tmp_path: Path, label: str) -> None:
    with pytest.raises(DatasetError, match="label"):
        add_own_photos(tmp_path / "x", label, [("a.jpg", drawing(9))])
    assert not (tmp_path / "x").exists()


# Of the person's own: a near-copy of a cygnet that was found, under that label and under another, and one of a label
# that is not searched for
@pytest.mark.parametrize("label", ["cygnet", "duckling", "heron"])
def test_a_search_that_goes_on_keeps_what_was_added_whatever_it_looks_like(
    world: World, tmp_path: Path, label: str
) -> None:
    host = world.photo_host("photos.example")
    for query in ("baby swan", "duckling"):
        world.results(query, host.photos(query, 6))
    folder, network = tmp_path / "birds", NetworkSettings(proxy=world.proxy_url, insecure=True)
    settings = CollectSettings(search=SearchSettings(attempts=2, first_wait=0.01))

    def collect(count: int) -> None:
        with collect_by_search(
            folder, [SWAN, DUCK], count, license="any", network=network, log=lambda line: None, settings=settings
        ) as photos:
            check_totals(photos)

    collect(3)
    found = next(photo for photo in read_photos(folder / "metadata.csv") if photo.label == "cygnet")
    copy = encode(draw_photo("anything", 1)) if label == "heron" else near(folder, found)
    (own,) = add_own_photos(folder, label, [("mine.jpg", copy)]).photos
    collect(5)
    assert labels(folder)[own.sha256] == label
    stored = {photo.sha256 for photo in read_photos(folder / "metadata.csv")}
    assert (found.sha256 in stored) == (label == "heron"), "of copies, the person's own stays"


def near(folder: Path, photo: Photo) -> bytes:
    from PIL import Image

    with Image.open(photo.path(folder)) as image:
        return encode(near_copy(image))


class EverythingIsWool:
    """A judge of what photos show."""

    def __call__(self, label: str, jpeg: bytes) -> tuple[str, str]:
        return "excluded", "it shows wool"

    def stands_by(self, row: Rejection) -> bool:
        return True


def test_no_group_that_is_excluded_takes_it_away(world: World, tmp_path: Path) -> None:
    world.results("baby swan", [])
    world.results("duckling", [])
    network = NetworkSettings(proxy=world.proxy_url, insecure=True)
    settings = CollectSettings(search=SearchSettings(attempts=1, first_wait=0.01))
    for label in ("cygnet", "duckling"):
        add_own_photos(tmp_path, label, [("a.jpg", drawing(9, label))])
    collect_by_search(
        tmp_path, [SWAN, DUCK], 3, network=network, log=lambda line: None, settings=settings, judge=EverythingIsWool()
    ).close()
    assert sorted(labels(tmp_path).values()) == ["cygnet", "duckling"]


def test_a_folder_that_is_read_again_keeps_what_was_added_and_still_forgets_what_has_gone(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "in" / "swan").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / "swan" / f"{number}.jpg").write_bytes(drawing(number))
    folder = tmp_path / "out"
    collect_from_folder(folder, tmp_path / "in", log=lambda line: None).close()
    (own,) = add_own_photos(folder, "swan", [("mine.jpg", COPY)]).photos
    (tmp_path / "in" / "swan" / "0.jpg").unlink()
    collect_from_folder(folder, tmp_path / "in", log=lambda line: None).close()
    assert len(labels(folder)) == 3 and labels(folder)[own.sha256] == "swan"
    with open_collected(folder, tmp_path / "none").folder as photos:
        assert own in photos.photos
    assert open_collected(folder, tmp_path / "none").source == "folder"


def test_a_photo_list_that_is_fetched_again_keeps_what_was_added(world: World, tmp_path: Path) -> None:
    host = world.photo_host("photos.example")
    (url,) = host.photos("swan", 1)
    with PhotoFolder(tmp_path / "first") as photos:
        photos.add(Origin(url, "swan"), drawing(3))
        write_photos(tmp_path / "photos.csv", photos.photos)
    (own,) = add_own_photos(tmp_path / "first", "swan", [("mine.jpg", drawing(9))]).photos
    network = NetworkSettings(proxy=world.proxy_url, insecure=True)
    collect_from_photo_list(tmp_path / "first", tmp_path / "photos.csv", network=network).folder.close()
    assert own.sha256 in labels(tmp_path / "first")


def test_what_was_added_moves_no_photo_to_the_other_side_and_is_learned_from() -> None:
    """So that the models before and after are judged by the same photos."""
    photos = [make_photo(number, label) for label in ("a", "b") for number in range(20)]
    own = [make_photo(100 + number, "a", engine=OWN) for number in range(6)]
    alone = [make_photo(200 + number, "c", engine=OWN) for number in range(10)]
    before = {photo.key: photo.split for photo in assign_splits(photos, seed=7)}
    after = {photo.key: photo.split for photo in assign_splits([*photos, *own], seed=7)}
    assert {key: after[key] for key in before} == before
    assert {after[photo.key] for photo in own} == {"train"}
    third = [photo.split for photo in assign_splits([*photos, *alone], seed=7) if photo.label == "c"]
    assert third.count("validation") == 2, "a label that has no other photos is judged by some of them"


def test_a_copy_of_a_photo_that_is_held_out_is_held_out_with_it() -> None:
    photos = [make_photo(number, label, page_url=f"https://x/{label}{number}") for label in "ab" for number in range(9)]
    held = next(photo for photo in assign_splits(photos, seed=1) if photo.split == "validation")
    own = make_photo(100, held.label, page_url=held.page_url, engine=OWN)
    assert assign_splits([*photos, own], seed=1)[-1].split == "validation"


def test_how_many_wait_for_the_next_training(tmp_path: Path) -> None:
    folder, model = searched(tmp_path / "data"), tmp_path / "model"

    def state() -> FolderState:
        photos, corrections = read_photos(folder / "metadata.csv"), read_corrections(folder)
        return FolderState(photos, corrections, current_labels(photos, corrections))

    assert waiting(state(), model) == 0
    first, second = add_own_photos(folder, "cygnet", [("a.jpg", drawing(8)), ("b.jpg", drawing(9))]).photos
    assert waiting(state(), model) == 2
    model.mkdir()
    write_photos(model / "photos.csv", state().photos)
    assert waiting(state(), model) == 0
    add_own_photos(folder, "duckling", [("a.jpg", drawing(8))])
    assert waiting(state(), model) == 1
    correct(folder, [first.file_name], REMOVE)
    assert waiting(state(), model) == 0


def test_the_command_adds_files_and_says_what_became_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    searched(Path("data/birds"))
    Path("garden.jpg").write_bytes(drawing(9))
    Path("old.jpg").write_bytes(drawing(1))
    Path("notes.jpg").write_bytes(b"not a photo")
    assert main(["add-photo", "data/birds", "duckling", "garden.jpg", "old.jpg"]) == 0
    said = capsys.readouterr().out
    assert "1 photo added to duckling." in said and "1 photo of the folder, with the label duckling" in said
    assert "python train.py --collected data/birds" in said
    assert main(["add-photo", "data/birds", "cygnet", "notes.jpg", "nowhere.jpg"]) == 1
    told = capsys.readouterr()
    assert "notes.jpg" in told.err and "nowhere.jpg" in told.err and told.out == ""
    for arguments, words in {
        ("data/none", "cygnet", "garden.jpg"): "does not exist",
        ("data/birds", "cygnet", "data"): "is a folder",
        ("data/birds", " ", "garden.jpg"): "A label is empty",
    }.items():
        assert main(["add-photo", *arguments]) in (1, 2)
        assert words in capsys.readouterr().err
