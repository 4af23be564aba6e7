"""What model.json says, typed: a frozen dataclass for each of its objects (`typed_json.py` reads and writes them); what
was measured is in `metrics_schema.py`.

Whatever this version writes is a field; what a newer tool adds survives in `extra`; `format_version` guards the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from mirror.metrics_schema import Metrics, Validation
from mirror.typed_json import (
    MAX_ITEMS,
    MAX_WHOLE,
    MISLEADING,
    Count,
    List,
    Number,
    Object,
    Record,
    Share,
    Whole,
    check_plain,
)

FORMAT_VERSION = 1
PICKLE = "learner.pkl"
MAX_SIDE = 8192  # pixels
OWN = "own"  # of DataInfo.engines: the engine of photos that a person added by hand
PHOTO_LIST, OLD_PHOTO_LIST = "photo list", "recipe"  # of DataInfo.source; the latter in models made before 1.0


def _check_inside(name: str) -> str:
    """A file name that stays in its folder on every system: no drive, root, `..`, backslash or NUL."""
    path = PurePosixPath(name)
    is_plain = name and "\\" not in name and not MISLEADING.search(name) and not PureWindowsPath(name).drive
    if not is_plain or path.is_absolute() or ".." in path.parts or str(path) != name or name == ".":
        raise PydanticCustomError("sentence", "{name} points outside the folder", {"name": repr(name)})
    return name


Label = Annotated[str, Field(max_length=500), AfterValidator(check_plain)]
Name = Annotated[str, Field(max_length=200), AfterValidator(check_plain)]
FileName = Annotated[str, AfterValidator(_check_inside)]
Side = Annotated[int, Field(strict=True, ge=1, le=MAX_SIDE)]
Size = tuple[Side, Side]  # (height, width) in pixels
Mean = Annotated[float, Field(strict=True, ge=-1000, le=1000)]
Deviation = Annotated[float, Field(strict=True, ge=1e-4, le=1000)]  # of values in 0..1, or in 0..255
Temperature = Annotated[float, Field(strict=True, ge=0.01, le=100)]  # Guo et al. 2017 found 1 to 5
Seconds = Annotated[float, Field(strict=True, ge=0, le=1e9)]
Resize = Literal["squish", "crop", "pad", "none"]
Resample = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
PadMode = Literal["zeros", "border", "reflection"]


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

    file: FileName = "model.onnx"
    precision: str = "fp32"
    input: str = "pixels"
    outputs: List[str] = ("logits",)
    heat: FileName | None = None


@dataclass(frozen=True)
class Novelty(Record):
    """A photo is known when its similarity is at least `threshold`; None: every photo is known.

    photos, others: how many photos of the labels, and of none of them, it is compared with. real_refused,
    others_refused: the shares of each refused when held out, with intervals; test_refused: the share of a published
    test set. others_left_out: how many of the others were not used, by reason. None: not known.
    """

    method: str = "knn-cosine"
    k: Annotated[int, Field(strict=True, ge=1, le=MAX_WHOLE)] = 5
    threshold: Number | None = None
    photos: Count | None = None
    real_refused: Share | None = None
    real_interval: tuple[Share, Share] | None = None
    others: Count = 0
    others_refused: Share | None = None
    others_interval: tuple[Share, Share] | None = None
    others_left_out: Object[Count] | None = None
    test_refused: Share | None = None


@dataclass(frozen=True)
class Query(Record):
    label: str
    query: str


@dataclass(frozen=True)
class DataInfo(Record):
    """`source`: "search", "folder" or PHOTO_LIST; photos of each label, rejections by reason, first and last day;
    photos by engine and by site (the 20 with most); how many were relabelled or removed by hand."""

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
    a probability; agreement: the share of photos with the same top label, expected_agreement: the one estimated for
    others; passed: within the limits."""

    layers: str
    photos: Count
    judged: Count
    error_increase: Number | None
    mean_change: Number
    agreement: Share
    passed: Annotated[bool, Field(strict=True)]
    expected_agreement: Share | None = None


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

    name: Name
    labels: List[Label]
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
    files: Annotated[dict[FileName, str], Field(max_length=MAX_ITEMS)] = field(default_factory=dict)
    learner_sha256: str | None = None
    format_version: int = FORMAT_VERSION
    pickle: FileName | None = None
    parity: Parity | None = None
    quantisation: Quantization | None = None

    @property
    def judged(self) -> Validation | None:
        """What its error was measured by; None where no photo was."""
        return self.metrics.validation if self.metrics and self.metrics.validation.photos else None

    @model_validator(mode="before")
    @classmethod
    def _find_pickle(cls, value: Any) -> Any:
        """Older files do not say whether there is a pickle; their list of files does."""
        if isinstance(value, dict) and "pickle" not in value and isinstance(value.get("files"), dict):
            return {**value, "pickle": PICKLE if PICKLE in value["files"] else None}
        return value
