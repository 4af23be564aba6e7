"""Tables over many draws of training photos: rules for the threshold, kinds of banks, what photos of none add."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.novelty.crossfit import SEED, share_above
from benchmarks.novelty.material import ants_bees, waterfowl, waterfowl_near
from benchmarks.novelty.scores import K, nearest, unit
from benchmarks.novelty.thresholds import RULES
from mirror.export.novelty import fit_feature_bank, threshold_of

DRAWS = 200
Similarity = Callable[[np.ndarray], np.ndarray]  # features [N, D] → [N]
Shown = dict[str, np.ndarray]  # set of photos → their features [N, D]


def thresholds(mirror: Shown, insects: Shown) -> None:
    """What each rule refuses, over DRAWS draws of 40 photos from ants_bees, and of all but 8 of waterfowl's."""
    for title, shown, own, count in (
        ("40 of 397 photos of ants_bees", insects, "insects", 40),
        ("200 of 397 photos of ants_bees", insects, "insects", 200),
        ("54 of 68 photos of waterfowl", mirror, "waterfowl", 54),
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
    """What photos of none of the labels add: refused shares without them, and with some of a set, the others of which
    are shown. Of waterfowl_near half of the collections are given, so that none is on both sides; of other sets half
    of the photos."""
    birds, bugs = waterfowl(), ants_bees()
    _, kinds, collection = waterfowl_near()
    far = {name: mirror[name] for name in ("bikes and bins", "scenes", "packaged", "insects")}
    cases = [("waterfowl", mirror["waterfowl"], "other birds", mirror["near"], collection, kinds, far)]
    for name in ("bikes and bins", "scenes", "insects"):
        rest = {title: features for title, features in far.items() if title != name}
        cases.append(("waterfowl", mirror["waterfowl"], name, mirror[name], None, None, rest))
    for known, own, other, shown, names in (
        ("ducklings", birds.only(1), birds.only(0), mirror, ("waterfowl", "cygnets")),
        ("cygnets", birds.only(0), birds.only(1), mirror, ("waterfowl", "ducklings")),
        ("ants", bugs.only(0), bugs.only(1), insects, ("insects", "bees")),
        ("bees", bugs.only(1), bugs.only(0), insects, ("insects", "ants")),
    ):
        plain = {name: shown[name] for name in ("bikes and bins", "scenes")}
        cases.append((known, shown[names[0]][own], names[1], shown[names[0]][other], None, None, plain))
    print("\n| known | others | score | real refused, % | AUROC | others held out refused, % | the rest refused, % |")
    print("| --- | --- | --- | ---: | ---: | --- | --- |")
    for known, own, title, strange, groups, what, rest in cases:
        groups = np.arange(len(strange)) if groups is None else groups
        what = np.full(len(strange), "all") if what is None else what
        for name, rule in RULES_BESIDE_OTHERS.items():
            real, auroc, held, shown = _beside_others(own, strange, groups, what, rest, rule)
            cells = [", ".join(f"{one} {100 * share:.1f}" for one, share in shares.items()) for shares in (held, shown)]
            print(f"| {known} | {title} | {name} | {100 * real:.1f} | {auroc:.3f} | {' | '.join(cells)} |", flush=True)


def _bank_alone(own: np.ndarray, seen: np.ndarray) -> Similarity:
    bank = fit_feature_bank(own, np.arange(len(own)), judge=False)
    return lambda features: bank.similarity(features) - bank.threshold


def _nearest_others(own: np.ndarray, seen: np.ndarray, weight: float = 0.5) -> Similarity:
    """Similarity to the labels' photos, less `weight` times that to the others beyond a margin, so that either refuses
    as many of the labels' photos."""
    bank, others = unit(own), unit(seen)
    among = bank @ bank.T
    np.fill_diagonal(among, -np.inf)
    own_scores, to_others = nearest(among), nearest(bank @ others.T)
    margin = threshold_of(own_scores) - threshold_of(own_scores - weight * to_others)

    def combined(alike: np.ndarray, strange: np.ndarray) -> np.ndarray:
        return alike - np.maximum(weight * strange - margin, 0)

    threshold = threshold_of(combined(own_scores, to_others))
    return lambda features: combined(nearest(unit(features) @ bank.T), nearest(unit(features) @ others.T)) - threshold


def _bank_and_plane(own: np.ndarray, seen: np.ndarray) -> Similarity:
    bank = fit_feature_bank(own, np.arange(len(own)), seen, np.arange(len(seen)), judge=False)
    return lambda features: bank.similarity(features) - bank.threshold


# Features of the labels' photos and of others → the similarity of photos, refused below 0
RULES_BESIDE_OTHERS: dict[str, Callable[[np.ndarray, np.ndarray], Similarity]] = {
    "bank alone": _bank_alone,
    "less that to the nearest others": _nearest_others,
    "bank and plane (ships)": _bank_and_plane,
}


def _beside_others(
    own: np.ndarray,
    strange: np.ndarray,
    groups: np.ndarray,
    kinds: np.ndarray,
    rest: Shown,
    rule: Callable[[np.ndarray, np.ndarray], Similarity],
) -> tuple[float, float, dict[str, float], dict[str, float]]:
    """Over DRAWS / 4 draws of three quarters of the known photos and of half of the groups of others: the share of
    other known photos refused, AUROC, the shares of other others by kind, and of the rest."""
    random = np.random.default_rng(SEED)
    found: dict[str, list[float]] = {}
    real, aurocs = [], []
    for _ in range(DRAWS // 4):
        inside, outside = np.split(own[random.permutation(len(own))], [3 * len(own) // 4])
        names = np.unique(groups)
        seen = np.isin(groups, random.permutation(names)[: len(names) // 2])
        score = rule(inside, strange[seen])
        known, held = score(outside), score(strange[~seen])
        real.append(np.mean(known < 0))
        aurocs.append(share_above(known, held).mean())
        for kind in np.unique(kinds):
            found.setdefault(kind, []).append(np.mean(held[kinds[~seen] == kind] < 0))
        for name, features in rest.items():
            found.setdefault(name, []).append(np.mean(score(features) < 0))
    means = {name: float(np.nanmean(shares)) for name, shares in found.items()}
    held_out = {kind: means[kind] for kind in np.unique(kinds)}
    return float(np.mean(real)), float(np.mean(aurocs)), held_out, {name: means[name] for name in rest}
