"""URLs → bytes: many at once, politely, in order, and none lost silently.

    for url, outcome in zip(urls, download_many(urls, NetworkSettings())):
        ...                                       # outcome: Fetched, or the FetchError that says why not

At most 4 requests a host at a time. Errors that may pass (429, 5xx, dropped connections, time-outs) are tried again
after a pause that doubles, and a server's Retry-After holds back every request to that host. A URL that answers 404 is
tried once more as it was before the search client damaged it (`original_urls`). `DownloadCache` keeps what has arrived.
"""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import json
import random
import re
import shutil
import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mirror.collect.photo_records import writing
from mirror.errors import FetchError, PrivateAddress
from mirror.net.fetch import Client, Fetched, NetworkSettings, fetch
from mirror.storage import make_folder, parse_json, read_file, replacing

TRANSIENT_STATUS = (408, 425, 429, 500, 502, 503, 504)
TRANSIENT_REASONS = ("connection-failed", "incomplete-body", "timeout")
_IMAGE_NAME = re.compile(r"\.(avif|bmp|gif|heic|jpe?g|png|tiff?|webp)$", re.IGNORECASE)
_URL = re.compile(r"(?P<origin>https?://[^/?#]*)(?P<path>[^?]*)(?P<query>\?.*)?", re.IGNORECASE | re.DOTALL)


# These reasons say something about our own network rather than about the photo: the next run asks again
NETWORK_REASONS = ("connection-failed", "timeout", "proxy-failed", "tls-failed", "unknown-host")
MAX_BODY = 64 << 20  # bytes of a cached download: more than any photo that is taken, and its line of JSON
Outcome = Fetched | FetchError


@dataclass(frozen=True)
class DownloadSettings:
    """Times in seconds. A retry waits `first_wait`, doubled each time up to `longest_wait`, give or take a half; a
    URL whose server asks for more than `longest_retry_after` is given up. window: bodies held at a time (20 MB each at
    most), which is how far the fastest download may be ahead of the slowest."""

    workers: int = 16
    per_host: int = 4
    attempts: int = 4
    first_wait: float = 1.0
    longest_wait: float = 30.0
    longest_retry_after: float = 60.0
    window: int = 32


def download_many(
    urls: Iterable[str],
    network: NetworkSettings | None = None,
    *,
    settings: DownloadSettings | None = None,
    cache: DownloadCache | None = None,
    client: Client | None = None,
) -> Generator[Outcome, None, None]:
    """Fetch every URL; yields the outcomes in the order of `urls`, which are taken as they are needed.

    `Fetched.requested` is the URL that worked, which after a 404 is not the one given. client: one to use instead of a
    new one for `network`. Closing the generator early abandons the downloads under way.
    """
    settings = settings or DownloadSettings()
    with contextlib.ExitStack() as stack:
        client = client or stack.enter_context(Client(network, per_host=settings.per_host))
        workers = _Workers(client, settings, cache)
        stack.callback(workers.stop)
        source = iter(urls)
        waiting: deque[_Job] = deque()
        while True:
            while len(waiting) < settings.window and (url := next(source, None)) is not None:
                waiting.append(workers.add(url))
            if not waiting:
                return
            yield workers.outcome(waiting.popleft())


def original_urls(url: str) -> list[str]:
    """What `url` may have been before the search clients damaged it, the likeliest first; [] where it looks undamaged.

    Both clients apply `unquote(url).replace(" ", "+")`, so that in a path %20 became "+", %2B became "+", %23 became
    "#" (which then cuts the path off) and %3F became "?". The fetcher quotes characters outside ASCII again.
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
    """One URL on its way. url: the spelling to try next; others: spellings left after a 404, None before one."""

    given: str
    url: str
    attempt: int = 1
    not_before: float = 0.0  # time.monotonic() of the next attempt
    others: list[str] | None = None
    first_error: FetchError | None = None
    outcome: Outcome | Exception | None = None
    host: str = field(init=False, default="")

    def __post_init__(self) -> None:
        with contextlib.suppress(ValueError):  # such a URL fails in fetch, with its reason
            self.host = urlsplit(self.url).netloc.lower()


class _Workers:
    """Threads and the list they take jobs from: the first job whose host has a place free and whose time has come.

    Pauses are times on the jobs, not sleeping threads, so a slow or refusing host delays no other.
    """

    def __init__(self, client: Client, settings: DownloadSettings, cache: DownloadCache | None):
        self._client = client
        self._settings = settings
        self._cache = cache
        self._changed = threading.Condition()
        self._open: list[_Job] = []
        self._busy: Counter[str] = Counter()  # requests under way, by host
        self._held: dict[str, float] = {}  # time.monotonic() before which nothing is asked, by host
        self._threads: list[threading.Thread] = []
        self._stopped = False
        self._random = random.Random()

    def add(self, url: str) -> _Job:
        job = _Job(url, url)
        with self._changed:
            self._open.append(job)
            self._changed.notify()
            if len(self._threads) < min(self._settings.workers, len(self._open) + sum(self._busy.values())):
                # daemon threads: one that waits for a socket must not keep an interrupted command from ending
                thread = threading.Thread(target=self._work, name="download", daemon=True)
                self._threads.append(thread)
                thread.start()
        return job

    def outcome(self, job: _Job) -> Outcome:
        """Waits for it. Raises an exception that is no FetchError: it is a bug or a wrong setting."""
        with self._changed:
            while job.outcome is None:
                self._changed.wait(1.0)  # Windows handles Ctrl-C only between waits
        if isinstance(job.outcome, Fetched | FetchError):
            return job.outcome
        raise job.outcome

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._open.clear()
            self._changed.notify_all()

    def _work(self) -> None:
        while (job := self._take()) is not None:
            pause = 0.0
            try:
                pause = self._attempt(job) or 0.0
            except Exception as error:
                job.outcome = error
            with self._changed:
                self._busy[job.host] -= 1
                if job.outcome is None and not self._stopped:
                    job.not_before = time.monotonic() + pause
                    self._open.insert(0, job)
                self._changed.notify_all()

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
        """One request. Sets job.outcome, or returns the seconds to wait before the next attempt."""
        if self._cache is not None and job.others is None and job.attempt == 1:
            job.outcome = self._cache.get(job.given)
            if job.outcome is not None:
                return None
        try:
            outcome: Outcome = fetch(job.url, client=self._client)
        except FetchError as error:
            pause = self._pause(job, error)
            if pause is not None:
                return pause
            outcome = job.first_error or error
        if self._cache is not None:
            self._cache.put(job.given, outcome)
        job.outcome = outcome
        return None

    def _pause(self, job: _Job, error: FetchError) -> float | None:
        """Seconds until the next attempt; None to give up."""
        if error.status == 404:
            if job.others is None:
                job.others, job.first_error = original_urls(job.url), error
            if not job.others:
                return None
            job.url, job.attempt = job.others.pop(0), 1
            return 0.0
        transient = error.status in TRANSIENT_STATUS or (error.status is None and error.reason in TRANSIENT_REASONS)
        if not transient or job.attempt >= self._settings.attempts:
            return None
        doubled = min(self._settings.first_wait * 2 ** (job.attempt - 1), self._settings.longest_wait)
        pause = doubled * self._random.uniform(0.5, 1.5)
        requested = retry_after(error.retry_after)
        if requested is not None:
            if requested > self._settings.longest_retry_after:
                return None
            pause = max(pause, requested)
            with self._changed:
                self._held[job.host] = max(self._held.get(job.host, 0.0), time.monotonic() + requested)
        job.attempt += 1
        return pause


class DownloadCache:
    """Downloads on disk from the moment they arrive until the photo folder has recorded them: one file a URL in
    `folder`, a line of JSON, then the body.

    Photos are recorded in the order of the hits, whatever order they arrive in; without this, a process killed while a
    slow download holds up the line loses the others. Files are renamed into place, so each is whole; they are not
    synced: a power cut costs a download, never a wrong byte (the length is written first). Called from threads.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def get(self, url: str) -> Outcome | None:
        try:
            head, _, body = read_file(self._path(url), inside=self.folder.parent, limit=MAX_BODY).partition(b"\n")
            record = parse_json(head)
            if record["url"] != url or record["length"] != len(body):
                return None
            if "reason" in record:
                kind = PrivateAddress if record["reason"] == PrivateAddress.reason else FetchError
                return kind(str(record["message"]), url=url, reason=str(record["reason"]), status=record["status"])
            return Fetched(str(record["final"]), body, str(record["content_type"]), {}, requested=str(record["asked"]))
        except (OSError, ValueError, LookupError, TypeError):  # not there, or not ours
            return None

    def put(self, url: str, outcome: Outcome) -> None:
        body = b""
        record: dict[str, Any]
        if isinstance(outcome, Fetched):
            record = {"final": outcome.url, "asked": outcome.requested, "content_type": outcome.content_type}
            body = outcome.body
        elif outcome.reason in NETWORK_REASONS:
            return
        else:
            record = {"reason": outcome.reason, "message": str(outcome), "status": outcome.status}
        with writing(self.folder):
            make_folder(self.folder)
        with writing(self._path(url)), replacing(self._path(url), sync=False) as part:
            part.write_bytes(json.dumps({"url": url, "length": len(body), **record}).encode() + b"\n" + body)

    def forget(self, url: str) -> None:
        """Remove the download of `url`, whose row is written."""
        with contextlib.suppress(OSError):  # a folder of that name goes with the rest
            self._path(url).unlink()

    def clear(self) -> None:
        """Remove what is left, when no download is under way."""
        if self.folder.is_dir() and not self.folder.is_symlink():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, url: str) -> Path:
        return self.folder / f"{hashlib.sha256(url.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.body"
