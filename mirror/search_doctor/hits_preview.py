"""Words → what a search finds for them, looked at before anything is collected.

    result = preview(Path("data/mirror"), [SearchTerm("baby swan", "cygnet"), …], Embedder())

Of each query the first hits' thumbnails are fetched, which are the engine's own small pictures, looked at and grouped
by what they show. Search pages are kept in hits.jsonl, as collecting keeps them, so that no search is made twice; the
pictures are in the result alone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice
from pathlib import Path

import numpy as np

from mirror.collect.download import DownloadSettings, download_many
from mirror.collect.engines import ENGINES, Engine
from mirror.collect.from_search import TermHits
from mirror.collect.label_names import check_label
from mirror.collect.search import SearchCache, Searcher, SearchSettings
from mirror.collect.search_types import Hit, SearchFilters, SearchTerm, check_license
from mirror.errors import DatasetError, FetchError, ImageError, SearchError
from mirror.folders import locked
from mirror.images import load_image, small_jpeg
from mirror.net.fetch import Client, Fetched, NetworkSettings
from mirror.progress import ProgressBar
from mirror.search_doctor.class_words import group_word, kind_word, other_words
from mirror.search_doctor.hit_groups import Grouping, alike, group_hits
from mirror.search_doctor.image_embedding import Embedder, Embedding
from mirror.terminal import say
from mirror.wording import percent

FEWEST = 4  # pictures of a label, below which nothing can agree
TOO_MANY_OFF = 0.1  # of a label's hits, above which other words are tried
LARGE_GROUP = 0.15  # of a label's hits: its word is tried beside the label
ALIKE = 0.8  # how alike two labels' hits are, from which on a warning is due (hit_groups.alike)
MOST_PAGES = 3  # of one query's results
SHOWN_SIDE = 160  # px of a picture on the sheet


@dataclass(frozen=True)
class PreviewSettings:
    """hits: of each query; tries: other words a label, where something is off topic; pause: seconds between searches,
    for engines refuse those who hurry."""

    hits: int = 60
    tries: int = 2
    pause: float = 2.0
    search: SearchSettings = field(default_factory=SearchSettings)
    download: DownloadSettings = field(default_factory=DownloadSettings)


@dataclass(frozen=True)
class SeenHit:
    """A hit whose thumbnail was looked at. picture: a small JPEG; embedding: what the network sees."""

    hit: Hit
    picture: bytes
    embedding: Embedding


@dataclass(frozen=True)
class HitGroup:
    """Hits of a label's own queries that show the like. number: from 1, the largest first; name: a plain word, once a
    label; kind: a wider one; share: of the label's hits, 0 to 1; agreement: with the label's core, about 0 to 1;
    centre: [D] of length 1."""

    number: int
    name: str
    kind: str
    hits: tuple[SeenHit, ...]
    share: float
    agreement: float
    off_topic: bool
    centre: np.ndarray


@dataclass(frozen=True)
class QueryResult:
    """What one query found. seen: hits that were looked at; off_topic: their share that is, 0 to 1, None where too few
    were seen to tell; tried: the words are the doctor's own. among, between: how much its hits agree with each other
    and with those of the label's other queries (1: as the label's core does with itself); None where there are none."""

    query: str
    hits: int
    seen: int
    off_topic: float | None
    tried: bool = False
    among: float | None = None
    between: float | None = None


@dataclass(frozen=True)
class LabelPreview:
    """groups: () where fewer than FEWEST hits could be looked at; off_topic: the share of hits that is, 0 to 1."""

    label: str
    queries: tuple[QueryResult, ...]
    groups: tuple[HitGroup, ...]

    @property
    def rows(self) -> list[tuple[str, int, int, str, str, str]]:
        """Of a table of its queries: words, hits, hits looked at, off topic, among, between."""
        return [
            (f"“{query.query}”{', which was tried' * query.tried}", query.hits, query.seen,
             "–" if query.off_topic is None else percent(query.off_topic), _share(query.among), _share(query.between))
            for query in self.queries
            if query.seen or not query.tried
        ]  # fmt: skip

    @property
    def shown(self) -> list[HitGroup]:
        """The groups of two hits or more; `single`: the others."""
        return [group for group in self.groups if len(group.hits) > 1]

    @property
    def single(self) -> list[HitGroup]:
        return [group for group in self.groups if len(group.hits) == 1]

    @property
    def off_topic(self) -> float:
        return sum(group.share for group in self.groups if group.off_topic)

    @property
    def better(self) -> QueryResult | None:
        """Of the words that were tried the best, where they find less off topic than every query given."""
        told = [(query.off_topic, query) for query in self.queries if query.off_topic is not None]
        own = min((off for off, query in told if not query.tried), default=1.0)
        tried = [(off, query) for off, query in told if query.tried and query.seen >= FEWEST and off < own]
        return min(tried, key=lambda one: one[0])[1] if tried else None


@dataclass(frozen=True)
class Preview:
    """alike: pairs of labels whose hits look alike, with how much (1: no difference is seen)."""

    labels: tuple[LabelPreview, ...]
    alike: tuple[tuple[str, str, float], ...]


def preview(
    folder: Path,
    terms: Sequence[SearchTerm],
    embedder: Embedder,
    *,
    license: str | None = None,
    network: NetworkSettings | None = None,
    log: Callable[[str], None] = say,
    settings: PreviewSettings | None = None,
    engines: Sequence[type[Engine]] = ENGINES,
    so_far: Callable[[Preview], object] = lambda found: None,
) -> Preview:
    """What the terms find. folder: the photo folder whose hits.jsonl keeps the searches; embedder: what sees their
    pictures; so_far: is told after each label.

    Raises SearchError where no engine answers, FetchError where no thumbnail arrives, DatasetError where the folder
    cannot be written.
    """
    terms = list(dict.fromkeys(terms))
    for term in terms:
        check_label(term.label)
    settings, network = settings or PreviewSettings(), network or NetworkSettings()
    filters = SearchFilters(license=check_license(license))
    with (
        _held(folder),
        Client(network, per_host=settings.download.per_host) as client,
        ProgressBar("", "picture", log) as progress,
    ):
        searcher = Searcher(network, filters, settings=settings.search, log=progress.log, engines=engines)
        run = _Preview(embedder, searcher, SearchCache(folder, filters), client, settings, progress)
        labels: dict[str, tuple[LabelPreview, np.ndarray | None]] = {}
        for label in dict.fromkeys(term.label for term in terms):
            labels[label] = run.label(label, [term.query for term in terms if term.label == label])
            so_far(Preview(tuple(found for found, _ in labels.values()), ()))
    cores = {label: core for label, (_, core) in labels.items() if core is not None}
    pairs = ((one, other, alike(cores[one], cores[other])) for one, other in combinations(cores, 2))
    close = tuple(pair for pair in pairs if pair[2] >= ALIKE)
    return Preview(tuple(found for found, _ in labels.values()), close)


class _Preview:
    """One preview of some labels."""

    def __init__(
        self,
        embedder: Embedder,
        searcher: Searcher,
        cache: SearchCache,
        client: Client,
        settings: PreviewSettings,
        progress: ProgressBar,
    ):
        self._embedder, self._searcher, self._cache, self._client = embedder, searcher, cache, client
        self._settings, self._progress = settings, progress
        self._seen: dict[str, SeenHit | None] = {}  # by the address of the picture
        self._failures: list[FetchError] = []
        self._searched = False

    def label(self, label: str, queries: list[str]) -> tuple[LabelPreview, np.ndarray | None]:
        """The label's preview, and the vectors of its core; None where too few hits could be looked at."""
        found = {query: self._hits(SearchTerm(query, label)) for query in queries}
        seen = {query: self._look(query, hits) for query, hits in found.items()}
        if not any(seen.values()) and self._failures:
            raise FetchError(
                f"No thumbnail of {label} arrives ({str(self._failures[0]).rstrip('.')}): check the connection and "
                "--proxy.",
                url=self._failures[0].url,
                reason=self._failures[0].reason,
            )
        if sum(map(len, seen.values())) < FEWEST:
            few = tuple(QueryResult(query, len(found[query]), len(seen[query]), None) for query in queries)
            return LabelPreview(label, few, ()), None
        judged = _Judged(seen, len(queries), self._embedder.classes)
        if judged.off_topic > TOO_MANY_OFF:
            likeness = [group.kind for group in judged.groups if group.share >= LARGE_GROUP]
            for query in other_words(label, queries, likeness)[: self._settings.tries]:
                try:
                    found[query] = self._hits(SearchTerm(query, label))
                except SearchError as error:
                    self._progress.log(f"No other words are tried for {label}: {error}")
                    break
                seen[query] = self._look(query, found[query])
            judged = _Judged(seen, len(queries), self._embedder.classes)
        results = tuple(
            QueryResult(
                query, len(found[query]), len(hits), judged.by_query[query], query not in queries, among, between
            )
            for (query, hits), (among, between) in zip(seen.items(), judged.agree, strict=True)
        )
        return LabelPreview(label, results, judged.groups), judged.core

    def _hits(self, term: SearchTerm) -> list[Hit]:
        if self._searched and not self._cache.pages(term):
            time.sleep(self._settings.pause)
        self._searched = self._searched or not self._cache.pages(term)
        search = TermHits(term, self._searcher, self._cache, max_pages=MOST_PAGES)
        hits = list(islice(search, self._settings.hits))
        if search.error is not None and not hits:
            raise search.error
        return hits

    def _look(self, query: str, hits: Sequence[Hit]) -> list[SeenHit]:
        """Those of the hits that can be looked at, in their order; no picture is fetched twice."""
        addresses = [hit.thumbnail or hit.url for hit in hits]
        new = [address for address in dict.fromkeys(addresses) if address not in self._seen]
        outcomes = download_many(new, client=self._client, settings=self._settings.download)
        self._progress.begin(f"“{query}”")
        by_address = dict(zip(reversed(addresses), reversed(hits), strict=True))
        with contextlib.closing(outcomes):
            for number, (address, outcome) in enumerate(zip(new, outcomes, strict=True), 1):
                self._seen[address] = None
                if isinstance(outcome, Fetched):
                    with contextlib.suppress(ImageError):
                        self._seen[address] = self._see(by_address[address], outcome.body)
                else:
                    self._failures.append(outcome)
                self._progress(number, len(new))
        self._progress.close()
        return [
            SeenHit(hit, seen.picture, seen.embedding)
            for hit, address in zip(hits, addresses, strict=True)
            if (seen := self._seen[address]) is not None
        ]

    def _see(self, hit: Hit, body: bytes) -> SeenHit:
        photo = load_image(body)
        return SeenHit(hit, small_jpeg(photo, SHOWN_SIDE, quality=70), self._embedder.embed(photo))


class _Judged:
    """All hits of a label, judged together. groups: of those of its own queries, the first `own`; core: [M, D];
    off_topic: the share of the own hits; by_query: of each query's, 0 to 1, None for one without hits; agree: of each
    query, as Grouping's among and between, None where that says nothing."""

    def __init__(self, seen: dict[str, list[SeenHit]], own: int, classes: Sequence[str]):
        hits = [hit for found in seen.values() for hit in found]
        vectors = np.stack([hit.embedding.vector for hit in hits])
        query = np.repeat(np.arange(len(seen)), [len(found) for found in seen.values()])
        grouping = group_hits(vectors, query, own)
        off = grouping.off_topic[grouping.group]
        mine = [hit if number < own else None for hit, number in zip(hits, query, strict=True)]
        self.groups = tuple(_groups(mine, grouping, classes))
        self.core = vectors[grouping.core]
        self.off_topic = float(off[query < own].mean())
        self.by_query = {
            words: float(off[query == number].mean()) if found else None
            for number, (words, found) in enumerate(seen.items())
        }
        self.agree = [(_told(grouping.among, n), _told(grouping.between, n)) for n in range(len(seen))]


def _groups(hits: Sequence[SeenHit | None], grouping: Grouping, classes: Sequence[str]) -> Iterator[HitGroup]:
    """The groups, without the hits that are None."""
    mine = np.array([hit is not None for hit in hits])
    sizes = np.bincount(grouping.group[mine], minlength=len(grouping.off_topic))
    names: set[str] = set()
    for number, old in enumerate(np.argsort(-sizes, kind="stable")[: (sizes > 0).sum()].tolist(), 1):
        rows = np.flatnonzero((grouping.group == old) & mine)
        members = [hits[row] for row in sorted(rows.tolist(), key=lambda row: -grouping.agreement[row])]
        shown = tuple(hit for hit in members if hit)
        probabilities = np.mean([hit.embedding.probabilities for hit in shown], axis=0)
        name = next(name for name in _numbered(group_word(probabilities, classes)) if name not in names)
        names.add(name)
        centre = np.mean([hit.embedding.vector for hit in shown], axis=0)
        yield HitGroup(
            number, name, kind_word(probabilities, classes), shown, len(shown) / int(mine.sum()),
            float(grouping.agreement[rows].mean()), bool(grouping.off_topic[old]),
            centre / max(float(np.linalg.norm(centre)), 1e-9),
        )  # fmt: skip


def _told(agreements: np.ndarray, number: int) -> float | None:
    return float(agreements[number]) if number < len(agreements) and np.isfinite(agreements[number]) else None


def _share(agreement: float | None) -> str:
    return "–" if agreement is None else f"{agreement:.2f}"


def _numbered(word: str) -> Iterable[str]:
    yield word
    number = 2
    while True:
        yield f"{word} {number}"
        number += 1


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The photo folder, made where it is not there, and locked."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = contextlib.ExitStack()
        lock.enter_context(locked(folder))
    except BlockingIOError as holder:
        raise DatasetError(
            f"{folder} is being written by another process ({holder}); wait for it to end, or choose another name."
        ) from None
    except OSError as error:
        raise DatasetError(f"{folder} cannot be written ({(error.strerror or '').lower()}); check it.") from None
    with lock:
        yield
