"""Hits → bytes: many at once, politely, in order, and none lost silently.

    for hit, outcome in download_many(hits, NetworkSettings()):
        ...                                       # outcome: Fetched, or the FetchError that says why not

At most 4 requests a host at a time. What may pass by itself (429, 5xx, dropped connections, time-outs) is tried again
after a pause that doubles, and a server's Retry-After holds back everything else meant for that host. A URL that
answers 404 is tried once more as it was before the search client damaged it (`original_urls`).
"""

from __future__ import annotations

import email.utils
import random
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from mirror.errors import FetchError
from mirror.net.fetch import Client, Fetched, NetworkSettings, fetch

PASSING_STATUS = (408, 425, 429, 500, 502, 503, 504)
PASSING_REASONS = ("connection-failed", "incomplete-body", "timeout")
_IMAGE_NAME = re.compile(r"\.(avif|bmp|gif|heic|jpe?g|png|tiff?|webp)$", re.IGNORECASE)
_URL = re.compile(r"(?P<origin>https?://[^/?#]*)(?P<path>[^?]*)(?P<query>\?.*)?", re.IGNORECASE | re.DOTALL)


class HasUrl(Protocol):
    @property
    def url(self) -> str: ...


H = TypeVar("H", bound=HasUrl)
Outcome = Fetched | FetchError


class Store(Protocol):
    """Keeps what has been downloaded, so that a process that dies needs not download it again. Called from threads."""

    def get(self, url: str) -> Outcome | None: ...

    def put(self, url: str, outcome: Outcome) -> None: ...


@dataclass(frozen=True)
class DownloadSettings:
    """Times in seconds. A retry waits `first_wait`, doubled each time up to `longest_wait`, give or take a half; a
    server that asks for more than `longest_retry_after` is not waited for. window: bodies held at a time (20 MB at
    most each): how far the fastest download may run ahead of the slowest."""

    workers: int = 16
    per_host: int = 4
    attempts: int = 4
    first_wait: float = 1.0
    longest_wait: float = 30.0
    longest_retry_after: float = 60.0
    window: int = 32


def download_many(
    hits: Iterable[H],
    network: NetworkSettings | None = None,
    *,
    settings: DownloadSettings | None = None,
    store: Store | None = None,
    progress: Callable[[int], None] | None = None,
    client: Client | None = None,
) -> Iterator[tuple[H, Outcome]]:
    """Fetch every hit; yields (hit, outcome) in the order of `hits`, each exactly once.

    hits: anything with a `.url`, taken as it is needed. progress: called with the number finished so far, from worker
    threads. `Fetched.asked` is the URL that worked, which after a 404 is not `hit.url`. Closing the iterator early
    abandons what is under way.
    """
    settings = settings or DownloadSettings()
    own = client is None
    client = client or Client(network, per_host=settings.per_host)
    crew = _Crew(client, settings, store, progress)
    source = iter(hits)
    waiting: deque[_Job] = deque()
    try:
        while True:
            while len(waiting) < settings.window:
                hit = next(source, None)
                if hit is None:
                    break
                waiting.append(crew.add(hit))
            if not waiting:
                return
            job = waiting.popleft()
            yield job.hit, crew.outcome(job)
    finally:
        crew.stop()
        if own:
            client.close()


def original_urls(url: str) -> list[str]:
    """What `url` may have been before the search clients damaged it, the likeliest first; [] where nothing shows.

    Both clients apply `unquote(url).replace(" ", "+")`, so that in a path %20 became "+", %2B became "+", %23 became
    "#" (which then cuts the path off) and %3F became "?". Characters outside ASCII are quoted again by the fetcher.
    """
    match = _URL.fullmatch(url)
    if match is None:
        return []
    path, query = match["path"], match["query"] or ""
    if query and _IMAGE_NAME.search(query) and "=" not in query and not _IMAGE_NAME.search(path):
        path, query = path + "%3F" + query[1:], ""
    query = query.replace("#", "%23")
    path = path.replace("#", "%23")
    candidates = [match["origin"] + path.replace("+", plus) + query for plus in ("%20", "%2B")]
    return [candidate for candidate in dict.fromkeys(candidates) if candidate != url]


def retry_after(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, in either of its forms (RFC 9110, 10.2.3); None for anything else."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        when = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


@dataclass(eq=False)
class _Job:
    hit: Any
    url: str
    attempt: int = 1
    not_before: float = 0.0
    others: list[str] | None = None
    first_error: FetchError | None = None
    outcome: Outcome | Exception | None = None
    host: str = field(init=False, default="")

    def __post_init__(self) -> None:
        try:
            self.host = urlsplit(self.url).netloc.lower()
        except ValueError:  # such a URL fails in fetch, with its reason
            self.host = ""


class _Crew:
    """Worker threads and the list they take jobs from: the first whose host has a place free and whose time has come.

    Pauses are times on the jobs, not sleeping workers, so a host that is slow or cross delays nobody else.
    """

    def __init__(
        self,
        client: Client,
        settings: DownloadSettings,
        store: Store | None,
        progress: Callable[[int], None] | None,
    ):
        self._client = client
        self._settings = settings
        self._store = store
        self._progress = progress
        self._changed = threading.Condition()
        self._open: list[_Job] = []
        self._busy: Counter[str] = Counter()
        self._held: dict[str, float] = {}
        self._threads: list[threading.Thread] = []
        self._stopped = False
        self._finished = 0
        self._random = random.Random()

    def add(self, hit: HasUrl) -> _Job:
        job = _Job(hit, hit.url)
        with self._changed:
            self._open.append(job)
            self._changed.notify()
            if len(self._threads) < min(self._settings.workers, len(self._open) + sum(self._busy.values())):
                # daemon threads: one that sits in a read must not keep an interrupted command from ending
                thread = threading.Thread(target=self._work, name="download", daemon=True)
                self._threads.append(thread)
                thread.start()
        return job

    def outcome(self, job: _Job) -> Outcome:
        """Waits for it. An exception that is no FetchError is a fault or a wrong setting, and is raised here."""
        with self._changed:
            while job.outcome is None:
                self._changed.wait(1.0)  # Windows hears Ctrl-C only between waits
        if isinstance(job.outcome, Exception) and not isinstance(job.outcome, FetchError):
            raise job.outcome
        return job.outcome

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._open.clear()
            self._changed.notify_all()

    def _work(self) -> None:
        while (job := self._take()) is not None:
            try:
                pause = self._attempt(job)
            except Exception as error:
                job.outcome, pause = error, None
            with self._changed:
                self._busy[job.host] -= 1
                if job.outcome is None and not self._stopped:
                    job.not_before = time.monotonic() + (pause or 0.0)
                    self._open.insert(0, job)
                self._finished += job.outcome is not None
                finished = self._finished
                self._changed.notify_all()
            if job.outcome is not None and self._progress is not None:
                self._progress(finished)

    def _take(self) -> _Job | None:
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                ready = float("inf")
                for job in self._open:
                    if self._busy[job.host] >= self._settings.per_host:
                        continue
                    start = max(job.not_before, self._held.get(job.host, 0.0))
                    if start <= now:
                        self._open.remove(job)
                        self._busy[job.host] += 1
                        return job
                    ready = min(ready, start)
                self._changed.wait(None if ready == float("inf") else ready - now)
            return None

    def _attempt(self, job: _Job) -> float | None:
        """One request. Sets job.outcome, or returns the seconds after which to go on with it."""
        if self._store is not None and job.others is None and job.attempt == 1:
            job.outcome = self._store.get(job.hit.url)
            if job.outcome is not None:
                return None
        try:
            outcome: Outcome = fetch(job.url, client=self._client)
        except FetchError as error:
            pause = self._pause(job, error)
            if pause is not None:
                return pause
            outcome = job.first_error or error
        if self._store is not None:
            self._store.put(job.hit.url, outcome)
        job.outcome = outcome
        return None

    def _pause(self, job: _Job, error: FetchError) -> float | None:
        """How long until the next attempt; None to give up."""
        if error.status == 404:
            if job.others is None:
                job.others, job.first_error = original_urls(job.url), error
            if not job.others:
                return None
            job.url, job.attempt = job.others.pop(0), 1
            return 0.0
        passing = error.status in PASSING_STATUS or (error.status is None and error.reason in PASSING_REASONS)
        if not passing or job.attempt >= self._settings.attempts:
            return None
        doubled = min(self._settings.first_wait * 2 ** (job.attempt - 1), self._settings.longest_wait)
        pause = doubled * self._random.uniform(0.5, 1.5)
        asked = retry_after(error.retry_after)
        if asked is not None:
            if asked > self._settings.longest_retry_after:
                return None
            pause = max(pause, asked)
            with self._changed:
                self._held[job.host] = max(self._held.get(job.host, 0.0), time.monotonic() + asked)
        job.attempt += 1
        return pause
