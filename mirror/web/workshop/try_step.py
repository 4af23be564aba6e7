"""The step that tries the model: a photo or the camera meets it, and what it gets wrong is added to a label.

The photo comes from the browser within the event (try.js), is answered and forgotten, unless a person says what it
shows: then it goes to the photo folder as `mirror add-photo` puts it there, and counts in the next training.
"""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from mirror.collect.corrections import REMOVE, record_corrections
from mirror.collect.own_photos import add_own_photos, waiting
from mirror.collect.splits import MIN_PHOTOS_PER_LABEL
from mirror.errors import MirrorError, UsageError
from mirror.inference.classifier import Classifier, Prediction
from mirror.model_folder import MODEL_JSON
from mirror.templates import data_url, render
from mirror.terminal import typed
from mirror.web.photo_input import preview
from mirror.web.studio.state import Stamp, file_stamp
from mirror.web.tabs.mirror_tab import Answer, answer_card, bars, error_card
from mirror.web.uploads import InlinePhoto
from mirror.web.workshop.projects import Project
from mirror.web.workshop.step import Changes, Workshop, photo_script, value_of
from mirror.web.workshop.trial_page import TrialPage
from mirror.wording import count, plain

STEP = "try"
OFFERED = 12  # labels to say “it is a …” with, the most probable first; others are typed
SHOWN_PIXELS = 640

Shown = tuple[str, bytes, tuple[str, ...]]  # the photo's file name, its bytes, the labels that were offered


class OpenedModel:
    """The model that was asked last, opened once and again when another has taken its place."""

    def __init__(self) -> None:
        self._opening = threading.Lock()
        self._opened: tuple[tuple[Path, Stamp | None], Classifier] | None = None

    def of(self, model: Path) -> Classifier:
        """Raises ModelFolderError."""
        with self._opening:
            version = (model, file_stamp(model / MODEL_JSON))
            if self._opened is None or self._opened[0] != version:
                self._opened = (version, Classifier.load(model))
            return self._opened[1]


def add(workshop: Workshop) -> None:
    trial, model, numbers = TrialPage(workshop.projects.models), OpenedModel(), itertools.count(1)
    nothing = gr.HTML()
    photo = gr.HTML(render("try_photo.html"), elem_id="try-photo", js_on_load=photo_script("try.js"))
    answer: gr.HTML = workshop.part("try-answer")
    kept: gr.HTML = workshop.part("try-kept")
    shown = gr.State(None)
    show = gr.Button("Open the page")
    address = gr.HTML()

    def draw(project: Project) -> Changes:
        there = project.info() is not None
        said = "" if there else render("empty_step.html", what="There is no model yet to try: train one first.")
        return {
            nothing: said, photo: gr.update(visible=there), show: gr.update(visible=there),
            kept: render_kept(project),
        }  # fmt: skip

    def look(project: Project, sent: dict[str, Any]) -> Changes:
        name, live = value_of(sent, "name", str)[:200], sent.get("live") is True
        try:
            body = InlinePhoto(value_of(sent, "photo", str)).read()
            card, chances, picture, labels = answered(model.of(project.model), body, live)
        except MirrorError as error:
            return {answer: _render(next(numbers), error_card(str(error))), shown: None}
        if live:
            return {answer: _render(next(numbers), card, chances)}
        offered = labels[:OFFERED] if project.state() else ()
        said = _render(next(numbers), card, chances, picture, offered, alone=project.state() is None)
        return {answer: said, shown: (name, body, offered)}

    def correct(project: Project, pressed: dict[str, Any], last: Shown | None) -> Changes:
        if "back" in pressed:
            record_corrections(project.folder, [(value_of(pressed, "back", str), REMOVE, "")])
            return {answer: "", shown: None, **workshop.say("Taken back; it is not learned from.")}
        if last is None or project.state() is None:
            raise UsageError("Show a photo first.")
        label = _named(pressed)
        if not label:
            raise UsageError("Say what it shows: write a name.")
        name, body, _ = last
        added = add_own_photos(project.folder, label, [(name, body)])
        if added.rejected:
            raise UsageError(f"It cannot be learned from: {added.rejected[0].detail}")
        stored = (*added.photos, *added.known)[0]
        told = f"Added to {plain(label)}." if added.photos else f"It was there already, and is {plain(label)} now."
        said = render("try_added.html", told=told, file_name=stored.file_name, name=name)
        return {answer: said, shown: None, **workshop.say(f"{told} It counts in the next training.")}

    def open_page(project: Project) -> Changes:
        return {address: render("trial_link.html", address=trial.address(project.name))}

    workshop.on_show(STEP, draw, [nothing, photo, show, kept])
    workshop.on(photo.look, look, shows=[answer, shown], slow=True)
    workshop.on(answer.press, correct, [shown])
    workshop.on(kept.press, lambda project, pressed: workshop.go("train"))
    workshop.on(show.click, open_page, shows=[address])


def answered(classifier: Classifier, body: bytes, live: bool = False) -> tuple[str, str, bytes, tuple[str, ...]]:
    """The answer and the bars as HTML, the photo as it was seen (b"" of a camera's picture that is one of many), and
    the labels, the most probable first. Raises MirrorError."""
    image = classifier.decode(body)
    pixels, prepared = classifier.preprocess(image)
    prediction: Prediction = classifier.answer(pixels, prepared)
    card = answer_card(Answer(prediction, prepared, classifier.preparation, None))
    picture = b"" if live else preview(body, SHOWN_PIXELS, image)
    ranked = sorted(prediction.probabilities, key=lambda label: -prediction.probabilities[label])
    return card, bars(prediction), picture, tuple(ranked)


def render_kept(project: Project) -> str:
    """What waits for the next training, which labels have too few photos for it, and the command that adds one."""
    state = project.state()
    if state is None:
        return ""
    snapshot = state.snapshot()
    number = waiting(snapshot.folder_state, project.model)
    few = [
        f"{plain(label)} has {count(photos, 'photo')} of the {MIN_PHOTOS_PER_LABEL} that a label needs"
        for label, photos in snapshot.counts.items()
        if 0 < photos < MIN_PHOTOS_PER_LABEL
    ]
    command = typed(["mirror", "add-photo", project.given(project.folder), "LABEL", "PHOTO"])
    return render("try_kept.html", number=number, few=few, command=command)


def _named(pressed: dict[str, Any]) -> str:
    """The label of the button, or the one that was typed; "" for neither."""
    fields = pressed.get("fields")
    typed = [one[1] for one in fields if isinstance(one, list) and len(one) == 2] if isinstance(fields, list) else []
    label = (typed or [pressed.get("label")])[0]
    return label.strip() if isinstance(label, str) else ""


def _render(
    number: int, card: str, chances: str = "", picture: bytes = b"", labels: tuple[str, ...] = (), alone: bool = False
) -> str:
    """card, chances: HTML. number: of the answer, so that one like the last is an answer too. alone: without the photos
    of the model."""
    shown = data_url(picture) if picture else ""
    told = {"card": Markup(card), "chances": Markup(chances)}
    return render("try_answer.html", number=number, picture=shown, labels=labels, alone=alone, **told)
