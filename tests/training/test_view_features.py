"""What the frozen body saw, and heads fitted to parts of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mirror.collect import collect_from_folder
from mirror.model_schema import DataInfo
from mirror.training.augmentation import plan_views
from mirror.training.build import build_model
from mirror.training.learner import Start
from mirror.training.linear_probe import cross_entropy, fit_probe, fold_numbers
from mirror.training.photo_model import PhotoModel
from mirror.training.pretrained import find_architecture, load_weights
from mirror.training.recipe import train
from mirror.training.settings import TrainingSettings
from mirror.training.training_data import TrainingData
from mirror.training.view_features import FeatureExtractor, ViewFeatures, extract_features
from tests.learners import PACKAGED_ARCH as ARCH

SIZE, SEED = 64, 7


def quiet(*_: object) -> None:
    pass


def clouds(labels: int, each: int, seed: int = 0, width: int = 10) -> ViewFeatures:
    """Two views of each photo, the first being serving's."""
    random = np.random.default_rng(seed)
    actual = np.repeat(np.arange(labels), each)
    photo = np.repeat(np.arange(len(actual)), 2)
    centres = 1.5 * random.normal(size=(labels, width))
    features = (centres[actual[photo]] + random.normal(size=(len(photo), width))).astype(np.float32)
    serving = np.arange(len(photo)) % 2 == 0
    ones = np.ones(len(photo))
    return ViewFeatures(features, photo, ones, serving, serving, actual, np.arange(len(actual)), features.shape[1])


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory, drawings: Path):
    with collect_from_folder(tmp_path_factory.mktemp("frozen") / "photos", drawings, log=quiet) as folder:
        return sorted(folder.photos, key=lambda photo: (photo.label, photo.sha256)), folder.path


def test_every_photo_is_seen_as_served_and_those_learned_from_as_planned(gathered) -> None:
    photos, folder = gathered
    labels = ("cygnet", "duckling")
    architecture = find_architecture(ARCH)
    start = Start(folder, labels, architecture, *load_weights(architecture, None, quiet), SIZE, SEED)
    sight = FeatureExtractor(start.learner(photos).model[0], folder, architecture, SIZE, quiet)
    data = TrainingData(photos, labels, np.arange(len(photos)))
    actual, learned = data.actual, np.arange(0, len(photos), 2)
    seen = extract_features(sight, data, learned, views=3, seed=SEED)
    assert seen.served.shape == (len(photos), 2048) and seen.last.served.shape == (len(photos), 1280)
    np.testing.assert_allclose(seen.last.served, sight.served(photos), rtol=1e-3, atol=1e-4)
    assert np.array_equal(np.bincount(seen.photo), np.where(np.isin(np.arange(len(photos)), learned), 3, 1))
    plan = plan_views([(p.width, p.height) for p in photos[::2]], actual[::2], size=SIZE, views=3, seed=SEED)
    assert seen.weight[seen.weight > 0] == pytest.approx([view.weight for view in plan])
    assert not seen.weight[~np.isin(seen.photo, learned)].any() and seen.levels == ()


def test_a_head_learns_from_the_views_of_its_photos_alone() -> None:
    seen = clouds(3, 10)
    rows = np.arange(0, 30, 2)
    used = np.isin(seen.photo, rows)
    expected = fit_probe(
        seen.features[used], seen.labels[seen.photo[used]], seen.weight[used], seen.photo[used],
        base=seen.serving[used], seed=1,
    )  # fmt: skip
    assert np.array_equal(seen.fit(rows, 1).weight, expected.weight)
    changed = replace(seen, features=np.where(used[:, None], seen.features, 99).astype(np.float32))
    assert np.array_equal(changed.fit(rows, 1).weight, expected.weight)


def test_where_no_view_is_servings_every_plain_one_counts_for_a_fold() -> None:
    """As where resolution is levelled: serving's own view is there, without a weight."""
    seen = clouds(2, 12)
    levelled = replace(seen, weight=np.where(seen.serving, 0.0, 1.0), plain=np.ones(len(seen.photo), bool))
    used = levelled.weight > 0
    place = seen.photo[used]
    expected = fit_probe(
        seen.features[used], seen.labels[place], np.ones(len(place)), place, base=np.ones(len(place), bool), seed=1
    )
    head = levelled.fit(np.arange(24), 1)
    assert np.array_equal(head.weight, expected.weight) and head.loss == expected.loss


def test_photos_that_all_hang_together_are_judged_in_blocks_and_that_is_told(gathered, tmp_path: Path) -> None:
    photos, folder = gathered
    together = [replace(photo, page_url="https://one.example/page") for photo in photos]
    settings = TrainingSettings(ARCH, size=SIZE, views=1, seed=SEED)
    found = train(together, folder, settings, log=quiet)
    assert found.data.blocks == ("cygnet", "duckling") and len(set(found.data.groups)) == 10
    assert len(found.judged) == len(photos) and found.data.folds == 5
    content = PhotoModel(found, folder, DataInfo("folder"), settings)
    made = build_model(content, tmp_path / "one", precision="fp32", log=quiet)
    validation = made.info.metrics.validation
    assert (validation.photos, validation.groups, validation.blocks) == (len(photos), 10, ("cygnet", "duckling"))
    assert "it says nothing of another place, light or day" in (made.path / "README.md").read_text()


def test_a_fold_chooses_by_the_others_as_a_cross_validation_of_its_own_would() -> None:
    seen = clouds(3, 30, width=20)
    rows = np.arange(90)
    number = fold_numbers(seen.labels, seen.groups, 5, seed=5)
    logits = seen.out_of_fold(rows, 5, seed=5).logits
    apart = [seen.fit(rows[number != fold], 5).logits(seen.served[number == fold]) for fold in range(5)]
    order = np.concatenate([rows[number == fold] for fold in range(5)])
    losses = [cross_entropy(each.astype(np.float64), seen.labels[order]) for each in (logits[order], np.vstack(apart))]
    assert losses[0].mean() == pytest.approx(losses[1].mean(), abs=0.02)


def test_photos_that_are_not_asked_about_are_neither_judged_nor_learned_from() -> None:
    seen = clouds(2, 12)
    rows = np.concatenate([np.arange(8), np.arange(12, 20)])
    logits = seen.out_of_fold(rows, 4, seed=0).logits
    assert np.isfinite(logits[rows]).all() and np.isnan(np.delete(logits, rows, axis=0)).all()
    others = clouds(2, 12, seed=9).features  # what the rest look like changes nothing
    features = np.where(np.isin(seen.photo, rows)[:, None], seen.features, others)
    changed = ViewFeatures(
        features, seen.photo, seen.weight, seen.plain, seen.serving, seen.labels, seen.groups, seen.width
    )
    assert np.array_equal(changed.out_of_fold(rows, 4, seed=0).logits[rows], logits[rows])


def test_labels_drawn_at_random_are_not_learned_out_of_fold() -> None:
    random = np.random.default_rng(2)
    seen = clouds(2, 60)
    noise = ViewFeatures(
        random.normal(size=seen.features.shape).astype(np.float32), seen.photo, seen.weight, seen.plain, seen.serving,
        random.permutation(seen.labels), seen.groups, seen.width,
    )  # fmt: skip
    logits = noise.out_of_fold(np.arange(120), 5, seed=0).logits
    assert 0.35 < np.mean(logits.argmax(axis=1) == noise.labels) < 0.65
