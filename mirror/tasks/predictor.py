"""The seam of all tasks: a Predictor takes sources and gives (source, answer) in their order, with flat memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mirror.errors import ImageTooLarge, MirrorError
from mirror.images import load_image, within_memory
from mirror.inference.classifier import Prediction
from mirror.inference.session import available_cpus
from mirror.model_folder import MODEL_JSON, sha256_of
from mirror.sources import ImageSource
from mirror.tasks.detection import Detections
from mirror.tasks.prefetch import MOST_BYTES, bytes_of, decoded_ahead

if TYPE_CHECKING:
    from PIL import Image

    from mirror.inference.classifier import Classifier
    from mirror.net.fetch import NetworkSettings

Answer = Prediction | Detections | MirrorError
BATCHES_AHEAD = 2  # images decoded before they are needed, in batches; fewer where they are large


class Predictor(ABC):
    """identity: a text that changes whenever the same image could be answered differently. workers: threads that take
    images from file to pixels; None: one for each CPU."""

    identity: str
    workers: int | None = None

    @abstractmethod
    def answer_all(self, sources: Iterator[ImageSource]) -> Iterator[tuple[ImageSource, Answer]]:
        """Each source with its answer, or with the MirrorError that it met. Sources are drawn only a little ahead."""


class FolderPredictor(Predictor):
    """A model folder's classifier."""

    def __init__(self, classifier: Classifier):
        self.classifier = classifier
        self.identity = sha256_of(classifier.folder.path / MODEL_JSON)  # which holds those of its other files

    def answer_all(self, sources: Iterator[ImageSource]) -> Iterator[tuple[ImageSource, Answer]]:
        drawn: deque[ImageSource] = deque()

        def places() -> Iterator[Any]:
            for source in sources:
                drawn.append(source)
                yield source.place

        for answer in self.classifier.predict_many(places(), workers=self.workers):
            yield drawn.popleft(), answer


class BatchPredictor(Predictor):
    """A network that is shown several images at once. batch: how many; network: how URLs are fetched."""

    batch = 8
    network: NetworkSettings | None = None

    @abstractmethod
    def predict(self, images: Sequence[Image.Image]) -> Sequence[Answer]:
        """The answers to upright RGB images, in their order; an ImageError for one that this network cannot take."""

    def answer_all(self, sources: Iterator[ImageSource]) -> Iterator[tuple[ImageSource, Answer]]:
        workers, count = self.workers or available_cpus(), (1 + BATCHES_AHEAD) * self.batch
        batch: list[tuple[ImageSource, Image.Image | MirrorError]] = []
        for each in decoded_ahead(sources, self._decoded, workers=workers, count=count):
            batch.append(each)
            if len(batch) == self.batch or sum(bytes_of(image) for _, image in batch) >= MOST_BYTES:
                yield from self._answered(batch)
                batch = []
        yield from self._answered(batch)

    def _decoded(self, source: ImageSource) -> Image.Image | MirrorError:
        if isinstance(source.place, MirrorError):
            return source.place
        try:
            return load_image(source.place, reduce=True, network=self.network)
        except MirrorError as error:
            return error

    def _answered(
        self, batch: list[tuple[ImageSource, Image.Image | MirrorError]]
    ) -> Iterator[tuple[ImageSource, Answer]]:
        images = [image for _, image in batch if not isinstance(image, MirrorError)]
        answers = iter(self._predicted(images))
        for source, image in batch:
            yield source, image if isinstance(image, MirrorError) else next(answers)

    def _predicted(self, images: Sequence[Image.Image]) -> Sequence[Answer]:
        """Where memory runs out, one at a time; then that one is an error."""
        try:
            with within_memory():
                return self.predict(images) if images else []
        except ImageTooLarge as error:
            return [error] if len(images) == 1 else [self._predicted([image])[0] for image in images]
