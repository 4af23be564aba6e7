"""Calibration: what the temperature does to the probabilities of photos that neither it nor the head had learned from.

    python -m benchmarks.training.calibration              # ants_bees and waterfowl, about 3 minutes on 2 cores

First the models that train.py makes, judged as it judges them; their network was taught what ants and bees are. Then
DRAWS times a fifth of the ants_bees photos, drawn anew, is held out from head and temperature alike: with the logits as
they are, which shows whether the temperature is left alone where there is nothing to correct, and with the same logits
times SURER, whose right temperature is known.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.training.material import ARCH, PHOTOS, SEED, quiet, seen_photos

DRAWS = 20
SURER = 3.0  # times too sure of itself
FIFTHS = 5


def made(name: str, folds: int | None, precisions: Sequence[str]) -> dict[str, object]:
    """precision → model.json of what `train.py --data …` makes of these photos."""
    from mirror.collect import assign_splits, collect_from_folder
    from mirror.training.build import build_model
    from mirror.training.photo_model import PhotoModel, describe_data
    from mirror.training.recipe import train
    from mirror.training.settings import TrainingSettings

    with tempfile.TemporaryDirectory() as place:
        settings = TrainingSettings(ARCH, seed=SEED, folds=folds)
        with collect_from_folder(Path(place) / "photos", PHOTOS / name, log=quiet) as photos:
            trained = train(assign_splits(photos.photos, seed=SEED), photos.path, settings, log=quiet)
            content = PhotoModel(trained, photos.path, describe_data(photos, "folder"), settings)
            return {
                precision: build_model(content, Path(place) / precision, precision=precision, log=quiet).info
                for precision in precisions
            }


def draws() -> list[tuple[float, ...]]:
    """A row a draw: temperature of the logits as they are and of those SURER times as sure, and the negative
    log-likelihood of the photos held out before and after it, for both."""
    from mirror.training.calibration import HeldOut, calibrate
    from mirror.training.linear_probe import fold_numbers

    seen, _, _ = seen_photos(PHOTOS / "ants_bees")
    rows = []
    for seed in range(DRAWS):
        number = fold_numbers(seen.labels, seen.groups, FIFTHS, seed)
        inside, outside = np.flatnonzero(number != 0), np.flatnonzero(number == 0)
        logits = seen.out_of_fold(inside, FIFTHS, seed).logits
        own = HeldOut(logits[inside], seen.labels[inside], seen.groups[inside])
        head = seen.fit(inside, seed)
        held = HeldOut(head.logits(seen.served[outside]), seen.labels[outside], seen.groups[outside])
        row = []
        for times in (1.0, SURER):
            temperature, found = calibrate(own.tempered(1 / times), held.tempered(1 / times), "out-of-fold", seed)
            row += [temperature, found.before.nll.value, found.after.nll.value]
        rows.append(tuple(row))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    if not PHOTOS.is_dir():
        print(f"calibration.py: {PHOTOS} is not there: the benchmark needs its photos.", file=sys.stderr)
        return 1
    shown = "{0.value:.3f} ({0.interval[0]:.3f}–{0.interval[1]:.3f})".format
    print("| photos, network | judged | best temperature | used | NLL, nats | Brier | ECE |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, folds, precisions in (("ants_bees", None, ("fp32", "int8")), ("waterfowl", 5, ("fp32",))):
        for precision, info in made(name, folds, precisions).items():
            found = info.metrics.calibration
            after = found.after
            how = f"{name}, {precision}" + (f", {folds} folds" if folds else "")
            figures = " | ".join(map(shown, (after.nll, after.brier, after.ece)))
            print(f"| {how} | {found.photos} | {found.found:.2f} | {info.temperature:.2f} | {figures} |", flush=True)
    found = np.array(draws())
    print(f"\n| {DRAWS} draws of a fifth of ants_bees | corrected | temperature | NLL before | NLL after |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for start, name in ((0, "as they are"), (3, f"made {SURER:g} times as sure")):
        temperature, before, after = found[:, start : start + 3].T
        spread = f"{temperature.mean():.2f} ({temperature.min():.2f}–{temperature.max():.2f})"
        print(f"| {name} | {np.mean(temperature != 1):.0%} | {spread} | {before.mean():.3f} | {after.mean():.3f} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
