"""Photos → the features that a frozen body gives of views of them, as quickly as the machine can.

On a CPU each thread decodes photos and runs the network on them; a graphics card (CUDA, Apple's MPS) gets large batches
from one thread, while others decode.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mirror.errors import ImageError
from mirror.images import load_image
from mirror.training.augmentation import View, render
from mirror.training.backbones import pooled
from mirror.training.feature_files import FeatureStore, network_key, photo_key

# Views in one batch on a CPU: a thread that takes up to four at a time keeps them in its cache, and needs a third less
# time for each than with 16; two threads with a batch each need half of what one batch on two threads needs.
BATCH = 4
DEVICE_BATCH = 64  # on a graphics card
WINDOW = 256  # photos that are decoded ahead of the network: 200 MB of views


def pooled_features(
    body: nn.Module,
    photos: Sequence[Path],
    views: Sequence[View],
    *,
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
    progress: Callable[[int, int], None] | None = None,
    unreadable: Callable[[int, str], None] | None = None,
    keep: Callable[[int, str], None] | None = None,
) -> np.ndarray:
    """[V, D] float32: the body's output for each view, averaged over its positions. views: sorted by photo.

    `progress(done, total)` counts views. unreadable: told of each photo that cannot be opened, and why; its features
    are nan. Without it ImageError is raised. keep: features are kept on disk and taken from there, and it is told of
    how many photos they were known, with "", or why they cannot be kept; None: they are not. The body is left in
    evaluation mode. The numbers do not depend on how many threads there are.
    """
    device = next(body.parameters()).device
    whole = _Pooled(body.eval()).eval().to(memory_format=torch.channels_last)
    shift, scale = (torch.tensor(v, dtype=torch.float32).view(1, 3, 1, 1).to(device) for v in (mean, std))
    with torch.inference_mode():
        example = torch.zeros(1, 3, size, size, device=device)
        width = whole(example).shape[1]
        network = _frozen(whole, example)

    def forward(rendered: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            pixels = torch.from_numpy(rendered).to(device).permute(0, 3, 1, 2)
            pixels = pixels.float().div_(255).sub_(shift).div_(scale)
            return network(pixels.contiguous(memory_format=torch.channels_last)).float().cpu().numpy()

    def shown(rows: list[int]) -> np.ndarray | ImageError:
        try:
            photo = load_image(photos[views[rows[0]].photo])
        except ImageError as error:
            return error
        return np.stack([np.asarray(render(photo, views[row], size)) for row in rows])

    def here(rows: list[int]) -> np.ndarray | ImageError:
        """On a CPU: a few views at a time on each thread."""
        rendered = shown(rows)
        if isinstance(rendered, ImageError):
            return rendered
        return np.concatenate([forward(rendered[i : i + BATCH]) for i in range(0, len(rows), BATCH)])

    features = np.full((len(views), width), np.nan, np.float32)
    store = FeatureStore(network_key(body, size, mean, std)) if keep is not None else None
    left: list[int] = []
    keys: dict[int, str] = {}
    done = 0
    of_photo: dict[int, list[int]] = {}
    for row, view in enumerate(views):
        of_photo.setdefault(view.photo, []).append(row)
    for photo, rows in of_photo.items():
        known = None
        if store is not None:
            with contextlib.suppress(OSError):
                keys[photo] = photo_key(photos[photo], [views[row] for row in rows])
                known = store.find(keys[photo], len(rows))
        if known is not None and known.shape[1] == width:
            features[rows] = known
            done += len(rows)
        else:
            left.append(photo)
    if keep and done:
        keep(len(of_photo) - len(left), "")
    if progress and len(views):
        progress(done, len(views))

    def arrived(photo: int, found: np.ndarray | ImageError) -> None:
        nonlocal done
        done += len(of_photo[photo])
        if isinstance(found, ImageError):
            if unreadable is None:
                raise found
            unreadable(photo, str(found))
        else:
            features[of_photo[photo]] = found
            if store is not None and photo in keys:
                store.keep(keys[photo], found)
        if progress:
            progress(done, len(views))

    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(os.cpu_count() or 1, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for start in range(0, len(left), WINDOW):  # what was decoded waits for the network, so not all at once
                window = left[start : start + WINDOW]
                rows_of = [of_photo[photo] for photo in window]
                if device.type == "cpu":
                    for photo, found in zip(window, pool.map(here, rows_of), strict=True):
                        arrived(photo, found)
                else:  # photos are decoded by threads, but one alone speaks to the device, in large batches
                    for photo, found in _in_batches(window, pool.map(shown, rows_of), forward):
                        arrived(photo, found)
    finally:
        torch.set_num_threads(before)
        if store is not None:
            store.close()
            if keep and store.failure:
                keep(0, store.failure)
    return features


def _in_batches(
    photos: Sequence[int],
    rendered: Iterable[np.ndarray | ImageError],
    forward: Callable[[np.ndarray], np.ndarray],
) -> Iterator[tuple[int, np.ndarray | ImageError]]:
    """(photo, features of its views), computed DEVICE_BATCH views at a time."""
    waiting: list[tuple[int, np.ndarray]] = []

    def computed() -> Iterator[tuple[int, np.ndarray]]:
        if waiting:
            together = np.concatenate([views for _, views in waiting])
            batches = [together[i : i + DEVICE_BATCH] for i in range(0, len(together), DEVICE_BATCH)]
            found, place = np.concatenate([forward(batch) for batch in batches]), 0
            for photo, views in waiting:
                yield photo, found[place : place + len(views)]
                place += len(views)
            waiting.clear()

    for photo, views in zip(photos, rendered, strict=True):
        if isinstance(views, ImageError):
            yield photo, views
        else:
            waiting.append((photo, views))
        if sum(len(each) for _, each in waiting) >= DEVICE_BATCH:
            yield from computed()
    yield from computed()


class _Pooled(nn.Module):
    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pooled(self.body(pixels))


def _frozen(network: nn.Module, example: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network traced, with its BatchNorms folded into its convolutions; itself where it cannot be traced."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that become constants: every batch has this one; of torch.jit's age
        try:
            return torch.jit.freeze(torch.jit.trace(network, example, check_trace=False))
        except Exception:  # whatever a network does that cannot be traced
            return network
