"""What a repository of the Hub is called: as a person says, or as the model is, in the letters that the Hub takes."""

from __future__ import annotations

import re
import unicodedata

from mirror.errors import UsageError
from mirror.publish.content_checks import secret_in

MOST_LETTERS = 96  # of OWNER/NAME


def repository_name(account: str, wanted: str | None, model: str) -> str:
    """OWNER/NAME. wanted: NAME or OWNER/NAME, None for the model's own. Raises UsageError for what cannot be one."""
    name = hub_name(model, MOST_LETTERS - len(account) - 1) if wanted is None else wanted
    return require_name(name if "/" in name else f"{account}/{name}")


def hub_name(model: str, most: int = MOST_LETTERS) -> str:
    """The model's name in at most so many of the letters that the Hub takes: "Enten & Schwäne" → "Enten-Schwane"."""
    plain = unicodedata.normalize("NFKD", model.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.]+|\.{2,}", "-", plain)[:most].strip("-.") or "mirror"


def require_name(full: str) -> str:
    """The name of a repository, with or without its owner. Raises UsageError for what cannot be one."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    if secret := secret_in(full.encode()):
        raise UsageError(
            f"The name of the repository holds what looks like {secret}: give another with --to OWNER/NAME."
        )
    try:
        validate_repo_id(full)
        is_name = full.isascii()  # which the Hub asks for, and its client does not
    except HFValidationError:
        is_name = False
    if not is_name:
        raise UsageError(
            f"{full} cannot be the name of a repository: give one with --to OWNER/NAME, of letters from A to Z, "
            "digits, “-”, “_” and “.”, at most 96 characters."
        )
    return full
