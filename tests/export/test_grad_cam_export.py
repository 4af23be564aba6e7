"""The heat in the graph against Grad-CAM: captum's on real learners and photos, autograd's for every kind of head."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from captum.attr import LayerGradCam
from fastai.layers import AdaptiveConcatPool2d
from fastai.vision.augment import Resize
from fastai.vision.learner import create_head, vision_learner
from scipy.stats import spearmanr
from timm.layers import SelectAdaptivePool2d
from torch import nn

from mirror.errors import UnsupportedLearner
from mirror.export.grad_cam_export import HEAT_FILE, add_heat, write_heat
from mirror.export.onnx_export import compile_learner
from mirror.export.quantize import Quantizer
from mirror.images import load_image
from mirror.inference.grad_cam import HEAT, MAPS
from mirror.inference.preprocess import preprocess
from mirror.inference.session import OnnxModel
from mirror.model_schema import OnnxInfo
from mirror.training.pretrained import find_architecture, load_into, load_weights
from tests.learners import PACKAGED_ARCH as ARCH
from tests.learners import dataloaders, export, loaded, plain_pickle
from tests.support.networks import exported, noise

ANTS_BEES = Path(__file__).resolve().parents[3] / "shared" / "data" / "ants_bees" / "val"
BODY = (nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3, padding=1), nn.Tanh())


class Mean(nn.Module):
    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps.mean((2, 3))


class Product(nn.Module):
    """logits = values @ weight + bias, as a MatMul and an Add."""

    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(6, 4)), nn.Parameter(torch.randn(4))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return (values * 3 - self.bias[0]) @ self.weight / 2 + self.bias


HEADS = {
    "average, one layer": lambda: (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)),
    "mean over the sides, one layer": lambda: (Mean(), nn.Linear(6, 4, bias=False)),
    "maximum, one layer": lambda: (nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 4)),
    "fastai's": lambda: (create_head(6, 4),),
    "fastai's with three layers and a last norm": lambda: (create_head(6, 4, lin_ftrs=[9, 7], bn_final=True),),
    "timm's average plus maximum": lambda: (SelectAdaptivePool2d(pool_type="avgmax", flatten=True), nn.Linear(6, 4)),
    "both pools, convolutions of 1 x 1": lambda: (AdaptiveConcatPool2d(), nn.Flatten(), nn.Dropout(), nn.Linear(12, 4)),
    "a product": lambda: (nn.AdaptiveAvgPool2d(1), nn.Flatten(), Product()),
}


def unsettled(*layers: nn.Module) -> nn.Sequential:
    """A network whose norms have seen something, so that none of them is the identity."""
    torch.manual_seed(3)
    model = nn.Sequential(*layers)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean, module.running_var = torch.randn_like(module.running_mean), module.running_var + 1.5
            module.weight.data, module.bias.data = torch.randn_like(module.weight), torch.randn_like(module.bias)
    return model.eval()


def grad_cam(body: nn.Module, head: nn.Module, pixels: torch.Tensor, label: int) -> np.ndarray:
    """Selvaraju's equations 1 and 2, without the ReLU: [N, h, w]."""
    maps = body(pixels).detach().requires_grad_()
    head(maps)[:, label].sum().backward()
    return (maps.grad.mean((2, 3), keepdim=True) * maps).sum(1).detach().numpy()


def heated(network: Path, pixels: np.ndarray) -> list[np.ndarray]:
    """Writes heat.onnx for the network, and gives logits [N, L] and heat [N, L, h, w]."""
    target = network.with_suffix(".heat.onnx")
    write_heat(network, target)
    logits, maps = OnnxModel(network).run(pixels, ("logits", MAPS))
    return [logits, *OnnxModel(target).run(maps, (HEAT,))]


@pytest.mark.parametrize("name", HEADS)
def test_every_linear_heads_heat_is_grad_cam(tmp_path: Path, name: str) -> None:
    torch.manual_seed(5)
    head = HEADS[name]()
    model = unsettled(*BODY, *head)
    network, pixels = exported(model, tmp_path / "model.onnx"), np.stack(noise(5))
    (before,) = OnnxModel(network).run(pixels)
    logits, heat = heated(network, pixels)
    np.testing.assert_array_equal(logits, before)
    assert heat.shape == (5, 4, 7, 7)
    for label in range(4):
        expected = grad_cam(model[: len(BODY)], model[len(BODY) :], torch.from_numpy(pixels), label)
        np.testing.assert_allclose(heat[:, label] / 49, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
        assert expected.std() > 0


class Depths(nn.Module):
    """A map of 16 x 16 averaged to 8 x 8 and that over quarters, and one of 4 x 4 averaged as a whole."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 6, 4, stride=4)
        self.small, self.quarters, self.head = nn.AvgPool2d(2), nn.AvgPool2d(4), nn.Linear(26, 4)

    def halves(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first = self.first(pixels).tanh()
        return self.small(first), self.second(first).tanh()

    def pooled(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([self.quarters(first).flatten(1), second.mean((2, 3))], dim=1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.pooled(*self.halves(pixels))


def test_the_heat_of_several_depths_is_the_sum_of_gradient_times_map_of_each(tmp_path: Path) -> None:
    model = unsettled(Depths())[0]
    network, pixels = exported(model, tmp_path / "model.onnx"), np.stack(noise(5))
    (before,) = OnnxModel(network).run(pixels)
    logits, heat = heated(network, pixels)
    np.testing.assert_array_equal(logits, before)
    assert heat.shape == (5, 4, 8, 8)
    for label in range(4):
        first, second = (each.detach().requires_grad_() for each in model.halves(torch.from_numpy(pixels)))
        model.pooled(first, second)[:, label].sum().backward()
        coarse = (second.grad * second).sum(1).detach().repeat_interleave(2, 1).repeat_interleave(2, 2) / 4
        expected = (first.grad * first).sum(1).detach() + coarse
        np.testing.assert_allclose(heat[:, label] / 64, expected, rtol=1e-4, atol=1e-5 * np.abs(heat).max())


def test_the_mean_of_a_plain_heads_heat_is_the_logit_less_its_bias_in_int8_too(tmp_path: Path) -> None:
    model = unsettled(*BODY, *HEADS["average, one layer"]())
    network, small = exported(model, tmp_path / "model.onnx"), tmp_path / "int8.onnx"
    Quantizer(network, noise(8)).write(small)
    pixels, bias = np.stack(noise(3, seed=1)), model[-1].bias.detach().numpy()
    maps = []
    for path in (network, small):
        logits, heat = heated(path, pixels)
        np.testing.assert_allclose(heat.mean((2, 3)) + bias, logits, atol=1e-5)
        maps.append(heat)
    assert 0 < np.abs(maps[0] - maps[1]).max() < 0.2 * maps[0].std()


def learner_of(arch: Any, **options: Any) -> Any:
    torch.manual_seed(1)
    return vision_learner(dataloaders(Resize(224)), arch, pretrained=False, **options)


def ours() -> Any:
    """A frozen pretrained body with an average pool and one layer, as train.py makes them."""
    architecture = find_architecture(ARCH)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 3))
    learner = learner_of(architecture.arch, custom_head=head)
    load_into(learner.model[0], load_weights(architecture)[0], ARCH)
    return learner


LEARNERS = {
    "ours": lambda: export(ours(), "ours.pkl"),
    "plain fastai": plain_pickle,  # ResNet-18, after an epoch
    "plain fastai on timm's": lambda: export(learner_of("convnext_atto"), "convnext.pkl"),
}


@pytest.mark.skipif(not ANTS_BEES.is_dir(), reason="the photos of ants and bees are not here")
@pytest.mark.parametrize("name", LEARNERS)
def test_the_heat_of_real_photos_is_captums(tmp_path: Path, name: str) -> None:
    pickle, network = LEARNERS[name](), tmp_path / "model.onnx"
    compiled = compile_learner(pickle, network)
    model = loaded(pickle).model.eval().requires_grad_(True)
    photos = [load_image(path) for path in sorted(ANTS_BEES.rglob("*.jpg"))[::40]]
    pixels = np.stack([preprocess(photo, compiled.preprocessing) for photo in photos])
    _, heat = heated(network, pixels)
    for label in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of PyTorch's about captum's hooks
            theirs = LayerGradCam(model, model[0]).attribute(torch.from_numpy(pixels), target=label)
        for ours_, captums in zip(heat[:, label], theirs.detach().numpy()[:, 0], strict=True):
            assert ours_.shape == captums.shape
            assert spearmanr(ours_.ravel(), captums.ravel()).statistic > 0.99
            np.testing.assert_allclose(ours_ / ours_.size, captums, atol=1e-4 * np.abs(captums).max())


UNSUPPORTED = {
    "a curve in the head": (
        lambda: (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5), nn.Hardswish(), nn.Linear(5, 4)),
        r"The network's head holds a step that is not linear \(HardSwish\)\.",
    ),
    "no pool": (
        lambda: (nn.Flatten(), nn.Linear(6 * 7 * 7, 4)),
        r"The network's head holds a step that is not linear \(Tanh\)\.",
    ),
    "the maximum of some places": (
        lambda: (nn.AdaptiveMaxPool2d((1, 7)), nn.Flatten(), nn.Linear(6 * 7, 4)),
        r"The network's head holds a pool that is not one of all places \(MaxPool\)\.",
    ),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_a_head_of_another_kind_stays_as_it_is_and_says_so(tmp_path: Path, name: str) -> None:
    make, says = UNSUPPORTED[name]
    network = exported(unsettled(*BODY, *make()), tmp_path / "model.onnx")
    before, said = network.read_bytes(), []
    with pytest.raises(UnsupportedLearner, match=f"^{says}$"):
        write_heat(network, tmp_path / HEAT_FILE)
    assert add_heat(network, OnnxInfo(), said.append) == OnnxInfo()
    assert network.read_bytes() == before and not (tmp_path / HEAT_FILE).exists()
    assert len(said) == 1 and said[0].startswith("No heat maps: The network's head")


def test_the_description_names_the_heat(tmp_path: Path) -> None:
    network = exported(unsettled(*BODY, *HEADS["fastai's"]()), tmp_path / "model.onnx")
    info = add_heat(network, OnnxInfo(outputs=("logits", "features")))
    assert (info.outputs, info.heat) == (("logits", "features", MAPS), "heat.onnx")
    assert OnnxModel(network).outputs == ("logits", MAPS) and OnnxModel(tmp_path / "heat.onnx").outputs == (HEAT,)
    onnx.checker.check_model(onnx.load(tmp_path / "heat.onnx"), full_check=True)
