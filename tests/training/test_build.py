"""The model folder in each precision: what ships, by which figures, and that the rest of the folder follows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import scipy.special

from mirror.collect import assign_splits, collect_from_folder
from mirror.errors import ModelFolderError
from mirror.export.int8_gate import LIMITS, PreprocessedImages, compare, outputs_of
from mirror.export.novelty import fit_feature_bank
from mirror.images import load_image
from mirror.inference.classifier import Classifier
from mirror.inference.preprocess import preprocess
from mirror.model_schema import QuantizationLimits
from mirror.training.build import build_model
from mirror.training.metrics import measure
from mirror.training.photo_model import PhotoModel, describe_data
from mirror.training.recipe import TrainedModel, train
from mirror.training.settings import TrainingSettings
from mirror.training.training_data import TrainingData
from tests.learners import PACKAGED_ARCH as ARCH

SETTINGS = TrainingSettings(ARCH, size=96, views=2, seed=7)


def quiet(*_: object) -> None:
    pass


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, drawings: Path):
    place = tmp_path_factory.mktemp("precision")
    with collect_from_folder(place / "photos", drawings, log=quiet) as photos:
        photos.save_splits(assign_splits(photos.photos, seed=SETTINGS.seed))
        found = train(photos.photos, photos.path, SETTINGS, log=quiet)
        return PhotoModel(found, photos.path, describe_data(photos, "folder"), SETTINGS)


@pytest.fixture(scope="module")
def built(trained, tmp_path_factory: pytest.TempPathFactory):
    """Precision asked for → the model folder made, and the lines said."""
    place, folders = tmp_path_factory.mktemp("models"), {}
    for precision in ("auto", "fp32", "int8"):
        said: list[str] = []
        made = build_model(trained, place / precision, precision=precision, log=said.append)
        folders[precision] = made, said
    return folders


def paths(found: TrainedModel, photos: Path) -> list[Path]:
    return [photo.path(photos) for photo in found.data.photos]


def answers(folder, files: list[Path]) -> np.ndarray:
    return np.array([list(p.probabilities.values()) for p in Classifier.load(folder).predict_many(files)])


@pytest.mark.parametrize(("asked", "shipped"), [("auto", "int8"), ("fp32", "fp32"), ("int8", "int8")])
def test_what_ships_is_what_was_asked_for_or_what_passes(built, asked: str, shipped: str) -> None:
    folder, said = built[asked]
    assert folder.info.onnx.precision == shipped
    model = onnx.load(folder.path / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert any(node.op_type == "QuantizeLinear" for node in model.graph.node) == (shipped == "int8")
    assert "Shape" not in {node.op_type for node in model.graph.node}
    assert said[0] == "Compiling the network, and comparing it with learn.predict …"
    assert said[1].startswith("model.onnx answers as learn.predict does, to ") and said[1].endswith("on 22 photos.")
    assert ("8-bit integers" in (folder.path / "README.md").read_text()) == (shipped == "int8")
    assert folder.info.parity.photos == 22 and folder.info.parity.largest_difference <= 1e-4


def test_the_gate_is_judged_by_photos_that_neither_head_nor_ranges_were_fitted_to(built, trained) -> None:
    folder, said = built["auto"]
    quantisation, fold = folder.info.quantisation, trained.trained.out_of_fold.fold
    assert quantisation.gates == QuantizationLimits(0.005, 0.02, 0.99)
    assert quantisation.calibration_photos == np.sum(fold < 2) and quantisation.attempts[-1] == quantisation.shipped
    shipped = quantisation.shipped
    assert (shipped.photos, shipped.judged, shipped.passed) == (np.sum(fold >= 2), np.sum(fold >= 2), True)
    assert shipped.expected_agreement >= 0.99
    assert sum("int8" in line for line in said) == len(quantisation.attempts)
    assert f"{shipped.mean_change:.4f}" in said[len(quantisation.attempts) + 2]
    assert built["fp32"][0].info.quantisation is None
    samples = trained.samples()
    assert not set(samples.calibration) & set(samples.compared) and not samples.seen


def test_the_gates_figures_are_those_of_the_folds_heads(built, trained) -> None:
    found, fold = trained.trained, trained.trained.out_of_fold.fold
    rows = np.flatnonzero(fold >= 2)
    left_out = found.out_of_fold.only(rows)
    before, after = (left_out.answer(features_of(built[asked][0], trained)[rows]) for asked in ("fp32", "auto"))
    shipped = built["auto"][0].info.quantisation.shipped
    again = compare(shipped.layers, before, after, found.data.actual[rows])
    assert again.mean_change == pytest.approx(shipped.mean_change, abs=1e-6)
    assert (again.agreement, again.photos) == (shipped.agreement, shipped.photos)


def test_where_all_was_learned_from_int8_ships_only_where_it_is_asked_for(trained, tmp_path: Path) -> None:
    found = replace(trained.trained, out_of_fold=None)
    seen, said = replace(trained, trained=found), []
    assert build_model(seen, tmp_path / "auto", log=said.append).info.onnx.precision == "fp32"
    assert any("every photo was learned from, so none can show that it answers alike" in line for line in said)
    assert build_model(seen, tmp_path / "int8", precision="int8", log=quiet).info.onnx.precision == "int8"


def features_of(folder, trained) -> np.ndarray:
    pixels = PreprocessedImages(paths(trained.trained, trained.folder), folder.info.preprocessing)
    return outputs_of(folder.path / "model.onnx", pixels, ("features",))[0]


def test_int8_answers_within_the_gate_of_learn_predict(built, trained) -> None:
    found, photos = trained.trained, trained.folder
    files = paths(found, photos)
    with found.learner.no_bar(), found.learner.no_logging():
        theirs = np.stack([found.learner.predict(file)[2].numpy() for file in files])
    ours = answers(built["auto"][0], files)
    assert 1e-6 < np.abs(ours - theirs).mean() <= LIMITS.largest_mean_change
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).all()
    assert np.abs(answers(built["fp32"][0], files) - theirs).max() <= 1e-4


def test_the_metrics_are_those_of_the_network_that_ships(built, trained) -> None:
    found = trained.trained
    names = [(photo.file_name, None) for photo in found.data.photos]
    for asked in ("auto", "fp32"):
        folder, _ = built[asked]
        logits = found.out_of_fold.answer(features_of(folder, trained)) / folder.info.temperature
        expected = measure(logits, found.data.actual, found.data.labels, [0, 0], names)
        metrics = folder.info.metrics
        assert metrics.validation.errors == expected.validation.errors and metrics.validation.folds == 5
        assert metrics.validation.loss == pytest.approx(expected.validation.loss, abs=1e-5)
        got, want = metrics.top_losses, expected.top_losses
        assert [loss.loss for loss in got] == pytest.approx([loss.loss for loss in want], abs=1e-5)
    losses = [built[asked][0].info.metrics.validation.loss for asked in ("auto", "fp32")]
    assert losses[0] != losses[1]


def test_similarity_is_fitted_on_the_features_of_the_network_that_ships(built, trained) -> None:
    """Every photo of the bank is compared with itself too, and that cosine is 1 in the network's own features only; the
    bank is kept in half precision."""
    found, photos = trained.trained, trained.folder
    files = paths(found, photos)
    for asked in ("auto", "fp32"):
        folder, _ = built[asked]
        classifier = Classifier.load(folder)
        pixels = np.stack([preprocess(load_image(file), folder.info.preprocessing) for file in files])
        (features,) = classifier.engine.run(pixels, ("features",))
        features = features[:, -found.width :]  # those of the last layer
        bank = fit_feature_bank(features, found.data.groups)
        assert folder.info.novelty.threshold == pytest.approx(bank.threshold, abs=1e-6)
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        kept = unit.astype(np.float16).astype(np.float32)
        expected = np.sort(unit @ kept.T, axis=1)[:, -3:].mean(axis=1)
        assert [classifier.predict(f).similarity for f in files] == pytest.approx(expected.tolist(), abs=1e-5)
    assert built["auto"][0].info.novelty.threshold != built["fp32"][0].info.novelty.threshold


def test_the_same_learner_gives_the_same_network_byte_for_byte(built, trained, tmp_path: Path) -> None:
    again = build_model(trained, tmp_path / "auto", log=quiet)
    first = built["auto"][0]
    for file in ("model.onnx", "heat.onnx"):
        assert (again.path / file).read_bytes() == (first.path / file).read_bytes()
    assert again.info.quantisation == first.info.quantisation and again.info.parity == first.info.parity
    assert again.info.metrics == first.info.metrics


def test_a_temperature_that_helps_is_stored_told_and_served(trained, tmp_path: Path) -> None:
    """The drawings three times over, for 22 are too few to show anything; what was said of them is made too sure."""
    found, photos = trained.trained, trained.folder
    actual = np.tile(found.data.actual, 3)
    random = np.random.default_rng(0)
    sure = random.uniform(0.5, 1, len(actual))
    right = random.random(len(actual)) < sure  # 80 % sure: right four times in five
    said = np.log(np.where(np.eye(2)[np.where(right, actual, 1 - actual)] > 0, sure[:, None], 1 - sure[:, None]))
    rows = [replace(photo, split="train") for photo in found.data.photos * 3]
    folded = replace(
        found, data=TrainingData(rows, found.data.labels, np.arange(len(actual)), folds=5), unseen=4 * said,
        features=np.tile(found.features, (3, 1)), logits=np.tile(found.logits, (3, 1)), out_of_fold=None,
    )  # fmt: skip
    folder = build_model(replace(trained, trained=folded), tmp_path / "cooler", precision="fp32", log=quiet)
    temperature, calibration = folder.info.temperature, folder.info.metrics.calibration
    assert temperature == pytest.approx(4, rel=0.3) and calibration.after.nll.value < 0.6 * calibration.before.nll.value
    assert f"divided by a temperature of {temperature:.2f}" in (folder.path / "README.md").read_text()
    cooler = scipy.special.softmax(found.logits.astype(float) / temperature, axis=1)
    assert np.abs(answers(folder, paths(found, photos)) - cooler).max() < 1e-4


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0"), "cannot be written"),
        (OSError(28, "No space left on device"), r"cannot be written \(No space left on device\): make room"),
        (MemoryError(), "the memory is used up: close other programs or choose a smaller --arch"),
    ],
    ids=["torch on a full disk", "a full disk", "no memory"],
)
def test_what_ends_the_building_is_a_sentence_and_what_was_seen_is_kept(trained, tmp_path: Path, trouble, says) -> None:
    class Full:
        """A learner as it is where the machine has no room for it."""

        path = Path(".")

        def export(self, *_: object, **__: object) -> None:
            raise trouble

    with pytest.raises(ModelFolderError, match=says) as caught:
        build_model(replace(trained, trained=replace(trained.trained, learner=Full())), tmp_path / "it", log=quiet)
    assert "the same command goes on from there" in str(caught.value) and "inline_container" not in str(caught.value)
    assert not (tmp_path / "it").exists()
