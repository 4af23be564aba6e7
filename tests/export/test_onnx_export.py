"""A real fastai learner compiled: the same answers, the features, and a sentence for every learner that cannot be."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
from fastai.vision.all import (
    DataBlock,
    ImageBlock,
    Learner,
    MultiCategoryBlock,
    Normalize,
    RandomResizedCrop,
    RegressionBlock,
    Resize,
    Transform,
    aug_transforms,
    get_image_files,
    imagenet_stats,
    parent_label,
    resnet18,
    resnet34,
    vision_learner,
)
from PIL import Image
from torch import nn

from mirror.errors import ModelFolderError, UnsupportedLearner, UsageError
from mirror.export.onnx_export import compile_learner, compile_to_folder, export_network
from mirror.export.parity import LARGEST_DIFFERENCE
from mirror.inference.classifier import Classifier, softmax
from mirror.inference.preprocess import preprocess
from mirror.inference.session import OnnxModel
from mirror.model_folder import sha256_of
from tests.learners import LABELS, dataloaders, drawing, export, photo_folder, plain_pickle, predicted

MANY = tuple(f"label {number:04d}" for number in range(1000))
NORMALIZE = Normalize.from_stats(*imagenet_stats, cuda=False)


def learner_of(arch, item_tfms=None, batch_tfms=None, labels=LABELS, each=4, **options):
    dls = dataloaders(item_tfms or Resize(64), batch_tfms, labels, each)
    return vision_learner(dls, arch, pretrained=False, **options)


LEARNERS = {
    "resnet18, two labels": lambda: learner_of(resnet18, labels=("a", "b")),
    "resnet34, a thousand labels": lambda: learner_of(resnet34, labels=MANY, each=1),
    "timm efficientnet, presized": lambda: learner_of(
        "tf_efficientnet_lite0", Resize(80), [*aug_transforms(size=64, min_scale=0.75), NORMALIZE]
    ),
    "timm convnext, wide": lambda: learner_of("convnext_atto", RandomResizedCrop((64, 96))),
    "squished, half precision": lambda: learner_of(resnet18, Resize(64, method="squish")).to_fp16(),
    "a network of one's own": lambda: Learner(
        dataloaders(Resize(32)), nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                                               nn.Linear(4, 3)), loss_func=nn.CrossEntropyLoss()),
}  # fmt: skip


@pytest.mark.parametrize("name", LEARNERS)
def test_a_compiled_learner_answers_as_the_learner_does(tmp_path: Path, name: str) -> None:
    made = export(LEARNERS[name](), "learner.pkl")
    network = tmp_path / "model.onnx"
    compiled = compile_learner(made, network)
    assert 0 <= compiled.difference <= LARGEST_DIFFERENCE
    assert compiled.photos == 5
    assert compiled.onnx.outputs == ("logits", "features")
    onnx.checker.check_model(onnx.load(network), full_check=True)
    photos = [drawing(LABELS[seed % 3], seed, size) for seed, size in enumerate([(96, 80), (50, 120), (640, 427)])]
    (logits,) = OnnxModel(network).run(np.stack([preprocess(photo, compiled.preprocessing) for photo in photos]))
    from fastai.learner import load_learner  # afresh: `loaded` keeps one a path

    with pytest.warns(UserWarning, match="load_learner"):
        learner = load_learner(made)
    with learner.no_bar(), learner.no_logging():
        theirs = np.stack([learner.predict(np.asarray(photo))[2].numpy() for photo in photos])
    if name == "a network of one's own":
        theirs = softmax(theirs)  # of PyTorch's own loss fastai does not know the activation
    np.testing.assert_allclose(softmax(logits), theirs, atol=1e-5)


def test_a_compiled_folder_serves_the_learners_answers_on_files(tmp_path: Path) -> None:
    folder = compile_to_folder(plain_pickle(), tmp_path / "models" / "plain")
    info = folder.info
    assert info.labels == LABELS and info.arch == "resnet18" and info.name == "plain" and info.metrics is None
    assert info.learner_sha256 == sha256_of(plain_pickle())
    assert sorted(p.name for p in folder.path.iterdir()) == ["heat.onnx", "model.json", "model.onnx"]
    assert info.onnx.outputs == ("logits", "features", "maps") and info.onnx.heat == "heat.onnx"
    assert info.preprocessing.size == (80, 80) and info.preprocessing.crop == (64, 64)
    np.testing.assert_allclose(info.preprocessing.mean, imagenet_stats[0], atol=1e-7)
    classifier = Classifier.load(folder)
    files = sorted(photo_folder().rglob("*.png"))
    answers = list(classifier.predict_many(files))
    theirs = np.stack([predicted(plain_pickle(), file) for file in files])
    assert theirs.std(axis=0).min() > 0.01, "the learner must tell the photos apart for this test to mean something"
    np.testing.assert_allclose([list(a.probabilities.values()) for a in answers], theirs, atol=1e-5)


def test_features_are_the_input_of_the_last_layer(tmp_path: Path) -> None:
    compile_learner(plain_pickle(), tmp_path / "model.onnx")
    pixels = np.random.default_rng(0).random((3, 3, 64, 64), dtype=np.float32)
    logits, features = OnnxModel(tmp_path / "model.onnx").run(pixels, ("logits", "features"))
    from tests.learners import loaded

    last = loaded(plain_pickle()).model[-1][-1]
    assert features.shape == (3, 512)
    expected = features @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_a_network_that_ends_in_something_else_has_no_features(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3), nn.Softplus())
    learner = Learner(dataloaders(Resize(32)), model, loss_func=nn.CrossEntropyLoss())
    assert compile_learner(export(learner, "odd.pkl"), tmp_path / "model.onnx").onnx.outputs == ("logits",)


def test_given_photos_are_what_is_compared(tmp_path: Path) -> None:
    samples = [drawing("circle", 1), *sorted(photo_folder().rglob("*.png"))[:2]]
    assert compile_learner(plain_pickle(), tmp_path / "model.onnx", samples).photos == 3


class Sharpened(Transform):
    """A transform of one's own, module-level so that it can be pickled."""

    def encodes(self, image: Image.Image):
        return image


class Doubled(nn.Module):
    """Answers otherwise in training than at export: four times its weights where gradients are off."""

    def __init__(self):
        super().__init__()
        self.body, self.calls = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)), 0

    def forward(self, pixels):
        self.calls += 1
        return self.body(pixels) * self.calls


def block(*blocks, get_y=parent_label, item_tfms=None):
    data = DataBlock(blocks=blocks, get_items=get_image_files, get_y=get_y, item_tfms=item_tfms or Resize(32))
    return data.dataloaders(photo_folder(), bs=4, num_workers=0, device="cpu")


def labels_of(path):  # fastai would take an annotation of the result for the type of a transform's
    return [path.parent.name]


def number_of(path):
    return float(path.stem)


NETWORK = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
REFUSED = {
    "several labels": (
        lambda: vision_learner(block(ImageBlock, MultiCategoryBlock, get_y=labels_of), resnet18, pretrained=False),
        "gives several labels at once (multi-label), and only single-label image classifiers are served.",
    ),
    "numbers": (
        lambda: vision_learner(
            block(ImageBlock, RegressionBlock, get_y=number_of), resnet18, n_out=1, pretrained=False
        ),
        "predicts numbers (regression), and only single-label image classifiers are served.",
    ),
    "a transform of one's own": (
        lambda: learner_of(resnet18, [Resize(64), Sharpened()]),
        "The learner's transform Sharpened cannot be reproduced outside fastai: train it with Resize,",
    ),
    "channels that no photo has": (
        lambda: Learner(dataloaders(Resize(32)), nn.Sequential(nn.Conv2d(4, 3, 3), *NETWORK),
                        loss_func=nn.CrossEntropyLoss()),
        "The learner's network fails on photos of its size (Given groups=1",
    ),
    "labels that do not fit": (
        lambda: Learner(dataloaders(Resize(32)), nn.Sequential(*NETWORK, nn.Linear(3, 5)),
                        loss_func=nn.CrossEntropyLoss()),
        "The learner has 3 labels, but its network gives 5 numbers.",
    ),
    "answers that change": (
        lambda: Learner(dataloaders(Resize(32)), Doubled(), loss_func=nn.CrossEntropyLoss()),
        "The compiled network differs from the learner by",
    ),
    "photos of any size": (
        lambda: Learner(dataloaders(None), nn.Sequential(*NETWORK, nn.Linear(3, 3)), loss_func=nn.CrossEntropyLoss()),
        "resizes its photos nowhere",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_learner_that_cannot_be_compiled_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    make, message = REFUSED[name]
    learner = make()
    with pytest.raises(UnsupportedLearner) as caught:
        # given as it is: functions of this test could not be unpickled elsewhere
        compile_learner(export(learner, "refused.pkl"), tmp_path / "model.onnx", learner=learner)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is not a learner pickle that opens here"),
        (b"not a pickle", "is not a learner pickle that opens here"),
        (pickle.dumps({"a": 1}), "is not a learner pickle that opens here"),
        (b"cno_such_package\nThing\n.", "needs no_such_package, which is not installed here: install it, or export"),
    ],
    ids=["empty", "text", "a plain pickle", "of an unknown package"],
)
def test_what_is_no_learner_is_refused_in_one_sentence(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.pkl").write_bytes(content)
    with pytest.raises(UnsupportedLearner) as caught:
        compile_learner(tmp_path / "x.pkl", tmp_path / "model.onnx")
    assert message in str(caught.value) and str(tmp_path / "x.pkl") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.filterwarnings("ignore")  # the exporter warns of itself
def test_a_full_disk_is_no_fault_of_the_network() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(OSError) as caught:
        export_network(network, (32, 32), Path("/dev/full"))
    assert caught.value.errno == errno.ENOSPC


def test_a_missing_pickle_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="There is no learner pickle at .*nowhere.pkl: check the path."):
        compile_to_folder(tmp_path / "nowhere.pkl", tmp_path / "out")


@pytest.mark.parametrize(("asked", "tried"), [("auto", True), ("int8", True), ("fp32", False)])
def test_photos_to_calibrate_with_are_split_between_fitting_and_judging(tmp_path: Path, asked, tried) -> None:
    said: list[str] = []
    folder = compile_to_folder(plain_pickle(), tmp_path / "made", asked, photo_folder(LABELS, 8), said.append)
    info = folder.info
    onnx.checker.check_model(onnx.load(folder.path / "model.onnx"), full_check=True)
    assert (info.quantisation is not None) is tried and bool(said) is tried
    if not tried:
        assert info.onnx.precision == "fp32"
        return
    assert info.quantisation.calibration_photos == 12 and info.parity.photos == 12
    assert {(attempt.photos, attempt.judged) for attempt in info.quantisation.attempts} == {(12, 12)}
    passed = any(attempt.passed for attempt in info.quantisation.attempts)
    assert info.onnx.precision == ("int8" if passed or asked == "int8" else "fp32")
    assert len(Classifier.load(folder).predict(drawing("cross", 5)).probabilities) == 3


def test_photos_of_no_known_label_are_judged_without_an_error(tmp_path: Path) -> None:
    for seed in range(20):
        drawing(LABELS[seed % 3], seed).save(tmp_path / f"{seed:02}.png")
    folder = compile_to_folder(plain_pickle(), tmp_path / "made", "int8", tmp_path, lambda line: None)
    first = folder.info.quantisation.attempts[0]
    assert (first.photos, first.judged, first.error_increase) == (10, 0, None)


def test_int8_without_enough_photos_is_a_mistake_of_the_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give a folder of them with --calibrate"):
        compile_to_folder(plain_pickle(), tmp_path / "made", "int8")
    (tmp_path / "few").mkdir()
    drawing("cross", 1).save(tmp_path / "few" / "1.png")
    (tmp_path / "few" / "2.png").write_bytes(b"not a photo")
    with pytest.raises(UsageError, match="holds 1 photos, and int8 needs at least 20"):
        compile_to_folder(plain_pickle(), tmp_path / "made", "auto", tmp_path / "few")
    assert not (tmp_path / "made").exists()
