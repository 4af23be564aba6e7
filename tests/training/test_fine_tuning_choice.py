"""What of fine-tuning ships: only what photos that were left out show to be better than the head alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mirror.collect import collect_from_folder
from mirror.progress import ProgressBar
from mirror.training.augmented_features import keep_views
from mirror.training.fine_tuning import Course
from mirror.training.fine_tuning_choice import Tuner, best_share
from mirror.training.last_layers import split_body
from mirror.training.learner import Start, head_logits, set_head
from mirror.training.pretrained import find_architecture, load_weights
from mirror.training.settings import SHARES
from mirror.training.training_data import TrainingData
from mirror.training.view_features import FeatureExtractor, extract_features
from tests.learners import PACKAGED_ARCH as ARCH

SIZE, SEED = 64, 7
NOISE = np.random.default_rng(0).normal(0, 0.1, 200)


def quiet(*_: object) -> None:
    pass


@pytest.mark.parametrize(
    ("name", "losses", "chosen"),
    [
        ("worse than the head", [0.5 + NOISE, 0.7 + NOISE, 0.9 + NOISE], 0),
        ("the same", [0.5 + NOISE, 0.5 + NOISE, 0.5 + NOISE], 0),
        ("better by less than chance", [0.5 + NOISE, 0.4995 - NOISE, 0.6 + NOISE], 0),
        ("better half of the way", [0.5 + NOISE, 0.3 - NOISE, 0.4 + NOISE], 1),
        ("better all the way", [0.5 + NOISE, 0.4 + NOISE, 0.3 - NOISE], 2),
        ("better for one photo of many", [0.5 + NOISE, 0.5 + NOISE - 40 * (np.arange(200) == 7), 0.6 + NOISE], 0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_share_is_chosen_where_its_loss_is_lower_beyond_chance(name: str, losses: list[np.ndarray], chosen) -> None:
    assert best_share(np.stack(losses), np.zeros((3, 200), bool), np.arange(200)) == chosen


def test_a_share_that_errs_more_often_than_the_head_is_not_chosen() -> None:
    """A lower loss may be that of answers which are less sure, and wrong."""
    losses, wrong = np.stack([0.5 + NOISE, 0.4 - NOISE, 0.3 - NOISE]), np.zeros((3, 200), bool)
    wrong[0, :5] = wrong[1, :5] = wrong[2, :6] = True
    assert best_share(losses, wrong, np.arange(200)) == 1
    wrong[1, :6] = True
    assert best_share(losses, wrong, np.arange(200)) == 0


def test_a_gain_in_one_group_of_photos_is_chance() -> None:
    """Eight shots of one duck that became better are one duck that did."""
    better = np.where(np.arange(80) < 8, 0.1, 0.5)
    losses = np.stack([np.full(80, 0.5), better, better])
    right = np.zeros((3, 80), bool)
    assert best_share(losses, right, np.arange(80)) == 1
    assert best_share(losses, right, np.maximum(np.arange(80) - 7, 0)) == 0


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, drawings: Path):
    with collect_from_folder(tmp_path_factory.mktemp("choice") / "photos", drawings, log=quiet) as folder:
        data = TrainingData.of(folder.photos, 2)
    architecture = find_architecture(ARCH)
    start = Start(folder.path, data.labels, architecture, *load_weights(architecture, None, quiet), SIZE, SEED)
    sight = FeatureExtractor(start.learner(data.photos).model[0], folder.path, architecture, SIZE, quiet)
    everyone = np.arange(len(data.photos))
    views = extract_features(sight, data, everyone, views=1, seed=SEED).last
    kept = keep_views(sight, split_body(sight.body, SIZE), data, everyone, 2, SEED)
    return start, data, views, kept, sight


def test_with_folds_every_photo_is_judged_by_a_network_that_never_saw_it(begun) -> None:
    start, data, views, kept, _ = begun
    said: list[str] = []
    learner = start.learner(data.photos)
    everyone = np.arange(len(data.photos))
    head = views.fit(everyone, SEED)
    set_head(learner, head)
    alone = views.out_of_fold(everyone, 2, SEED).logits
    found = Tuner(start, data, views, views, kept, 1, said.append).run(learner, head, alone)
    assert np.isfinite(found.unseen).all() and found.unseen.shape == alone.shape
    assert found.share in SHARES and found.epochs == 1 and [row.epoch for row in found.history] == [0, 1]
    assert sum(line.startswith("epoch 1 of 1") for line in said) == 2
    assert any(f"On {len(everyone)} photos that were not learned from, fine-tuning takes the loss" in s for s in said)


def test_what_ships_lies_its_share_of_the_way_and_answers_so(begun) -> None:
    start, data, views, kept, sight = begun
    everyone = np.arange(len(data.photos))
    head = views.fit(everyone, SEED)
    states = {}
    for share in (0.5, 1.0):
        learner = start.learner(data.photos)
        tuner = Tuner(start, data, views, views, kept, 1, quiet)
        tuner.tune_all(learner, head, share, Course(1, SEED, ProgressBar("", "photo", quiet), total=100))
        states[share] = {name: value.clone() for name, value in learner.model.state_dict().items()}
    untouched = start.learner(data.photos)
    set_head(untouched, head)
    begins = untouched.model.state_dict()
    name = [name for name, value in begins.items() if value.ndim == 4][-1]
    assert not torch.equal(states[1.0][name], begins[name])
    assert torch.allclose(states[0.5][name], (begins[name] + states[1.0][name]) / 2, atol=1e-6)
    assert np.allclose(head_logits(untouched, sight.served(data.photos)), head.logits(views.served), atol=1e-4)
