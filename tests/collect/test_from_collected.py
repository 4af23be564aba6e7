"""A photo folder as it lies there: what its photos came from, and that nothing is made where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.collect import PhotoFolder, open_collected
from mirror.collect.corrected import CorrectedFolder
from mirror.collect.corrections import RELABEL, REMOVE, record_corrections
from mirror.collect.metadata import Origin, Photo
from mirror.errors import DatasetError
from mirror.model_folder import DataInfo, ModelInfo, Preprocessing, Query, write_model_folder
from tests.world import draw_photo, encode


def folder_of(path: Path, engine: str, query: str = "", license_filter: str = "") -> list[Photo]:
    with PhotoFolder(path) as photos:
        for label in ("cygnet", "duckling"):
            for seed in range(3):
                origin = Origin(
                    f"{label}/{seed}.jpg", label, query=query and f"{query} {label}", engine=engine,
                    license_filter=license_filter,
                )  # fmt: skip
                photos.add(origin, encode(draw_photo(label, seed)))
        return photos.photos


def model_of(path: Path, labels: tuple[str, str], data: DataInfo) -> None:
    def build(place: Path) -> ModelInfo:
        (place / "model.onnx").write_bytes(b"not opened here")
        return ModelInfo("birds", labels, Preprocessing("squish", (8, 8), (0.0,) * 3, (1.0,) * 3), data=data)

    write_model_folder(path, build)


@pytest.mark.parametrize(
    ("engine", "query", "license_filter", "source", "queries"),
    [
        ("duckduckgo", "young", "Public", "search", (("cygnet", "young cygnet"), ("duckling", "young duckling"))),
        ("folder", "", "", "folder", ()),
        ("folder-with-splits", "", "", "folder", ()),
    ],
)
def test_without_a_model_the_rows_tell(tmp_path: Path, engine, query, license_filter, source, queries) -> None:
    photos = folder_of(tmp_path / "birds", engine, query, license_filter)
    found = open_collected(tmp_path / "birds", tmp_path / "no model")
    with found.folder as folder:
        assert folder.photos == photos
        assert (found.source, found.queries, found.license_filter) == (source, queries, license_filter or None)


@pytest.mark.parametrize(
    ("labels", "source"), [(("cygnet", "duckling"), "recipe"), (("cygnet", "goose"), "recipe"), (("a", "b"), "folder")]
)
def test_a_model_of_these_labels_tells(tmp_path: Path, labels: tuple[str, str], source: str) -> None:
    folder_of(tmp_path / "birds", "folder")
    model_of(tmp_path / "model", labels, DataInfo("recipe", queries=(Query("cygnet", "baby swan"),)))
    found = open_collected(tmp_path / "birds", tmp_path / "model")
    with found.folder:
        assert found.source == source
        assert found.queries == ((("cygnet", "baby swan"),) if source == "recipe" else ())


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
    record_corrections(tmp_path / "birds", [photos[0].file_name, photos[1].file_name], RELABEL, "duckling")
    record_corrections(tmp_path / "birds", [photos[2].file_name], REMOVE)
    photos[0].path(tmp_path / "birds").unlink()
    said: list[str] = []
    with open_collected(tmp_path / "birds", tmp_path, log=said.append).folder as folder:
        decided = CorrectedFolder(folder)
        assert decided.line == "1 photo relabelled, 1 removed by decisions.csv."
        assert [photo.file_name for photo in decided.photos] == [photo.file_name for photo in (photos[1], *photos[3:])]
        folder.check_totals()
    assert said == [f"{tmp_path / 'birds'}: 1 photos whose files were deleted now count as rejected."]
