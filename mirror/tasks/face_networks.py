"""The networks that find faces: pixels in, boxes and scores out, through onnxruntime.

CenterFace   Xu et al. 2019, arXiv 1911.03599; 7 MB, MIT. It lies beside this module (centerface.LICENSE says whose).
YuNet        Wu, Peng and Yu 2023, doi 10.1007/s11633-023-1423-y; 0.2 MB, MIT. OpenCV keeps it on the Hugging Face Hub.

Both are fully convolutional and are shown images of any size; their files name one size, which is taken out.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from mirror.errors import ModelFolderError, ModelUnavailable
from mirror.inference.onnx_check import Field, encode_fields, read_fields
from mirror.inference.onnx_trial import open_tried
from mirror.inference.session import OnnxModel, require_finite
from mirror.storage import read_file

PACKAGED_FILE = Path(__file__).with_name("centerface.onnx")
GRAPH, INITIALIZER, INPUT, OUTPUT, VALUE_INFO, TENSOR_NAME = 7, 5, 11, 12, 13, 8  # fields of onnx.proto
MAX_NETWORK = 256 << 20  # bytes of a file
TRIAL = (1, 3, 64, 64)  # of what a network is tried on before it is opened
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
        outputs = self._engine.run(batch, self.outputs)
        require_finite(type(self).__name__, *outputs)
        return self.decode(outputs, pixels.shape[1], floor)

    @abstractmethod
    def channels(self, pixels: np.ndarray) -> np.ndarray:
        """RGB in the order that the network was trained with."""

    @abstractmethod
    def decode(self, outputs: list[np.ndarray], width: int, floor: float) -> tuple[np.ndarray, np.ndarray]:
        """What the graph gives for one image of this width → boxes and scores."""


class CenterFace(FaceNetwork):
    """A heat map of the centres of faces at a quarter of the image's size; for each cell the logarithms of the face's
    height and width, and where in the cell its centre is (down, right)."""

    input, outputs = "input.1", ("537", "538", "539")
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


def open_network(path: Path, name: str) -> FaceNetwork:
    """The network in an ONNX file. name: what to call it in a sentence. Raises ModelUnavailable."""
    try:
        data = read_file(path.resolve(), limit=MAX_NETWORK)  # in the Hub's cache it is a link to a blob
    except OSError as error:
        raise ModelUnavailable(f"{name} cannot be read ({error.strerror or error}): check the file.") from None
    try:
        graph = of_any_size(data)
    except (ValueError, LookupError, TypeError):
        raise ModelUnavailable(f"{name} is no ONNX file: give a YuNet file, as face_detection_yunet.onnx.") from None
    try:
        engine, _ = open_tried(graph, name, TRIAL)
    except ModelFolderError as error:
        raise ModelUnavailable(str(error)) from None
    for kind in (CenterFace, YuNet):
        if set(kind.outputs) <= set(engine.outputs):
            return kind(engine, hashlib.sha256(data).hexdigest())
    raise ModelUnavailable(f"{name} is neither YuNet nor CenterFace: give a YuNet file, as face_detection_yunet.onnx.")


def of_any_size(data: bytes) -> bytes:
    """The graph without its fixed sizes, and with its weights as constants, so that onnxruntime folds them: CenterFace
    lists them as inputs. Rewritten as protobuf (onnx.proto), since the page is installed without onnx.

    Raises ValueError, LookupError or TypeError for what is no graph.
    """
    model = list(read_fields(memoryview(data)))
    graph = list(_fields(dict(model)[GRAPH]))
    weights = {dict(_fields(value))[TENSOR_NAME] for number, value in graph if number == INITIALIZER}
    fields = [(number, value) for number, value in graph if number not in (INPUT, OUTPUT, VALUE_INFO)]
    for number, value in graph:
        if number not in (INPUT, OUTPUT):
            continue
        name = dict(_fields(value))[1]
        if number == INPUT and name not in weights:
            sizes = ((2, b"images"), (1, 3), (2, b"height"), (2, b"width"))  # dim_value 1, dim_param 2
            shape = encode_fields((1, encode_fields([size])) for size in sizes)
            fields.append((INPUT, _float_tensor(name, [(2, shape)])))
        elif number == OUTPUT:
            fields.append((OUTPUT, _float_tensor(name, [])))
    graph_bytes = encode_fields(fields)
    return encode_fields((number, graph_bytes if number == GRAPH else value) for number, value in model)


def _fields(value: Field) -> Iterator[tuple[int, Field]]:
    if not isinstance(value, memoryview):
        raise TypeError("a number where a message should be")
    return read_fields(value)


def _float_tensor(name: Field, shape: list[tuple[int, Field]]) -> bytes:
    """A ValueInfoProto: name 1, type 2; in it the tensor's type 1: elem_type 1 (1 is float32), shape 2."""
    return encode_fields([(1, name), (2, encode_fields([(1, encode_fields([(1, 1), *shape]))]))])
