"""Fine-tuning, ours against fastai's own and against the head alone, on sets of which most are no ImageNet classes.

    python -m benchmarks.training.fine_tuning                # three sets, 20 photos a label, one seed
    python -m benchmarks.training.fine_tuning --photos 20 100 --seeds 5
    python -m benchmarks.training.fine_tuning --variants     # also the attempts that ours was chosen from

All begin from the same weights (tf_efficientnet_lite0, packaged), learn from the same pictures (sets.py) and are judged
by the same others. Head alone: `train.py --epochs 0`; ours: `train.py` as it stands, which may keep the head alone.
fine_tune(N): fastai's recipe in batches of 16. Variants tune the whole network from the fitted head, with BatchNorm's
statistics kept or those of each batch. Times are of training, in seconds, on as many threads as --threads says; the
ratio is of our mean error to that of the best of fastai's.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.training.material import ARCH, quiet
from benchmarks.training.sets import MAKERS, TAUGHT, PictureSet, draw_set

Method = Callable[[PictureSet, int], np.ndarray]


def trained(epochs: int | None) -> Method:
    """`train.py`, with --epochs or without."""

    def run(pictures: PictureSet, seed: int) -> np.ndarray:
        from mirror.training.recipe import train
        from mirror.training.settings import TrainingSettings

        settings = TrainingSettings(ARCH, size=pictures.size, seed=seed, epochs=epochs)
        found = train(pictures.data.photos, pictures.folder, settings, log=quiet)
        return found.logits[found.data.rows("validation")]

    return run


def fastai_recipe(epochs: int) -> Method:
    """fastai's vision_learner and its `fine_tune`."""

    def run(pictures: PictureSet, seed: int) -> np.ndarray:
        from fastai.vision.all import error_rate, vision_learner

        from mirror.training.pretrained import load_into

        start = begin(pictures, seed)
        loaders = start.learner(pictures.data.photos).dls
        loaders.train.bs = 16
        learner = vision_learner(loaders, ARCH, pretrained=False, normalize=False, metrics=error_rate)
        load_into(learner.model[0], start.state, start.source)
        learner.freeze()  # as vision_learner(pretrained=True) does
        with learner.no_bar(), learner.no_logging():
            learner.fine_tune(epochs, cbs=without_validation())
        return predicted(learner)

    return run


def whole_network(epochs: int, keep_statistics: bool, **more: Any) -> Method:
    """All layers from the fitted head, on fastai's augmented pictures. more: fastai's `cbs` and `loss_func`."""

    def run(pictures: PictureSet, seed: int) -> np.ndarray:
        from mirror.training.feature_cache import FeatureExtractor, extract_features
        from mirror.training.fine_tuning import _frozen_statistics, layer_groups
        from mirror.training.learner import set_head

        start, data = begin(pictures, seed), pictures.data
        learner, learned = start.learner(data.photos), data.rows("train")
        extractor = FeatureExtractor(learner.model[0], pictures.folder, start.architecture, pictures.size, quiet)
        set_head(learner, extract_features(extractor, data, learned, views=3, seed=seed).fit(learned, seed))
        learner.dls.train.bs, learner.splitter = 16, layer_groups
        learner.loss_func = more.get("loss_func", learner.loss_func)
        learner.create_opt()
        learner.unfreeze()
        callbacks = [without_validation(), *([_frozen_statistics()] if keep_statistics else []), *more.get("cbs", ())]
        with learner.no_bar(), learner.no_logging():
            learner.fit_one_cycle(epochs, lr_max=np.array([3e-5, 1e-4, 1e-4]), cbs=callbacks)
        return predicted(learner)

    return run


def begin(pictures: PictureSet, seed: int) -> Any:
    from mirror.training.learner import Start
    from mirror.training.pretrained import find_architecture, load_weights

    architecture = find_architecture(ARCH)
    weights = load_weights(architecture, None, quiet)
    return Start(pictures.folder, pictures.data.labels, architecture, *weights, pictures.size, seed)


def predicted(learner: Any) -> np.ndarray:
    from fastai.torch_core import noop

    with learner.no_bar(), learner.no_logging():
        return learner.get_preds(dl=learner.dls.valid, act=noop)[0].numpy()


def without_validation() -> Any:
    from mirror.training.fine_tuning import _no_validation

    return _no_validation()


def variants() -> dict[str, Method]:
    from fastai.callback.mixup import MixUp
    from fastai.losses import LabelSmoothingCrossEntropyFlat

    return {
        "whole network, statistics kept": whole_network(5, True),
        "whole network, statistics of batches": whole_network(5, False),
        "… kept, mixup": whole_network(5, True, cbs=[MixUp(0.4)]),
        "… kept, label smoothing": whole_network(5, True, loss_func=LabelSmoothingCrossEntropyFlat()),
    }


OURS, HEAD = "ours", "head alone"
THEIRS = ("fine_tune(5)", "fine_tune(10)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--sets", nargs="+", choices=tuple(MAKERS), default=["garments", "digits", "stripes"])
    add("--photos", nargs="+", type=int, default=[20], help="of each label (default: 20)")
    add("--seeds", type=int, default=1, help="draws of pictures (default: %(default)s)")
    add("--threads", type=int, default=os.cpu_count() or 1, help="(default: all)")
    add("--variants", action="store_true", help="also the attempts that ours was chosen from")
    options = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    import torch

    torch.set_num_threads(options.threads)
    methods = {HEAD: trained(0), OURS: trained(None), THEIRS[0]: fastai_recipe(5), THEIRS[1]: fastai_recipe(10)}
    methods |= variants() if options.variants else {}
    print(f"{ARCH}, {options.seeds} seed(s), {options.threads} thread(s)\n")
    print("| pictures | method | error, % | 95 % interval | time, s |")
    print("| --- | --- | ---: | ---: | ---: |", flush=True)
    ratios = [measure(name, photos, options.seeds, methods) for name in options.sets for photos in options.photos]
    print(f"\nOur error over that of the better of fastai's, mean of {len(ratios)}: {np.mean(ratios):.2f}")
    for name in set(options.sets) & set(TAUGHT):
        print(f"{name}: {TAUGHT[name]}, so little is left to learn; it errs on 2.0 % without any training, at 224 px.")
    return 0


def measure(name: str, photos: int, seeds: int, methods: dict[str, Method]) -> float:
    """Prints a row a method; returns our error over the better of fastai's."""
    from mirror.intervals import rate_interval

    wrong: dict[str, list[np.ndarray]] = {method: [] for method in methods}
    times: dict[str, list[float]] = {method: [] for method in methods}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as place:
            pictures = draw_set(name, Path(place), photos, seed)
            actual = pictures.data.actual[pictures.data.rows("validation")]
            for title, method in methods.items():
                os.environ["XDG_CACHE_HOME"] = str(Path(place) / f"kept by {title}")  # nobody has another's features
                begun = time.perf_counter()
                wrong[title].append(method(pictures, seed).argmax(axis=1) != actual)
                times[title].append(time.perf_counter() - begun)
    rates = {}
    for title, found in wrong.items():
        low, high = rate_interval(np.concatenate(found))
        rates[title] = float(np.mean([one.mean() for one in found]))
        figures = f"{100 * rates[title]:.1f} | {100 * low:.1f}–{100 * high:.1f} | {np.mean(times[title]):.0f}"
        print(f"| {name}, {photos} a label | {title} | {figures} |", flush=True)
    return rates[OURS] / max(1e-9, min(rates[title] for title in THEIRS))


if __name__ == "__main__":
    raise SystemExit(main())
