"""How often a 95 % interval of the error holds the true error, where photos belong together: ours beside Wilson's.

    python -m benchmarks.training.coverage                  # 2,000 draws of each, about a minute

Simulated, without a network or a photo: of each group (a page, a burst of frames) all photos are right or wrong
together with probability `alike`, else each for itself, always at the same true error. Wilson's interval counts every
photo as a case of its own. The width is the mean one, in points.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np

from mirror.intervals import rate_interval

DESIGNS = {
    "40 lone photos": [1] * 40,
    "20 pages of 2": [2] * 20,
    "10 pages of 4": [4] * 10,
    "10 bursts of 8": [8] * 10,
    "a burst of 20, 4 of 5, 40 lone": [20] + [5] * 4 + [1] * 40,
    "a burst of 30, 70 lone": [30] + [1] * 70,
}
ALIKE = (0.0, 0.7, 1.0)
ERRORS = (0.02, 0.05, 0.1, 0.25)
Z = 1.959964


def wilson(hits: np.ndarray) -> tuple[float, float]:
    photos, rate = len(hits), float(hits.mean())
    spread = Z * Z / photos
    middle = (rate + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * (rate * (1 - rate) / photos + spread / (4 * photos)) ** 0.5
    return middle - half, middle + half


def measure(sizes: list[int], alike: float, error: float, draws: int, seed: int) -> np.ndarray:
    """[2, 2]: of Wilson's interval and of ours, the share of draws that it holds the error in, and its mean width."""
    random, groups = np.random.default_rng(seed), np.repeat(np.arange(len(sizes)), sizes)
    found = np.zeros((2, 2))
    for _ in range(draws):
        together = (random.random(len(sizes)) < error)[groups]
        own = random.random(len(groups)) < error
        hits = np.where((random.random(len(sizes)) < alike)[groups], together, own)
        for row, (low, high) in enumerate((wilson(hits), rate_interval(hits, groups))):
            found[row] += low <= error <= high, high - low
    return found / draws


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000, help="of each case (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("| photos | alike | Wilson: least coverage | width | ours: least coverage | width |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    lowest = np.ones(2)
    for (name, sizes), alike in product(DESIGNS.items(), ALIKE):
        of_errors = np.array([measure(sizes, alike, error, options.draws, options.seed) for error in ERRORS])
        (theirs, ours), (their_width, width) = of_errors[:, :, 0].min(axis=0), of_errors[:, :, 1].mean(axis=0)
        lowest = np.minimum(lowest, (theirs, ours))
        print(
            f"| {name} | {alike:g} | {100 * theirs:.1f} % | {100 * their_width:.0f} | {100 * ours:.1f} % "
            f"| {100 * width:.0f} |",
            flush=True,
        )
    print(f"\nleast coverage where 95 % is said: Wilson {100 * lowest[0]:.1f} %, ours {100 * lowest[1]:.1f} %")


if __name__ == "__main__":
    main()
