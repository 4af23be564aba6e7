"""A model folder opened for use: an image, or a stream of images → probabilities a label, and whether it looks known.

classifier = Classifier.load(Path("models/mirror"))
print(classifier.predict("bird.jpg").probabilities)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mirror.errors import MirrorError, ModelFolderError
from mirror.images import load_image, within_memory
from mirror.inference.onnx_trial import open_tried
from mirror.inference.preprocess import decode_at_least, preprocess
from mirror.inference.session import FEATURES, LOGITS, SIMILARITY, OnnxModel, available_cpus, require_finite
from mirror.model_folder import ModelFolder, read_model_folder
from mirror.model_schema import ModelInfo, Novelty
from mirror.preparation import Preparation, PreparedImage, preparation

if TYPE_CHECKING:
    from PIL import Image

    from mirror.net.fetch import NetworkSettings

AHEAD = 4  # photos of a stream that are worked on or wait to be fetched, for each worker


@dataclass(frozen=True)
class Prediction:
    """What the model says of one image.

    probabilities: a probability for each label, in label order, summing to 1. known: whether the image looks like the
    photos the model was trained on. similarity: how much so (higher is more), None where the model cannot tell.
    """

    probabilities: dict[str, float]
    known: bool = True
    similarity: float | None = None

    @property
    def label(self) -> str:
        """The most probable label (the first of equals)."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def probability(self) -> float:
        return self.probabilities[self.label]

    def to_json(self) -> dict[str, Any]:
        """The fields of a jsonl line, without its "file"."""
        return {
            "label": self.label,
            "probability": self.probability,
            "probabilities": self.probabilities,
            "known": self.known,
        }


class Classifier:
    """A model ready to answer. Safe to use from several threads."""

    def __init__(
        self, folder: ModelFolder, engine: OnnxModel, network: NetworkSettings | None = None, maps: tuple[int, ...] = ()
    ):
        """maps: the shape of what the heat's network takes, where there is one."""
        self.folder, self.engine, self.network, self._maps = folder, engine, network, maps
        self._at_least = decode_at_least(folder.info.preprocessing)
        self._similarity = SIMILARITY in folder.info.onnx.outputs

    @classmethod
    def load(
        cls, folder: str | Path | ModelFolder, threads: int | None = None, network: NetworkSettings | None = None
    ) -> Classifier:
        """Opens a model folder, checking its description and the network's sha256. `threads`: default, all
        CPUs. `network`: how URLs are fetched.

        Raises ModelFolderError.
        """
        if not isinstance(folder, ModelFolder):
            folder = read_model_folder(folder)
        name = folder.info.onnx.file
        data = folder.read(name)
        height, width = folder.info.preprocessing.input_size
        recorded = folder.info.files[name]
        engine, shapes = open_tried(data, str(folder.path / name), (1, 3, height, width), recorded, threads)
        missing = [output for output in folder.info.onnx.outputs if output not in engine.outputs]
        if missing:
            raise ModelFolderError(
                f"{folder.path / name} gives no {missing[0]}, as model.json says: make the model again."
            )
        labels = len(folder.info.labels)
        shape = shapes[LOGITS]
        if len(shape) == 2 and shape[1] != labels:
            raise ModelFolderError(
                f"{folder.path} has {labels} labels, but its network gives {shape[1]}: make it again."
            )
        expected: dict[str, list[int | None]] = {
            LOGITS: [1, labels],
            SIMILARITY: [1],
            FEATURES: [1, None],
            "maps": [1, None, None, None],
        }
        for output, sides in expected.items():
            if output in folder.info.onnx.outputs and not _fits(shapes[output], sides):
                raise ModelFolderError(
                    f"{folder.path / name} gives {output} of {'x'.join(map(str, shapes[output])) or 'no size'}, which "
                    "model.json does not mean: make the model again."
                )
        return cls(folder, engine, network, tuple(shapes.get("maps", ())))

    @cached_property
    def heat(self) -> OnnxModel | None:
        """The network that makes heat of the maps (grad_cam.py), opened when first used; None where there is none."""
        name = self.info.onnx.heat
        if not name:
            return None
        data = self.folder.read(name)
        shape, recorded = self._maps or (1, 1, 1, 1), self.info.files[name]
        engine, shapes = open_tried(data, str(self.folder.path / name), shape, recorded, threads=1)
        if not _fits(shapes.get("heat", []), [1, len(self.labels), None, None]):
            raise ModelFolderError(f"{self.folder.path / name} gives no heat for each label: make the model again.")
        return engine

    @property
    def info(self) -> ModelInfo:
        return self.folder.info

    @property
    def preparation(self) -> Preparation:
        """What is done to a photo before the network sees it, and what is said of that."""
        return preparation(self.info.preprocessing.prepare)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.info.labels

    def predict(self, image: str | Path | bytes | Image.Image) -> Prediction:
        """A path, a URL, an encoded image or a PIL image → Prediction. Raises ImageError, FetchError."""
        return self.answer(*self.preprocess(self.decode(image)))

    def decode(self, image: str | Path | bytes | Image.Image) -> Image.Image:
        """The first step of `predict`: an upright RGB photo, no larger than this model needs where that is quicker."""
        return load_image(image, at_least=self._at_least, network=self.network)

    def preprocess(self, photo: Image.Image) -> tuple[np.ndarray, PreparedImage]:
        """The second step: the network's input [3, h, w] of an upright RGB photo, and what of the photo it shows."""
        with within_memory():
            prepared = self.prepare(photo)
            return preprocess(prepared.image, self.info.preprocessing), prepared

    def answer(self, pixels: np.ndarray, prepared: PreparedImage) -> Prediction:
        """The last step: what the network says of its input."""
        with within_memory():
            prediction, _ = self.forward(pixels)
        return prediction if prepared.found else replace(prediction, known=False)

    def prepare(self, photo: Image.Image) -> PreparedImage:
        """What of an upright RGB photo is shown to the network: all of it, unless the model asks for something else."""
        return self.preparation.prepare(photo)

    def predict_many(self, images: Iterable[Any], *, workers: int | None = None) -> Iterator[Prediction | MirrorError]:
        """Each image's Prediction in order, or in its place the MirrorError that it met (or that it already is).

        `workers` threads (default: one for each CPU) take an image each from file to answer: on a CPU the network gains
        nothing from batches, and one photo is decoded while another is in the network. They run AHEAD images each
        ahead of the answers fetched, so memory stays flat however many images stream through.
        """
        source, workers = iter(images), workers or available_cpus()
        with ThreadPoolExecutor(workers, "predict") as pool:
            ahead: deque[Future[Prediction | MirrorError]] = deque()
            try:
                while True:
                    for image in islice(source, AHEAD * workers - len(ahead)):
                        ahead.append(pool.submit(self._predict_or_error, image))
                    if not ahead:
                        return
                    yield ahead.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def warm_up(self) -> None:
        """Runs the network once on a grey image, so that the first visitor does not wait for its buffers."""
        height, width = self.info.preprocessing.input_size
        self.engine.run(np.zeros((1, 3, height, width), np.float32))

    def _predict_or_error(self, image: Any) -> Prediction | MirrorError:
        if isinstance(image, MirrorError):
            return image
        try:
            return self.predict(image)
        except MirrorError as error:
            return error

    def forward(self, pixels: np.ndarray, *more: str) -> tuple[Prediction, list[np.ndarray]]:
        """Pixels [3, h, w] → Prediction, and further outputs of the network [1, …] by their names.

        Raises ModelFolderError where any is not finite.
        """
        names = (LOGITS, SIMILARITY) if self._similarity else (LOGITS,)
        outputs = self.engine.run(pixels[None], (*names, *more))
        require_finite(self.info.name, *outputs)
        similarity = float(outputs[1][0]) if self._similarity else None
        (probabilities,) = softmax(outputs[0], self.info.temperature)
        prediction = Prediction(
            dict(zip(self.labels, probabilities.tolist(), strict=True)),
            known=is_known(similarity, self.info.novelty),
            similarity=similarity,
        )
        return prediction, outputs[len(names) :]


def _fits(shape: list[int], sides: list[int | None]) -> bool:
    """Whether a shape has these sides, None standing for any."""
    return len(shape) == len(sides) and all(side in (None, found) for found, side in zip(shape, sides, strict=True))


def is_known(similarity: float | None, novelty: Novelty | None) -> bool:
    """Whether an image of this similarity looks like the training photos; True where the model cannot tell.

    How similarity is measured, and by which threshold, is decided by `export/novelty.py` and written into the
    graph and into `novelty`.
    """
    if similarity is None or novelty is None or novelty.threshold is None:
        return True
    return similarity >= novelty.threshold


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities [N, labels] in float64 of logits / temperature (Guo et al. 2017, arXiv 1706.04599)."""
    scaled = logits.astype(np.float64) / temperature
    exponents = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)
