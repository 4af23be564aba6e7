"""The names of torchvision's and timm's classifiers, read from their sources: importing either takes seconds, as torch
does, and a name that is none is to be refused at once."""

from __future__ import annotations

import difflib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from mirror.errors import UsageError

AUTO = "auto"  # instead of a name: the best of those at hand
_REGISTERED = re.compile(r"^@register_model(?:\(\))?\n(?:@.*\n)*def (\w+)", re.MULTILINE)


def check_name(name: str) -> None:
    """Raises UsageError where neither has a network of this name. No other fault of it is seen here."""
    known = architecture_names()
    if known and name not in known and name.partition(".")[0] not in known:  # a tag names one of timm's weights
        raise unknown(name)


def unknown(name: str) -> UsageError:
    known, low = sorted(architecture_names(), key=len), name.lower()
    near = [one for one in known if one.startswith(low)] or [one for one in known if low in one]
    near = near[:3] or difflib.get_close_matches(low, known, 3)
    hint = f"did you mean {', '.join(near)}?" if near else "resnet18 is a good first choice."
    return UsageError(f"--arch {name} is neither a torchvision nor a timm model: {hint}")


@cache
def architecture_names() -> tuple[str, ...]:
    """Sorted; () where the packages are not installed, or not written as they are known."""
    return tuple(sorted(_names_of("torchvision") | _names_of("timm")))


def _names_of(package: str) -> set[str]:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return set()
    sources = (Path(spec.origin).parent / "models").glob("*.py")
    return {name for source in sources for name in _REGISTERED.findall(source.read_text(encoding="utf-8"))}
