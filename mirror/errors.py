"""The error tree. Every message is one sentence for a person: what was wrong, and what to do next.

MirrorError                     exit code 1
├── UsageError                  exit code 2: an option or argument that cannot be meant
│   └── NoProxy                 a proxy that is none; its sentence repeats nothing of it, for it may hold a password
├── ImageError                  one image that cannot be used; `.reason` is a slug for rejected.csv
│   ├── NotAnImage              "not-an-image": no decoder knows it, or it is cut short
│   ├── ImageTooLarge           "too-many-pixels" or "too-many-bytes"
│   └── ImageTooSmall           "too-small"
├── FetchError                  bytes that could not be had; `.reason`, `.url` and `.status` (HTTP) tell why
│   └── PrivateAddress          "private-address": refused before connecting
├── SearchError                 no engine gave a result; `.status` keeps the HTTP status
│   └── RateLimited             the engine refuses for now (202, 403, 429 …)
├── DatasetError                a photo folder or photo list that cannot be trained on
├── WeightsError                no pretrained weights; names the three ways out
├── ModelUnavailable            a task's model that is not here and cannot be fetched, or cannot do the task
│   └── NotInstalled            packages that are not here; the sentence is for who runs the program, not for a visitor
├── PublishError                what cannot be published: a check failed, or the Hub refused; `.status` (HTTP)
└── ModelFolderError            a model folder that cannot be read or written
    └── UnsupportedLearner      a learner pickle the fast engine cannot express; `.reason` is a slug
"""

from __future__ import annotations

import errno
import re
from collections import Counter
from collections.abc import Iterable
from importlib.util import find_spec


class MirrorError(Exception):
    """Base of every error a person may see; `str(error)` is one sentence, `exit_code` the command's."""

    exit_code = 1


class UsageError(MirrorError):
    exit_code = 2


class NoProxy(UsageError):
    pass


class ImageError(MirrorError):
    """One image that cannot be used. `reason`: a stable slug, as written to rejected.csv."""

    reason = "unusable-image"

    def __init__(self, message: str, reason: str | None = None):
        super().__init__(message)
        self.reason = reason or self.reason


class NotAnImage(ImageError):
    reason = "not-an-image"


class ImageTooLarge(ImageError):
    reason = "too-many-pixels"


class ImageTooSmall(ImageError):
    reason = "too-small"


class FetchError(MirrorError):
    """A URL whose bytes could not be had. `status`: the HTTP status, None where none was received; `retry_after`: what
    the server's Retry-After header said, unread."""

    reason = "fetch-failed"

    def __init__(
        self,
        message: str,
        *,
        url: str,
        reason: str | None = None,
        status: int | None = None,
        retry_after: str | None = None,
    ):
        super().__init__(message)
        self.url = url
        self.reason = reason or self.reason
        self.status = status
        self.retry_after = retry_after


class PrivateAddress(FetchError):
    reason = "private-address"


class SearchError(MirrorError):
    """An engine that failed. `status`: the HTTP status, None where the client hid it; `engine`: its name; `offline`:
    nothing answered, as where there is no network."""

    def __init__(self, message: str, *, engine: str | None = None, status: int | None = None, offline: bool = False):
        super().__init__(message)
        self.engine = engine
        self.status = status
        self.offline = offline


class RateLimited(SearchError):
    pass


class DatasetError(MirrorError):
    pass


class WeightsError(MirrorError):
    pass


class ModelUnavailable(MirrorError):
    pass


class NotInstalled(ModelUnavailable):
    """`what` needs a package of requirements-train.txt that is not here."""

    def __init__(self, what: str, package: str):
        super().__init__(
            f"{what} needs the package {package}, which is not here: `pip install -r requirements-train.txt`."
        )


class PublishError(MirrorError):
    """`status`: the HTTP status that the Hub answered with, None where it did not; `passing`: the same may go well in a
    moment."""

    def __init__(self, message: str, *, status: int | None = None, passing: bool = False):
        super().__init__(message)
        self.status = status
        self.passing = passing


class ModelFolderError(MirrorError):
    pass


class UnsupportedLearner(ModelFolderError):
    """A learner pickle that is not served. `reason`: a stable slug, with which a confined process says why."""

    def __init__(self, message: str, reason: str = "unknown"):
        super().__init__(message)
        self.reason = reason


def require_installed(what: str, *modules: str) -> None:
    """Raises NotInstalled for the first of these top-level modules that is not here. None of them is imported."""
    for module in modules:
        if find_spec(module) is None:
            raise NotInstalled(what, module)


# What libraries say of it in errors of other kinds
_NO_MEMORY = re.compile(
    r"bad_alloc|(can('|no)t|failed to|unable to) (allocate|map segment|start new thread)|(not enough|out of) memory",
    re.IGNORECASE,
)


def lacks_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it came of, is that the machine or a limit gave no more memory."""
    while error is not None:
        named = isinstance(error, OSError | RuntimeError | ImportError) and _NO_MEMORY.search(str(error))
        if isinstance(error, MemoryError) or named or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        error = error.__cause__ or error.__context__
    return False


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)


def disk_refusal(error: BaseException | None) -> OSError | None:
    """What of an error, or of one that it came of, is that the disk takes no more, whatever a library made of it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return error
        error = error.__cause__ or error.__context__
    return None


REASONS = {  # why a photo was left out: the slugs of rejected.csv, in words
    "near-duplicate": "nearly the same as another photo",
    "exact-duplicate": "exactly the same as another photo",
    "same-photo-under-two-labels": "the same photo under two labels",
    "removed-by-hand": "removed by hand",
    "excluded-group": "of a group that was excluded",
    "changed-since": "no longer what it was",
    "not-an-image": "not an image, or cut short",
    "too-small": "too small",
    "too-many-pixels": "too many pixels",
    "too-many-bytes": "too large a file",
    "too-much-memory": "takes too much memory to decode",
    "too-much-work": "takes too long to decode",
    "busy": "too many photos at once",
    "no-worker": "of a kind that cannot be decoded here",
    "empty-file": "an empty file",
    "no-label-folder": "in no label folder",
    "link-leads-outside": "a link out of the folder",
    "timeout": "took too long",
    "unknown-host": "no such server",
    "connection-failed": "the connection failed",
    "tls-failed": "no trustworthy connection",
    "noai": "its publisher asks not to be used for training",
    "private-address": "a private address",
    "redirect-loop": "redirected in circles",
    "incomplete-body": "broke off on the way",
}


def reasons_in_words(slugs: Iterable[str]) -> str:
    """`30 too small, 4 nearly the same as another photo`, the most frequent first; "" where there are none."""
    return ", ".join(f"{number:,} {reason_in_words(slug)}" for slug, number in Counter(slugs).most_common())


def reason_in_words(slug: str) -> str:
    """`http-404` → the server answered 404; a slug without words of its own, its own words."""
    if slug.startswith("http-") and slug[5:].isdigit():
        return f"the server answered {slug[5:]}"
    return REASONS.get(slug, slug.replace("-", " "))
