"""`train.py --collect-only`: the photos, and nothing after them."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from mirror.cli.train_checks import check_given
from mirror.cli.train_preview import mark_excluded
from mirror.cli.train_steps import collect, model_name, search_terms
from mirror.defaults import COLLECTING
from mirror.errors import require_installed
from mirror.terminal import say
from mirror.wording import count


def collect_photos(options: argparse.Namespace, default_name: str, search: Sequence[str]) -> int:
    """Fills the photo folder and says what is in it; needs no torch. search: LABEL=QUERY, where nothing else says what
    to search for. Raises MirrorError; the folder keeps what was found until then."""
    require_installed("Collecting", *COLLECTING)
    name = model_name(options, default_name)
    folder = Path("data", name)
    terms = search_terms(options, folder, search)
    check_given(options, name)
    mark_excluded(options, folder)
    with collect(options, name, terms).folder as photos:
        counts = Counter(photo.label for photo in photos.photos)
    listed = ", ".join(f"{number:,} {label}" for label, number in sorted(counts.items()))
    again = f"--name {quote(name)}" if terms else f"--collected {quote(str(folder))}"
    say(f"{folder}: {count(counts.total(), 'photo')} ({listed}). A model of them: python train.py {again}")
    return 0
