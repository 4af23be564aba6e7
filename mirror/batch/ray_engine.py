"""The same answers from many processes or machines: images → Ray Data's workers, which open the model once each.

The images go out in windows, each a dataset of chunks; a chunk's answers come back together, in order. Memory depends
on the number of workers alone, however many images stream through. A worker that dies is started again, and its chunk
with it. Workers find photos and model by the paths that this process uses.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pickle
import socket
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirror.batch.ray_cluster import check_installed, connected, last_line
from mirror.errors import ImageError, MirrorError
from mirror.image_sources import ImageSource, is_url
from mirror.tasks.predictor import Answer, Predictor
from mirror.tasks.registry import open_predictor

if TYPE_CHECKING:
    from mirror.net.fetch import NetworkSettings
    from mirror.tasks.request import TaskRequest

CHUNK = 64  # images that a worker is given at once, and that it does again after a kill; a multiple of every batch
CHUNKS_A_WORKER = 256  # of a window, between two of which the workers open their model anew
RETRIES = 3  # of a chunk whose worker died: its fourth death is taken for the chunk's fault


@contextlib.contextmanager
def answer_with_ray(
    request: TaskRequest,
    *,
    address: str | None = None,
    workers: int | None = None,
    network: NetworkSettings | None = None,
) -> Iterator[Predictor]:
    """A predictor whose answers come from Ray, for as long as the `with` statement lasts.

    address: as `connected` takes it. workers: processes with a model each; None: one for each CPU of the cluster.

    Raises UsageError where Ray is not installed, MirrorError where the cluster cannot be reached, and what
    `open_predictor` raises.
    """
    check_installed()
    identity = open_predictor(request, threads=1, network=network).identity
    with connected(address, workers):
        yield RayPredictor(request, identity, workers, network)


class RayPredictor(Predictor):
    """Answers as the predictor of `request` gives them, whose identity it has. Ray must be connected."""

    def __init__(self, request: TaskRequest, identity: str, actors: int | None, network: NetworkSettings | None):
        self.request, self.identity, self.actors, self.network = request, identity, actors, network

    def answer_all(self, sources: Iterator[ImageSource]) -> Iterator[tuple[ImageSource, Answer]]:
        import ray

        workers = self.actors or max(1, int(ray.cluster_resources().get("CPU", 1)))
        sources = iter(sources)
        while window := list(islice(sources, CHUNK * CHUNKS_A_WORKER * workers)):
            chunks = [window[start : start + CHUNK] for start in range(0, len(window), CHUNK)]
            given = (os.getcwd(), self.request, self.identity, self.network)
            answers = _answers([_sent(chunk) for chunk in chunks], min(workers, len(chunks)), given)
            for chunk, answered in zip(chunks, answers, strict=True):
                yield from _paired(chunk, answered)


def _sent(chunk: Sequence[ImageSource]) -> bytes:
    """The places of a chunk that a worker has to look at."""
    return json.dumps(
        [str(source.location) for source in chunk if not isinstance(source.location, MirrorError)]
    ).encode()


def _answers(chunks: list[bytes], workers: int, given: tuple[Any, ...]) -> Iterator[list[Answer]]:
    """What the workers say of each chunk, in order. Raises MirrorError where they cannot."""
    import ray

    try:
        for row in _rows(chunks, workers, given):
            answers = pickle.loads(row)
            if isinstance(answers, MirrorError):
                raise answers
            yield answers
    except ray.exceptions.RayError as error:
        raise MirrorError(
            f"Ray gave up ({last_line(error)}): see its own log, and give the same command again, which goes on."
        ) from None


def _rows(chunks: list[bytes], workers: int, given: tuple[Any, ...]) -> Iterator[bytes]:
    """The dataset: chunks → Workers → their pickled answers, in order."""
    from ray.data import ActorPoolStrategy, DataContext, from_items

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")  # max_task_retries has no other way yet
        answered = from_items([{"chunk": chunk} for chunk in chunks], override_num_blocks=len(chunks)).map_batches(
            Worker,
            fn_constructor_args=given,
            batch_size=1,
            batch_format="numpy",
            compute=ActorPoolStrategy(min_size=1, max_size=workers, initial_size=workers),
            num_cpus=1,
            max_task_retries=RETRIES,
        )
    for row in answered.iter_rows():
        yield row["answers"]


def _paired(chunk: Sequence[ImageSource], answered: list[Answer]) -> Iterator[tuple[ImageSource, Answer]]:
    """Each source with its answer. Raises MirrorError where a worker does not have an image that is here."""
    answers = iter(answered)
    for source in chunk:
        if isinstance(source.location, MirrorError):
            yield source, source.location
            continue
        answer = next(answers)
        if getattr(answer, "reason", None) == "missing-file" and os.path.exists(source.location):
            raise MirrorError(
                f"A worker of the cluster does not have {source.file}, which is here: mount the photos on each of its "
                "machines under the same path."
            )
        yield source, answer


class Worker:
    """A process of the cluster: opens the model once, then answers chunks with one CPU."""

    def __init__(self, start: str, request: TaskRequest, identity: str, network: NetworkSettings | None):
        """start: the folder that relative paths begin at."""
        self._failure: MirrorError | None = None
        with contextlib.suppress(OSError):  # a machine without it can still have photos with absolute paths
            os.chdir(start)
        try:
            self._predictor = open_predictor(request, threads=1, network=network)
            self._predictor.workers = 1
        except MirrorError as error:
            self._failure = self._because(f"cannot open the model ({error})")
            return
        if self._predictor.identity != identity:
            self._failure = self._because("has another model, or another version of it, than this machine")

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        return {
            "answers": [pickle.dumps(self._failure or self._answers(json.loads(chunk))) for chunk in batch["chunk"]]
        }

    def _answers(self, locations: list[str]) -> list[Answer]:
        sources = (ImageSource(location, location if is_url(location) else Path(location)) for location in locations)
        return [_portable(answer) for _, answer in self._predictor.answer_all(sources)]

    def _because(self, what: str) -> MirrorError:
        return MirrorError(
            f"The worker on {socket.gethostname()} {what}: each machine of the cluster needs the same model under the "
            "same path."
        )


def _portable(answer: Answer) -> Answer:
    """An answer that survives pickling: some errors are made of more than their sentence."""
    whole = not isinstance(answer, MirrorError) or isinstance(answer, ImageError)
    return answer if whole else MirrorError(str(answer))
