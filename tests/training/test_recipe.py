"""The recipe, end to end on drawings with real weights: what is learned, that it repeats, and what it leaves behind."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mirror.collect import PhotoFolder, assign_splits, collect_from_folder
from mirror.errors import DatasetError
from mirror.inference.classifier import Classifier
from mirror.training.backbones import find_backbone
from mirror.training.build import build_model
from mirror.training.linear_probe import cross_entropy
from mirror.training.photo_model import PhotoModel, describe_data
from mirror.training.recipe import train
from mirror.training.settings import TrainingSettings
from tests.learners import PACKAGED_ARCH as ARCH
from tests.support.limits import LIMIT

SETTINGS = TrainingSettings(ARCH, size=96, views=2, seed=7, hold_out=True)


def quiet(*_: object) -> None:
    pass


def gathered(place: Path, drawings: Path) -> PhotoFolder:
    photos = collect_from_folder(place / "photos", drawings, log=quiet)
    photos.save_splits(assign_splits(photos.photos, seed=SETTINGS.seed))
    return photos


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, drawings: Path):
    place = tmp_path_factory.mktemp("trained")
    with gathered(place, drawings) as photos:
        found = train(photos.photos, photos.path, SETTINGS, log=quiet)
        content = PhotoModel(found, photos.path, describe_data(photos, "folder"), SETTINGS)
        folder = build_model(content, place / "models" / "shapes", precision="fp32", log=quiet)
    return found, folder, place


def test_it_learns_kinds_from_eight_photos_a_label(trained) -> None:
    found, _, _ = trained
    held = found.data.rows("validation")
    assert len(held) == 4 and len(found.data.rows("train")) == 18
    assert (found.logits[held].argmax(axis=1) == found.data.actual[held]).all()


def test_the_history_begins_with_the_heads_validation_loss(trained) -> None:
    found, _, _ = trained
    held = found.data.rows("validation")
    expected = cross_entropy(found.logits[held].astype(float), found.data.actual[held]).mean()
    (row,) = found.history
    assert (row.epoch, row.valid_loss, row.error_rate) == (0, pytest.approx(expected), 0.0)


def test_the_logits_are_the_learners_own(trained) -> None:
    found, _, place = trained
    for i in found.data.rows("validation"):
        with found.learner.no_bar(), found.learner.no_logging():
            theirs = found.learner.predict(found.data.photos[i].path(place / "photos"))[2].numpy()
        odds = np.exp(found.logits[i] - found.logits[i].max())
        assert np.abs(odds / odds.sum() - theirs).max() < 1e-4


def test_the_model_folder_answers_as_the_learner_does(trained) -> None:
    found, folder, place = trained
    classifier = Classifier.load(folder.path)
    for i in found.data.rows("validation"):
        ours = classifier.predict(found.data.photos[i].path(place / "photos"))
        odds = np.exp(found.logits[i] - found.logits[i].max())
        assert list(ours.probabilities.values()) == pytest.approx((odds / odds.sum()).tolist(), abs=1e-4)
        assert ours.label == found.data.photos[i].label


def test_the_model_folder_says_what_it_was_made_of(trained) -> None:
    _, folder, _ = trained
    info = folder.info
    assert info.labels == ("cygnet", "duckling") and info.arch == ARCH
    assert info.data.counts == {"duckling": 12, "cygnet": 10} and info.data.source == "folder"
    assert info.metrics.validation.photos == 4 and info.metrics.labels["duckling"].train == 10
    report = {"confusion.png", "reliability.png", "report.html", "top_losses.png", "suspects.csv", "predictions.csv"}
    assert set(info.files) == {"learner.pkl", "model.onnx", "heat.onnx", "photos.csv", "README.md"} | {
        f"report/{name}" for name in report
    }
    assert (info.training.seed, info.training.epochs) == (7, 0) and "package" in info.training.weights
    assert info.data.engines == {"folder": 22} and info.data.sites == {}
    assert " ".join(info.training.options) == f"--arch {ARCH} --seed 7 --size 96 --hold-out --precision fp32"


def test_the_card_has_metadata_and_the_figures(trained) -> None:
    import yaml

    _, folder, _ = trained
    text = (folder.path / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    card = yaml.safe_load(front)
    assert card["pipeline_tag"] == "image-classification" and card["library_name"] == "fastai"
    assert card["model-index"][0]["results"][0]["metrics"][0]["value"] == 1.0
    assert "Error 0.0 % (95 % interval 0.0–60.2 %) on 4 photos" in body and "| duckling | 10 | 2 |" in body


def test_the_pickle_holds_no_path_of_this_machine_and_opens_without_this_package(trained, tmp_path: Path) -> None:
    found, folder, place = trained
    content = (folder.path / "learner.pkl").read_bytes()
    assert str(place).encode() not in content and b"site-packages" not in content
    i = found.data.rows("validation")[0]
    script = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from fastai.learner import load_learner\n"
        "learner = load_learner(sys.argv[1])\n"
        "with learner.no_bar(): print(*learner.predict(sys.argv[2])[2].tolist())\n"
        "assert not any(name.split('.')[0] == 'mirror' for name in sys.modules)\n"
    )
    photo = found.data.photos[i].path(place / "photos")
    command = [sys.executable, "-I", "-c", script, str(folder.path / "learner.pkl"), str(photo)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    odds = np.exp(found.logits[i] - found.logits[i].max())
    assert [float(p) for p in done.stdout.split()] == pytest.approx((odds / odds.sum()).tolist(), abs=1e-4)


def test_training_again_gives_the_same_bits(trained, tmp_path: Path, drawings: Path) -> None:
    found, _, _ = trained
    with gathered(tmp_path, drawings) as photos:
        again = train(photos.photos, photos.path, SETTINGS, log=quiet)
    assert again.logits.tobytes() == found.logits.tobytes()
    assert again.features.tobytes() == found.features.tobytes()


def test_by_default_every_photo_is_learned_from_and_left_out_once(tmp_path: Path, drawings: Path) -> None:
    with gathered(tmp_path, drawings) as photos:
        found = train(photos.photos, photos.path, TrainingSettings(ARCH, size=96, views=2, seed=7), log=quiet)
    assert found.data.folds == 5 and {photo.split for photo in found.data.photos} == {"train"}
    assert len(found.judged) == len(found.data.photos) == 22
    assert np.array_equal(found.unseen, found.out_of_fold.logits)
    assert not np.isclose(found.unseen, found.logits).all(axis=1).any()


@pytest.mark.parametrize("hold_out", [False, True])
def test_an_error_measured_by_the_photos_that_chose_the_network_is_said_to_be(
    tmp_path: Path, drawings: Path, hold_out: bool
) -> None:
    settings, found = replace(SETTINGS, views=1, hold_out=hold_out), find_backbone(ARCH, None, 96, 96, quiet)
    with collect_from_folder(tmp_path / "photos", drawings, log=quiet) as photos:
        photos.save_splits(assign_splits(photos.photos, seed=7))
        trained = train(photos.photos, photos.path, settings, log=quiet, backbone=replace(found, chosen_of=3))
    assert any("is the best of 3 by photos that its error is measured by" in note for note in trained.notes) != hold_out


def test_a_split_that_came_with_the_photos_judges(tmp_path: Path, drawings: Path) -> None:
    with gathered(tmp_path, drawings) as photos:
        rows = [dataclasses.replace(photo, split_given=True) for photo in photos.photos]
        found = train(rows, photos.path, TrainingSettings(ARCH, size=96, views=2, seed=7), log=quiet)
    assert found.data.folds is None and len(found.judged) == 4


def test_a_size_beyond_the_stored_photos_is_told(tmp_path: Path, drawings: Path) -> None:
    said: list[str] = []
    with gathered(tmp_path, drawings) as photos:
        found = train(photos.photos, photos.path, TrainingSettings(ARCH, size=192, views=1, seed=7), log=said.append)
    assert "22 of 22 photos are smaller than the 192 px that the network sees" in found.notes[0]
    assert found.notes[0] in said


def test_another_seed_gives_another_head(trained, tmp_path: Path, drawings: Path) -> None:
    found, _, _ = trained
    with gathered(tmp_path, drawings) as photos:
        other = train(
            photos.photos, photos.path, TrainingSettings(ARCH, size=96, views=2, seed=8, hold_out=True), log=quiet
        )
    assert other.logits.tobytes() != found.logits.tobytes()


def test_fine_tuning_repeats_and_what_is_said_of_it_is_what_ships(tmp_path: Path, drawings: Path) -> None:
    logits, said = [], []
    for run in ("one", "two"):
        with gathered(tmp_path / run, drawings) as photos:
            settings = TrainingSettings(ARCH, size=64, views=1, epochs=2, seed=7, hold_out=True)
            found = train(photos.photos, photos.path, settings, log=said.append)
        assert [row.epoch for row in found.history] == [0, 1, 2]
        assert found.epochs in (0, 2) and found.tuned == (found.epochs > 0)
        assert "fine-tuned for 2 epochs" in found.recipe and ("not used" in found.recipe) != found.tuned
        held = found.data.rows("validation")
        assert np.array_equal(found.unseen[held], found.logits[held])
        with found.learner.no_bar(), found.learner.no_logging():
            mean = found.learner.validate()[0]
        again = cross_entropy(found.logits[held].astype(float), found.data.actual[held]).mean()
        assert again == pytest.approx(mean, rel=0.3, abs=1e-3)  # fastai's mean weighs the labels
        assert not (photos.path / ".training").exists()
        logits.append(found.logits.tobytes())
    assert logits[0] == logits[1]
    assert any("Fine-tuning the last layers for 2 epochs, as --epochs asks" in line for line in said)
    assert any(line.startswith("epoch 2 of 2: loss") for line in said)


def test_by_default_few_photos_are_not_tuned_by_and_that_is_said(tmp_path: Path, drawings: Path) -> None:
    said: list[str] = []
    with gathered(tmp_path, drawings) as photos:
        found = train(photos.photos, photos.path, TrainingSettings(ARCH, size=64, views=1), log=said.append)
    assert not found.tuned and found.plan.reason in said and "too few to tell" in found.plan.reason


def test_a_label_without_training_photos_is_refused(tmp_path: Path, drawings: Path) -> None:
    with gathered(tmp_path, drawings) as photos:
        rows = [p for p in photos.photos if p.label == "duckling" or p.split == "validation"]
        with pytest.raises(DatasetError, match=re.escape("'cygnet' has no training photo")):
            train(rows, photos.path, SETTINGS, log=quiet)


def test_a_photo_that_was_damaged_since_is_left_out_and_told(tmp_path: Path, drawings: Path) -> None:
    with gathered(tmp_path, drawings) as photos:
        one = next(photo for photo in photos.photos if photo.split == "train")
        stored = one.path(photos.path)
        stored.write_bytes(stored.read_bytes()[: stored.stat().st_size // 3])
        said: list[str] = []
        found = train(photos.photos, photos.path, SETTINGS, log=said.append)
        assert [line for line in said if line.startswith(f"{one.file_name} is left out: ")]
        assert found.notes == ("1 photo could not be opened, and had no part in it.",)
        assert one not in found.data.photos and len(found.features) == len(found.data.photos) == len(photos.photos) - 1
        assert len(found.data.groups) == len(found.logits) == len(found.unseen) == len(found.data.photos)
        content = PhotoModel(found, photos.path, describe_data(photos, "folder"), SETTINGS)
        build_model(content, tmp_path / "models" / "shapes", precision="fp32", log=quiet)
        for photo in photos.photos:
            if photo.label == one.label and photo.split == "train":
                photo.path(photos.path).write_bytes(b"")
        with pytest.raises(DatasetError, match=f"No training photo of '{one.label}' can be opened"):
            train(photos.photos, photos.path, SETTINGS, log=quiet)
