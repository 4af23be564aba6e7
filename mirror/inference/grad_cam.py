"""Why: where in a photo the evidence for a label lies, as a coarse map over it, in one run of the network.

    explanation = explain(classifier, "bird.jpg")
    overlay(explanation).save("heat.png")

The map is Grad-CAM of the label, a cell for every 32 pixels or so, by the model folder's heat.onnx, which
`export/grad_cam_export.py` writes. It tells where the network looked, not what it saw there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from mirror.errors import ModelFolderError, UsageError
from mirror.images import shrink, within_memory
from mirror.inference.classifier import Classifier
from mirror.inference.session import require_finite
from mirror.model_schema import Preprocessing

MAPS = "maps"  # the network's output [N, C, h, w] that
HEAT = "heat"  # heat.onnx's output [N, labels, h, w] is made of
NAMED = 20  # labels in an error
HOT = 0.5  # from here on a place counts when the heat is put into words
EVERYWHERE = 0.6  # of what was seen is hot: no place is named
SECOND = 0.7  # of the hottest region's share: another region is named as well
REGIONS = tuple("upper left,top,upper right,left,middle,right,lower left,bottom,lower right".split(","))
SIDES = {1: {0, 1, 2}, 3: {0, 3, 6}, 5: {2, 5, 8}, 7: {6, 7, 8}}  # top, left, right, bottom: all of their regions

OVERLAY_PIXELS = 640  # long side
# matplotlib's "plasma" (CC0), 16 of its 256 colours: perceptually uniform, and told apart by colour-blind eyes
PLASMA = (
    "0d0887 330597 5002a2 6a00a8 8405a7 9c179e b12a90 c33d80 d35171 e16462 ed7953 f68f44 fca636 fec029 f9dc24 f0f921"
).split()
OVERLAY_STRENGTH = 0.7  # of the colour over the photo where it is hottest
UNSEEN = 0.5  # brightness of what preprocessing cut off

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Explanation:
    """Where in a photo the evidence for a label lies.

    label, probability: what is explained. heat [h, w] float32: 0 (none) to 1 (the most); all 0 where nothing speaks for
    the label. box: left, top, right and bottom of what the heat covers, as shares of the photo's width and height:
    inside 0..1 where preprocessing cut the photo's edges off, beyond it where it padded them. photo: upright, as it was
    decoded. known: as in Prediction.
    """

    label: str
    probability: float
    heat: np.ndarray
    box: Box
    photo: Image.Image
    known: bool = True


def explain(classifier: Classifier, image: str | Path | bytes | Image.Image, label: str | None = None) -> Explanation:
    """What speaks for `label` (default: the most probable one) in an image, which is given as to `predict`.

    Raises ImageError, FetchError; UsageError for a label that the model does not know; ModelFolderError where its
    network gives no heat, or nothing that is a number.
    """
    info = classifier.info
    if classifier.heat is None:
        raise ModelFolderError(
            f"The model {info.name} cannot show why: its network gives no heat map, for it was made before there were "
            "any, or its head is of a kind that has none; train or compile it again to see which."
        )
    if label is not None and label not in info.labels:
        known = ", ".join(info.labels[:NAMED]) + (" and so on" if len(info.labels) > NAMED else "")
        raise UsageError(f"The model {info.name} knows no label {label}: choose one of {known}.")
    photo = classifier.decode(image)
    with within_memory():
        pixels, prepared = classifier.preprocess(photo)
        prediction, (maps,) = classifier.forward(pixels, MAPS)
    (heat,) = classifier.heat.run(maps, (HEAT,))
    require_finite(classifier.info.name, heat)
    label = label or prediction.label
    return Explanation(
        label,
        prediction.probabilities[label],
        relu_normalize(heat[0, info.labels.index(label)]),
        _inside(prepared.box, visible_box(info.preprocessing, prepared.image.size)),
        photo,
        prediction.known and prepared.found,
    )


def _inside(outer: Box, inner: Box) -> Box:
    """`inner`, in shares of `outer`'s sides, in shares of what `outer` is in shares of."""
    (left, top, right, bottom), (width, height) = outer, (outer[2] - outer[0], outer[3] - outer[1])
    return (
        left + inner[0] * width,
        top + inner[1] * height,
        right + (inner[2] - 1) * width,
        bottom + (inner[3] - 1) * height,
    )


def relu_normalize(heat: np.ndarray) -> np.ndarray:
    """A map of evidence for and against → its positive part, 1 where it is most."""
    heat = np.maximum(heat, 0)
    top = heat.max()
    return (heat / top if top > 0 else heat).astype(np.float32)


def visible_box(preprocessing: Preprocessing, size: tuple[int, int]) -> Box:
    """What of a photo of `size` (width, height) the network's input shows: left, top, right and bottom as shares of the
    photo's sides. The arithmetic is that of `preprocess.py`."""
    box = (0.0, 0.0, float(size[0]), float(size[1]))
    shown = size  # the pixels that the box has at this step
    height, width = preprocessing.size
    if preprocessing.resize in ("crop", "pad"):
        pick = min if preprocessing.resize == "crop" else max
        scale = pick(size[0] / width, size[1] / height)
        box = _framed(box, shown, (max(1, int(scale * height)), max(1, int(scale * width))))
    if preprocessing.resize != "none":
        shown = (width, height)
    steps = [(step.crop, step.size) for step in preprocessing.batch_resizes]
    for crop, after in [(preprocessing.crop, preprocessing.crop), *steps]:
        box = _framed(box, shown, crop) if crop else box
        shown = (after[1], after[0]) if after else shown
    return (box[0] / size[0], box[1] / size[1], box[2] / size[0], box[3] / size[1])


def _framed(box: Box, shown: tuple[int, int], frame: tuple[int, int]) -> Box:
    """The middle of `box`, shown in so many pixels (width, height), that a frame of (height, width) pixels takes."""
    x, y = (box[2] - box[0]) / shown[0], (box[3] - box[1]) / shown[1]
    left, top = box[0] + (shown[0] - frame[1]) // 2 * x, box[1] + (shown[1] - frame[0]) // 2 * y
    return (left, top, left + frame[1] * x, top + frame[0] * y)


def upsample(explanation: Explanation, size: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """The heat over the whole photo as seen at `size` (width, height), smoothly: [height, width] float32 in 0..1, and
    left, top, right and bottom of the pixels that the network saw; it is 0 outside."""
    (width, height), (rows, columns) = size, explanation.heat.shape
    left, top, right, bottom = explanation.box
    seen = np.clip(explanation.box, 0, 1)
    x0, y0, x1, y1 = (round(edge) for edge in (seen * (width, height, width, height)).tolist())
    cells = np.array((columns, rows, columns, rows))
    part = (seen - (left, top, left, top)) / (right - left, bottom - top, right - left, bottom - top) * cells
    part = np.clip(part, 0, cells).tolist()  # not beyond, by rounding
    visible = (max(1, x1 - x0), max(1, y1 - y0))
    smooth = np.asarray(Image.fromarray(explanation.heat).resize(visible, Image.Resampling.BICUBIC, part))
    heat = np.zeros((height, width), np.float32)
    heat[y0:y1, x0:x1] = np.clip(smooth, 0, 1)[: y1 - y0, : x1 - x0]
    return heat, (x0, y0, x1, y1)


def describe_regions(explanation: Explanation) -> tuple[str, ...]:
    """Where on the photo the heat lies, for people: "upper left", "middle" and so on, the hottest first, at most two;
    a whole side by its own name; "everywhere" where no place stands out; none where nothing speaks for the label."""
    samples = 20  # a third of the photo's side
    heat, (left, top, right, bottom) = upsample(explanation, (3 * samples, 3 * samples))
    hot = np.where(heat >= HOT, heat, 0)
    if not hot.any():
        return ()
    if np.count_nonzero(hot) >= EVERYWHERE * (right - left) * (bottom - top):
        return ("everywhere",)
    shares = hot.reshape(3, samples, 3, samples).sum(axis=(1, 3)).ravel()
    hottest = [int(region) for region in np.argsort(-shares) if shares[region] >= SECOND * shares.max()]
    for side, regions in SIDES.items():
        if regions == set(hottest):
            return (REGIONS[side],)
    return tuple(REGIONS[region] for region in hottest[:2])


def overlay(explanation: Explanation, pixels: int = OVERLAY_PIXELS) -> Image.Image:
    """The photo in grey, at most `pixels` a side: coloured by the heat, darker where the network did not see it."""
    photo = shrink(explanation.photo, pixels)
    heat, seen = upsample(explanation, photo.size)
    levels = Image.fromarray((255 * heat + 0.5).astype(np.uint8))
    colours = levels.copy()
    colours.putpalette(palette())
    grey = photo.convert("L")
    ground = grey.point([round(UNSEEN * level) for level in range(256)])
    ground.paste(grey.crop(seen), seen)
    strength = levels.point([round(OVERLAY_STRENGTH * level) for level in range(256)])
    return Image.composite(colours.convert("RGB"), ground.convert("RGB"), strength)


@lru_cache(maxsize=1)
def palette() -> bytes:
    """PLASMA's 256 colours, R, G, B of each."""
    known = np.array([list(bytes.fromhex(colour)) for colour in PLASMA])
    positions = np.linspace(0, len(PLASMA) - 1, 256)
    channels = [np.interp(positions, range(len(PLASMA)), channel) for channel in known.T]
    return np.stack(channels, axis=1).round().astype(np.uint8).tobytes()
