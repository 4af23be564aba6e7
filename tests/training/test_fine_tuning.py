"""Fine-tuning where folds decide: every fold tunes a network of its own, and the epoch they agree on is kept."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from mirror.collect import collect_from_folder
from mirror.training.feature_cache import FeatureExtractor, ViewFeatures, extract_features
from mirror.training.fine_tuning import fine_tune_epochs, tuned_out_of_fold
from mirror.training.learner import Start, head_logits, set_head
from mirror.training.linear_probe import cross_entropy, fold_numbers
from mirror.training.pretrained import find_architecture, load_weights
from mirror.training.recipe import train
from mirror.training.settings import TrainingSettings
from mirror.training.training_data import TrainingData
from tests.learners import PACKAGED_ARCH as ARCH

SIZE, SEED, FOLDS = 64, 7, 2


def quiet(*_: object) -> None:
    pass


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, drawings: Path) -> tuple[Start, TrainingData, ViewFeatures]:
    with collect_from_folder(tmp_path_factory.mktemp("tuning") / "photos", drawings, log=quiet) as folder:
        data = TrainingData.of(folder.photos, FOLDS)
    architecture = find_architecture(ARCH)
    start = Start(folder.path, data.labels, architecture, *load_weights(architecture, None, quiet), SIZE, SEED)
    sight = FeatureExtractor(start.learner(data.photos).model[0], folder.path, architecture, SIZE, quiet)
    return start, data, extract_features(sight, data, np.arange(len(data.photos)), views=1, seed=SEED)


@pytest.fixture(scope="module")
def tuned(begun) -> tuple[np.ndarray, list[str]]:
    """The logits after no and after one epoch, and what was said."""
    start, data, seen = begun
    said: list[str] = []
    return tuned_out_of_fold(start, data, seen, 1, said.append), said


def test_every_photo_is_judged_after_every_epoch_by_a_network_that_never_saw_it(begun, tuned) -> None:
    _, data, seen = begun
    photos = data.photos
    logits, said = tuned
    assert logits.shape == (2, len(photos), 2) and np.isfinite(logits).all()
    assert not np.isclose(logits[0], logits[1]).all(axis=1).any()
    number = fold_numbers(seen.labels, seen.groups, FOLDS, SEED)
    first = seen.fit(np.flatnonzero(number != 0), SEED)
    assert np.array_equal(logits[0, number == 0], first.logits(seen.served[number == 0]))
    assert [line for line in said if line.startswith("fold")] == [
        f"fold {fold + 1} of 2: fine-tuning without {np.sum(number == fold)} of the 22 photos" for fold in (0, 1)
    ]


def test_it_stops_after_the_epoch_that_is_kept(begun) -> None:
    start, data, seen = begun
    photos = data.photos
    head = seen.fit(np.arange(len(photos)), SEED)
    learner = start.learner(photos)
    set_head(learner, head)
    assert np.allclose(head_logits(learner, seen.served), head.logits(seen.served), atol=1e-5)
    said: list[str] = []
    fine_tune_epochs(learner, 2, 1, said.append)
    assert len(said) == 1 and re.fullmatch(r"epoch 1: train_loss \d\.\d{4}", said[0])
    assert not np.allclose(head_logits(learner, seen.served), head.logits(seen.served), atol=1e-3)
    assert learner.path == Path(".") and learner.logger is print  # it is pickled, and nothing of ours may be in it


def test_with_folds_and_epochs_the_learner_is_the_one_that_the_folds_chose(begun, tuned) -> None:
    start, data, _ = begun
    photos = data.photos
    settings = TrainingSettings(ARCH, size=SIZE, views=1, epochs=1, seed=SEED, folds=FOLDS)
    found = train(photos, start.folder, settings, log=quiet)
    assert {photo.split for photo in found.data.photos} == {"train"} and len(found.judged) == len(photos)
    kept = int(found.recipe.rsplit(" ", 1)[1])
    assert np.array_equal(found.unseen, tuned[0][kept])  # to the last bit, the second time
    losses = [cross_entropy(logits.astype(float), found.data.actual).mean() for logits in tuned[0]]
    assert [row.valid_loss for row in found.history] == pytest.approx(losses) and kept == np.argmin(losses)
    assert found.tuned == (kept > 0) and "by the folds' loss" in found.recipe
    assert np.allclose(found.logits, head_logits(found.learner, found.features), atol=1e-5)
    assert not np.allclose(found.logits, found.unseen)
