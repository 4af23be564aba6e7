"""The step that looks back: the models that the model has replaced, beside the one of now, and one of them put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from mirror import model_history
from mirror.errors import UsageError
from mirror.templates import render
from mirror.web.workshop.projects import Project
from mirror.web.workshop.retrain import comparison, on_one_scale
from mirror.web.workshop.step import Changes, Workshop, value_of

STEP = "history"


def add(workshop: Workshop) -> None:
    models: gr.HTML = workshop.part("history-models")

    def put_back(project: Project, pressed: dict[str, Any]) -> Changes:
        if project.run("train").progress().running:
            raise UsageError("A training runs, whose model will replace this one: wait for it to end, or cancel it.")
        info = model_history.restore(project.model, value_of(pressed, "time", str))
        return workshop.say(f"Put back: the model {model_history.told(info)}. The one before it is in the history.")

    workshop.on_show(STEP, lambda project: {models: render_history(project)}, [models])
    workshop.on(models.press, put_back)


def render_history(project: Project) -> str:
    """The models of now and of before, each with its error on one scale. Raises ModelFolderError."""
    now, entries = project.info(), model_history.history(project.model)
    infos = [now, *(entry.info for entry in entries)]
    rows = [
        {"name": name, "time": time, "made": model_history.made(info), "error": error}
        for name, time, info, error in zip(
            ["Now", *(f"Until {_minute(entry.time)}" for entry in entries)],
            ["", *(entry.time for entry in entries)],
            infos,
            on_one_scale([info.judged if info else None for info in infos]),
            strict=True,
        )
        if info
    ]
    remark = comparison(entries[0].info, now, cleaned=False)["remark"] if entries else ""
    command = model_history.command(Path(project.given(project.models), project.name))
    return render("history.html", rows=rows, remark=remark, kept=model_history.KEPT, command=command)


def _minute(time: str) -> str:
    """2026-11-29T02-10-05Z → 2026-11-29 02:10 UTC"""
    return f"{time[:10]} {time[11:16].replace('-', ':')} UTC"
