"""What model.json says, typed: a frozen dataclass for each of its objects (`records.py` reads and writes them).

A newer `format_version` is refused by `model_folder`; what else a newer tool adds survives in `extra`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mirror.errors import ModelFolderError
from mirror.records import Record

FORMAT_VERSION = 1
RESIZES = ("squish", "crop", "pad", "none")
RESAMPLES = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
PAD_MODES = ("zeros", "border", "reflection")
GARMENT = "garment"
PREPARES = ("none", GARMENT)


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
    mean, std: of values in 0..1, one a channel. prepare: what is done to a photo before all that; "garment" makes of a
    product photo the picture that Fashion-MNIST would have of it (`inference/garment.py`).
    """

    resize: str
    size: tuple[int, int]
    mean: tuple[float, float, float]
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
    photos: int | None = None
    real_refused: float | None = None
    others: int = 0
    others_refused: float | None = None


@dataclass(frozen=True)
class Validation(Record):
    """`interval`: lower and upper end of its error rate's interval, at `confidence`; `loss`: cross-entropy, nats;
    `folds`: cross-validated in so many, each photo judged by what was trained without it; None: on photos held out."""

    photos: int
    errors: int
    error_rate: float
    interval: tuple[float, float]
    confidence: float = 0.95
    loss: float | None = None
    folds: int | None = None


@dataclass(frozen=True)
class LabelMetrics(Record):
    """Photos a label had on both sides, and its precision and recall (None where undefined)."""

    train: int
    validation: int
    precision: float | None = None
    recall: float | None = None


@dataclass(frozen=True)
class TopLoss(Record):
    file_name: str
    label: str
    predicted: str
    probability: float
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

    photos: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration(Record):
    """The temperature's making and effect.

    It was fitted on `fitted_on` photos that were not learned from (`source`: "out-of-fold" or "validation"). `found`:
    the one that fits best; `gain`: by how much it lowers their cross-entropy; ModelInfo.temperature is 1 where that
    could be chance. `before` it, `after` it, and `bins` (after): of `photos` that neither it nor the network was fitted
    to.
    """

    source: str
    fitted_on: int
    found: float
    gain: Estimate | None
    photos: int
    before: CalibrationScores
    after: CalibrationScores
    bins: tuple[ReliabilityBin, ...] = ()


@dataclass(frozen=True)
class Metrics(Record):
    """`confusion_matrix`: rows actual, columns predicted, both in label order, counts of photos judged."""

    validation: Validation
    labels: dict[str, LabelMetrics] = field(default_factory=dict)
    confusion_matrix: tuple[tuple[int, ...], ...] = ()
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
    counts: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    queries: tuple[Query, ...] = ()
    license_filter: str | None = None
    retrieved: tuple[str, ...] | None = None
    engines: dict[str, int] = field(default_factory=dict)
    sites: dict[str, int] = field(default_factory=dict)
    relabelled: int = 0
    removed: int = 0


@dataclass(frozen=True)
class TrainingInfo(Record):
    """`options`: those of train.py that make this model again, of the same photos."""

    seed: int | None = None
    epochs: int | None = None
    weights: str | None = None
    recipe: str | None = None
    seconds: float | None = None
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
    repeated = sorted({label for label in labels if labels.count(label) > 1}) if len(labels) != len(set(labels)) else []
    if len(labels) < 2:
        raise ModelFolderError(f"labels must name at least two labels, not {len(labels)}")
    if any(not label.strip() for label in labels):
        raise ModelFolderError("labels holds an empty label")
    if repeated:
        raise ModelFolderError(f"labels holds {repeated[0]!r} more than once")
    for name, value, allowed in (
        ("resize", pixels.resize, RESIZES),
        ("resample", pixels.resample, RESAMPLES),
        ("pad_mode", pixels.pad_mode, PAD_MODES),
        ("crop_pad_mode", pixels.crop_pad_mode, PAD_MODES),
        ("prepare", pixels.prepare, PREPARES),
    ):
        if value not in allowed:
            raise ModelFolderError(f"preprocessing.{name} must be one of {', '.join(allowed)}, not {value!r}")
    sizes = [pixels.size, pixels.crop, *(side for step in pixels.batch_resizes for side in (step.size, step.crop))]
    if any(not 1 <= side <= 8192 for size in sizes if size for side in size):
        raise ModelFolderError("preprocessing's sizes must lie between 1 and 8192 pixels")
    if min(pixels.std) <= 0:
        raise ModelFolderError("preprocessing.std must be above 0")
    if info.temperature <= 0:
        raise ModelFolderError("temperature must be above 0")
    if info.novelty and info.novelty.k < 1:
        raise ModelFolderError("novelty.k must be at least 1")
    if "logits" not in info.onnx.outputs:
        raise ModelFolderError("onnx.outputs must name logits")
    matrix = metrics.confusion_matrix if metrics else ()
    if matrix and (len(matrix) != len(labels) or any(len(row) != len(labels) for row in matrix)):
        raise ModelFolderError(f"metrics.confusion_matrix must have {len(labels)} rows and columns, one a label")
