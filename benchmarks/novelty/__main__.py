"""None of these: which score tells photos of a model's labels from others, and where its threshold belongs.

    python -m benchmarks.novelty                        # all tables, several minutes
    python -m benchmarks.novelty --only scores          # or thresholds, banks, others, cost

Two models are judged: the shipped mirror (models/mirror: 68 photos of ducklings and cygnets) and one that train.py's
recipe makes of ../shared/data/ants_bees (244 photos, of classes that its network was taught). Shown to them are photos
of everyday things (bikes, bins, people, streets, food, animals: ../shared/data/bikes_bins and scenes, scikit-image's
packaged photos) and each other's photos.

No photo is judged by a model that compares it with itself. For the mirror: repeated 5-fold splits, photos of one source
on one side; for ants_bees the split it came with. "refused" is the share below a threshold that the training photos set
among themselves; AUROC is the chance that a real photo scores above a strange one, 0.5 being a coin's. Brackets: 95 %
intervals, bootstrapped over real photos' sources (AUROC, real refused) or strange photos.

Scores:     scores.py on the same features, every threshold at the expected 5 % quantile of inner folds' scores,
            but for the last row's, which is set as train.py does.
Near:       one label known, the other shown: as near a stranger as there is.
Thresholds: what the rules of thresholds.py refuse, over many draws of training photos.
Banks:      what else a photo could be compared with.
Others:     what photos of none of the labels (`train.py --others DIR`) add: half of them is given, half held out, and
            of other birds (waterfowl_near) half of the collections that they are from.
Cost:       one answer with and without the comparison, and with the largest bank.

ResNet-18 is in no table, for its weights are in no package; `--model DIR` judges a waterfowl model of any network.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import ImageOps

from benchmarks import DATA, ROOT
from benchmarks.novelty.crossfit import SEED, Judged, judge
from benchmarks.novelty.draws import Shown, banks, others, thresholds
from benchmarks.novelty.material import Network, ants_bees, everyday, make_network, waterfowl, waterfowl_near
from mirror.images import load_image

BOOTSTRAPS = 2000
ROUNDS = 200


def print_scores(title: str, found: dict[str, Judged], groups: np.ndarray, sets: list[str]) -> None:
    heads = " | ".join(f"AUROC {name} | refused, %" for name in sets)
    print(f"\n| {title} | {heads} | real refused, % |\n| --- |" + " ---: | ---: |" * len(sets) + " ---: |")
    for name, one in found.items():
        cells = []
        for each in sets:
            cells.append(interval(over_splits(one.above[each]), groups, 1, 4))
            cells.append(interval(np.mean(one.strange[each], axis=0), None, 100, 1))
        print(f"| {name} | {' | '.join(cells)} | {interval(over_splits(one.real), groups, 100, 1)} |")


def over_splits(values: list[np.ndarray]) -> np.ndarray:
    """[photos] the mean over the splits that judged each; nan for photos that none did."""
    stacked = np.stack(values)
    judged = np.isfinite(stacked)
    return np.where(judged.any(axis=0), np.nansum(stacked, axis=0) / np.maximum(judged.sum(axis=0), 1), np.nan)


def interval(values: np.ndarray, groups: np.ndarray | None, scale: float, digits: int) -> str:
    """`0.9971 (0.9950–0.9990)`: the mean and its bootstrap interval, whole groups drawn."""
    groups = np.arange(len(values)) if groups is None else groups
    kept = np.isfinite(values)
    _, group = np.unique(groups[kept], return_inverse=True)
    sums, counts = np.bincount(group, values[kept]), np.bincount(group)
    drawn = np.random.default_rng(SEED).integers(len(sums), size=(BOOTSTRAPS, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{scale * values[kept].mean():.{digits}f} ({scale * low:.{digits}f}–{scale * high:.{digits}f})"


def scores(mirror: Shown, insects: Shown) -> None:
    """The tables of scores: known against strange, and one label against the other."""
    birds, bugs = waterfowl(), ants_bees()
    for title, known, shown, own, other in (
        ("shipped mirror, 68 photos", birds, mirror, "waterfowl", "insects"),
        ("ants_bees, 244 photos, body as pretrained", bugs, insects, "insects", "waterfowl"),
    ):
        strange = {"everyday": shown["everyday"], other: shown[other]}
        rows = np.arange(len(known.files))
        print_scores(title, judge(known, rows, shown[own], strange), known.groups, list(strange))
    print("\nNear: one label known, the other strange.")
    for title, known, shown, own, label in (
        ("cygnets known", birds, mirror, "waterfowl", 0),
        ("ducklings known", birds, mirror, "waterfowl", 1),
        ("ants known", bugs, insects, "insects", 0),
        ("bees known", bugs, insects, "insects", 1),
    ):
        rows, others = known.only(label), known.only(1 - label)
        found = judge(known, rows, shown[own][rows], {"other label": shown[own][others]})
        print_scores(title, found, known.groups[rows], ["other label"])


def cost(mirror: Network) -> None:
    """One answer without the comparison, with it, and with the largest bank, taking turns."""
    from mirror.export.graph import attach_novelty_bank
    from mirror.export.novelty import MAX_BANK, NEIGHBOURS, FeatureBank, Plane
    from mirror.inference.session import OnnxModel

    height, width = mirror.preprocessing.input_size
    random = np.random.default_rng(SEED)
    pixels = random.normal(size=(1, 3, height, width)).astype(np.float32)
    engine = OnnxModel(mirror.file)
    with tempfile.TemporaryDirectory() as place:
        large = Path(place) / "model.onnx"
        large.write_bytes(mirror.file.read_bytes())
        bank = random.normal(size=(MAX_BANK, engine.widths["features"])).astype(np.float32)
        attach_novelty_bank(large, FeatureBank(bank, NEIGHBOURS, 0, Plane(bank[0], 0.0), MAX_BANK))
        both = ("logits", "similarity")
        rows = {
            "without": (engine, ("logits",)),
            "with the comparison": (engine, both),
            f"with {MAX_BANK:,} photos and a plane": (OnnxModel(large), both),
        }
        times: dict[str, list[float]] = {name: [] for name in rows}
        for turn in range(ROUNDS + 5):
            for name, (network, outputs) in rows.items():
                start = time.perf_counter()
                network.run(pixels, outputs)
                if turn >= 5:
                    times[name].append(1000 * (time.perf_counter() - start))
    base = statistics.median(times["without"])
    print("\n| one answer of the shipped mirror | p50, ms | more, ms |\n| --- | ---: | ---: |")
    for name, took in times.items():
        print(f"| {name} | {statistics.median(took):.2f} | {statistics.median(took) - base:+.2f} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", choices=("scores", "thresholds", "banks", "others", "cost"), help="one table (default: all)"
    )
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "mirror", help="a waterfowl model's folder")
    options = parser.parse_args()
    if not DATA.is_dir():
        print(f"benchmarks.novelty: {DATA} is not there: the benchmark needs its photos.", file=sys.stderr)
        return 1
    network = Network.of(options.model)
    if options.only in (None, "cost"):
        cost(network)
    if options.only == "cost":
        return 0
    mirror = shown_to(network)
    with tempfile.TemporaryDirectory() as place:
        shipped = make_network(Path(place))
        insects = shown_to(shipped) | altered(shipped)
        if options.only in (None, "scores"):
            scores(mirror, insects)
    if options.only in (None, "thresholds"):
        thresholds(mirror, insects)
    if options.only in (None, "banks"):
        banks(insects)
    if options.only in (None, "others"):
        others(mirror, insects)
    return 0


def shown_to(network: Network) -> Shown:
    """Set → features of its photos."""
    found = {name: network.features(files) for name, files in everyday().items()}
    found["everyday"] = np.concatenate(list(found.values()))
    found["waterfowl"], found["insects"] = (network.features(known.files) for known in (waterfowl(), ants_bees()))
    found["near"] = network.features(waterfowl_near()[0])
    return found


def altered(network: Network) -> Shown:
    """Features of the ants_bees photos mirrored, and reduced to 145 px on the short side."""
    photos = [load_image(file) for file in ants_bees().files]
    reduced = [photo.reduce(max(1, round(min(photo.size) / 145))) for photo in photos]
    return {
        "insects, mirrored": network.features([ImageOps.mirror(photo) for photo in photos]),
        "insects, at 145 px": network.features(reduced),
    }


if __name__ == "__main__":
    raise SystemExit(main())
