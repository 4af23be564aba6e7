"""Mirror, mirror on the wall: which label a photo shows, and how sure that is.

>>> import mirror
>>> answer = mirror.load("models/mirror").predict("examples/duckling.jpg")
>>> answer.label, answer.known
('duckling', True)
>>> round(sum(answer.probabilities.values()), 6)
1.0

Importing it costs nothing, and switches off the reports of the libraries that it uses.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.telemetry import report_nothing

if TYPE_CHECKING:
    from mirror.inference.classifier import Classifier

__version__ = "0.9.0"
OLDEST = (3, 11)  # of Python

if sys.version_info[:2] < OLDEST:  # before what it lacks is imported
    raise SystemExit(
        f"This needs Python 3.11 to 3.13, and is run by {sys.version.split()[0]}: name one, as python3.12."
    )

report_nothing()


def load(model: str | Path, *, threads: int | None = None) -> Classifier:
    """A model that answers: `predict` takes a path, the bytes of a file or a PIL image, and may be called from several
    threads.

    model: a folder that train.py made, or a fastai learner pickle, which is compiled once and for that needs
    requirements-train.txt. threads: for the network (default: one a CPU). Raises ModelFolderError, NotInstalled.
    """
    from mirror.inference.classifier import Classifier
    from mirror.inference.pickle_cache import open_model

    return Classifier.load(open_model(model), threads=threads)
