"""What the Hub refuses, and what fails on the way to it, as one sentence each with what to do.

with refusals("ana/fruit"):
    api.create_commit(…)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from mirror.errors import PublishError, UsageError

TOKENS = "https://huggingface.co/settings/tokens"
LOGIN = f"make a token that may write at {TOKENS}, and give it to `hf auth login --force` or HF_TOKEN"
AGAIN = "the same command goes on where it was"
BUSY = (500, 502, 503, 504)


def require_endpoint(endpoint: str) -> None:
    """Raises UsageError where HF_ENDPOINT is no address of a Hub, and does not repeat it, for it may hold a secret."""
    try:
        parts = urlsplit(endpoint)
        plain = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    except ValueError:
        plain = False
    if not plain:
        raise UsageError("HF_ENDPOINT is no address of a Hub: give one as https://huggingface.co, without a password.")


@contextmanager
def refusals(repository: str = "") -> Iterator[None]:
    """Whatever huggingface_hub raises becomes a PublishError. repository: OWNER/NAME that is written to."""
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
    )

    # of httpx or of httpx2, by the version
    transport: type[Exception] = next(base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError")
    try:
        yield
    except PublishError:
        raise
    except RuntimeError as error:  # a file that could not be uploaded; why is its cause
        if not isinstance(error.__cause__, (transport, OSError)):
            raise
        cause: BaseException = error.__cause__
        with refusals(repository):
            raise cause from None
    except LocalTokenNotFoundError:
        raise PublishError(f"Nobody is logged in to Hugging Face here: {LOGIN.replace(' --force', '')}.") from None
    except OfflineModeIsEnabled:
        raise PublishError(
            "HF_HUB_OFFLINE is set, so the Hub is not asked: unset it, or build the folders with --out DIR."
        ) from None
    except HFValidationError as error:
        raise UsageError(f"{repository or 'That'} cannot be the name of a repository: {_line(error)}.") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise PublishError(_sentence(error, repository), status=status, passing=status in BUSY) from None
    except (transport, ConnectionError, TimeoutError) as error:
        unreachable = f"The Hub cannot be reached ({_line(error)}): check the connection; {AGAIN}."
        raise PublishError(unreachable, passing=True) from None
    except json.JSONDecodeError:  # a page of a proxy, or of a server that is down
        raise PublishError(
            f"The Hub's answer cannot be read: try again in some minutes; {AGAIN}.", passing=True
        ) from None
    except UnicodeError:  # before anything was sent
        raise UsageError(
            f"The token has a letter that no token has: copy it once more from {TOKENS}, and give it to HF_TOKEN."
        ) from None
    except ValueError as error:  # a README that the Hub does not take
        raise PublishError(f"The Hub does not take {repository or 'that'}: {_line(error)}.") from None


def _sentence(error: object, repository: str) -> str:
    response = error.response  # type: ignore[attr-defined]
    status, said = response.status_code, _said(response)
    target = repository or "the Hub"
    if status == 401:
        variable = " in HF_TOKEN, which goes before that of `hf auth login`," if os.environ.get("HF_TOKEN") else ""
        state = "has expired" if "expired" in said.lower() else "is not one that the Hub knows"
        return f"The token{variable} {state}: {LOGIN}."
    if status == 402:
        return (
            f"The account of {target} may not host such a Space: that takes PRO, or an organisation with a plan; "
            "--as static is free for everyone, --as zero for two Spaces of a free account "
            "(https://huggingface.co/pro)."
        )
    if status == 403:
        return f"The token may not write to {target} ({said}): {LOGIN}, or publish elsewhere with --to OWNER/NAME."
    if status == 404 and not repository:
        return "What answers there is no Hub (HTTP 404): look at HF_ENDPOINT."
    if status == 404:
        return f"{target} is not there, or the token may not see it: look at its name, and at the token's rights."
    if status == 409:
        return f"The name {target} is taken ({said}): choose another with --to OWNER/NAME."
    if status == 412:
        return f"Somebody else changed {target} while it was published: look at what they did; {AGAIN}."
    if status == 429:
        wait = response.headers.get("Retry-After", "")
        when = f"in {wait} s" if wait.isdecimal() else "in some minutes"
        return f"The Hub was asked too often and takes nothing more for now: try again {when}; {AGAIN}."
    if status in BUSY:
        return f"The Hub has trouble of its own just now (HTTP {status}): try again in some minutes; {AGAIN}."
    return f"The Hub refused {target} (HTTP {status}: {said})."


def _said(response: object) -> str:
    """The server's own words."""
    headers = response.headers  # type: ignore[attr-defined]
    try:
        words = headers.get("X-Error-Message") or response.json().get("error")  # type: ignore[attr-defined]
    except (ValueError, AttributeError):
        words = None
    return _line(words or "it does not say why")


def _line(error: object) -> str:
    """The first line of it that says something, without its full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[0][:300].rstrip(".")
