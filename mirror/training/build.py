"""A trained learner → models/<name>/: the pickle, the network compiled from it, its card, its photos, its report."""

from __future__ import annotations

import dataclasses
import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mirror.collect.corrections import CorrectedFolder
from mirror.collect.issue_files import PREDICTIONS_CSV, SUSPECTS_CSV, write_issues, write_predictions
from mirror.collect.metadata import TRAIN, VALIDATION, Photo, write_photos
from mirror.collect.others import Others
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.splits import site_of
from mirror.export.feature_bank import bank_rows
from mirror.export.grad_cam_export import add_heat
from mirror.export.onnx_export import compile_learner
from mirror.export.parity import PARITY_PHOTOS
from mirror.export.precision import (
    CALIBRATION_PHOTOS,
    UNJUDGED,
    PrecisionChoice,
    PreprocessedImages,
    choose_precision,
    evenly_spaced,
    outputs_of,
)
from mirror.model_folder import (
    DataInfo,
    ModelFolder,
    ModelInfo,
    Preprocessing,
    Query,
    TrainingInfo,
    write_model_folder,
)
from mirror.terminal import say
from mirror.training.evaluation import evaluate
from mirror.training.model_card import NO_PICKLE, model_card
from mirror.training.ood_threshold import add_novelty, fit_novelty
from mirror.training.recipe import TrainedModel, TrainingSettings
from mirror.training.report import draw_report

MOST_SITES = 20  # named in model.json; photos.csv names them all
ENOUGH = 100  # validation photos; where there are fewer, training photos help to tell int8 from float32


def describe_data(
    photos: PhotoFolder | CorrectedFolder,
    source: str,
    queries: Sequence[tuple[str, str]] = (),
    license: str | None = None,
) -> DataInfo:
    """What model.json says of a photo folder. queries: (label, query) pairs."""
    rows = photos.photos
    times = sorted(row.retrieved_at for row in rows if row.retrieved_at)
    sites = Counter(host for row in rows if (host := site_of(row.url)))
    return DataInfo(
        source=source,
        counts={label: sum(row.label == label for row in rows) for label in sorted({row.label for row in rows})},
        rejected=dict(sorted(Counter(row.reason for row in photos.rejected).items())),
        queries=tuple(Query(label, query) for label, query in queries),
        license_filter=license,
        retrieved=(times[0], times[-1]) if times else None,
        engines=dict(sorted(Counter(row.engine for row in rows if row.engine).items())),
        sites=dict(sorted(sites.items(), key=lambda item: (-item[1], item[0]))[:MOST_SITES]),
    )


def build_model(
    trained: TrainedModel,
    folder: Path,
    path: Path,
    data: DataInfo,
    settings: TrainingSettings,
    *,
    precision: str = "auto",
    show_photos: bool = True,
    others: Others | None = None,
    keep_pickle: bool = True,
    log: Callable[[str], None] = say,
) -> ModelFolder:
    """Writes the model folder `path`, whole or not at all. folder: the photos'. precision: of the network, "auto",
    "fp32" or "int8". show_photos: whether the report may copy photos into the model folder, which is what gets
    published. others: photos of none of the labels. keep_pickle: whether learner.pkl stays in the folder once the
    network was compiled from it.

    Raises ModelFolderError where the disk refuses, UnsupportedLearner where the compiled network differs.
    """

    def build(place: Path) -> ModelInfo:
        learner, network = place / "learner.pkl", place / "model.onnx"
        _export(trained.learner, learner)
        tested = _tested(trained)
        samples = [trained.photos[i].path(folder) for i in tested[:PARITY_PHOTOS]]
        compiled = compile_learner(learner, network, samples)
        log(f"model.onnx answers as learn.predict does, to {compiled.difference:.1g} on {compiled.photos} photos.")
        if not keep_pickle:
            learner.unlink()
        choice = _choose(trained, folder, network, compiled.preprocessing, tested, precision, log)
        compared = bank_rows(len(trained.photos), settings.seed)
        unseen, features = _answers(trained, folder, network, compiled.preprocessing, choice, compared)
        verdict = evaluate(trained, unseen, settings.seed)
        groups = trained.groups[compared]
        bank = fit_novelty(network, compiled.preprocessing, features, groups, others, settings.seed)
        info = choice.describe(compiled.info(path.name))
        onnx, novelty = add_novelty(network, info.onnx, bank, others, log)
        onnx = add_heat(network, onnx, log)
        info = dataclasses.replace(
            info,
            pickle=learner.name if keep_pickle else None,
            arch=settings.arch,
            onnx=onnx,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            temperature=verdict.temperature,
            novelty=novelty,
            metrics=verdict.metrics,
            data=data,
            training=TrainingInfo(
                seed=settings.seed,
                epochs=max(row["epoch"] for row in trained.history),
                weights=trained.weights,
                recipe=trained.recipe,
                seconds=round(trained.seconds, 1),
                options=_options(settings, precision, others, keep_pickle),
                notes=tuple(trained.notes),
                size=settings.size,
                views=settings.views,
            ),
        )
        write_photos(place / "photos.csv", _in_order(trained.photos))
        write_issues(place / SUSPECTS_CSV, verdict.suspects)
        write_predictions(place / PREDICTIONS_CSV, verdict.predictions)
        draw_report(info, folder if show_photos else None, place / "report")
        (place / "README.md").write_text(model_card(info), encoding="utf-8")
        return info

    return write_model_folder(path, build)


def _options(settings: TrainingSettings, precision: str, others: Others | None, keep_pickle: bool) -> tuple[str, ...]:
    """train.py's options that make this model of these photos, without a path of this machine in them."""
    options = ["--arch", settings.arch, "--seed", str(settings.seed)]
    for name, value, default in (
        ("--weights", settings.weights and settings.weights.name, None),
        ("--size", settings.size, TrainingSettings.size),
        ("--epochs", settings.epochs, None),
        ("--folds", settings.folds, None),
        ("--precision", precision, "auto"),
        ("--others", others and "DIR", None),
    ):
        if value != default:
            options += [name, str(value)]
    return tuple(options if keep_pickle else [*options, NO_PICKLE])


def _tested(trained: TrainedModel) -> list[int]:
    """Places of the photos that networks are compared with each other on: the validation photos, and training photos
    up to ENOUGH."""
    held, rows = trained.rows(VALIDATION).tolist(), trained.rows(TRAIN).tolist()
    return held + evenly_spaced(rows, ENOUGH - len(held)) if len(held) < ENOUGH else held


def _choose(
    trained: TrainedModel,
    folder: Path,
    network: Path,
    preprocessing: Preprocessing,
    tested: Sequence[int],
    precision: str,
    log: Callable[[str], None],
) -> PrecisionChoice:
    calibration = evenly_spaced(
        trained.rows(TRAIN).tolist(), CALIBRATION_PHOTOS
    )  # sorted by label, so each has its share
    actual = [
        label if trained.photos[i].split == VALIDATION else UNJUDGED
        for i, label in zip(tested, trained.actual[tested].tolist(), strict=True)
    ]
    seen, compared = (
        PreprocessedImages([trained.photos[i].path(folder) for i in places], preprocessing)
        for places in (calibration, tested)
    )
    return choose_precision(network, seen, compared, np.array(actual), precision, log)


def _answers(
    trained: TrainedModel,
    folder: Path,
    network: Path,
    preprocessing: Preprocessing,
    choice: PrecisionChoice,
    compared: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """`trained.unseen` and the features [M, D] of the photos at `compared`, as the network that ships gives them: int8
    has logits and features of its own. What folds said stays in float32, for the heads that said it do not ship."""
    unseen, features = trained.unseen, trained.features
    if choice.precision == "int8":
        held = trained.rows(VALIDATION)
        needed = np.union1d(held, compared)
        pixels = PreprocessedImages([trained.photos[i].path(folder) for i in needed], preprocessing)
        logits, found = outputs_of(network, pixels, ("logits", "features"))
        unseen, features = unseen.copy(), np.zeros_like(features)
        unseen[held], features[needed] = logits[np.isin(needed, held)], found
    return unseen, features[compared]


def _export(learner: Any, file: Path) -> None:
    """`learner.export` with nothing of this machine in it: its path is ".", and functions go by name. fastai's default,
    cloudpickle, copies some by value: bytecode that only this Python version runs, with the paths of its files."""
    learner.path = Path(".")
    learner.export(file.absolute(), pickle_module=pickle)


def _in_order(photos: Sequence[Photo]) -> list[Photo]:
    return sorted(photos, key=lambda photo: photo.file_name)
