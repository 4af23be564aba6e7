"""Downloads that wait for their row: on disk from the moment they arrive until the photo folder has recorded them.

Photos are recorded in the order of the hits, whatever order they arrive in; a process that is killed while a slow one
holds up the line would lose the others. `DownloadCache` is the `store` of download.download_many.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from pathlib import Path

from mirror.collect.metadata import writing
from mirror.errors import FetchError, PrivateAddress
from mirror.net.fetch import Fetched
from mirror.storage import make_folder, parse_json, read_file, replacing

MAX_BODY = 64 << 20  # bytes of a file: more than any photo that is taken, and what is told of it
# What says something about our own network rather than about the photo: asked again by the next run
NETWORK_REASONS = ("connection-failed", "timeout", "proxy-failed", "tls-failed", "unknown-host")


class DownloadCache:
    """One file a URL in `folder`: a line of JSON, then the body. Files are renamed into place, so none is half there.

    They are not synced: a power cut costs a download, never a wrong byte (the length is written first).
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def get(self, url: str) -> Fetched | FetchError | None:
        try:
            head, _, body = read_file(self._path(url), inside=self.folder.parent, limit=MAX_BODY).partition(b"\n")
            told = parse_json(head)
            if told["url"] != url or told["length"] != len(body):
                return None
            if "reason" in told:
                kind = PrivateAddress if told["reason"] == PrivateAddress.reason else FetchError
                return kind(str(told["message"]), url=url, reason=str(told["reason"]), status=told["status"])
            return Fetched(str(told["final"]), body, str(told["content_type"]), {}, asked=str(told["asked"]))
        except (OSError, ValueError, LookupError, TypeError):  # not there, or not ours
            return None

    def put(self, url: str, outcome: Fetched | FetchError) -> None:
        if isinstance(outcome, Fetched):
            told = {"final": outcome.url, "asked": outcome.asked, "content_type": outcome.content_type}
            body = outcome.body
        elif outcome.reason in NETWORK_REASONS:
            return
        else:
            told, body = {"reason": outcome.reason, "message": str(outcome), "status": outcome.status}, b""
        with writing(self.folder):
            make_folder(self.folder)
        with writing(self._path(url)), replacing(self._path(url), sync=False) as part:
            part.write_bytes(json.dumps({"url": url, "length": len(body), **told}).encode() + b"\n" + body)

    def forget(self, url: str) -> None:
        """Its row is written."""
        with contextlib.suppress(OSError):  # a folder of that name goes with the rest
            self._path(url).unlink()

    def clear(self) -> None:
        """Remove what is left, when nothing is under way any more."""
        if self.folder.is_dir() and not self.folder.is_symlink():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, url: str) -> Path:
        return self.folder / f"{hashlib.sha256(url.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.body"
