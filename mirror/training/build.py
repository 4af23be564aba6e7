"""A trained learner → models/<name>/: the pickle, the network compiled from it, its card, its photos, its report."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mirror.collect.dataset import PhotoFolder
from mirror.collect.rows import TRAIN, VALIDATION, Photo, write_photos
from mirror.model_folder import (
    DataInfo,
    Metrics,
    ModelFolder,
    ModelInfo,
    Novelty,
    Preprocessing,
    Query,
    TrainingInfo,
    write_model_folder,
)
from mirror.training.card import model_card
from mirror.training.evaluate import judge
from mirror.training.export import compile_learner
from mirror.training.finetune import Settings, Trained
from mirror.training.gates import CALIBRATION_PHOTOS, UNJUDGED, Choice, Pixels, choose_precision, run_all, spread
from mirror.training.graph import attach_novelty_bank
from mirror.training.parity import PARITY_PHOTOS
from mirror.training.report import draw_confusion, draw_top_losses
from mirror.training.similarity import Bank, bank_rows, fit_bank

ENOUGH = 100  # validation photos; where there are fewer, training photos help to tell int8 from float32


def describe_data(
    photos: PhotoFolder, source: str, queries: Sequence[tuple[str, str]] = (), license: str | None = None
) -> DataInfo:
    """What model.json says of a photo folder. queries: (label, query) pairs."""
    rows = photos.photos
    rejected: dict[str, int] = {}
    for row in photos.rejected:
        rejected[row.reason] = rejected.get(row.reason, 0) + 1
    times = sorted(row.retrieved_at for row in rows if row.retrieved_at)
    return DataInfo(
        source=source,
        counts={label: sum(row.label == label for row in rows) for label in sorted({row.label for row in rows})},
        rejected=dict(sorted(rejected.items())),
        queries=tuple(Query(label, query) for label, query in queries),
        license_filter=license,
        retrieved=(times[0], times[-1]) if times else None,
    )


def build_model(
    trained: Trained,
    folder: Path,
    path: Path,
    data: DataInfo,
    settings: Settings,
    *,
    precision: str = "auto",
    show_photos: bool = True,
    log: Callable[[str], None] = print,
) -> ModelFolder:
    """Writes the model folder `path`, whole or not at all. folder: the photos'. precision: of the network, "auto",
    "fp32" or "int8". show_photos: whether the report may copy photos into the model folder, which is what gets
    published.

    Raises ModelFolderError where the disk refuses, UnsupportedLearner where the compiled network differs.
    """

    def build(place: Path) -> ModelInfo:
        learner, network = place / "learner.pkl", place / "model.onnx"
        _export(trained.learner, learner)
        judged = _judged(trained)
        samples = [trained.photos[i].path(folder) for i in judged[:PARITY_PHOTOS]]
        compiled = compile_learner(learner, network, samples)
        log(f"model.onnx answers as learn.predict does, to {compiled.difference:.1g} on {compiled.photos} photos.")
        choice = _choose(trained, folder, network, compiled.preprocessing, judged, precision, log)
        metrics, bank = _judge_shipped(trained, folder, network, compiled.preprocessing, choice, settings.seed)
        info = choice.describe(compiled.info(path.name))
        novelty, onnx = None, info.onnx
        if bank:
            attach_novelty_bank(network, bank.features, bank.k)
            novelty = Novelty(k=bank.k, threshold=bank.threshold)
            onnx = dataclasses.replace(onnx, outputs=(*onnx.outputs, "similarity"))
        info = dataclasses.replace(
            info,
            arch=settings.arch,
            onnx=onnx,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            novelty=novelty,
            metrics=metrics,
            data=data,
            training=TrainingInfo(
                seed=settings.seed,
                epochs=max(row["epoch"] for row in trained.history),
                weights=trained.weights,
                recipe=trained.recipe,
                seconds=round(trained.seconds, 1),
                extra={"notes": trained.notes, "size": settings.size, "views": settings.views},
            ),
        )
        write_photos(place / "photos.csv", _in_order(trained.photos))
        if metrics.validation.photos:
            draw_confusion(metrics, trained.labels, place / "report" / "confusion.png")
            if show_photos and metrics.top_losses:
                draw_top_losses(metrics, lambda name: folder / name, place / "report" / "top_losses.png")
        (place / "README.md").write_text(model_card(info), encoding="utf-8")
        return info

    return write_model_folder(path, build)


def _judged(trained: Trained) -> list[int]:
    """Places of the photos that a network is compared on: the validation photos, and training photos up to ENOUGH."""
    held, rows = trained.rows(VALIDATION).tolist(), trained.rows(TRAIN).tolist()
    return held + spread(rows, ENOUGH - len(held)) if len(held) < ENOUGH else held


def _choose(
    trained: Trained,
    folder: Path,
    network: Path,
    preprocessing: Preprocessing,
    judged: Sequence[int],
    precision: str,
    log: Callable[[str], None],
) -> Choice:
    calibration = spread(trained.rows(TRAIN).tolist(), CALIBRATION_PHOTOS)  # sorted by label, so each has its share
    actual = [
        label if trained.photos[i].split == VALIDATION else UNJUDGED
        for i, label in zip(judged, trained.actual[judged].tolist(), strict=True)
    ]
    seen, compared = (
        Pixels([trained.photos[i].path(folder) for i in places], preprocessing) for places in (calibration, judged)
    )
    return choose_precision(network, seen, compared, np.array(actual), precision, log)


def _judge_shipped(
    trained: Trained, folder: Path, network: Path, preprocessing: Preprocessing, choice: Choice, seed: int
) -> tuple[Metrics, Bank | None]:
    """The metrics and the novelty bank of the network that ships: int8 has logits and features of its own."""
    held = trained.rows(VALIDATION)
    logits, features, groups = trained.logits, trained.features, trained.groups
    compared = bank_rows(len(trained.photos), seed)
    if choice.precision == "int8":
        needed = np.union1d(held, compared)
        pixels = Pixels([trained.photos[i].path(folder) for i in needed], preprocessing)
        found = run_all(network, pixels, ("logits", "features"))
        logits, features = np.zeros_like(logits), np.zeros_like(features)
        logits[needed], features[needed] = found
    trained_on = {label: sum(trained.photos[i].label == label for i in trained.rows(TRAIN)) for label in trained.labels}
    metrics = judge(logits[held], [trained.photos[i] for i in held], trained.labels, trained_on)
    metrics = dataclasses.replace(metrics, extra={"history": trained.history})
    return metrics, fit_bank(features[compared], groups[compared])


def _export(learner: Any, file: Path) -> None:
    """`learner.export` with nothing of this machine in it: its path is ".", and functions go by name. fastai's default,
    cloudpickle, copies some by value: bytecode that only this Python version runs, with the paths of its files."""
    learner.path = Path(".")
    learner.export(file.absolute(), pickle_module=pickle)


def _in_order(photos: Sequence[Photo]) -> list[Photo]:
    return sorted(photos, key=lambda photo: photo.file_name)
