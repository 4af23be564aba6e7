"""Tables over many draws of training photos: rules for the threshold, kinds of banks, what photos of none add."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.novelty.crossfit import SEED, share_above
from benchmarks.novelty.material import ants_bees, waterfowl
from benchmarks.novelty.scores import K, nearest, unit
from benchmarks.novelty.thresholds import RULES
from mirror.export.feature_bank import combined, margin_of, threshold_of

DRAWS = 200
Combination = Callable[[np.ndarray, np.ndarray], np.ndarray]
Shown = dict[str, np.ndarray]  # set of photos → their features [N, D]


def thresholds(mirror: Shown, insects: Shown) -> None:
    """What each rule refuses, over DRAWS draws of 40 photos from ants_bees, and of all but 8 of waterfowl's."""
    for title, shown, own, count in (
        ("40 of 397 photos of ants_bees", insects, "insects", 40),
        ("200 of 397 photos of ants_bees", insects, "insects", 200),
        ("32 of 40 photos of waterfowl", mirror, "waterfowl", 32),
    ):
        bank, everyday = unit(shown[own]), unit(shown["everyday"])
        among, strange = bank @ bank.T, everyday @ bank.T
        random = np.random.default_rng(SEED)
        real: dict[str, list[float]] = {name: [] for name in RULES}
        refused: dict[str, list[float]] = {name: [] for name in RULES}
        for _ in range(DRAWS):
            order = random.permutation(len(bank))
            drawn, rest = order[:count], order[count:]
            cosines = among[np.ix_(drawn, drawn)]
            np.fill_diagonal(cosines, -np.inf)
            own_scores, real_scores = nearest(cosines), nearest(among[np.ix_(rest, drawn)])
            strange_scores = nearest(strange[:, drawn])
            for name, rule in RULES.items():
                threshold = rule(own_scores)
                real[name].append(float((real_scores < threshold).mean()))
                refused[name].append(float((strange_scores < threshold).mean()))
        print(f"\n| {title} | real refused, % | in 9 draws of 10 below | draws above 7 % | everyday refused, % |")
        print("| --- | ---: | ---: | ---: | ---: |")
        for name in RULES:
            own_refused = 100 * np.array(real[name])
            print(
                f"| {name} | {own_refused.mean():.1f} | {np.quantile(own_refused, 0.9):.1f} | "
                f"{np.mean(own_refused > 7):.2f} | {100 * np.mean(refused[name]):.1f} |"
            )


def banks(shown: Shown) -> None:
    """What else the photos of ants_bees could be compared with, over draws of 40."""
    lab = ants_bees().labels
    plain, everyday = unit(shown["insects"]), unit(shown["everyday"])
    copies = {name: unit(shown[f"insects, {name}"]) for name in ("mirrored", "at 145 px")}
    kinds = {f"K = {k}": ([], k) for k in (1, 3, 5, 10)}
    kinds |= {f"and copies {name}, K = {k}": ([name], k) for name in copies for k in (K, 2 * K)}
    found: dict[str, list[list[float]]] = {name: [] for name in (*kinds, "a threshold for each label")}
    random = np.random.default_rng(SEED)
    for _ in range(DRAWS):
        drawn, rest = np.split(random.permutation(len(plain)), [40])
        for name, (added, k) in kinds.items():
            bank = np.concatenate([plain[drawn], *(copies[each][drawn] for each in added)])
            cosines = plain[drawn] @ bank.T
            cosines[drawn[:, None] == np.tile(drawn, 1 + len(added))[None]] = -np.inf
            real, strange = (nearest(photos @ bank.T, k) for photos in (plain[rest], everyday))
            found[name].append(_refused(real, strange, threshold_of(nearest(cosines, k))))
        scores = []
        for label in np.unique(lab):
            own = plain[drawn[lab[drawn] == label]]
            cosines = own @ own.T
            np.fill_diagonal(cosines, -np.inf)
            scores.append(
                [nearest(photos @ own.T) - threshold_of(nearest(cosines)) for photos in (plain[rest], everyday)]
            )
        real, strange = (np.max(each, axis=0) for each in zip(*scores, strict=True))
        found["a threshold for each label"].append(_refused(real, strange, 0))
    print("\n| 40 of 397 photos of ants_bees | AUROC everyday | everyday refused, % | real refused, % |")
    print("| --- | ---: | ---: | ---: |")
    for name, rows in found.items():
        auroc, strange, real = np.mean(rows, axis=0)
        print(f"| {name} | {auroc:.4f} | {100 * strange:.1f} | {100 * real:.1f} |")


def _refused(real: np.ndarray, strange: np.ndarray, threshold: float) -> list[float]:
    return [share_above(real, strange).mean(), (strange < threshold).mean(), (real < threshold).mean()]


def others(mirror: Shown, insects: Shown) -> None:
    """What photos of neither add: refused shares without and with half of a set of them."""
    birds, bugs = waterfowl(), ants_bees()
    cases = [
        ("waterfowl", mirror["waterfowl"], sharp, mirror[sharp], {name: mirror[name] for name in plain})
        for sharp, plain in (
            ("bikes and bins", ("scenes", "packaged", "insects")),
            ("scenes", ("bikes and bins", "packaged", "insects")),
            ("insects", ("bikes and bins", "scenes", "packaged")),
        )
    ]
    far = {name: mirror[name] for name in ("bikes and bins", "scenes", "insects")}
    cygnets, ducklings = (mirror["waterfowl"][birds.only(label)] for label in (0, 1))
    ants, bees = (insects["insects"][bugs.only(label)] for label in (0, 1))
    cases += [
        ("ducklings", ducklings, "cygnets", cygnets, far),
        ("cygnets", cygnets, "ducklings", ducklings, far),
        ("ants", ants, "bees", bees, {name: insects[name] for name in ("bikes and bins", "scenes", "waterfowl")}),
        ("bees", bees, "ants", ants, {name: insects[name] for name in ("bikes and bins", "scenes", "waterfowl")}),
    ]
    print("\n| known | others | score | real refused, % | others held out: AUROC, refused % | the rest refused, % |")
    print("| --- | --- | --- | ---: | ---: | --- |")
    for known, own, sharp, strange, rest in cases:
        for name, form in FORMS.items():
            real, held, auroc, shown = _sharpened(own, strange, rest, form)
            told = ", ".join(f"{title} {100 * share:.1f}" for title, share in shown.items())
            print(f"| {known} | {sharp} | {name} | {100 * real:.1f} | {auroc:.3f}, {100 * held:.1f} | {told} |")


def _two_thresholds(own: np.ndarray, alike: np.ndarray) -> Combination:
    margin = margin_of(own, alike)
    return lambda own, alike: combined(own, alike, margin)


# Similarities of the training photos, to each other and to the others → how any photo's two become one
FORMS: dict[str, Callable[[np.ndarray, np.ndarray], Combination]] = {
    "own": lambda *_: lambda own, alike: own,
    "own - others": lambda *_: lambda own, alike: own - alike,
    "own - others / 2": lambda *_: lambda own, alike: own - alike / 2,
    "two thresholds (ships)": _two_thresholds,
}


def _sharpened(
    own: np.ndarray,
    strange: np.ndarray,
    rest: dict[str, np.ndarray],
    form: Callable[[np.ndarray, np.ndarray], Combination],
) -> tuple[float, float, float, dict[str, float]]:
    """Means over DRAWS / 4 draws of three quarters of the known and half of the other photos."""
    known, other = unit(own), unit(strange)
    shown = {name: unit(features) for name, features in rest.items()}
    random, found = np.random.default_rng(SEED), []
    for _ in range(DRAWS // 4):
        order, deal = random.permutation(len(known)), random.permutation(len(other))
        inside, outside = np.split(known[order], [3 * len(known) // 4])
        seen, held = np.split(other[deal], [len(other) // 2])
        among = inside @ inside.T
        np.fill_diagonal(among, -np.inf)
        own_pair = nearest(among), nearest(inside @ seen.T)
        score = form(*own_pair)
        threshold = threshold_of(score(*own_pair))
        real, judged, *far = (
            score(nearest(photos @ inside.T), nearest(photos @ seen.T)) for photos in (outside, held, *shown.values())
        )
        refused = [(scores < threshold).mean() for scores in (real, judged, *far)]
        found.append([*refused, share_above(real, judged).mean()])
    real, held, *far, auroc = np.mean(found, axis=0).tolist()
    return real, held, auroc, dict(zip(shown, far, strict=True))
