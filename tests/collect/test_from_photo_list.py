"""The same photos again, from a model's photos.csv; and a photo folder as it lies there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mirror.collect.corrections import RELABEL, REMOVE, CorrectedFolder
from mirror.collect.download import DownloadSettings
from mirror.collect.from_photo_list import PhotoListReport, collect_from_photo_list, open_collected
from mirror.collect.from_search import collect_by_search
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import Origin, Photo, read_photos, write_photos
from mirror.collect.search_types import SearchTerm
from mirror.errors import DatasetError, FetchError, UsageError
from mirror.model_folder import write_model_folder
from mirror.model_schema import PHOTO_LIST, DataInfo, ModelInfo, Preprocessing, Query
from mirror.net.fetch import NetworkSettings
from tests.support.photo_folders import check_totals, correct
from tests.world import PhotoHost, World, draw_photo, encode

QUICK = DownloadSettings(attempts=2, first_wait=0.01)
LABELS = {"baby swan": "cygnet", "duckling": "duckling"}


@pytest.fixture
def host(world: World) -> PhotoHost:
    return world.photo_host("photos.example")


@pytest.fixture
def recipe(world: World, host: PhotoHost, tmp_path: Path) -> Path:
    """photos.csv of five cygnets and five ducklings, every fifth for validation."""
    for query in LABELS:
        world.results(query, host.photos(query, 5))
    terms = [SearchTerm(query, label) for query, label in LABELS.items()]
    network = NetworkSettings(proxy=world.proxy_url, insecure=True)
    with collect_by_search(tmp_path / "first", terms, 5, network=network, log=lambda line: None) as photos:
        splits = ["validation" if n % 5 == 0 else "train" for n in range(10)]
        rows = [replace(photo, split=split) for photo, split in zip(photos.photos, splits, strict=True)]
    write_photos(tmp_path / "photos.csv", rows)
    world.asked.clear()
    return tmp_path / "photos.csv"


def refetch(world: World, folder: Path, recipe: Path) -> tuple[PhotoListReport, list[str]]:
    messages: list[str] = []
    network = NetworkSettings(proxy=world.proxy_url, insecure=True)
    report = collect_from_photo_list(folder, recipe, network=network, log=messages.append, settings=QUICK)
    with report.folder as photos:
        check_totals(photos)
    return report, messages


def test_unchanged_photos_come_back_with_their_labels_splits_and_provenance(
    world: World, recipe: Path, tmp_path: Path
) -> None:
    report, messages = refetch(world, tmp_path / "again", recipe)
    assert messages[-1] == "10 of 10 photos are as they were."
    assert world.searches() == []
    assert (tmp_path / "again" / "metadata.csv").read_bytes() == recipe.read_bytes()
    for photo in report.matched:
        first, again = photo.path(tmp_path / "first"), photo.path(tmp_path / "again")
        assert first.read_bytes() == again.read_bytes()


def test_what_changed_or_vanished_is_told_and_left_out(
    world: World, host: PhotoHost, recipe: Path, tmp_path: Path
) -> None:
    other = host.photo("/baby-swan/1.jpg", "something else", 1)
    page = host.body("/duckling/2.jpg", b"<html>Gone.</html>")
    gone = host.refuses("/duckling/3.jpg", 410)
    report, messages = refetch(world, tmp_path / "again", recipe)
    assert (len(report.matched), report.offline) == (7, [])
    assert [(row.url, row.reason) for row in report.changed] == [(other, "changed-since"), (page, "changed-since")]
    assert [(row.url, row.reason) for row in report.vanished] == [(gone, "http-410")]
    assert messages[-4:] == [
        "7 of 10 photos are as they were, 2 changed, 1 vanished.",
        f"  cygnet: {other} (changed-since)",
        f"  duckling: {page} (changed-since)",
        f"  duckling: {gone} (http-410)",
    ]
    assert not {other, page, gone} & {photo.url for photo in report.folder.photos}


def test_a_second_run_asks_nothing_again(world: World, host: PhotoHost, recipe: Path, tmp_path: Path) -> None:
    host.refuses("/duckling/3.jpg", 410)
    first, _ = refetch(world, tmp_path / "again", recipe)
    requests = len(world.requests)
    second, _ = refetch(world, tmp_path / "again", recipe)
    assert len(world.requests) == requests == 10
    assert (second.matched, second.vanished) == (first.matched, first.vanished)


def test_photos_of_somebodys_folder_are_told_apart(world: World, host: PhotoHost, recipe: Path, tmp_path: Path) -> None:
    with PhotoFolder(tmp_path / "local") as photos:
        photos.add(Origin("pond/1.jpg", "cygnet"), encode(draw_photo("pond", 1)))
        local = photos.photos[0]
    with PhotoFolder(tmp_path / "first") as photos:
        write_photos(recipe, [*photos.photos, local])
    report, messages = refetch(world, tmp_path / "again", recipe)
    assert (len(report.matched), report.offline) == (10, [local])
    assert messages[0] == "1 of 11 photos came from a folder, not from the web: they stay out."
    assert messages[-1] == "10 of 11 photos are as they were, 1 came from a folder and cannot be fetched."


def test_a_recipe_of_a_folder_alone_is_refused_with_a_reason(world: World, tmp_path: Path) -> None:
    with PhotoFolder(tmp_path / "local") as photos:
        photos.add(Origin("pond/1.jpg", "cygnet"), encode(draw_photo("pond", 1)))
    with pytest.raises(DatasetError, match=r"None of the 1 photos in .* has a web address: .* \(--data DIR\)"):
        refetch(world, tmp_path / "again", tmp_path / "local" / "metadata.csv")


def test_a_folder_with_other_photos_is_not_mixed_with_a_photo_list(
    world: World, host: PhotoHost, recipe: Path, tmp_path: Path
) -> None:
    with PhotoFolder(tmp_path / "again") as photos:
        photos.add(Origin("https://elsewhere.example/1.jpg", "cygnet"), encode(draw_photo("pond", 1)))
    with pytest.raises(UsageError, match="holds 1 photos that the photo list does not name: choose another --name"):
        refetch(world, tmp_path / "again", recipe)
    assert world.requests == []


def test_a_recipe_of_which_nothing_is_left_is_an_error(
    world: World, host: PhotoHost, recipe: Path, tmp_path: Path
) -> None:
    host.paths.clear()
    with pytest.raises(DatasetError, match="Nothing that .* lists can still be had: search anew with --search"):
        refetch(world, tmp_path / "again", recipe)


def test_a_proxy_that_is_down_costs_no_photo(world: World, recipe: Path, tmp_path: Path) -> None:
    network = NetworkSettings(proxy="http://127.0.0.1:9", insecure=True)
    with pytest.raises(FetchError, match="proxy .* cannot be reached"):
        collect_from_photo_list(tmp_path / "again", recipe, network=network, log=lambda line: None, settings=QUICK)
    report, _ = refetch(world, tmp_path / "again", recipe)
    assert len(report.matched) == 10


@pytest.mark.parametrize("content", ["", "file_name,label\n", "a,b\n1,2\n"])
def test_a_file_that_is_no_photo_list_is_refused(world: World, tmp_path: Path, content: str) -> None:
    recipe = tmp_path / "photos.csv"
    recipe.write_text(content)
    with pytest.raises(DatasetError, match="photos.csv"):
        refetch(world, tmp_path / "again", recipe)


def test_a_damaged_url_is_found_again(world: World, host: PhotoHost, tmp_path: Path) -> None:
    url = host.photo("/two%20words.jpg", "baby swan", 1)
    world.results("baby swan", [url])
    network = NetworkSettings(proxy=world.proxy_url, insecure=True)
    terms = [SearchTerm("baby swan", "cygnet")]
    with collect_by_search(tmp_path / "first", terms, 1, network=network, log=lambda line: None) as photos:
        assert [photo.url for photo in photos.photos] == [url]
    world.asked.clear()
    report, _ = refetch(world, tmp_path / "again", tmp_path / "first" / "metadata.csv")
    assert len(report.matched) == 1
    assert [request.url for request in world.requests] == [url]


def test_a_photo_that_was_relabelled_by_hand_comes_back_under_its_new_label(
    world: World, recipe: Path, tmp_path: Path
) -> None:
    rows = [replace(photo, label="goose") if n < 2 else photo for n, photo in enumerate(read_photos(recipe))]
    write_photos(recipe, rows)  # their file_name still is that of the folder they were collected into
    report, messages = refetch(world, tmp_path / "again", recipe)
    assert messages[-1] == "10 of 10 photos are as they were."
    assert [(photo.label, photo.url, photo.split) for photo in report.matched] == [
        (photo.label, photo.url, photo.split) for photo in rows
    ]
    assert {photo.file_name.split("/")[1] for photo in report.matched if photo.label == "goose"} == {"goose"}


# ---- a photo folder as it lies there ---------------------------------------------------------------------------------


def folder_of(path: Path, engine: str, query: str = "", license_filter: str = "", split: str = "") -> list[Photo]:
    """Three photos of each label. split: given with the photos, or ""."""
    with PhotoFolder(path) as photos:
        for label in ("cygnet", "duckling"):
            given = {"license_filter": license_filter, "split": split, "split_given": bool(split)}
            for seed in range(3):
                origin = Origin(
                    f"{label}/{seed}.jpg", label, query=query and f"{query} {label}", engine=engine, **given
                )
                photos.add(origin, encode(draw_photo(label, seed)))
        return photos.photos


def model_of(path: Path, labels: tuple[str, str], data: DataInfo) -> None:
    def build(folder: Path) -> ModelInfo:
        (folder / "model.onnx").write_bytes(b"not opened here")
        return ModelInfo("birds", labels, Preprocessing("squish", (8, 8), (0.0,) * 3, (1.0,) * 3), data=data)

    write_model_folder(path, build)


@pytest.mark.parametrize(
    ("engine", "query", "license_filter", "split", "source", "queries"),
    [
        ("duckduckgo", "young", "Public", "", "search", (("cygnet", "young cygnet"), ("duckling", "young duckling"))),
        ("folder", "", "", "", "folder", ()),
        ("folder", "", "", "train", "folder", ()),
    ],
)
def test_without_a_model_the_rows_tell(tmp_path: Path, engine, query, license_filter, split, source, queries) -> None:
    photos = folder_of(tmp_path / "birds", engine, query, license_filter, split)
    collected = open_collected(tmp_path / "birds", tmp_path / "no model")
    with collected.folder as folder:
        assert folder.photos == photos
    assert (collected.source, collected.queries) == (source, queries)
    assert collected.license_filter == (license_filter or None)


@pytest.mark.parametrize(
    ("labels", "source"),
    [(("cygnet", "duckling"), PHOTO_LIST), (("cygnet", "goose"), PHOTO_LIST), (("a", "b"), "folder")],
)
@pytest.mark.parametrize("written", [PHOTO_LIST, "recipe"])
def test_a_model_of_these_labels_tells(tmp_path: Path, labels: tuple[str, str], source: str, written: str) -> None:
    folder_of(tmp_path / "birds", "folder")
    model_of(tmp_path / "model", labels, DataInfo(written, queries=(Query("cygnet", "baby swan"),)))
    collected = open_collected(tmp_path / "birds", tmp_path / "model")
    with collected.folder:
        assert collected.source == source
        assert collected.queries == ((("cygnet", "baby swan"),) if source == PHOTO_LIST else ())


@pytest.mark.parametrize(
    ("name", "says"), [("nowhere", "does not exist"), ("a file", "is not a folder"), ("empty", "holds no metadata.csv")]
)
def test_what_is_no_photo_folder_is_left_alone(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a file").write_text("")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DatasetError, match=says):
        open_collected(tmp_path / name, tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_decisions_about_photos_whose_files_have_gone_stop_nothing(tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "birds", "folder")
    correct(tmp_path / "birds", [photos[0].file_name, photos[1].file_name], RELABEL, "duckling")
    correct(tmp_path / "birds", [photos[2].file_name], REMOVE)
    photos[0].path(tmp_path / "birds").unlink()
    messages: list[str] = []
    with open_collected(tmp_path / "birds", tmp_path, log=messages.append).folder as folder:
        decided = CorrectedFolder(folder)
        assert decided.summary == "1 photo relabelled, 1 removed by decisions.csv."
        assert [photo.file_name for photo in decided.photos] == [photo.file_name for photo in (photos[1], *photos[3:])]
        check_totals(folder)
    assert messages == [f"{tmp_path / 'birds'}: 1 photos whose files were deleted now count as rejected."]
