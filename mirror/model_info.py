"""What model.json says, typed: a frozen dataclass for each of its objects (`records.py` reads and writes them).

A newer `format_version` is refused by `model_folder`; what else a newer tool adds survives in `extra`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated

from mirror.errors import ModelFolderError
from mirror.preparation import NAMES
from mirror.records import MAX_WHOLE, Between, Record

FORMAT_VERSION = 1
RESIZES = ("squish", "crop", "pad", "none")
RESAMPLES = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
PAD_MODES = ("zeros", "border", "reflection")
MAX_LABELS = 100_000
MAX_LABEL = 500  # characters
MAX_NAME = 200
MAX_PIXELS = 2**24  # of what the network sees: 200 MB of float32
TEMPERATURES = (0.01, 100)  # Guo et al. 2017 found 1 to 5; at 0.01 every answer is a certainty
DEVIATIONS = (1e-4, 1000)  # of the values 0 to 1, or of 0 to 255 where a network was trained on those
# What would lead a terminal or a reader astray: control characters, line separators, overrides of the direction of text
MISLEADING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

Count = Annotated[int, Between(0, MAX_WHOLE)]
Share = Annotated[float, Between(0, 1)]
Mean = Annotated[float, Between(-1000, 1000)]


@dataclass(frozen=True)
class BatchResize(Record):
    """A second resize on float pixels, as `aug_transforms(size=…)` does on whole batches ("presizing"): the centred
    `crop` (None: everything) to `size`, bilinear, corners aligned, averaged first where it shrinks by more than two."""

    size: tuple[int, int]
    crop: tuple[int, int] | None = None


@dataclass(frozen=True)
class Preprocessing(Record):
    """How an upright RGB image becomes pixels [3, h, w] float32, in fastai's terms (`inference/preprocess.py` does it).

    resize: "squish" both sides to `size`, "crop" the middle at the right aspect first, "pad" to the right aspect first
    by `pad_mode`, or "none". `crop`: a centred crop afterwards (padded by `crop_pad_mode` where the image is smaller),
    as RandomResizedCrop cuts off its `val_xtra` and CropPad does; None for none. Sizes are (height, width) in pixels.
    mean, std: of values in 0..1, one a channel. prepare: what is done to a photo before all that, by its name in
    `mirror/preparation.py`.
    """

    resize: str
    size: tuple[int, int]
    mean: tuple[Mean, Mean, Mean]
    std: tuple[float, float, float]
    resample: str = "bilinear"
    pad_mode: str = "reflection"
    crop: tuple[int, int] | None = None
    crop_pad_mode: str = "zeros"
    batch_resizes: tuple[BatchResize, ...] = ()
    prepare: str = "none"

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of what the network sees."""
        return self.batch_resizes[-1].size if self.batch_resizes else self.crop or self.size


@dataclass(frozen=True)
class OnnxInfo(Record):
    """The network's file. `outputs`: "logits" [N, labels], and where present "features" [N, D] (penultimate),
    "similarity" [N] (higher is more like the training photos) and "maps" [N, C, h, w] (what is pooled). `heat`: the
    file of the graph that makes of "maps" where each logit came from, "heat" [N, labels, h, w]; None: there is none."""

    file: str = "model.onnx"
    precision: str = "fp32"
    input: str = "pixels"
    outputs: tuple[str, ...] = ("logits",)
    heat: str | None = None


@dataclass(frozen=True)
class Novelty(Record):
    """A photo is known when its similarity is at least `threshold`; None: every photo is known.

    photos, others: how many photos of the labels, and of none of them, it is compared with. real_refused,
    others_refused: the shares of each that are refused when they are held out; None where that is not known.
    """

    method: str = "knn-cosine"
    k: int = 5
    threshold: float | None = None
    photos: Count | None = None
    real_refused: Share | None = None
    others: Count = 0
    others_refused: Share | None = None


@dataclass(frozen=True)
class Validation(Record):
    """`interval`: lower and upper end of its error rate's interval, at `confidence`; `loss`: cross-entropy, nats;
    `folds`: cross-validated in so many, each photo judged by what was trained without it; None: on photos held out."""

    photos: Count
    errors: Count
    error_rate: Share
    interval: tuple[Share, Share]
    confidence: Share = 0.95
    loss: float | None = None
    folds: Count | None = None


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
    loss: float
    url: str | None = None


@dataclass(frozen=True)
class Estimate(Record):
    """A figure with its 95 % bootstrap interval."""

    value: float
    interval: tuple[float, float]


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
    """The temperature's making and effect.

    It was fitted on `fitted_on` photos that were not learned from (`source`: "out-of-fold" or "validation"). `found`:
    the one that fits best; `gain`: by how much it lowers their cross-entropy; ModelInfo.temperature is 1 where that
    could be chance. `before` it, `after` it, and `bins` (after): of `photos` that neither it nor the network was fitted
    to.
    """

    source: str
    fitted_on: Count
    found: float
    gain: Estimate | None
    photos: Count
    before: CalibrationScores
    after: CalibrationScores
    bins: tuple[ReliabilityBin, ...] = ()


@dataclass(frozen=True)
class Metrics(Record):
    """`confusion_matrix`: rows actual, columns predicted, both in label order, counts of photos judged."""

    validation: Validation
    labels: dict[str, LabelMetrics] = field(default_factory=dict)
    confusion_matrix: tuple[tuple[Count, ...], ...] = ()
    top_losses: tuple[TopLoss, ...] = ()
    calibration: Calibration | None = None


@dataclass(frozen=True)
class Query(Record):
    label: str
    query: str


@dataclass(frozen=True)
class DataInfo(Record):
    """`source`: "search", "folder" or "recipe"; photos of each label, rejections by reason, first and last day; photos
    by the engine that found them, and by the site they lie on, the 20 with most; how many were relabelled or removed by
    hand."""

    source: str
    counts: dict[str, Count] = field(default_factory=dict)
    rejected: dict[str, Count] = field(default_factory=dict)
    queries: tuple[Query, ...] = ()
    license_filter: str | None = None
    retrieved: tuple[str, ...] | None = None
    engines: dict[str, Count] = field(default_factory=dict)
    sites: dict[str, Count] = field(default_factory=dict)
    relabelled: Count = 0
    removed: Count = 0


@dataclass(frozen=True)
class TrainingInfo(Record):
    """`options`: those of train.py that make this model again, of the same photos."""

    seed: int | None = None
    epochs: Count | None = None
    weights: str | None = None
    recipe: str | None = None
    seconds: Annotated[float, Between(0, 1e9)] | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelInfo(Record):
    """All of model.json. `files`: sha256 (hex) of each other file in the folder, by its path inside it;
    `learner_sha256`: of the learner pickle that everything here was derived from."""

    name: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    onnx: OnnxInfo = field(default_factory=OnnxInfo)
    arch: str | None = None
    created_at: str | None = None
    temperature: float = 1.0
    novelty: Novelty | None = None
    metrics: Metrics | None = None
    data: DataInfo | None = None
    training: TrainingInfo | None = None
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    learner_sha256: str | None = None
    format_version: int = FORMAT_VERSION


def check(info: ModelInfo) -> None:
    """Raises ModelFolderError where the fields are of the right type but cannot be meant."""
    labels, pixels, metrics = info.labels, info.preprocessing, info.metrics
    repeated = [label for label, times in Counter(labels).items() if times > 1]
    if len(labels) < 2:
        raise ModelFolderError(f"labels must name at least two labels, not {len(labels)}")
    if len(labels) > MAX_LABELS:
        raise ModelFolderError(f"labels names {len(labels):,} labels, and {MAX_LABELS:,} are the most")
    if any(not label.strip() for label in labels):
        raise ModelFolderError("labels holds an empty label")
    for label in labels:
        check_text("a label", label, MAX_LABEL)
    if repeated:
        raise ModelFolderError(f"labels holds {min(repeated)!r} more than once")
    check_text("name", info.name, MAX_NAME)
    for name, value, allowed in (
        ("resize", pixels.resize, RESIZES),
        ("resample", pixels.resample, RESAMPLES),
        ("pad_mode", pixels.pad_mode, PAD_MODES),
        ("crop_pad_mode", pixels.crop_pad_mode, PAD_MODES),
        ("prepare", pixels.prepare, NAMES),
    ):
        if value not in allowed:
            raise ModelFolderError(f"preprocessing.{name} must be one of {', '.join(allowed)}, not {value!r}")
    sizes = [pixels.size, pixels.crop, *(side for step in pixels.batch_resizes for side in (step.size, step.crop))]
    if any(not 1 <= side <= 8192 for size in sizes if size for side in size):
        raise ModelFolderError("preprocessing's sizes must lie between 1 and 8192 pixels")
    if any(size[0] * size[1] > MAX_PIXELS for size in sizes if size):
        raise ModelFolderError(f"preprocessing's sizes must have at most {MAX_PIXELS:,} pixels")
    for name, value, (low, high) in (
        ("preprocessing.std", min(pixels.std), DEVIATIONS),
        ("preprocessing.std", max(pixels.std), DEVIATIONS),
        ("temperature", info.temperature, TEMPERATURES),
    ):
        if value <= 0:
            raise ModelFolderError(f"{name} must be above 0")
        if not low <= value <= high:
            raise ModelFolderError(f"{name} must be from {low:g} to {high:g}, not {value!r}")
    if info.novelty and not 1 <= info.novelty.k:
        raise ModelFolderError("novelty.k must be at least 1")
    if "logits" not in info.onnx.outputs:
        raise ModelFolderError("onnx.outputs must name logits")
    matrix = metrics.confusion_matrix if metrics else ()
    if matrix and (len(matrix) != len(labels) or any(len(row) != len(labels) for row in matrix)):
        raise ModelFolderError(f"metrics.confusion_matrix must have {len(labels)} rows and columns, one a label")


def check_text(what: str, text: str, longest: int) -> None:
    """Raises ModelFolderError for text that is too long, or that would lead its reader astray."""
    if len(text) > longest:
        raise ModelFolderError(f"{what} has {len(text):,} characters, and {longest} are the most")
    if MISLEADING.search(text):
        raise ModelFolderError(f"{what} holds a control character: {ascii(text)[:60]}")
