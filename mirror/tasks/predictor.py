"""The seam of all tasks: what every predictor promises, and what each kind of answer promises besides.

    Predictor          sources → (source, answer) in their order, with flat memory
    LabelPredictor     one upright photo → Prediction; it has a name and labels
    Detector           one upright photo → Detections

Whoever opens a predictor (`registry.py`) knows it by these classes alone. Photos are decoded before they are needed
(`decoded_ahead`): in order, on several threads, within a number and within bytes, since a dozen of 50 megapixels ahead
would be 2.4 GB. Each waits for its turn until what is decoded and not yet taken is below the limit; turns come in the
order of the photos, so what is waited for is always taken first.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirror.errors import ImageTooLarge, MirrorError, ModelFolderError
from mirror.image_sources import ImageSource
from mirror.images import load_image, within_memory
from mirror.inference.classifier import Prediction
from mirror.inference.session import available_cpus
from mirror.model_folder import MODEL_JSON, sha256_of
from mirror.tasks.detections import Detections

if TYPE_CHECKING:
    from PIL import Image

    from mirror.inference.classifier import Classifier
    from mirror.net.fetch import NetworkSettings

Answer = Prediction | Detections | MirrorError
MAX_WAITING_BYTES = 200_000_000  # of decoded photos that wait: one of 50 megapixels
BATCHES_AHEAD = 2  # images decoded before they are needed, in batches; fewer where they are large


class Predictor(ABC):
    """identity: a text that changes whenever the same image could be answered differently. workers: threads that take
    images from file to pixels; None: one for each CPU. network: how URLs are fetched."""

    identity: str
    workers: int | None = None
    network: NetworkSettings | None = None

    @abstractmethod
    def answer_all(self, sources: Iterator[ImageSource]) -> Iterator[tuple[ImageSource, Answer]]:
        """Each source with its answer, or with the MirrorError that it met. Sources are drawn only a little ahead."""

    def decode(self, image: str | Path | bytes) -> Image.Image:
        """A path, a URL or an encoded image → the upright RGB photo as this predictor needs it. Raises MirrorError."""
        return load_image(image, reduce=True, network=self.network)


class LabelPredictor(Predictor):
    """One that says which of its labels an image shows. name: what it is called for people."""

    name: str
    labels: tuple[str, ...]

    @abstractmethod
    def classify(self, photo: Image.Image) -> Prediction:
        """The answer to what `decode` gave. Raises MirrorError."""


class Detector(Predictor):
    """One that says what is where in an image. name: what it is called for people, where that tells them more."""

    name: str = ""

    @abstractmethod
    def detect(self, photo: Image.Image) -> Detections:
        """All that it proposes for what `decode` gave, in pixels of the photo at its full size. Raises MirrorError."""

    def glance(self, photo: Image.Image) -> Detections:
        """`detect` for a camera's picture, which has 100 ms: quicker where the detector can be."""
        return self.detect(photo)


class FolderPredictor(LabelPredictor):
    """A model folder's classifier. name: by default the model's own."""

    def __init__(self, classifier: Classifier, name: str | None = None):
        self.classifier, self.name, self.labels = classifier, name or classifier.info.name, classifier.labels
        self.identity = sha256_of(classifier.folder.path / MODEL_JSON)  # which holds those of its other files

    def answer_all(self, sources: Iterator[ImageSource]) -> Iterator[tuple[ImageSource, Answer]]:
        drawn: deque[ImageSource] = deque()

        def places() -> Iterator[Path | str | MirrorError]:
            for source in sources:
                drawn.append(source)
                yield source.location

        for answer in self.classifier.predict_many(places(), workers=self.workers):
            yield drawn.popleft(), answer

    def decode(self, image: str | Path | bytes) -> Image.Image:
        return self.classifier.decode(image)

    def classify(self, photo: Image.Image) -> Prediction:
        return self.classifier.answer(*self.classifier.preprocess(photo))


class BatchPredictor(Predictor):
    """A network that is shown several images at once. batch: how many."""

    batch = 8

    @abstractmethod
    def predict(self, images: Sequence[Image.Image]) -> Sequence[Answer]:
        """The answers to upright RGB images, in their order; an ImageError for one that this network cannot take."""

    def answer_all(self, sources: Iterator[ImageSource]) -> Iterator[tuple[ImageSource, Answer]]:
        workers, count = self.workers or available_cpus(), (1 + BATCHES_AHEAD) * self.batch
        batch: list[tuple[ImageSource, Image.Image | MirrorError]] = []
        for decoded in decoded_ahead(sources, self._decode_or_error, workers=workers, count=count):
            batch.append(decoded)
            if len(batch) == self.batch or sum(bytes_of(image) for _, image in batch) >= MAX_WAITING_BYTES:
                yield from self._answer_batch(batch)
                batch = []
        yield from self._answer_batch(batch)

    def _decode_or_error(self, source: ImageSource) -> Image.Image | MirrorError:
        if isinstance(source.location, MirrorError):
            return source.location
        try:
            return self.decode(source.location)
        except MirrorError as error:
            return error

    def _answer_batch(
        self, batch: list[tuple[ImageSource, Image.Image | MirrorError]]
    ) -> Iterator[tuple[ImageSource, Answer]]:
        images = [image for _, image in batch if not isinstance(image, MirrorError)]
        answers = iter(self._predict(images))
        for source, image in batch:
            yield source, image if isinstance(image, MirrorError) else next(answers)

    def _predict(self, images: Sequence[Image.Image]) -> Sequence[Answer]:
        """Where memory runs out, or the network gives no numbers, one at a time; then that one is an error."""
        try:
            with within_memory():
                return self.predict(images) if images else []
        except (ImageTooLarge, ModelFolderError) as error:
            return [error] if len(images) == 1 else [self._predict([image])[0] for image in images]


def bytes_of(decoded: Any) -> int:
    """What a decoded photo takes; 0 for an error in its place."""
    width, height = getattr(decoded, "size", (0, 0))
    return 4 * width * height


def decoded_ahead(
    sources: Iterator[Any],
    decode: Callable[[Any], Any],
    *,
    workers: int,
    count: int,
    max_bytes: int = MAX_WAITING_BYTES,
) -> Iterator[tuple[Any, Any]]:
    """(source, what `decode` makes of it) in their order, at most `count` of them ahead."""
    gate, numbers = _Gate(max_bytes), iter(range(1 << 62))

    def in_turn(number: int, source: Any) -> Any:
        gate.wait_for_turn(number)
        decoded = decode(source)
        gate.add(bytes_of(decoded))
        return decoded

    with ThreadPoolExecutor(workers, "decode") as pool:
        ahead: deque[tuple[Any, Future[Any]]] = deque()
        try:
            while True:
                for source in islice(sources, count - len(ahead)):
                    ahead.append((source, pool.submit(in_turn, next(numbers), source)))
                if not ahead:
                    return
                source, future = ahead.popleft()
                decoded = future.result()
                gate.add(-bytes_of(decoded))
                del future
                yield source, decoded
        finally:
            gate.open()
            pool.shutdown(wait=False, cancel_futures=True)


class _Gate:
    def __init__(self, limit: int):
        self._limit, self._held, self._turn = limit, 0, 0
        self._changed = threading.Condition()

    def wait_for_turn(self, number: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._turn == number and self._held < self._limit or self._turn < 0)
            if self._turn >= 0:
                self._turn += 1
            self._changed.notify_all()

    def add(self, size: int) -> None:
        with self._changed:
            self._held += size
            self._changed.notify_all()

    def open(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._turn = -1
            self._changed.notify_all()
