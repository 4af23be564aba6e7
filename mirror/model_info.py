"""What model.json says, typed: a frozen dataclass for each of its objects, read with validation and written back whole.

`decode(ModelInfo, json_object)` checks every field against its annotation and says where it went wrong
(`metrics.validation.photos must be a whole number, not 'eight'`). Keys that this version does not know are kept in
`extra` and written back, so a newer tool's additions survive; a newer `format_version` is refused by `model_folder`.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass, field
from typing import Any, TypeVar, Union

from mirror.errors import ModelFolderError

FORMAT_VERSION = 1
RESIZES = ("squish", "crop", "pad", "none")
RESAMPLES = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
PAD_MODES = ("zeros", "border", "reflection")


@dataclass(frozen=True)
class Record:
    """An object of model.json; `extra` holds the keys this version does not know."""

    extra: dict[str, Any] = field(default_factory=dict, kw_only=True, repr=False)


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
    mean, std: of values in 0..1, one a channel.
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

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of what the network sees."""
        return self.batch_resizes[-1].size if self.batch_resizes else self.crop or self.size


@dataclass(frozen=True)
class OnnxInfo(Record):
    """The network's file. `outputs`: "logits" [N, labels], and where present "features" [N, D] (penultimate) and
    "similarity" [N] (higher is more like the training photos)."""

    file: str = "model.onnx"
    precision: str = "fp32"
    input: str = "pixels"
    outputs: tuple[str, ...] = ("logits",)


@dataclass(frozen=True)
class Novelty(Record):
    """A photo is known when its similarity is at least `threshold`; None: every photo is known."""

    method: str = "knn-cosine"
    k: int = 5
    threshold: float | None = None


@dataclass(frozen=True)
class Validation(Record):
    """`interval`: lower and upper end of its error rate's interval, at `confidence`; `loss`: cross-entropy, nats."""

    photos: int
    errors: int
    error_rate: float
    interval: tuple[float, float]
    confidence: float = 0.95
    loss: float | None = None


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
class Metrics(Record):
    """`confusion_matrix`: rows actual, columns predicted, both in label order, counts of validation photos."""

    validation: Validation
    labels: dict[str, LabelMetrics] = field(default_factory=dict)
    confusion_matrix: tuple[tuple[int, ...], ...] = ()
    top_losses: tuple[TopLoss, ...] = ()


@dataclass(frozen=True)
class Query(Record):
    label: str
    query: str


@dataclass(frozen=True)
class DataInfo(Record):
    """`source`: "search", "folder" or "recipe"; photos of each label, rejections by reason, first and last day."""

    source: str
    counts: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    queries: tuple[Query, ...] = ()
    license_filter: str | None = None
    retrieved: tuple[str, ...] | None = None


@dataclass(frozen=True)
class TrainingInfo(Record):
    seed: int | None = None
    epochs: int | None = None
    weights: str | None = None
    recipe: str | None = None
    seconds: float | None = None


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


T = TypeVar("T")


def decode(cls: type[T], value: Any, where: str = "") -> T:
    """A JSON value as `cls` (a Record, str, int, float, bool, tuple[…], dict[str, …], or a union of these).

    Raises ModelFolderError that names the place ("metrics.validation.photos must be …"); the caller knows the file.
    """
    origin, arguments = typing.get_origin(cls), typing.get_args(cls)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return decode(next(a for a in arguments if a is not type(None)), value, where)
    if dataclasses.is_dataclass(cls):
        return _decode_record(cls, value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong(where, "an object", value)
        return {key: decode(arguments[1], item, _inside(where, key)) for key, item in value.items()}
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise _wrong(where, "a list", value)
        types_ = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(types_) != len(value):
            raise _wrong(where, f"a list of {len(types_)}", value)
        pairs = zip(types_, value, strict=True)
        return tuple(decode(type_, item, f"{where}[{i}]") for i, (type_, item) in enumerate(pairs))
    if cls is float and isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if cls is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if cls is str and isinstance(value, str):
        return value
    names = {float: "a finite number", int: "a whole number", str: "text"}
    raise _wrong(where, names[cls], value)


def _decode_record(cls: type[T], value: Any, where: str) -> T:
    if not isinstance(value, dict):
        raise _wrong(where or "the file", "an object", value)
    hints, known = typing.get_type_hints(cls), {f.name: f for f in dataclasses.fields(cls) if f.name != "extra"}
    found = {}
    for name, spec in known.items():
        if name in value:
            found[name] = decode(hints[name], value[name], _inside(where, name))
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise ModelFolderError(f"{_inside(where, name)} is missing")
    return cls(**found, extra={key: item for key, item in value.items() if key not in known})


def encode(value: Any) -> Any:
    """The JSON value of a Record (tuples become lists, `extra` keys come last)."""
    if dataclasses.is_dataclass(value):
        fields = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name != "extra"}
        return fields | {key: item for key, item in value.extra.items() if key not in fields}
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    return value


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


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _wrong(where: str, expected: str, value: Any) -> ModelFolderError:
    shown = repr(value)
    return ModelFolderError(f"{where} must be {expected}, not {shown if len(shown) <= 60 else shown[:57] + '…'}")
