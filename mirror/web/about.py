"""The note on a served model and the pictures of its report, or what to do where there is no model."""

from __future__ import annotations

from pathlib import Path

from mirror import model_note
from mirror.templates import render
from mirror.web.served_models import ServedModel


def note(served: ServedModel) -> str:
    """The note as HTML."""
    if served.info is None:
        return render("unopened_model.html", problem=served.problem or "")
    return model_note.note(served.info, from_pickle=served.from_pickle)


def pictures(served: ServedModel) -> str:
    """The pictures of the model's report as HTML; none of a model that cannot be opened."""
    return "" if served.folder is None else model_note.pictures(served.folder)


def how_to_train(models: Path) -> str:
    """The page where there is no model: what to do."""
    return render("no_model.html", folder=models.name or str(models))
