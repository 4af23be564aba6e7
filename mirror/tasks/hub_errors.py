"""Whatever goes wrong while a model of the Hub is fetched or opened, as one sentence with the way out."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator

from mirror.errors import MirrorError, ModelUnavailable, NotInstalled


@contextlib.contextmanager
def loading(name: str, hint: str = "") -> Iterator[None]:
    """Whatever transformers, the Hub's client, the network or the disk raise becomes one ModelUnavailable."""
    try:
        yield
    except MirrorError:
        raise
    except ImportError as error:
        lacking = re.search(r"requires the (\S+) library", str(error))  # transformers' own error names no module
        raise NotInstalled(name, error.name or (lacking[1] if lacking else str(error))) from error
    except Exception as error:
        raise ModelUnavailable(_sentence(name, error, hint)) from error


@contextlib.contextmanager
def quietly(name: str) -> Iterator[None]:
    """A library's logger without what it says to programmers."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _sentence(name: str, error: Exception, hint: str) -> str:
    from huggingface_hub import errors

    from mirror.net.guard import without_passwords  # httpx, which a model of one's own does not need

    if isinstance(error, errors.GatedRepoError):
        return f"{name} is open only to those who accept its terms: do so at huggingface.co/{name} and set HF_TOKEN."
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name} on the Hugging Face Hub has no such commit or branch: name another after the @, or none."
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return f"{name} on the Hugging Face Hub lacks a file that is needed: choose another model."
    if isinstance(error, errors.RepositoryNotFoundError) or _status(error) in (401, 404):
        return (
            f"The Hugging Face Hub has no model {name} that is open to you: check the name, or set HF_TOKEN if it is "
            "private."
        )
    ways = f"give a folder that holds the model, or {hint}" if hint else "or give a folder that holds the model"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"{name} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it: unset that, {ways}."
    if _status(error) is not None:
        return f"The Hugging Face Hub answered {_status(error)} for {name}: try again later, {ways}."
    if isinstance(error, errors.HTTPError | errors.LocalEntryNotFoundError | TimeoutError | ConnectionError):
        return f"{name} is not on this machine, and the Hugging Face Hub cannot be reached: connect, {ways}."
    lines = without_passwords(str(error)).splitlines()
    detail = next((line.strip() for line in lines if line.strip()), "") or type(error).__name__
    return f"{name} cannot be opened ({detail.rstrip('.:')}): check its files, or choose another model."


def _status(error: Exception) -> int | None:
    """The HTTP status that the Hub refused with."""
    return getattr(getattr(error, "response", None), "status_code", None)
