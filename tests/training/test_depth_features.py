"""Features of every depth: what they are, when a head is on them, and a model that has such a head, all the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mirror.export.grad_cam_export import write_heat
from mirror.export.onnx_export import compile_learner, export_network, quiet
from mirror.inference.classifier import Classifier, softmax
from mirror.inference.grad_cam import HEAT, MAPS, explain
from mirror.inference.session import OnnxModel
from mirror.training.backbones import make_body, pooled
from mirror.training.depth_choice import LAST_LAYER, choose_depth
from mirror.training.depth_features import averaged, deepened
from mirror.training.pretrained import find_architecture
from mirror.training.training_data import TrainingData
from mirror.training.view_features import ViewFeatures
from tests.learners import PACKAGED_ARCH as ARCH
from tests.support.arrow_model import EACH, ArrowModel, arrow, learn_arrows
from tests.support.limits import LIMIT
from tests.support.training import photo

UNSEEN = [(label, 1000 + seed) for label in ("left", "right") for seed in range(60)]


@pytest.mark.parametrize(("arch", "size", "width"), [("resnet18", 64, 2560), ("resnet18", 100, 2560), (ARCH, 64, 2048)])
def test_the_last_features_are_the_last_layers_and_the_others_quarters(arch: str, size: int, width: int) -> None:
    torch.manual_seed(0)
    body = make_body(find_architecture(arch), size)
    deep, pixels = deepened(body, size), torch.rand(2, 3, size, size)
    with torch.no_grad():
        features, last = deep(pixels), pooled(body(pixels))
        first = deep[0](pixels)  # the map of the first stage
    assert features.shape == (2, width)
    torch.testing.assert_close(features[:, -last.shape[1] :], last)
    quarters = features[:, : 4 * first.shape[1]].reshape(2, -1, 2, 2)
    half = first.shape[2] // 2
    if size == 64:
        torch.testing.assert_close(quarters[:, :, 0, 1], first[:, :, :half, half:].mean((2, 3)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("side", "to"), [(48, 6), (25, 7), (13, 7), (7, 7), (7, 2), (3, 2)])
def test_windows_are_of_one_size_and_leave_nothing_out(side: int, to: int) -> None:
    seen = torch.zeros(1, 1, side, side, requires_grad=True)
    found = averaged(side, to)(seen)
    found.sum().backward()
    assert found.shape[2:] == (to, to) and (seen.grad > 0).all()


@pytest.mark.parametrize("size", [64, 100])
def test_at_any_size_onnx_gives_torchs_numbers_and_heat(tmp_path: Path, size: int) -> None:
    torch.manual_seed(0)
    deep = deepened(make_body(find_architecture("resnet18"), size), size)
    network, file = nn.Sequential(deep, nn.Linear(2560, 3)).eval(), tmp_path / "model.onnx"
    pixels = torch.rand(2, 3, size, size)
    with quiet(), torch.no_grad():
        expected = network(pixels).numpy()
        export_network(network, (size, size), file)
    write_heat(file, tmp_path / "heat.onnx")
    logits, maps = OnnxModel(file).run(pixels.numpy(), ("logits", MAPS))
    (heat,) = OnnxModel(tmp_path / "heat.onnx").run(maps, (HEAT,))
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    assert heat.shape == (2, 3, *maps.shape[2:]) and maps.shape[1] == 64 + 64 + 128 + 256 + 512


@pytest.mark.parametrize("arch", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_a_network_that_is_no_chain_of_stages_has_its_last_layer_alone(arch: str) -> None:
    assert deepened(make_body(find_architecture(arch), 224), 224) is None


def test_a_network_of_one_stage_has_its_last_layer_alone() -> None:
    body = nn.Sequential(nn.Conv2d(3, 4, 2, 2), nn.Conv2d(4, 8, 2, 2))
    assert deepened(body, 4) is not None and deepened(body[:1], 4) is None


def views(apart_last: float, apart_early: float, photos: int = 60) -> tuple[TrainingData, ViewFeatures]:
    """Two labels whose last features, and whose earlier ones, lie so many deviations apart."""
    random = np.random.default_rng(0)
    actual = np.arange(photos) % 2
    features = random.normal(size=(photos, 30)).astype(np.float32)
    features[:, 0] += apart_early * actual
    features[:, 20] += apart_last * actual
    rows, every = np.arange(photos), np.ones(photos, bool)
    data = TrainingData([photo(i, "ab"[label]) for i, label in enumerate(actual)], ("a", "b"), rows)
    return data, ViewFeatures(features, rows, np.ones(photos), every, every, actual, rows, 10)


@pytest.mark.parametrize(("last", "early", "deep"), [(5, 0, False), (1, 6, True)])
def test_the_head_with_the_lower_loss_on_photos_left_out_ships(last: float, early: float, deep: bool) -> None:
    data, seen = views(last, early)
    chosen = choose_depth(data, seen, np.arange(60), 5, seed=0)
    assert chosen.deep is deep
    assert chosen.views.features.shape[1] == chosen.out_of_fold.heads[0].weight.shape[1] == (30 if deep else 10)
    assert chosen.phrase.startswith("on features of every depth" if deep else LAST_LAYER)
    alone = seen.last.out_of_fold(np.arange(60), 5, 0).logits.argmax(axis=1) != data.actual
    assert (chosen.out_of_fold.logits.argmax(axis=1) != data.actual).sum() <= alone.sum()


def test_the_last_layer_stays_where_both_tell_the_labels_apart() -> None:
    data, seen = views(0, 0)
    seen.features[:] += 50 * data.actual[:, None]
    assert not choose_depth(data, seen, np.arange(60), 5, seed=0).deep


def test_each_photo_is_reported_on_by_what_the_other_folds_choose() -> None:
    data, seen = views(1, 6)
    chosen = choose_depth(data, seen, np.arange(60), 5, seed=0)
    for number, head in enumerate(chosen.out_of_fold.heads):
        rows = np.flatnonzero(chosen.out_of_fold.fold == number)
        np.testing.assert_allclose(chosen.out_of_fold.logits[rows], head.logits(seen.served[rows]), rtol=1e-5)


def test_features_that_would_not_fit_into_memory_are_the_last_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.training.view_features.MOST_VALUES", 1000)
    said: list[str] = []
    found = learn_arrows(tmp_path, said).trained
    assert found.features.shape[1] == found.width == 1280
    assert sum("the last layer's features alone are kept" in line for line in said) == 1


said: list[str] = []


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ArrowModel:
    said.clear()
    return learn_arrows(tmp_path_factory.mktemp("arrows"), said)


def test_left_is_told_from_right_and_the_error_said_is_the_error(model: ArrowModel) -> None:
    classifier = Classifier.load(model.folder)
    wrong = np.mean([classifier.predict(arrow(*each)).label != each[0] for each in UNSEEN])
    assert wrong <= 0.25  # by the last layer's features, or with mirrored views, it is half
    low, high = model.folder.info.metrics.validation.interval
    assert low <= wrong <= high and len(model.trained.judged) == 2 * EACH


def test_which_features_it_took_and_why_is_told_everywhere(model: ArrowModel) -> None:
    (line,) = (line for line in said if "features of every depth" in line)
    phrase = line.removeprefix("the head is ")
    assert phrase in model.folder.info.training.recipe
    assert phrase in (model.folder.path / "README.md").read_text(encoding="utf-8")


def test_photos_are_compared_by_the_last_layer(model: ArrowModel) -> None:
    trained = model.trained
    assert (trained.width, trained.features.shape[1]) == (1280, 2048) and trained.last_layer.shape[1] == 1280
    own = model.trained.data.photos[0].path(model.photos)
    prediction = Classifier.load(model.folder).predict(own)
    assert prediction.similarity is not None and prediction.similarity > model.folder.info.novelty.threshold


def test_its_pickle_opens_in_plain_fastai_and_learns_on(model: ArrowModel, tmp_path: Path) -> None:
    photos = [photo.path(model.photos) for photo in model.trained.data.photos[::4]]
    script = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from fastai.vision.all import *\n"
        "learner = load_learner(sys.argv[1])\n"
        "with learner.no_bar():\n"
        "    for photo in sys.argv[2:]: print(*learner.predict(photo)[2].tolist())\n"
        "assert not any(name.split('.')[0] == 'mirror' for name in sys.modules)\n"
        "files = [Path(photo) for photo in sys.argv[2:]]\n"
        "learner.dls = ImageDataLoaders.from_path_func('.', files, lambda file: file.parent.name, valid_pct=0.3,\n"
        "    bs=2, num_workers=0, item_tfms=Resize(96))\n"
        "with learner.no_bar(), learner.no_logging(): learner.fine_tune(1)\n"
    )
    command = [sys.executable, "-I", "-c", script, str(model.folder.path / "learner.pkl"), *map(str, photos)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    theirs = np.array([[float(p) for p in line.split()] for line in done.stdout.splitlines()])
    np.testing.assert_allclose(theirs, softmax(model.trained.logits[::4]), atol=1e-4)


def test_the_safe_reader_opens_its_pickle_to_the_same_network(model: ArrowModel, tmp_path: Path) -> None:
    photos = [photo.path(model.photos) for photo in model.trained.data.photos[::8]]
    compiled = compile_learner(model.folder.path / "learner.pkl", tmp_path / "model.onnx", photos, trusted=False)
    assert compiled.difference < 1e-4 and compiled.labels == ("left", "right")


def shown(model: ArrowModel) -> np.ndarray:
    classifier = Classifier.load(model.folder)
    return np.stack([classifier.preprocess(arrow(*each))[0] for each in UNSEEN[::6]])


def test_its_heat_is_what_every_depth_says_of_the_place(model: ArrowModel) -> None:
    pixels, path = shown(model), model.folder.path
    logits, maps = OnnxModel(path / "model.onnx").run(pixels, ("logits", MAPS))
    (heat,) = OnnxModel(path / "heat.onnx").run(maps, (HEAT,))
    bias = model.trained.learner.model[1][2].bias.detach().numpy()
    np.testing.assert_allclose(heat.mean((2, 3)) + bias, logits, atol=1e-4)  # nothing is left out, nothing counts twice
    assert heat.shape[2:] == (6, 6) and explain(Classifier.load(path), arrow("left", 5)).heat.shape == (6, 6)


def test_in_int8_its_averages_are_not_rounded(model: ArrowModel, tmp_path: Path) -> None:
    pixels = shown(model)
    before, after = (
        OnnxModel(file).run(pixels, ("logits", "features"))
        for file in (model.folder.path / "model.onnx", model.quantised(tmp_path / "int8.onnx"))
    )
    assert np.mean(before[0].argmax(axis=1) == after[0].argmax(axis=1)) >= 0.95
    width = model.trained.width
    for part in (slice(None, -width), slice(-width, None)):
        apart = np.abs(before[1][:, part] - after[1][:, part]).mean() / before[1][:, part].std()
        assert apart < 0.15
