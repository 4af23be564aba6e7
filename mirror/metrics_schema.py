"""What model.json says of how good a model is, typed: its error, its calibration, and how they came about."""

from __future__ import annotations

from dataclasses import dataclass, field

from mirror.typed_json import Count, List, Number, Object, Record, Share


@dataclass(frozen=True)
class Validation(Record):
    """`interval`: lower and upper end of its error rate's interval, at `confidence`; `loss`: cross-entropy, nats;
    `folds`: cross-validated in so many, each photo judged without it; None: on photos held out. `groups`: of photos
    that belong together; `blocks`: labels of one group, left out by neighbouring files."""

    photos: Count
    errors: Count
    error_rate: Share
    interval: tuple[Share, Share]
    confidence: Share = 0.95
    loss: Number | None = None
    folds: Count | None = None
    groups: Count | None = None
    blocks: List[str] = ()


@dataclass(frozen=True)
class LabelMetrics(Record):
    """Photos a label had on both sides, and its precision and recall (None where undefined)."""

    train: Count
    validation: Count
    precision: Share | None = None
    recall: Share | None = None


@dataclass(frozen=True)
class TopLoss(Record):
    file_name: str
    label: str
    predicted: str
    probability: Share
    loss: Number
    url: str | None = None


@dataclass(frozen=True)
class Estimate(Record):
    """A figure with its 95 % bootstrap interval."""

    value: Number
    interval: tuple[Number, Number]


@dataclass(frozen=True)
class CalibrationScores(Record):
    """How far probabilities can be trusted, the lower the further. `nll`: cross-entropy in nats a photo; `brier`:
    squared distance from the truth, summed over labels (0 to 2); `ece`: expected calibration error, the gap between how
    sure and how often right, over 15 bins of the top label's probability."""

    nll: Estimate
    brier: Estimate
    ece: Estimate


@dataclass(frozen=True)
class ReliabilityBin(Record):
    """Photos whose top label got about the same probability: its mean, and how often that label was right."""

    photos: Count
    confidence: Share
    accuracy: Share


@dataclass(frozen=True)
class Calibration(Record):
    """The temperature's making and effect. It was fitted on `fitted_on` photos that were not learned from (`source`:
    "out-of-fold" or "validation"). `found`: the one that fits best; `gain`: by how much it lowers their cross-entropy;
    ModelInfo.temperature is 1 where that could be chance. `before` it, `after` it, and `bins` (after): of `photos` that
    neither it nor the network was fitted to."""

    source: str
    fitted_on: Count
    found: Number
    gain: Estimate | None
    photos: Count
    before: CalibrationScores
    after: CalibrationScores
    bins: List[ReliabilityBin] = ()


@dataclass(frozen=True)
class EpochMetrics(Record):
    """Cross-entropy in nats a photo, and the error rate on the photos judged, after an epoch (0: of the head alone)."""

    epoch: Count
    valid_loss: Number
    error_rate: Share
    train_loss: Number | None = None


@dataclass(frozen=True)
class Metrics(Record):
    """`confusion_matrix`: rows actual, columns predicted, both in label order, counts of photos judged."""

    validation: Validation
    labels: Object[LabelMetrics] = field(default_factory=dict)
    confusion_matrix: List[List[Count]] = ()
    top_losses: List[TopLoss] = ()
    calibration: Calibration | None = None
    history: List[EpochMetrics] = ()
