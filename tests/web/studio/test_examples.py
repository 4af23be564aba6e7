"""Photos that become the pictures to click of a model: from the studio, and by train.py --examples."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from mirror.cli.train_steps import example_pictures
from mirror.errors import UsageError
from mirror.model_folder import MOST_EXAMPLES, own_examples, write_examples
from mirror.web.studio.actions import choose_examples
from mirror.web.studio.state import StudioState
from tests.support.photo_kinds import heic, sideways
from tests.web.studio.folders import model_of, photo_folder
from tests.web.tiny import YELLOW, photo


@pytest.fixture
def studio(tmp_path: Path) -> StudioState:
    photos = photo_folder(tmp_path / "birds", each=4, labels=("cygnet", "../a/b \u0663 <b>"))
    model_of(tmp_path / "models", "birds", photos, labels=("cygnet", "../a/b \u0663 <b>"))
    return StudioState(tmp_path / "birds", tmp_path / "models")


def test_chosen_photos_become_the_models_pictures_and_the_next_choice_replaces_them(studio: StudioState) -> None:
    snapshot, model = studio.snapshot(), studio.models / "birds"
    names = sorted(snapshot.photos)
    first, last = names[0], names[-1]
    said = choose_examples(model, studio.folder, snapshot, [first, last])
    assert said.startswith("The page offers 2 photos to click now.") and "unless they allow it" in said
    shown = [path.name for path in own_examples(model)]
    assert len(shown) == 2 and all("/" not in name and "<" not in name for name in shown)
    assert {path.parent for path in own_examples(model)} == {model / "examples"}
    choose_examples(model, studio.folder, snapshot, [first])
    assert len(own_examples(model)) == 1
    assert not (studio.folder / "decisions.csv").exists()


@pytest.mark.parametrize("names", [[], ["nobody.jpg"], None], ids=["none", "unknown", "five"])
def test_what_cannot_be_offered_is_one_sentence(studio: StudioState, names: list[str] | None) -> None:
    snapshot = studio.snapshot()
    with pytest.raises(UsageError, match="Choose one to 4 photos"):
        choose_examples(studio.models / "birds", studio.folder, snapshot, names or sorted(snapshot.photos)[:5])
    assert own_examples(studio.models / "birds") == []


def test_pictures_of_a_command_are_small_and_say_nothing_of_the_camera(tmp_path: Path) -> None:
    given, model = tmp_path / "given", tmp_path / "model"
    given.mkdir(), model.mkdir()
    (given / "a duck.jpg").write_bytes(sideways())
    (given / "IMG_1.HEIC").write_bytes(heic())
    (given / "large.png").write_bytes(photo(YELLOW, (3000, 2000), "PNG"))
    (given / ".DS_Store").write_bytes(b"not a picture")
    write_examples(model, example_pictures(given))
    shown = {path.name: Image.open(io.BytesIO(path.read_bytes())) for path in own_examples(model)}
    assert list(shown) == ["IMG_1.jpg", "a duck.jpg", "large.jpg"]
    assert shown["large.jpg"].size[0] <= 1024 and shown["a duck.jpg"].size == (120, 160)
    assert not any(image.getexif() for image in shown.values())


def test_pictures_whose_names_differ_in_their_suffix_alone_are_all_kept(tmp_path: Path) -> None:
    for name in ("sea.jpg", "sea.png", "Sea.webp", "sea 2.bmp"):
        (tmp_path / name).write_bytes(photo(YELLOW, format={".png": "PNG", ".bmp": "BMP"}.get(name[-4:], "JPEG")))
    names = example_pictures(tmp_path)
    assert len({name.casefold() for name in names}) == 4, names


@pytest.mark.parametrize("number", [0, MOST_EXAMPLES + 1])
def test_none_and_too_many_are_told_before_anything_is_searched(tmp_path: Path, number: int) -> None:
    for each in range(number):
        (tmp_path / f"{each}.jpg").write_bytes(photo(YELLOW))
    with pytest.raises(UsageError, match="must be a folder of 1 to 8 pictures"):
        example_pictures(tmp_path)
    with pytest.raises(UsageError, match="must be a folder of 1 to 8 pictures"):
        example_pictures(tmp_path / "missing")


def test_a_file_that_is_no_picture_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_bytes(b"shopping: milk")
    with pytest.raises(UsageError, match="notes.jpg cannot be shown: "):
        example_pictures(tmp_path)
