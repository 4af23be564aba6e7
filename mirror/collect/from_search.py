"""Words → a folder of photos: search, download, screen, until every label has its number of usable ones.

    folder = collect_by_search(Path("data/mirror"), [SearchTerm("baby swan", "cygnet"), …], 100, network=…)

Everything is on disk as soon as it is known: search pages in hits.jsonl, downloads in .incoming/ until their row is
written, rows in metadata.csv or rejected.csv. So a run that was killed at any moment goes on where it was, and neither
searches nor downloads again; a run with a larger count goes on to the next hit, and to the next page.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest
from pathlib import Path
from urllib.parse import urlsplit

from mirror.collect.download import DownloadSettings, Outcome, download_many, original_urls
from mirror.collect.download_cache import NETWORK_REASONS, DownloadCache
from mirror.collect.engines import ENGINES
from mirror.collect.label_names import check_label
from mirror.collect.metadata import Photo, Rejection
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.progress import Progress
from mirror.collect.screening import ScreenedPhoto
from mirror.collect.search import Searcher, SearchSettings
from mirror.collect.search_cache import SearchCache
from mirror.collect.search_types import ImageHit, SearchFilters, SearchTerm, check_license
from mirror.errors import DatasetError, FetchError, SearchError, UsageError
from mirror.net.fetch import Client, Fetched, NetworkSettings
from mirror.storage import read_file
from mirror.terminal import say

# This many failures in a row, at this many hosts, without one answer: it is our network that is down, not their photos
OUTAGE_FAILURES = 12
OUTAGE_HOSTS = 3
DUPLICATES = ("exact-duplicate", "near-duplicate")  # of another photo: says nothing about the URL under another label


@dataclass(frozen=True)
class CollectSettings:
    """max_pages: of one query's results; engines give out well before."""

    search: SearchSettings = field(default_factory=SearchSettings)
    download: DownloadSettings = field(default_factory=DownloadSettings)
    max_pages: int = 30


def collect_by_search(
    folder: Path,
    terms: Sequence[SearchTerm],
    count: int,
    *,
    license: str | None = None,
    network: NetworkSettings | None = None,
    log: Callable[[str], None] = say,
    settings: CollectSettings | None = None,
    engines: Sequence[Callable] = ENGINES,
) -> PhotoFolder:
    """Fill `folder` with `count` usable photos a label, or as many as the engines have; returns it open.

    Queries of one label are taken in turns, hit by hit. Every hit tried ends as a photo or as a rejection.
    license: a key of hits.LICENSES. A folder may be gone on with under other queries, but not under other labels or a
    stricter licence filter than its photos were found with: that is a UsageError.

    Raises SearchError when the engines refuse before a label is full, FetchError when the network or the proxy is down,
    DatasetError when a label has no photo at all. What was found until then is kept in every case.
    """
    if count < 1:
        raise UsageError(f"{count} photos cannot be collected; give --count a number from 1 up.")
    terms = list(dict.fromkeys(terms))
    for term in terms:
        check_label(term.label)
        if not term.query.strip():
            raise UsageError(f"There are no words to search for under “{term.label}”: give --search LABEL=QUERY.")
    filters = SearchFilters(license=check_license(license))
    network = network or NetworkSettings()
    settings = settings or CollectSettings()
    photos = PhotoFolder(folder)
    try:
        for note in photos.notes:
            log(note)
        _check_belongs(photos, terms, filters, log)
        with Client(network, per_host=settings.download.per_host) as client, Progress(log) as progress:
            searcher = Searcher(network, filters, settings=settings.search, log=progress.log, engines=engines)
            run = _Gathering(photos, terms, count, searcher, client, settings, progress)
            try:
                run.fill()
            except KeyboardInterrupt:
                progress.log(f"Stopped. {run.tally()} in {photos.path}; the same command goes on from here.")
                raise
        run.conclude()
    except BaseException:
        photos.close()
        raise
    return photos


def _check_belongs(
    photos: PhotoFolder, terms: list[SearchTerm], filters: SearchFilters, log: Callable[[str], None]
) -> None:
    """The folder's photos are ones that this search could have found; says so where they came by other words."""
    wanted = {term.label for term in terms}
    strangers = sorted(set(photos.labels) - wanted)
    if strangers:
        raise UsageError(
            f"{photos.path} already holds photos of {', '.join(strangers)}, which this search does not name: "
            "search for them as well, choose another --name, or delete the folder."
        )
    licences = {photo.license_filter for photo in photos.photos} - {filters.license}
    if filters.license and licences:
        found_with = ", ".join(sorted(licence or "none" for licence in licences))
        raise UsageError(
            f"{photos.path} holds photos searched with another licence filter ({found_with}) than {filters.license}: "
            "choose another --name, or delete the folder."
        )
    words = {term.query for term in terms}
    others = Counter((photo.label, photo.query) for photo in photos.photos if photo.query not in words)
    for (label, query), number in sorted(others.items()):
        log(f"{label}: {number} photos are kept that were found as “{query}”.")


class _TermHits:
    """The hits of one term: pages known from disk first, then new ones, each written down before it is used."""

    def __init__(self, term: SearchTerm, searcher: Searcher, pages: SearchCache, max_pages: int):
        self.term = term
        self.error: SearchError | None = None
        self._searcher = searcher
        self._log = pages
        self._max_pages = max_pages

    def __iter__(self) -> Iterator[ImageHit]:
        known = self._log.pages(self.term)
        seen: set[str] = set()
        for page in known:
            yield from self._new(page.hits, seen)
        stale = 0
        while len(known) < self._max_pages and (not known or known[-1].next is not None):
            try:
                page = self._searcher.page(self.term, after=known[-1] if known else None)
            except SearchError as error:
                self.error = error
                return
            fresh = list(self._new(page.hits, seen))
            stale = 0 if fresh else stale + 1
            # An engine that takes over begins at page one, so it may repeat as many pages as the others gave
            if not page.hits or stale > sum(other.engine != page.engine for other in known):
                page = replace(page, next=None)
            self._log.append(self.term, page)
            known.append(page)
            yield from fresh

    @staticmethod
    def _new(hits: Iterable[ImageHit], seen: set[str]) -> Iterator[ImageHit]:
        for hit in hits:
            if hit.url not in seen:
                seen.add(hit.url)
                yield hit


class _Gathering:
    """One run over one folder."""

    def __init__(
        self,
        photos: PhotoFolder,
        terms: list[SearchTerm],
        count: int,
        searcher: Searcher,
        client: Client,
        settings: CollectSettings,
        progress: Progress,
    ):
        self._photos = photos
        self._count = count
        self._client = client
        self._settings = settings
        self._progress = progress
        self._spool = DownloadCache(photos.path / ".incoming")
        pages = SearchCache(photos.path, searcher.filters)
        self._sources = {
            label: [_TermHits(term, searcher, pages, settings.max_pages) for term in terms if term.label == label]
            for label in dict.fromkeys(term.label for term in terms)
        }
        self._hits = {label: self._untried(label, sources) for label, sources in self._sources.items()}
        self._unanswered: list[tuple[ImageHit, FetchError]] = []

    def fill(self) -> None:
        """Until every label is full or has no more hits. A label may lose a photo that turns up under another one, so
        the labels are gone through until none wants more."""
        dry: set[str] = set()
        while wanting := [label for label in self._sources if label not in dry and self._missing(label) > 0]:
            for label in wanting:
                self._progress.begin(label, self._photos.count(label), self._count)
                while (missing := self._missing(label)) > 0:
                    batch = list(islice(self._hits[label], missing))
                    if not batch:
                        dry.add(label)
                        break
                    self._try(batch)
                self._progress.end(self._rejected(label))
        for hit, error in self._unanswered:
            self._photos.reject(hit, error.reason, str(error))
        self._unanswered.clear()
        self._spool.clear()

    def conclude(self) -> None:
        """Says what became of it; raises where a label is not full for a reason that passes, or is empty."""
        short = {label: sources for label, sources in self._sources.items() if self._missing(label) > 0}
        errors = [source.error for sources in short.values() for source in sources if source.error is not None]
        if errors:
            least = min(self._photos.count(label) for label in self._sources)
            instead = f", or with --count {least} to make do with them" if least else ""
            kept = f"Kept in {self._photos.path}: {self.tally()}"
            raise type(errors[-1])(
                f"{errors[-1]} {kept}; the same command goes on from there{instead}.",
                engine=errors[-1].engine,
                status=errors[-1].status,
            )
        for label in short:
            reasons = Counter(row.reason for row in self._photos.rejected if row.label == label)
            told = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
            told = told or "the search found no others"
            if self._photos.count(label) == 0:
                raise DatasetError(f"No usable photo of {label} was found ({told}): search with other words.")
            self._progress.log(
                f"{label}: there are no more than {self._photos.count(label)} of {self._count} photos ({told}); "
                "more words (--search) find more."
            )

    def tally(self) -> str:
        return ", ".join(f"{self._photos.count(label)} of {self._count} photos of {label}" for label in self._sources)

    def _missing(self, label: str) -> int:
        return self._count - self._photos.count(label)

    def _rejected(self, label: str) -> int:
        return sum(row.label == label for row in self._photos.rejected)

    def _untried(self, label: str, sources: list[_TermHits]) -> Iterator[ImageHit]:
        """The label's hits, its queries taken in turns, without those that this run or an earlier one has tried."""
        drawn: set[str] = set()
        for turn in zip_longest(*sources):
            for hit in turn:
                if hit is None or hit.url in drawn:
                    continue
                drawn.add(hit.url)
                if not any(self._photos.has_tried(url, label) for url in (hit.url, *original_urls(hit.url))):
                    yield hit

    def _try(self, batch: list[ImageHit]) -> None:
        wanted = [hit for hit in batch if not self._settled_elsewhere(hit)]
        results = download_many(wanted, client=self._client, settings=self._settings.download, store=self._spool)
        with contextlib.closing(results):
            for hit, outcome in results:
                self._record(hit, outcome)
                self._progress.update(self._photos.count(hit.label), self._rejected(hit.label))

    def _record(self, hit: ImageHit, outcome: Outcome) -> None:
        if isinstance(outcome, FetchError) and outcome.reason in NETWORK_REASONS:
            self._unanswered.append((hit, outcome))
            hosts = {urlsplit(silent.url).hostname for silent, _ in self._unanswered}
            if outcome.reason == "proxy-failed" or (
                len(self._unanswered) >= OUTAGE_FAILURES and len(hosts) >= OUTAGE_HOSTS
            ):
                raise FetchError(
                    f"{str(outcome).rstrip('.')}, and no photo arrives: check the connection and --proxy; the same "
                    f"command goes on from here ({self.tally()}).",
                    url=hit.url,
                    reason=outcome.reason,
                )
            return
        for silent, error in self._unanswered:  # somebody answers, so it was their fault and not our network's
            self._photos.reject(silent, error.reason, str(error))
        self._unanswered.clear()
        if isinstance(outcome, Fetched):
            # where it was found is what a reader of metadata.csv, or a recipe, can fetch again
            self._photos.add(replace(hit, url=outcome.asked or hit.url), outcome.body)
        else:
            self._photos.reject(hit, outcome.reason, str(outcome))
        self._spool.forget(hit.url)

    def _settled_elsewhere(self, hit: ImageHit) -> bool:
        """The same URL was tried under another label: what is known of it decides, without another download."""
        for label in self._sources:
            known = self._photos.outcome(hit.url, label) if label != hit.label else None
            if isinstance(known, Photo):
                stored = read_file(known.path(self._photos.path), inside=self._photos.path)
                self._photos.admit(hit, ScreenedPhoto(known.sha256, stored, known.width, known.height, known.phash))
                return True
            if isinstance(known, Rejection) and known.reason not in DUPLICATES:
                self._photos.reject(hit, known.reason, f"as under {label}: {known.detail}", known.sha256)
                return True
        return False
