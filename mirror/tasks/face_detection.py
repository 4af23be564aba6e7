"""face-detection: where faces are in an image. It finds faces; it never tells whose they are.

An image is looked at in two sizes, one for small faces and one for those that fill it. That finds all 19 faces of the
photos of benchmarks/tasks/faces.py; one quick look, as a camera's pictures get, finds 15.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from mirror.errors import UsageError
from mirror.images import full_size
from mirror.tasks.detections import Box, Detection, Detections
from mirror.tasks.face_networks import CELL, PACKAGED_FILE, FaceNetwork, open_network
from mirror.tasks.predictor import BatchPredictor, Detector
from mirror.tasks.request import FACE_DETECTION, TaskRequest

if TYPE_CHECKING:
    from mirror.net.fetch import NetworkSettings

LABEL = "face"
HUB_FILE = "face_detection_yunet_2023mar.onnx"  # in opencv/face_detection_yunet
FLOOR = 0.05  # scores below are noise, and many
MAX_BOXES = 1_000  # boxes, the surest, that are compared with each other

# The long side that an image is scaled to, in pixels, for small faces and for large ones. Closer up than the first the
# network takes a face for parts of one; further off than the second it misses faces of less than a sixth of the side.
FINE, COARSE = 1280, 320
GLANCE = 384  # for the camera, which has 100 ms
ENLARGED = 2.5  # at most, whatever FINE says
SMALL, LARGE = 0.35, 0.15  # of the image's long side: the largest face of the fine look, the smallest of the coarse one

SAME = 0.3  # intersection over union from which two boxes are one face (CenterFace's and OpenCV's own value)
PART = 0.8  # of a box that lies in a larger and surer one: a part of that face


def open_faces(request: TaskRequest, *, network: NetworkSettings | None = None) -> FaceDetector:
    """request.model: None for the packaged detector, a YuNet file or its folder, or opencv/face_detection_yunet.

    Raises UsageError for what is none of these, ModelUnavailable for what cannot be had or opened.
    """
    detector = FaceDetector(_network(request.model))
    detector.network = network
    return detector


def _network(model: str | None) -> FaceNetwork:
    if model is None:
        return open_network(PACKAGED_FILE, "The packaged face detector")
    path = Path(model, HUB_FILE) if os.path.isdir(model) else Path(model)
    if path.is_file():
        return open_network(path, str(path))
    from mirror.tasks.hub_client import fetch_file
    from mirror.tasks.hub_models import hub_id

    name = hub_id(model)
    if name is None:
        raise UsageError(
            f"There is no file {path}: {FACE_DETECTION} takes a YuNet .onnx file, opencv/face_detection_yunet from the "
            "Hub, or no --model for the packaged detector."
        )
    file, _ = fetch_file(name, HUB_FILE, "leave out --model for the packaged detector")
    return open_network(file, name)


class FaceDetector(BatchPredictor, Detector):
    """Faces as boxes in pixels of the upright image, clipped to it, the surest first; all with a score above FLOOR."""

    batch = 2

    def __init__(self, network: FaceNetwork):
        self._network = network
        self.identity = f"{FACE_DETECTION} sha256:{network.sha256} {FINE}+{COARSE}"

    def predict(self, images: Sequence[Image.Image]) -> list[Detections]:
        return [self.detect(image) for image in images]

    def detect(self, image: Image.Image) -> Detections:
        """Small faces and large ones in an upright RGB image; may be called from several threads at once."""
        side = max(full_size(image))
        boxes, scores = self._look(image, min(FINE, ENLARGED * side))
        small = sizes_of(boxes) <= SMALL * side
        large, large_scores = self._look(image, COARSE)
        kept_large = sizes_of(large) >= LARGE * side
        boxes = np.concatenate([boxes[small], large[kept_large]])
        return _detections(boxes, np.concatenate([scores[small], large_scores[kept_large]]), full_size(image))

    def glance(self, image: Image.Image) -> Detections:
        """One quick look, for a camera: faces from about a fifteenth of the long side up."""
        return _detections(*self._look(image, GLANCE), full_size(image))

    def _look(self, image: Image.Image, side: float) -> tuple[np.ndarray, np.ndarray]:
        """Boxes [n, 4] in pixels of the full size, and scores [n], when its long side is scaled to `side` pixels."""
        width, height = (max(1, round(length * side / max(image.size))) for length in image.size)
        scaled = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
        pixels = np.zeros((-(-height // CELL) * CELL, -(-width // CELL) * CELL, 3), np.uint8)
        pixels[:height, :width] = np.asarray(scaled)
        boxes, scores = self._network.find(pixels, FLOOR)
        return boxes * np.tile(np.divide(full_size(image), (width, height)), 2), scores


def _detections(boxes: np.ndarray, scores: np.ndarray, size: tuple[int, int]) -> Detections:
    """What is left of boxes [n, 4] when each face has one, in whole pixels of an image of this (width, height)."""
    boxes = np.rint(boxes).clip(0, np.tile(size, 2)).astype(int)
    seen = (boxes[:, :2] < boxes[:, 2:]).all(axis=1)  # the others lie beyond the edge
    boxes, scores = boxes[seen], scores[seen]
    return Detections(
        tuple(Detection(float(scores[i]), LABEL, Box(*map(int, boxes[i]))) for i in suppress_overlaps(boxes, scores))
    )


def suppress_overlaps(boxes: np.ndarray, scores: np.ndarray) -> list[int]:
    """Which boxes [n, 4] to keep, the surest first (non-maximum suppression): a box falls to a surer one that is nearly
    the same or holds most of it."""
    order = np.argsort(-scores, kind="stable")[:MAX_BOXES]
    kept = []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(int(first))
        shared = np.minimum(boxes[first, 2:], boxes[order, 2:]) - np.maximum(boxes[first, :2], boxes[order, :2])
        shared = shared.clip(0).prod(axis=1)
        area, areas = (boxes[first, 2:] - boxes[first, :2]).prod(), (boxes[order, 2:] - boxes[order, :2]).prod(axis=1)
        same = shared > SAME * (area + areas - shared)
        order = order[~(same | (shared > PART * areas))]
    return kept


def sizes_of(boxes: np.ndarray) -> np.ndarray:
    """The longer side of each box [n, 4]."""
    return (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
