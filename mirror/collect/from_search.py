"""Words → a folder of photos: search, download, screen, until every label has its number of usable ones.

    folder = collect_by_search(Path("data/mirror"), [SearchTerm("baby swan", "cygnet"), …], 100, network=…)

Everything is on disk at once: words in search.json, search pages in hits.jsonl, downloads in .incoming/ until their row
is in metadata.csv or rejected.csv. So a run that was killed goes on where it was; with a larger count, to the next hit.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest
from pathlib import Path
from urllib.parse import urlsplit

from mirror.collect.copies import EXACT_DUPLICATE, NEAR_DUPLICATE, SEARCHED, CopyRule
from mirror.collect.corrections import FolderState
from mirror.collect.download import (
    NETWORK_REASONS,
    DownloadCache,
    DownloadSettings,
    Outcome,
    download_many,
    original_urls,
)
from mirror.collect.engines import ENGINES, Engine
from mirror.collect.label_names import check_label
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import Origin, Photo, Rejection
from mirror.collect.screening import ScreenedPhoto
from mirror.collect.search import SearchCache, Searcher, SearchSettings
from mirror.collect.search_json import SearchFile, search_of, write_search
from mirror.collect.search_types import EXCLUDED, Hit, PhotoJudge, SearchFilters, SearchTerm, check_license
from mirror.errors import DatasetError, FetchError, SearchError, UsageError, reasons_in_words
from mirror.net.fetch import Client, Fetched, NetworkSettings
from mirror.progress import ProgressBar
from mirror.storage import read_file
from mirror.terminal import say

# After this many failures in a row, at this many hosts, without one answer, the fault is our network's
OUTAGE_FAILURES = 12
OUTAGE_HOSTS = 3
PROGRESS_LINES = 5  # a label, where nobody watches


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
    copies: CopyRule = SEARCHED,
    network: NetworkSettings | None = None,
    log: Callable[[str], None] = say,
    settings: CollectSettings | None = None,
    engines: Sequence[type[Engine]] = ENGINES,
    judge: PhotoJudge | None = None,
) -> PhotoFolder:
    """Fill `folder` with `count` usable photos a label, or as many as the engines have; returns it open.

    The queries of one label take turns, hit by hit. Every hit that is tried becomes a photo or a rejection.
    license: one of search_types.LICENSES; copies: what becomes of copies; judge: leaves out photos for what they show,
    also stored ones. A folder can be continued with other queries, but other labels, or a stricter licence filter than
    its photos were found with, are a UsageError.

    Raises SearchError when the engines refuse before a label is full, FetchError when the network or the proxy is down,
    DatasetError when a label has no photo at all. In every case the folder keeps what was found until then.
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
    photos = PhotoFolder(folder, copies, judge)
    try:
        for note in photos.notes:
            log(note)
        _check_belongs(photos, terms, filters, log)
        words = search_of(terms, count=count, license=filters.license)
        write_search(photos.path, words)
        photos.judge_copies_anew()
        _judge_anew(photos)
        with (
            Client(network, per_host=settings.download.per_host) as client,
            ProgressBar("", "photo", log, lines=PROGRESS_LINES) as progress,
        ):
            searcher = Searcher(network, filters, settings=settings.search, log=progress.log, engines=engines)
            run = _SearchRun(photos, terms, count, searcher, client, settings, progress)
            try:
                run.fill()
            except KeyboardInterrupt:
                progress.log(f"{run.tally()} in {photos.path} so far.")
                raise
        run.conclude(words)
    except BaseException:
        photos.close()
        raise
    return photos


def _check_belongs(
    photos: PhotoFolder, terms: list[SearchTerm], filters: SearchFilters, log: Callable[[str], None]
) -> None:
    """Raises UsageError unless this search could have found the folder's photos, but for a person's own; logs those of
    other queries."""
    found = [photo for photo in photos.photos if not photo.is_own]
    named, decided = {term.label for term in terms}, FolderState.of(photos)
    unnamed = [decided.current_label(photo) for photo in found if photo.label not in named]
    if other_labels := sorted({now.label for now in unnamed if not now.removed} - named):
        raise UsageError(
            f"{photos.path} already holds photos of {', '.join(other_labels)}, which this search does not name: "
            "search for them as well, remove those photos (python app.py --studio), choose another --name, or delete "
            "the folder."
        )
    licences = {photo.license_filter for photo in found} - {filters.license}
    if filters.license and licences:
        found_with = ", ".join(sorted(licence or "none" for licence in licences))
        raise UsageError(
            f"{photos.path} holds photos searched with another licence filter ({found_with}) than {filters.license}: "
            "choose another --name, or delete the folder."
        )
    queries = {term.query for term in terms}
    others = Counter((photo.label, photo.query) for photo in found if photo.query not in queries)
    for (label, query), count in sorted(others.items()):
        log(f"{label}: {count} photos are kept that were found as “{query}”.")


def _judge_anew(photos: PhotoFolder) -> None:
    """What is no longer excluded counts as never tried, and stored photos that are excluded now are withdrawn."""
    judge = photos.judge
    rows = [row for row in photos.rejected if row.reason == EXCLUDED]
    photos.forget(row.key for row in rows if judge is None or not judge.stands_by(row))
    if judge is None:
        return
    stored = ((row, read_file(row.path(photos.path), inside=photos.path)) for row in photos.photos if not row.is_own)
    photos.withdraw((row, why) for row, jpeg in stored if (why := judge(row.label, jpeg)))


class TermHits:
    """The hits of one term: those of cached pages first, then new pages, each written to the cache before it is used.

    error: what ended the search early, or None.
    """

    def __init__(self, term: SearchTerm, searcher: Searcher, cache: SearchCache, max_pages: int):
        self.error: SearchError | None = None
        self._term = term
        self._searcher = searcher
        self._cache = cache
        self._max_pages = max_pages

    def __iter__(self) -> Iterator[Hit]:
        pages = self._cache.pages(self._term)
        urls: set[str] = set()
        for page in pages:
            yield from _unseen(page.hits, urls)
        repeats = 0  # pages in a row without a new hit
        while len(pages) < self._max_pages and (not pages or pages[-1].next is not None):
            try:
                page = self._searcher.page(self._term, after=pages[-1] if pages else None)
            except SearchError as error:
                self.error = error
                return
            new = list(_unseen(page.hits, urls))
            repeats = 0 if new else repeats + 1
            # An engine that takes over begins at page one, so it may repeat as many pages as the others gave
            if not page.hits or repeats > sum(other.engine != page.engine for other in pages):
                page = replace(page, next=None)
            self._cache.append(self._term, page)
            pages.append(page)
            yield from new


def _unseen(hits: Iterable[Hit], urls: set[str]) -> Iterator[Hit]:
    """The hits whose URLs are not in `urls`, which grows by them."""
    for hit in hits:
        if hit.url not in urls:
            urls.add(hit.url)
            yield hit


class _SearchRun:
    """One search for one folder."""

    def __init__(
        self,
        photos: PhotoFolder,
        terms: list[SearchTerm],
        count: int,
        searcher: Searcher,
        client: Client,
        settings: CollectSettings,
        progress: ProgressBar,
    ):
        self._photos = photos
        self._count = count
        self._client = client
        self._settings = settings
        self._progress = progress
        self._downloads = DownloadCache(photos.path / ".incoming")
        cache = SearchCache(photos.path, searcher.filters)
        self._searches = {
            label: [TermHits(term, searcher, cache, settings.max_pages) for term in terms if term.label == label]
            for label in dict.fromkeys(term.label for term in terms)
        }
        self._hits = {label: self._untried(label, searches) for label, searches in self._searches.items()}
        self._unanswered: list[tuple[Origin, FetchError]] = []  # failures in a row that may be our network's

    def fill(self) -> None:
        """Until every label is full or has no more hits. A label may lose a photo that turns up under another one, so
        the labels take turns until none needs more."""
        exhausted: set[str] = set()
        while open_labels := [n for n in self._searches if n not in exhausted and self._missing(n) > 0]:
            for label in open_labels:
                self._progress.begin(label, self._photos.count(label))
                self._progress.log(f"{self._count_of(label)}, collecting more.")
                while (missing := self._missing(label)) > 0:
                    batch = list(islice(self._hits[label], missing))
                    if not batch:
                        exhausted.add(label)
                        break
                    self._try(batch)
                self._progress.close()
                self._progress.log(f"{self._count_of(label)}; left out: {self._left_out(label) or 'none'}.")
        self._reject_unanswered()
        self._downloads.clear()

    def conclude(self, words: SearchFile) -> None:
        """Logs the labels that are not full, and keeps which they are; raises where the cause may pass, or where a
        label has no photo."""
        short = {label: searches for label, searches in self._searches.items() if self._missing(label) > 0}
        errors = [search.error for searches in short.values() for search in searches if search.error is not None]
        if errors:
            least = min(self._photos.count(label) for label in self._searches)
            instead = f", or with --count {least} to make do with them" if least else ""
            raise type(errors[-1])(
                f"{errors[-1]} Kept in {self._photos.path}: {self.tally()}; the same command goes on from there"
                f"{instead}.",
                engine=errors[-1].engine,
                status=errors[-1].status,
            )
        if short:
            write_search(self._photos.path, replace(words, exhausted=tuple(short)))
        for label in short:
            causes = self._left_out(label) or "the search found no others"
            if self._photos.count(label) == 0:
                raise DatasetError(f"No usable photo of {label} was found ({causes}): search with other words.")
            self._progress.log(
                f"{label}: there are no more than {self._photos.count(label)} of {self._count} photos ({causes}); "
                "more words (--search) find more."
            )

    def tally(self) -> str:
        return ", ".join(f"{self._photos.count(label)} of {self._count} photos of {label}" for label in self._searches)

    def _count_of(self, label: str) -> str:
        return f"{label}: {self._photos.count(label)} of {self._count} photos"

    def _missing(self, label: str) -> int:
        return self._count - self._photos.count(label)

    def _rejected(self, label: str) -> int:
        return sum(row.label == label for row in self._photos.rejected)

    def _left_out(self, label: str) -> str:
        return reasons_in_words(row.reason for row in self._photos.rejected if row.label == label)

    def _untried(self, label: str, searches: list[TermHits]) -> Iterator[Hit]:
        """The label's hits, its queries taking turns, without those that this run or an earlier one has tried."""
        hits = (hit for turn in zip_longest(*searches) for hit in turn if hit is not None)
        for hit in _unseen(hits, set()):
            if not any(self._photos.has_tried(url, label) for url in (hit.url, *original_urls(hit.url))):
                yield hit

    def _try(self, batch: list[Hit]) -> None:
        hits = [hit for hit in batch if not self._known_under_other_label(hit)]
        urls = [hit.url for hit in hits]
        outcomes = download_many(urls, client=self._client, settings=self._settings.download, cache=self._downloads)
        with contextlib.closing(outcomes):
            for hit, outcome in zip(hits, outcomes, strict=True):
                self._record(hit, outcome)
                rejected = f"{self._rejected(hit.label)} left out"
                self._progress(self._photos.count(hit.label), self._count, rejected)

    def _record(self, hit: Origin, outcome: Outcome) -> None:
        if isinstance(outcome, FetchError) and outcome.reason in NETWORK_REASONS:
            self._unanswered.append((hit, outcome))
            hosts = {urlsplit(unanswered.url).hostname for unanswered, _ in self._unanswered}
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
        self._reject_unanswered()  # one host answers, so the fault was theirs and not our network's
        if isinstance(outcome, Fetched):
            # The URL that worked is the one that a reader of metadata.csv or photos.csv can fetch again
            self._photos.add(replace(hit, url=outcome.requested or hit.url), outcome.body)
        else:
            self._photos.reject(hit, outcome.reason, str(outcome))
        self._downloads.forget(hit.url)

    def _reject_unanswered(self) -> None:
        for hit, error in self._unanswered:
            self._photos.reject(hit, error.reason, str(error))
        self._unanswered.clear()

    def _known_under_other_label(self, hit: Origin) -> bool:
        """Records a URL that was tried under another label by what is known of it, without another download."""
        for label in self._searches:
            known = self._photos.outcome(hit.url, label) if label != hit.label else None
            if isinstance(known, Photo):
                jpeg = read_file(known.path(self._photos.path), inside=self._photos.path)
                screened = ScreenedPhoto(known.sha256, jpeg, known.width, known.height, known.phash)
                self._photos.admit(hit, screened)
                return True
            # A duplicate of another photo of that label says nothing about this label
            if isinstance(known, Rejection) and known.reason not in (EXACT_DUPLICATE, NEAR_DUPLICATE):
                self._photos.reject(hit, known.reason, f"as under {label}: {known.detail}", known.sha256)
                return True
        return False
