"""Fine-tuning: the head meets the features that it was fitted to, and a cycle is run to its end, killed or not."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mirror.collect import collect_from_folder
from mirror.progress import ProgressBar
from mirror.training.augmented_features import KeptViews, batch_size, keep_views, last_layers_learner
from mirror.training.fine_tuning import Course, blend, layer_groups, rates, tune
from mirror.training.last_layers import split_body
from mirror.training.learner import Start, set_head
from mirror.training.linear_probe import cross_entropy
from mirror.training.pretrained import find_architecture, load_weights
from mirror.training.settings import BATCH, BODY_GROUPS, SMALLEST_BATCH
from mirror.training.training_data import TrainingData
from mirror.training.view_features import FeatureExtractor, ViewFeatures, extract_features
from tests.learners import PACKAGED_ARCH as ARCH

SIZE, SEED = 64, 7


def quiet(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Begun:
    start: Start
    data: TrainingData
    views: ViewFeatures
    kept: KeptViews


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, drawings: Path) -> Begun:
    """Every fourth photo is held out."""
    with collect_from_folder(tmp_path_factory.mktemp("tuning") / "photos", drawings, log=quiet) as folder:
        photos = [replace(p, split="train" if i % 4 else "validation") for i, p in enumerate(folder.photos)]
    data = TrainingData.of(photos)
    architecture = find_architecture(ARCH)
    start = Start(folder.path, data.labels, architecture, *load_weights(architecture, None, quiet), SIZE, SEED)
    body = start.learner(data.photos).model[0]
    sight, learned = FeatureExtractor(body, folder.path, architecture, SIZE, quiet), data.rows("train")
    views = extract_features(sight, data, learned, views=1, seed=SEED).last
    return Begun(start, data, views, keep_views(sight, split_body(body, SIZE), data, learned, 2, SEED))


def learner_of(begun: Begun) -> Any:
    """Of the last layers."""
    learner, learned = begun.start.learner(begun.data.photos), begun.data.rows("train")
    set_head(learner, begun.views.fit(learned, SEED))
    return last_layers_learner(
        learner, split_body(learner.model[0], SIZE), begun.kept, learned, begun.data.rows("validation")
    )


def course(epochs: int, **more: Any) -> Course:
    return Course(epochs, SEED, ProgressBar("", "photo", quiet), total=100, **more)


def norms(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def test_batchnorm_keeps_the_statistics_that_the_head_was_fitted_to(begun) -> None:
    learner = learner_of(begun)
    before = [(m.running_mean.clone(), m.running_var.clone()) for m in norms(learner.model)]
    weights = norms(learner.model)[0].weight.detach().clone()
    tune(learner, course(2))
    after = [(m.running_mean, m.running_var) for m in norms(learner.model)]
    assert before and all(
        torch.equal(a, b) for x, y in zip(before, after, strict=True) for a, b in zip(x, y, strict=True)
    )
    assert not torch.equal(norms(learner.model)[0].weight, weights)  # it is trained, as all others are


def test_the_first_step_has_the_heads_own_loss(begun) -> None:
    """With BatchNorm in training mode it was eight times as high."""
    from fastai.callback.core import Callback

    data, views, learner = begun.data, begun.views, learner_of(begun)
    learner.dls.train.dataset.served = True  # as the head's loss is measured
    losses: list[float] = []

    class Losses(Callback):
        def after_loss(self) -> None:
            losses.append(float(self.loss))

    learner.add_cb(Losses())
    tune(learner, course(1))
    logits = views.fit(data.rows("train"), SEED).logits(views.served)[data.rows("train")]
    own = cross_entropy(logits.astype(float), data.actual[data.rows("train")])
    assert losses[0] < own.max() + 0.01


def test_it_runs_every_epoch_and_anneals_to_the_end(begun) -> None:
    learner = learner_of(begun)
    seen: list[int] = []
    held = len(begun.data.rows("validation"))

    def each(epoch: int, logits: np.ndarray) -> None:
        seen.append(epoch)
        assert logits.shape == (held, 2)

    tune(learner, course(3), each)
    assert seen == [1, 2, 3]
    assert learner.recorder.lrs[-1] < max(learner.recorder.lrs) / 5  # six batches in all


def test_the_learner_gets_the_weights_and_nothing_else_of_ours(begun) -> None:
    learner = begun.start.learner(begun.data.photos)
    set_head(learner, begun.views.fit(begun.data.rows("train"), SEED))
    before = {name: value.clone() for name, value in learner.model.state_dict().items()}
    split = split_body(learner.model[0], SIZE)
    last = last_layers_learner(learner, split, begun.kept, begun.data.rows("train"), begun.data.rows("validation"))
    tune(last, course(1), lambda *_: None)
    after = learner.model.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    of_last = {id(parameter) for parameter in last.model.parameters()}
    assert changed == {name for name, parameter in learner.model.named_parameters() if id(parameter) in of_last}
    learner.dls = learner.dls.new_empty()
    assert b"mirror" not in pickle.dumps(learner)
    pixels = torch.rand(2, 3, SIZE, SIZE)
    with torch.no_grad():
        assert torch.allclose(learner.model.eval()(pixels), last.model.eval()(split.first(pixels)), atol=1e-5)


def test_a_training_that_was_killed_goes_on_to_the_same_bits(begun, tmp_path: Path) -> None:
    whole = learner_of(begun)
    tune(whole, course(3))
    file = tmp_path / "kept" / "all.pth"

    class Killed(Exception):
        pass

    def kill(epoch: int, _: np.ndarray) -> None:
        if epoch == 2:
            raise Killed("at the end of the second epoch")

    stopped = learner_of(begun)
    with pytest.raises(Killed):
        tune(stopped, course(3, checkpoint=file), kill)
    assert torch.load(file, weights_only=True)["epoch"] == 1
    again, epochs = learner_of(begun), []
    tune(again, course(3, checkpoint=file), lambda epoch, _: epochs.append(epoch))
    assert epochs == [2, 3]
    states = [learner.model.state_dict() for learner in (whole, again)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    done = learner_of(begun)
    tune(done, course(3, checkpoint=file), lambda *_: pytest.fail("it was done"))
    assert all(torch.equal(value, done.model.state_dict()[name]) for name, value in states[0].items())


def test_a_checkpoint_that_cannot_be_read_or_written_is_no_obstacle(begun, tmp_path: Path) -> None:
    file = tmp_path / "all.pth"
    file.write_bytes(b"half a f")
    tune(learner_of(begun), course(1, checkpoint=file))
    assert torch.load(file, weights_only=True)["epoch"] == 1
    (tmp_path / "a file").write_bytes(b"")
    said: list[str] = []
    told = Course(2, SEED, ProgressBar("", "photo", said.append), total=100, checkpoint=tmp_path / "a file" / "all.pth")
    tune(learner_of(begun), told)
    assert [line for line in said if "cannot be written" in line] == [line for line in said if "begin anew" in line]
    assert sum("a file cannot be written" in line for line in said) == 1


def test_the_first_layers_take_the_smallest_steps(begun) -> None:
    model = learner_of(begun).model
    groups = layer_groups(model)
    assert [id(p) for group in groups for p in group] == [id(p) for p in model.parameters()]
    highest = rates(model, BATCH)
    assert len(groups) == BODY_GROUPS + 1 == len(highest) and all(groups)
    assert list(highest[:BODY_GROUPS]) == sorted(highest[:BODY_GROUPS])
    assert np.allclose(rates(model, SMALLEST_BATCH), highest * SMALLEST_BATCH / BATCH)


@pytest.mark.parametrize(("photos", "size"), [(1, 1), (5, 5), (20, 8), (200, 10), (640, 32), (10_000, 32)])
def test_batches_are_full_ones_and_enough_of_them(photos: int, size: int) -> None:
    """fastai drops the last, incomplete batch: with fewer photos than a batch takes it would train on none."""
    assert batch_size(photos) == size <= max(photos, 1) and size <= BATCH and size >= min(photos, SMALLEST_BATCH)


def test_a_blend_lies_between_both(begun) -> None:
    a = {"weight": torch.tensor([1.0, 2.0]), "count": torch.tensor(3)}
    b = {"weight": torch.tensor([3.0, 6.0]), "count": torch.tensor(9)}
    assert blend(a, b, 0.25)["weight"].tolist() == [1.5, 3.0] and int(blend(a, b, 0.25)["count"]) == 3
    assert blend(a, b, 0)["weight"].tolist() == [1, 2] and blend(a, b, 1) is b
