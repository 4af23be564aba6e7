"""How well `train.py --preview` finds what is off topic among a search's hits, without being told.

    python -m benchmarks.doctor     # 2 minutes on 2 cores

A local world of eleven words, each with what else its search finds in known shares (0 to 40 % of 60 hits, fewer where
there are fewer photos): a larger and a smaller group of another thing, and single pictures. Photos: ../shared/data,
Fashion-MNIST (garments at 28 px, enlarged), scikit-learn's digits, and drawings, as thumbnails of 300 px. The network
that looks is ImageNet's; of the words it was taught ant, bee, trash bin (ashcan), bicycle, swan, goose, duck (drake)
and sandal, and was not taught cygnet, duckling and bird as such.

Several scores are compared. Each needs a threshold, which is chosen on the other words (the most that is found while at
most ALLOWED of what is called off topic is wrong) and judged on the word left out. "found": of the photos off topic;
"false": of those called off topic. "near" off topic is another story: the adult birds under the young ones' words.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from PIL import Image

from benchmarks import DATA
from mirror.images import encode_jpeg, load_image
from mirror.search_doctor.hit_groups import Grouping, alike, group_hits
from mirror.search_doctor.hits_preview import ALIKE
from mirror.search_doctor.image_embedding import Embedder
from tests.world import draw_photo

HITS = 60
DRAWS = 8  # lists of hits a word
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4)
ALLOWED = 0.08
THUMBNAIL = 300  # px
FOLDERS = {
    "duckling": ("waterfowl/duckling", "waterfowl_more/duckling"),
    "cygnet": ("waterfowl/cygnet", "waterfowl_more/cygnet"),
    "bee": ("ants_bees/train/bees", "ants_bees/val/bees"), "ant": ("ants_bees/train/ants", "ants_bees/val/ants"),
    "duck": ("waterfowl_near/adult_duck",), "swan": ("waterfowl_near/adult_swan",),
    "goose": ("waterfowl_near/adult_goose",), "bird": ("waterfowl_near/other_bird",), "bicycle": ("bikes_bins/bike",),
    "trash bin": ("bikes_bins/trash-bin",), "street": ("scenes/street",), "face": ("scenes/faces",),
    "other": ("scenes/other",),
}  # fmt: skip
# What else the word's search finds: a larger and a smaller group; and what is nearly meant
WORDS = {
    "cygnet": (("pullover", "drawn disc"), "swan"), "duckling": (("bicycle", "digit"), "duck"),
    "bee": (("trash bin", "drawn logo"), "ant"), "ant": (("bird", "coat"), "bee"),
    "trash bin": (("bee", "digit"), "street"), "swan": (("trash bin", "drawn wool"), "goose"),
    "duck": (("ant", "bag"), "goose"), "bird": (("bicycle", "drawn logo"), "duck"),
    "sandal": (("bird", "dress"), "sneaker"), "bicycle": (("duckling", "drawn logo"), "street"),
    "goose": (("trash bin", "drawn disc"), "swan"),
}  # fmt: skip
BIRDS = {"duckling", "cygnet", "duck", "swan", "goose", "bird"}
GARMENTS = ("Pullover", "Coat", "Sandal", "Sneaker", "Bag", "Dress")


@dataclass(frozen=True, eq=False)
class Hits:
    """vectors: [N, D]; off: [N] bool, known to be off topic; query: [N]."""

    vectors: np.ndarray
    off: np.ndarray
    query: np.ndarray


def look_at_all() -> dict[str, np.ndarray]:
    """What the embedder sees of each kind: [photos, D]."""
    embedder = Embedder()
    return {kind: np.stack([embedder.embed(thumbnail(p)).vector for p in pictures]) for kind, pictures in material()}


def thumbnail(picture: Image.Image) -> bytes:
    return encode_jpeg(picture, THUMBNAIL, quality=75)


def material() -> Iterator[tuple[str, list[Image.Image]]]:
    for kind, folders in FOLDERS.items():
        files = [file for folder in folders for file in sorted((DATA / folder).rglob("*.*")) if file.is_file()]
        yield kind, [load_image(file, at_least=THUMBNAIL) for file in files]
    from benchmarks.training.sets import FASHION
    from mirror.fashion_mnist.dataset import LABELS, read_split

    split = read_split(FASHION, "test")
    for garment in GARMENTS:
        rows = np.flatnonzero(split.labels == LABELS.index(garment))[:HITS]
        yield garment.lower(), [enlarged(255 - split.pixels[row].reshape(28, 28)) for row in rows]
    from sklearn.datasets import load_digits

    yield "digit", [enlarged(np.uint8(15 * image)) for image in load_digits().images[:HITS]]
    for kind in ("wool", "disc", "logo"):
        yield f"drawn {kind}", [draw_photo(kind, seed) for seed in range(40)]


def enlarged(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)


class World:
    """Lists of hits, drawn from what was looked at."""

    def __init__(self, seen: dict[str, np.ndarray]):
        self.seen = seen

    def one_query(self, word: str, seed: int, near: bool = False) -> Hits:
        random = np.random.default_rng([seed, *word.encode()])
        pool = list(random.permutation(self.seen[word]))
        share = float(random.choice(SHARES[1:] if near else SHARES))
        return self._joined([self._query(word, pool, share, HITS, random, near)])

    def two_queries(self, word: str, seed: int) -> Hits:
        """The first finds less off topic than the second, of which it may be most."""
        random = np.random.default_rng([seed, 2, *word.encode()])
        pool = list(random.permutation(self.seen[word]))
        half = len(pool) // 2
        shares = float(random.choice((0.0, 0.1, 0.2))), float(random.choice((0.3, 0.45, 0.6)))
        parts = zip((pool[:half], pool[half:]), shares, strict=True)
        return self._joined([self._query(word, part, share, HITS, random, False) for part, share in parts])

    def _query(
        self, word: str, pool: list[np.ndarray], share: float, hits: int, random: np.random.Generator, near: bool
    ) -> tuple[list[np.ndarray], int]:
        """The vectors of a query's hits, and how many of them, the last, are off topic."""
        total = min(hits, int(len(pool) / (1 - share)))
        wrong = round(total * share)
        others, almost = WORDS[word]
        sources = [(almost, 1.0)] if near else list(zip(random.permutation(others), (0.5, 0.25), strict=True))
        off: list[np.ndarray] = []
        for kind, part in sources:
            off += list(random.permutation(self.seen[kind])[: round(wrong * part)])
        strays = [kind for kind in FOLDERS if kind not in (word, almost) and not {kind, word} <= BIRDS]
        singles = [vector for kind in strays for vector in random.permutation(self.seen[kind])[:4]]
        if not near:
            off += [singles[i] for i in random.permutation(len(singles))[: wrong - len(off)]]
        return [*pool[: total - wrong], *off], len(off)

    def _joined(self, found: list[tuple[list[np.ndarray], int]]) -> Hits:
        return Hits(
            np.stack([vector for vectors, _ in found for vector in vectors]),
            np.concatenate([np.arange(len(vectors)) >= len(vectors) - off for vectors, off in found]),
            np.repeat(np.arange(len(found)), [len(vectors) for vectors, _ in found]),
        )


# ---- the scores: higher is more on topic ----------------------------------------------------------------------------


@functools.cache
def grouped(hits: Hits) -> Grouping:
    return group_hits(hits.vectors, hits.query, int(hits.query.max()) + 1)


def nearest(hits: Hits) -> np.ndarray:
    """Similarity to the five most similar hits: groups that are off topic have good neighbours, too."""
    similar = np.sort(hits.vectors @ hits.vectors.T, axis=1)
    return similar[:, -6:-1].mean(axis=1)


def typical(hits: Hits) -> np.ndarray:
    """Median similarity to all hits."""
    return np.median(hits.vectors @ hits.vectors.T, axis=1)


def group_size(hits: Hits) -> np.ndarray:
    grouping = grouped(hits)
    return np.bincount(grouping.group)[grouping.group] / len(hits.off)


def agreement(hits: Hits) -> np.ndarray:
    return grouped(hits).agreement


def group_agreement(hits: Hits) -> np.ndarray:
    grouping = grouped(hits)
    return grouping.group_agreement[grouping.group]


SCORES: dict[str, Callable[[Hits], np.ndarray]] = {
    "five nearest hits": nearest,
    "size of the group": group_size,
    "median similarity to all hits": typical,
    "agreement with the core, each hit": agreement,
    "agreement with the core, its group (ours)": group_agreement,
}


@dataclass(frozen=True)
class Judged:
    """Of the photos of some lists: their scores, and whether they are off topic, both [N]."""

    score: np.ndarray
    off: np.ndarray

    @classmethod
    def by(cls, score: Callable[[Hits], np.ndarray], lists: list[Hits]) -> Judged:
        return cls(np.concatenate([score(hits) for hits in lists]), np.concatenate([hits.off for hits in lists]))

    @classmethod
    def joined(cls, parts: list[Judged]) -> Judged:
        return cls(np.concatenate([part.score for part in parts]), np.concatenate([part.off for part in parts]))


def counts(judged: Judged, threshold: float) -> np.ndarray:
    """Of the photos off topic found and missed, of the others called off topic and not."""
    called, off = judged.score < threshold, judged.off
    return np.array([(called & off).sum(), (~called & off).sum(), (called & ~off).sum(), (~called & ~off).sum()])


def rates(total: np.ndarray) -> tuple[float, float, float]:
    """Found, false, and the share of what is on topic that is called off."""
    found, missed, false, kept = total.tolist()
    return found / max(found + missed, 1), false / max(found + false, 1), false / max(false + kept, 1)


def best_threshold(judged: Judged) -> float:
    options = np.unique(np.quantile(judged.score, np.linspace(0.0, 0.8, 200))).tolist()
    tried = [(*rates(counts(judged, threshold))[:2], threshold) for threshold in options]
    return max(((found, threshold) for found, false, threshold in tried if false <= ALLOWED), default=(0, options[0]))[
        1
    ]


def left_out(by_word: dict[str, Judged]) -> dict[str, tuple[float, np.ndarray]]:
    """Each word's threshold, chosen on the others, and the counts that it gives."""
    result = {}
    for word, judged in by_word.items():
        threshold = best_threshold(Judged.joined([by_word[other] for other in by_word if other != word]))
        result[word] = threshold, counts(judged, threshold)
    return result


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if not DATA.is_dir():
        print(f"doctor: {DATA} is not there: the benchmark needs its photos.")
        return 1
    world = World(look_at_all())
    one = {word: [world.one_query(word, seed) for seed in range(DRAWS)] for word in WORDS}
    two = {word: [world.two_queries(word, seed) for seed in range(DRAWS)] for word in WORDS}
    near = {word: [world.one_query(word, seed, near=True) for seed in range(DRAWS)] for word in WORDS}
    print(f"{len(WORDS)} words, {DRAWS} lists of hits of one query each, {DRAWS} of two; thresholds of words left out")
    print(f"{'score':<42} found  false  of what is on topic  one query: found false  near: found  false")
    for name, score in SCORES.items():
        by_word = {word: Judged.by(score, [*one[word], *two[word]]) for word in WORDS}
        apart = left_out(by_word)
        total = sum((total for _, total in apart.values()), np.zeros(4, int))
        alone, close = (
            sum((counts(Judged.by(score, lists[word]), t) for word, (t, _) in apart.items()), np.zeros(4, int))
            for lists in (one, near)
        )
        shares = " ".join(f"{rate:>8.1%}" for rate in (*rates(total), *rates(alone)[:2], *rates(close)[:2]))
        print(f"{name:<42} {shares}")
    print("\nours by word: found, false, threshold")
    for word, (threshold, total) in apart.items():
        print(f"  {word:<10} {rates(total)[0]:>6.1%} {rates(total)[1]:>6.1%}  {threshold:.2f}")
    print(f"the threshold of all words: {best_threshold(Judged.joined(list(by_word.values()))):.2f}")
    better = [off_topic(hits, 0) < off_topic(hits, 1) for lists in two.values() for hits in lists]
    print(f"of two queries the better one is found {np.mean(better):.1%} of {len(better)} times")
    found, false, of_on = rates(collected(one))
    print(
        f"left out when collecting, with --exclude LABEL=off-topic: found {found:.1%}, false {false:.1%} "
        f"({of_on:.1%} of what is on topic)"
    )
    looks_alike(world.seen)
    return 0


def looks_alike(seen: dict[str, np.ndarray]) -> None:
    """How alike two halves of one word's photos look, and photos of two words: a warning is due from ALIKE on."""
    random = np.random.default_rng(0)
    halves = {word: np.array_split(random.permutation(seen[word]), 2) for word in WORDS}
    same = [alike(core(first), core(second)) for first, second in halves.values()]
    other = [alike(core(seen[one]), core(seen[two])) for one, two in combinations(WORDS, 2)]
    print(
        f"alike: halves of one word {min(same):.2f} to {max(same):.2f} ({sum(a >= ALIKE for a in same)} of {len(same)} "
        f"warned of), two words at most {max(other):.2f} ({sum(a >= ALIKE for a in other)} of {len(other)})"
    )


def core(vectors: np.ndarray) -> np.ndarray:
    return vectors[group_hits(vectors, np.zeros(len(vectors), int), 1).core]


def off_topic(hits: Hits, query: int) -> float:
    """The share of a query's hits that is called off topic."""
    return float(grouped(hits).off_topic[grouped(hits).group][hits.query == query].mean())


def collected(lists: dict[str, list[Hits]]) -> np.ndarray:
    """Photos that come later go to the group whose centre they are most similar to: two thirds of each list are
    previewed, the rest is collected with all off-topic groups excluded. The counts."""
    total = np.zeros(4, int)
    for seed, hits in enumerate(hits for found in lists.values() for hits in found):
        order = np.random.default_rng(seed).permutation(len(hits.off))
        first, rest = np.split(order, [len(order) * 2 // 3])
        vectors = hits.vectors[first]
        grouping = group_hits(vectors, np.zeros(len(first), int), 1)
        centres = np.stack([vectors[grouping.group == g].mean(axis=0) for g in range(len(grouping.off_topic))])
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        left_out = grouping.off_topic[(hits.vectors[rest] @ centres.T).argmax(axis=1)]
        total += counts(Judged(-left_out.astype(float), hits.off[rest]), 0.0)
    return total


if __name__ == "__main__":
    raise SystemExit(main())
