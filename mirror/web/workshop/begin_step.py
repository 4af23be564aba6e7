"""The step that begins: words to search for, photos of one's own, a folder of them, or a camera."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import gradio as gr

from mirror.collect.label_names import check_label
from mirror.collect.own_photos import add_own_photos
from mirror.errors import MirrorError, UsageError
from mirror.folders import folder_at
from mirror.templates import render
from mirror.web.uploads import InlinePhoto
from mirror.web.workshop import preview_step
from mirror.web.workshop.collected import read_collected
from mirror.web.workshop.prerequisites import Connection, hindrances
from mirror.web.workshop.projects import Project
from mirror.web.workshop.search_form import keep_words, pairs_of, rows_of, terms_of
from mirror.web.workshop.step import Changes, Workshop, command_line, photo_script, value_of

STEP = "begin"
MOST_SHOWN = 200  # letters of what a person typed and cannot be


def add(workshop: Workshop) -> None:
    connection, received = Connection(), itertools.count(1)
    notes = gr.HTML()
    words = workshop.part("begin-words")
    photos = gr.HTML(render("begin_photos.html"), elem_id="begin-photos", js_on_load=photo_script("begin.js"))
    counts = workshop.part("begin-counts")

    def draw(project: Project) -> Changes:
        if project.collectable:
            connection.ask()
        told = [*hindrances(connection.reached), *filter(None, [project.elsewhere])]
        return {
            notes: render("notices.html", notices=told),
            words: render(
                "begin_words.html", rows=rows_of(project), command=_command(project), shut=not project.collectable
            ),
            counts: _counts(project, 0, ""),
        }

    def asked(project: Project, pressed: dict[str, Any]) -> Changes:
        do = value_of(pressed, "do", str)
        if do == "train":
            return workshop.go(do)
        if project.elsewhere:
            raise UsageError(project.elsewhere)
        fields = value_of(pressed, "fields", list)
        if do == "folder":
            return use_folder(project, fields)
        if do not in ("look", "collect"):
            raise UsageError("The page sent something that it has no button for: load it again.")
        terms = terms_of(fields)
        keep_words(project, terms)
        return preview_step.begin(workshop, project) if do == "look" else workshop.go("collect")

    def use_folder(project: Project, fields: list[Any]) -> Changes:
        given = next((text.strip() for name, text in pairs_of(fields) if name == "folder"), "")
        folder = folder_at(given)
        if folder is None:
            place = given[:MOST_SHOWN] or "that place"
            raise UsageError(f"There is no folder at {place}: give the path of one on this machine.")
        project.run("collect").start(project.train("--data", str(folder), "--collect-only"))
        return {**workshop.say("The photos are being read."), **workshop.go("collect")}

    def receive(project: Project, sent: dict[str, Any]) -> Changes:
        label, name = value_of(sent, "label", str).strip(), value_of(sent, "name", str)[:200]
        problem = ""
        try:
            body = InlinePhoto(value_of(sent, "photo", str)).read()
            added = add_own_photos(project.folder, check_label(label), [(name, body)])
            problem = added.rejected[0].detail if added.rejected else ""
        except MirrorError as error:
            problem = str(error)
        return {counts: _counts(project, next(received), problem)}

    workshop.wait_for(lambda: connection.asking)
    workshop.on_show(STEP, draw, [notes, words, counts])
    for part in (words, counts):
        workshop.on(part.press, asked)
    workshop.on(photos.photo, receive, slow=True)


def _command(project: Project) -> str:
    searches = [f"--search={term.label}={term.query}" for term in project.words()]
    return command_line(project.train(*searches)) if searches else ""


def _counts(project: Project, number: int, problem: str) -> str:
    """What is there of one's own and others, by label. number: of the photo, whose answer the page's script waits for;
    0 of none."""
    labels: Mapping[str, int] = {}
    refused = 0
    try:
        if state := project.state():
            labels, refused = state.snapshot().counts, read_collected(project.folder).refused
    except MirrorError as error:
        problem = problem or str(error)
    return render(
        "begin_counts.html", labels=labels, number=number, problem=problem, refused=refused, ready=len(labels) > 1,
        shut=not project.collectable,
    )  # fmt: skip
