"""What model.json says, typed: a frozen dataclass for each of its objects, which pydantic reads and checks.

`decode(value)` gives the ModelInfo of a JSON object, or raises ModelFolderError with a sentence that names the place
(`metrics.validation.photos must be a whole number, not 'eight'`); `encode(info)` gives the JSON object. Keys that this
version does not know are kept in `extra` and written back: a newer tool's additions survive. Nothing of this version
lies in `extra`. A newer `format_version` is refused by `model_folder`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from mirror.errors import ModelFolderError
from mirror.preparation import NAMES
from mirror.storage import is_deeper

FORMAT_VERSION = 1
PICKLE = "learner.pkl"
MAX_LABEL = 500  # characters
MAX_NAME = 200
MAX_SIDE = 8192  # pixels
MAX_PIXELS = 2**24  # of what the network sees: 200 MB of float32
MAX_ITEMS = 100_000  # of a list or an object
MAX_TEXT = 20_000  # characters
MAX_DEPTH = 40  # lists and objects inside each other, also under keys that this version does not know
MAX_WHOLE = 2**53  # the largest number up to which every JSON reader counts exactly
MAX_NUMBER = 1e15
# What would lead a terminal or a reader astray: control characters, line separators, overrides of the direction of text
MISLEADING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

T = TypeVar("T")
List = Annotated[tuple[T, ...], Field(max_length=MAX_ITEMS, fail_fast=True)]  # JSON has no tuples
Object = Annotated[dict[str, T], Field(max_length=MAX_ITEMS)]
Whole = Annotated[int, Field(strict=True, ge=-MAX_WHOLE, le=MAX_WHOLE)]
Side = Annotated[int, Field(strict=True, ge=1, le=MAX_SIDE)]
Size = tuple[Side, Side]  # (height, width) in pixels
Count = Annotated[int, Field(strict=True, ge=0, le=MAX_WHOLE)]
Number = Annotated[float, Field(strict=True, ge=-MAX_NUMBER, le=MAX_NUMBER)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Mean = Annotated[float, Field(strict=True, ge=-1000, le=1000)]
Deviation = Annotated[float, Field(strict=True, ge=1e-4, le=1000)]  # of values in 0..1, or in 0..255
Temperature = Annotated[float, Field(strict=True, ge=0.01, le=100)]  # Guo et al. 2017 found 1 to 5
Seconds = Annotated[float, Field(strict=True, ge=0, le=1e9)]
Resize = Literal["squish", "crop", "pad", "none"]
Resample = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
PadMode = Literal["zeros", "border", "reflection"]


@dataclass(frozen=True)
class Record:
    """An object of model.json; `extra` holds the keys this version does not know."""

    extra: dict[str, Any] = field(default_factory=dict, kw_only=True, repr=False)

    __pydantic_config__ = ConfigDict(str_max_length=MAX_TEXT, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _keep_unknown_keys(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if len(value) > MAX_ITEMS:
            raise PydanticCustomError("too_long", "too many keys")
        known = cls.__dataclass_fields__.keys() - {"extra"}
        unknown = {key: item for key, item in value.items() if key not in known}
        return {key: item for key, item in value.items() if key in known} | {"extra": unknown}

    @model_serializer(mode="wrap")
    def _write_unknown_keys_last(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = handler(self)
        return {**fields.pop("extra"), **fields}


@dataclass(frozen=True)
class BatchResize(Record):
    """A second resize on float pixels, as `aug_transforms(size=…)` does on whole batches ("presizing"): the centred
    `crop` (None: everything) to `size`, bilinear, corners aligned, averaged first where it shrinks by more than two."""

    size: Size
    crop: Size | None = None


@dataclass(frozen=True)
class Preprocessing(Record):
    """How an upright RGB image becomes pixels [3, h, w] float32, in fastai's terms (`inference/preprocess.py` does it).

    resize: "squish" both sides to `size`, "crop" the middle at the right aspect first, "pad" to the right aspect first
    by `pad_mode`, or "none". `crop`: a centred crop afterwards (padded by `crop_pad_mode` where the image is smaller),
    as RandomResizedCrop cuts off its `val_xtra` and CropPad does; None for none. Sizes are (height, width) in pixels.
    mean, std: of values in 0..1, one a channel. prepare: what is done to a photo before all that, by its name in
    `mirror/preparation.py`.
    """

    resize: Resize
    size: Size
    mean: tuple[Mean, Mean, Mean]
    std: tuple[Deviation, Deviation, Deviation]
    resample: Resample = "bilinear"
    pad_mode: PadMode = "reflection"
    crop: Size | None = None
    crop_pad_mode: PadMode = "zeros"
    batch_resizes: List[BatchResize] = ()
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
    outputs: List[str] = ("logits",)
    heat: str | None = None


@dataclass(frozen=True)
class Novelty(Record):
    """A photo is known when its similarity is at least `threshold`; None: every photo is known.

    photos, others: how many photos of the labels, and of none of them, it is compared with. real_refused,
    others_refused: the shares of each that are refused when they are held out; test_refused: the share of a published
    test set. others_left_out: how many of the others were not used, by reason. None: not known.
    """

    method: str = "knn-cosine"
    k: Annotated[int, Field(strict=True, ge=1, le=MAX_WHOLE)] = 5
    threshold: Number | None = None
    photos: Count | None = None
    real_refused: Share | None = None
    others: Count = 0
    others_refused: Share | None = None
    others_left_out: Object[Count] | None = None
    test_refused: Share | None = None


@dataclass(frozen=True)
class Validation(Record):
    """`interval`: lower and upper end of its error rate's interval, at `confidence`; `loss`: cross-entropy, nats;
    `folds`: cross-validated in so many, each photo judged by what was trained without it; None: on photos held out."""

    photos: Count
    errors: Count
    error_rate: Share
    interval: tuple[Share, Share]
    confidence: Share = 0.95
    loss: Number | None = None
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
    """The temperature's making and effect.

    It was fitted on `fitted_on` photos that were not learned from (`source`: "out-of-fold" or "validation"). `found`:
    the one that fits best; `gain`: by how much it lowers their cross-entropy; ModelInfo.temperature is 1 where that
    could be chance. `before` it, `after` it, and `bins` (after): of `photos` that neither it nor the network was fitted
    to.
    """

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
    counts: Object[Count] = field(default_factory=dict)
    rejected: Object[Count] = field(default_factory=dict)
    queries: List[Query] = ()
    license_filter: str | None = None
    retrieved: List[str] | None = None
    engines: Object[Count] = field(default_factory=dict)
    sites: Object[Count] = field(default_factory=dict)
    relabelled: Count = 0
    removed: Count = 0


@dataclass(frozen=True)
class TrainingInfo(Record):
    """`options`: those of train.py that make this model again, of the same photos; `notes`: sentences on how it was
    trained; `size`: pixels a side; `views`: pictures learned from a photo; `held_out_accuracy`: on the photos held out
    where the figures are those of a published test set."""

    seed: Whole | None = None
    epochs: Count | None = None
    weights: str | None = None
    recipe: str | None = None
    seconds: Seconds | None = None
    options: List[str] = ()
    notes: List[str] = ()
    size: Count | None = None
    views: Count | None = None
    held_out_accuracy: Share | None = None


@dataclass(frozen=True)
class Parity(Record):
    """`largest_difference`: in a probability, between the network in float32 and `against`, over `photos` photos."""

    against: str
    photos: Count
    largest_difference: Number


@dataclass(frozen=True)
class QuantizationResult(Record):
    """An int8 network against the float32 one. layers: which are in int8; photos, judged: how many there were, and how
    many of them counted for the error; error_increase: of the error rate (None where no photo counted); mean_change: of
    a probability; agreement: the share of photos with the same top label; passed: within the limits."""

    layers: str
    photos: Count
    judged: Count
    error_increase: Number | None
    mean_change: Number
    agreement: Share
    passed: Annotated[bool, Field(strict=True)]


@dataclass(frozen=True)
class QuantizationLimits(Record):
    largest_error_increase: Number
    largest_mean_change: Number
    least_agreement: Share


@dataclass(frozen=True)
class Quantization(Record):
    """`asked`: the precision wanted; `attempts`: every int8 network tried; `shipped`: that of the one in the folder."""

    asked: str
    calibration_photos: Count
    gates: QuantizationLimits
    attempts: List[QuantizationResult]
    shipped: QuantizationResult | None


@dataclass(frozen=True)
class ModelInfo(Record):
    """All of model.json. `files`: sha256 (hex) of each other file in the folder, by its path inside it;
    `learner_sha256`: of the learner pickle that everything here was derived from; `pickle`: its file, None where it was
    left out."""

    name: str
    labels: List[str]
    preprocessing: Preprocessing
    onnx: OnnxInfo = field(default_factory=OnnxInfo)
    arch: str | None = None
    created_at: str | None = None
    temperature: Temperature = 1.0
    novelty: Novelty | None = None
    metrics: Metrics | None = None
    data: DataInfo | None = None
    training: TrainingInfo | None = None
    versions: Object[str] = field(default_factory=dict)
    files: Object[str] = field(default_factory=dict)
    learner_sha256: str | None = None
    format_version: int = FORMAT_VERSION
    pickle: str | None = None
    parity: Parity | None = None
    quantisation: Quantization | None = None

    @model_validator(mode="before")
    @classmethod
    def _find_pickle(cls, value: Any) -> Any:
        """Older files do not say whether there is a pickle; their list of files does."""
        if isinstance(value, dict) and "pickle" not in value and isinstance(value.get("files"), dict):
            return {**value, "pickle": PICKLE if PICKLE in value["files"] else None}
        return value


@cache
def _adapter() -> TypeAdapter[ModelInfo]:
    return TypeAdapter(ModelInfo)


def decode(value: Any) -> ModelInfo:
    """The ModelInfo of a JSON value. Raises ModelFolderError, whose text names the place; the caller knows the file."""
    try:
        info = _adapter().validate_python(value)
    except ValidationError as error:
        raise ModelFolderError(_sentence(error.errors(include_url=False)[0])) from None
    _check(info)
    return info


def encode(info: ModelInfo) -> dict[str, Any]:
    """The JSON object of `info`: tuples are lists, the keys this version does not know come last."""
    return _adapter().dump_python(info, mode="json", warnings="none")  # `decode` finds what is wrong


def check_depth(value: Any) -> None:
    """Raises ModelFolderError for a JSON value with lists and objects more than MAX_DEPTH inside each other."""
    if is_deeper(value, MAX_DEPTH):
        raise ModelFolderError(f"it has more than {MAX_DEPTH} lists and objects inside each other")


def _check(info: ModelInfo) -> None:
    """Raises ModelFolderError where the fields are of the right type but cannot be meant together."""
    labels, preprocessing, metrics = info.labels, info.preprocessing, info.metrics
    if len(labels) < 2:
        raise ModelFolderError(f"labels must name at least two labels, not {len(labels)}")
    if any(not label.strip() for label in labels):
        raise ModelFolderError("labels holds an empty label")
    for label in labels:
        _check_text("a label", label, MAX_LABEL)
    repeated = [label for label, times in Counter(labels).items() if times > 1]
    if repeated:
        raise ModelFolderError(f"labels holds {min(repeated)!r} more than once")
    _check_text("name", info.name, MAX_NAME)
    if preprocessing.prepare not in NAMES:
        allowed = ", ".join(NAMES)
        raise ModelFolderError(f"preprocessing.prepare must be one of {allowed}, not {preprocessing.prepare!r}")
    resizes = preprocessing.batch_resizes
    sizes = [preprocessing.size, preprocessing.crop, *(size for step in resizes for size in (step.size, step.crop))]
    if any(size[0] * size[1] > MAX_PIXELS for size in sizes if size):
        raise ModelFolderError(f"preprocessing's sizes must have at most {MAX_PIXELS:,} pixels")
    if "logits" not in info.onnx.outputs:
        raise ModelFolderError("onnx.outputs must name logits")
    matrix = metrics.confusion_matrix if metrics else ()
    if matrix and (len(matrix) != len(labels) or any(len(row) != len(labels) for row in matrix)):
        raise ModelFolderError(f"metrics.confusion_matrix must have {len(labels)} rows and columns, one a label")
    for name in (*info.files, info.onnx.file):
        if not _is_inside(name):
            raise ModelFolderError(f"the file name {name!r} points outside the folder")


def _check_text(subject: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise ModelFolderError(f"{subject} has {len(text):,} characters, and {limit} are the most")
    if MISLEADING.search(text):
        raise ModelFolderError(f"{subject} holds a control character: {ascii(text)[:60]}")


def _is_inside(name: str) -> bool:
    """Whether a recorded file name stays in its folder on every system (no drive, root, `..`, backslash or NUL)."""
    path = PurePosixPath(name)
    is_plain = "\\" not in name and not MISLEADING.search(name) and not PureWindowsPath(name).drive
    return bool(name) and is_plain and not path.is_absolute() and ".." not in path.parts and str(path) == name != "."


TYPES = {
    "int": "a whole number",
    "float": "a finite number",
    "finite": "a finite number",
    "string": "text",
    "bool": "true or false",
    "tuple": "a list",
    "dict": "an object",
    "dataclass": "an object",
}


def _sentence(error: ErrorDetails) -> str:
    """`metrics.validation.photos must be a whole number, not 'eight'`, of one of pydantic's errors."""
    *outer, last = error["loc"] or ("the file",)
    where = _place(error["loc"]) if last != "[key]" else f"a key of {_place(outer[:-1])}"
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind == "missing":
        return f"{where} is missing"
    if kind == "too_long" and isinstance(value, (list, dict)) and len(value) > MAX_ITEMS:
        return f"{where} holds {len(value):,} entries, and {MAX_ITEMS:,} are the most"
    if kind == "too_long":
        return f"{where} must be a list of {context['max_length']}, not {_shown(value)}"
    if kind in ("greater_than_equal", "less_than_equal"):
        side, (bound,) = "at least" if kind == "greater_than_equal" else "at most", context.values()
        text = f"{bound:,}" if isinstance(bound, int) else f"{bound:,g}"
        return f"{where} must be {side} {text}, not {_shown(value)}"
    expected = TYPES.get(kind.split("_")[0]) or f"one of {context['expected'].replace(' or ', ', ')}"
    return f"{where} must be {expected}, not {_shown(value)}"


def _place(location: tuple[int | str, ...] | list[int | str]) -> str:
    """`confusion_matrix[0][1]`; what is not in any object is "the file"."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).lstrip(".") or "the file"


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than some thousand digits
        text = "a number of very many digits"
    return text if len(text) <= 60 else text[:57] + "…"
