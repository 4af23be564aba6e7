"""A model trained on photos, as `build.py` makes a folder of it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mirror.collect.corrections import CorrectedFolder
from mirror.collect.issue_files import PREDICTIONS_CSV, SUSPECTS_CSV, write_issues, write_predictions
from mirror.collect.other_photos import Others
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import TRAIN, VALIDATION, write_photos
from mirror.collect.splits import site_of
from mirror.export.int8_gate import CALIBRATION_PHOTOS, UNJUDGED, evenly_spaced
from mirror.export.novelty import FeatureBank, bank_rows, fit_feature_bank
from mirror.export.parity import PARITY_PHOTOS
from mirror.model_schema import DataInfo, ModelInfo, Query, TrainingInfo
from mirror.training.build import Samples, ShippedNetwork, given_options
from mirror.training.evaluation import Evaluation, evaluate
from mirror.training.recipe import TrainedModel
from mirror.training.report_pictures import Picture
from mirror.training.settings import TrainingSettings

MAX_SITES = 20  # named in model.json; photos.csv names them all
ENOUGH = 100  # validation photos to tell int8 from float32 by; where there are fewer, folds help
MOST_COMPARED = 300  # photos: int8 is told from float32 by so many
CALIBRATION_FOLDS = 0.4  # of the folds: the ranges of int8 are of their photos, and the others judge it


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
        relabelled=photos.relabelled if isinstance(photos, CorrectedFolder) else 0,
        removed=photos.removed if isinstance(photos, CorrectedFolder) else 0,
        sites=dict(sorted(sites.items(), key=lambda item: (-item[1], item[0]))[:MAX_SITES]),
    )


def options_of(
    settings: TrainingSettings, epochs: int | None, precision: str, others: bool, keep_pickle: bool
) -> tuple[str, ...]:
    """train.py's options by which a model is made, without a path of this machine in them."""
    return given_options(
        ("--arch", settings.arch, None),
        ("--seed", settings.seed, None),
        ("--weights", settings.weights and settings.weights.name, None),
        ("--size", settings.size, TrainingSettings.size),
        ("--epochs", epochs, None),
        ("--folds", settings.folds, None),
        ("--hold-out", settings.hold_out, False),
        ("--precision", precision, "auto"),
        ("--others", "DIR" if others else None, None),
        keep_pickle=keep_pickle,
    )


@dataclass(frozen=True)
class PhotoModel:
    """folder: the photos'; info: what model.json says of them. show_photos: whether the report may copy photos into the
    model folder, which is what gets published. others: photos of none of the labels."""

    trained: TrainedModel
    folder: Path
    info: DataInfo
    settings: TrainingSettings
    show_photos: bool = True
    others: Others | None = None
    noun: str = "photos"

    @property
    def learner(self) -> Any:
        return self.trained.learner

    @property
    def picture(self) -> Picture | None:
        return (lambda name: self.folder / name) if self.show_photos else None

    def samples(self) -> Samples:
        """Networks are compared on photos that they have not learned from, and that the ranges of int8 are not of: the
        validation photos, or, where these are few or none, the photos of some folds by these folds' heads."""
        data, out_of_fold = self.trained.data, self.trained.out_of_fold
        learned, held = data.rows(TRAIN), data.rows(VALIDATION)
        calibration, seen = learned, False
        if out_of_fold is not None and (len(held) >= ENOUGH or len(out_of_fold.heads) < 2):
            out_of_fold = None  # the validation photos are what is left
        if out_of_fold is not None:
            first = out_of_fold.fold < max(1, round(len(out_of_fold.heads) * CALIBRATION_FOLDS))
            calibration = np.flatnonzero(first & (out_of_fold.fold >= 0))
            held = np.flatnonzero(~first & (out_of_fold.fold >= 0))
        elif not len(held):
            held, seen = learned, True
        compared = evenly_spaced(held.tolist(), MOST_COMPARED)
        left_out = out_of_fold.only(np.array(compared)) if out_of_fold is not None else None
        return Samples(
            parity=self._paths(evenly_spaced(range(len(data.photos)), PARITY_PHOTOS)),
            # Sorted by label: each has its share
            calibration=self._paths(evenly_spaced(calibration.tolist(), CALIBRATION_PHOTOS)),
            compared=self._paths(compared),
            actual=np.full(len(compared), UNJUDGED) if seen else data.actual[compared],
            other_heads=left_out.answer if left_out else None,
            seen=seen,
        )

    def judge(self, network: ShippedNetwork) -> Evaluation:
        compared = bank_rows(len(self.trained.data.photos), self.settings.seed)
        unseen, features = self._answers(network, compared)
        novelty = network.add_novelty(self._bank(network, features, self.trained.data.groups[compared]))
        if novelty and self.others:
            novelty = dataclasses.replace(novelty, others_left_out=self.others.rejected)
        return dataclasses.replace(evaluate(self.trained, unseen, self.settings.seed), novelty=novelty)

    def _answers(self, network: ShippedNetwork, compared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`trained.unseen` and the last layer's features of the photos at `compared`, as the network that ships gives
        them: int8 has logits and features of its own. What whole networks said fold by fold stays in float32, for these
        do not ship."""
        trained, unseen, features = self.trained, self.trained.unseen, self.trained.features
        if network.precision != "int8":
            return unseen, trained.last_layer[compared]
        held, crossed = trained.data.rows(VALIDATION), trained.out_of_fold is not None and trained.data.folds
        needed = np.arange(len(features)) if crossed else np.union1d(held, compared)
        logits, own_features = network.outputs(self._paths(needed.tolist()), ("logits", "features"))
        unseen, features = unseen.copy(), np.zeros_like(features)
        features[needed] = own_features
        if crossed and trained.out_of_fold is not None:
            unseen = trained.out_of_fold.of(features).logits
        else:
            unseen[held] = logits[np.isin(needed, held)]
        return unseen, features[compared, -trained.width :]

    def _bank(self, network: ShippedNetwork, features: np.ndarray, groups: np.ndarray) -> FeatureBank | None:
        """None where there are too few photos, or the network gives no features."""
        if not features.size:
            return None
        if self.others is None:
            return fit_feature_bank(features, groups)
        rows = bank_rows(len(self.others.paths), self.settings.seed)
        (other_features,) = network.outputs([self.others.paths[i] for i in rows], ("features",))
        other_features = other_features[:, -self.trained.width :]
        return fit_feature_bank(features, groups, other_features, np.array(self.others.groups)[rows])

    def describe(self, info: ModelInfo, precision: str, keep_pickle: bool) -> ModelInfo:
        trained, settings = self.trained, self.settings
        training = TrainingInfo(
            seed=settings.seed,
            epochs=trained.epochs,
            weights=trained.weights,
            recipe=trained.recipe,
            seconds=round(trained.seconds, 1),
            options=self.options(precision, keep_pickle),
            notes=trained.notes,
            size=settings.size,
            views=settings.views,
        )
        return dataclasses.replace(info, arch=settings.arch, data=self.info, training=training)

    def options(self, precision: str, keep_pickle: bool) -> tuple[str, ...]:
        """train.py's options that make this model of these photos, without a path of this machine in them."""
        settings, plan = self.settings, self.trained.plan
        # What a machine of another speed would do otherwise is asked for by its number
        epochs = plan.epochs if plan.by_the_clock else settings.epochs
        return options_of(settings, epochs, precision, self.others is not None, keep_pickle)

    def write_lists(self, folder: Path, evaluation: Evaluation) -> None:
        write_photos(folder / "photos.csv", sorted(self.trained.data.photos, key=lambda photo: photo.file_name))
        write_issues(folder / SUSPECTS_CSV, evaluation.issues)
        write_predictions(folder / PREDICTIONS_CSV, evaluation.predictions)

    def _paths(self, rows: Sequence[int]) -> list[Path]:
        return [self.trained.data.photos[i].path(self.folder) for i in rows]
