"""The step that looks: what a search finds for the words, by what it shows, before it is collected; what of it is left
out, and words that find it better."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr

from mirror.collect.search_types import SearchTerm
from mirror.errors import UsageError
from mirror.search_doctor.exclusions import OFF_TOPIC, PREVIEW_JSON, StoredPreview, exclude, read_preview
from mirror.search_doctor.hit_groups import alike_groups
from mirror.templates import render
from mirror.web.studio.state import Stamp, file_stamp
from mirror.web.workshop.projects import Project
from mirror.web.workshop.search_form import keep_words
from mirror.web.workshop.step import Changes, Workshop, command_line, value_of
from mirror.wording import listed

STEP = "look"


def add(workshop: Workshop) -> None:
    top, sheet = workshop.part("look-top"), workshop.part("look-sheet")
    drawn = gr.State(None)  # of which project and moment the sheet is that the browser shows

    def draw(project: Project, before: Any) -> Changes:
        stamp, progress = file_stamp(project.folder / PREVIEW_JSON), project.run(STEP).progress()
        found = _found(project.folder, stamp)
        shown = [one for one in found.labels] if found else []
        changes: dict[Any, Any] = {
            top: render(
                "search_preview_top.html", progress=progress, found=bool(shown), words=bool(project.words()),
                off_topic=sum(g.share > 0 and g.off_topic and not g.excluded for one in shown for g in one.groups),
                alike=_alike(found), command=_command(project, found),
            )
        }  # fmt: skip
        now = (project.name, stamp, progress.running)
        if now != before:
            changes |= {drawn: now, sheet: render("search_preview_sheet.html", labels=shown, running=progress.running)}
        return changes

    def press(project: Project, pressed: dict[str, Any]) -> Changes | None:
        do = value_of(pressed, "do", str)
        if do == "look":
            return begin(workshop, project)
        if do == "cancel":
            project.run(STEP).cancel()
            return None
        if do in ("begin", "collect"):
            return workshop.go(do)
        if project.run(STEP).progress().running:
            raise UsageError("It is still being looked for; choose when that has ended.")
        if do == "better":
            return use_better(project, value_of(pressed, "label", str), value_of(pressed, "query", str))
        return workshop.say(leave_out(project, do, pressed))

    def use_better(project: Project, label: str, query: str) -> Changes:
        keep_words(project, better_words(project.words(), label, query))
        return begin(workshop, project)

    workshop.on_show(STEP, draw, [top, sheet], [drawn])
    workshop.on_end(STEP, ending)
    for part in (top, sheet):
        workshop.on(part.press, press)


def begin(workshop: Workshop, project: Project) -> Changes:
    """Looks at what the project's words find, and shows it as it comes. Raises UsageError where there are none."""
    if project.elsewhere:
        raise UsageError(project.elsewhere)
    if not project.words():
        raise UsageError("There are no words yet to search for: begin with some.")
    searches = [f"--search={term.label}={term.query}" for term in project.words()]
    project.run(STEP).start(project.train("--preview", *searches))
    return {**workshop.say("The search has begun."), **workshop.go(STEP)}


def leave_out(project: Project, do: str, pressed: dict[str, Any]) -> str:
    """Excludes a group (do: "out"), takes it in again ("in"), or excludes whatever is off topic ("off-topic"); says so.
    Raises UsageError where nothing of a label would be left."""
    found = read_preview(project.folder)
    if found is None:
        raise UsageError("Nothing was looked at yet: look first.")
    out = [(one.label, str(group.number)) for one in found.labels for group in one.groups if group.excluded]
    if do == OFF_TOPIC:
        out += [(one.label, OFF_TOPIC) for one in found.labels]
    else:
        chosen = (value_of(pressed, "label", str), str(value_of(pressed, "group", int)))
        out = [pair for pair in out if pair != chosen] + ([chosen] if do == "out" else [])
    if not exclude(project.folder, list(dict.fromkeys(out))):
        return "Nothing is left out."
    return _left_out(read_preview(project.folder))


def ending(project: Project) -> str:
    """That looking has ended, in a sentence for whoever did not watch it."""
    found = f"This is what the search finds. {_left_out(read_preview(project.folder))}"
    return project.run(STEP).progress().failure or found.strip()


def _left_out(found: StoredPreview | None) -> str:
    labels = found.labels if found else ()
    groups = [f"{group.name} ({one.label})" for one in labels for group in one.groups if group.excluded]
    return f"Photos that look like {listed(groups)} are left out when they are collected." if groups else ""


def better_words(terms: Sequence[SearchTerm], label: str, query: str) -> list[SearchTerm]:
    """The terms, with this query alone for the label. Raises UsageError for a label that there is not."""
    labels = list(dict.fromkeys(term.label for term in terms))
    if label not in labels or not query.strip():
        raise UsageError(f"Nothing is searched for under “{label}”: load the page again.")
    better = SearchTerm(query.strip(), label)
    return [term for one in labels for term in ([better] if one == label else [t for t in terms if t.label == one])]


def _command(project: Project, found: StoredPreview | None) -> str:
    """What leads to the sheet as it is, by hand."""
    excluded = [
        f"--exclude={one.label}={group.number}" for one in found.labels for group in one.groups if group.excluded
    ] if found else []  # fmt: skip
    return command_line(project.train("--preview", *excluded))


def _alike(found: StoredPreview | None) -> list[tuple[list[str], float]]:
    return alike_groups([(one.label, one.other, one.share) for one in found.alike] if found else [])


@lru_cache(4)
def _found(folder: Path, stamp: Stamp | None) -> StoredPreview | None:
    """stamp: of its file, so that a new one is read."""
    return read_preview(folder)
