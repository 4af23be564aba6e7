"""What a step of the workshop is given: its project, and how its parts are heard and drawn.

    def add(workshop: Workshop) -> None:                         # a step's module, called inside the step's tab
        button, sheet = gr.Button("Look"), workshop.part("look-sheet")
        workshop.on(button.click, look, shows=[button, sheet])   # look(project) → {component: value}
        workshop.on_show("look", draw, shows=[sheet])            # draw(project) → {component: value}

Which project and which step a person looks at is of their browser's tab: it is in the address, and goes with each
request as a gr.State. So two tabs may show two projects. What is drawn is what lies in the folders; a handler's answer
draws the step that is looked at anew, so that no handler has to say what its change means elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from mirror.errors import MirrorError, UsageError
from mirror.templates import render
from mirror.terminal import typed
from mirror.web.gradio_blocks import PRIVATE
from mirror.web.workshop.projects import Project, Projects

SECONDS = 1.0  # between looks at what runs
GO = "go"  # in a handler's changes: the step to open
SLOW_AT_ONCE = 4

Changes = Mapping[Any, Any]
HERE = Path(__file__).parent
_PART_JS = (HERE / "step.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class _Handler:
    event: Callable[..., Any]
    handle: Callable[..., Changes | None]
    inputs: Sequence[Any]
    slow: bool


@dataclass(frozen=True)
class _Drawing:
    draw: Callable[..., Changes]
    state: Sequence[gr.State]


class Workshop:
    """Made inside the page's gr.Blocks. head: draws what stands above the steps, of a project and the step looked
    at; shows: the components that it draws."""

    def __init__(self, projects: Projects, head: Callable[[Project, str], Changes], shows: Sequence[Any] = ()):
        self.projects = projects
        self.project, self.shown = gr.State(projects.only or ""), gr.State("")
        self.ran = gr.State(False)  # whether a command of the project ran when it was drawn last
        self.clock = gr.Timer(SECONDS, active=False)
        self.message = gr.HTML(sentence(""), elem_id="said")
        self.steps: gr.Tabs | None = None
        self._head = head
        self._handlers: list[_Handler] = []
        self._drawings: dict[str, list[_Drawing]] = {}
        self._names: frozenset[str] = frozenset()
        self._waits: list[Callable[[], bool]] = []
        self._endings: dict[str, Callable[[Project], str]] = {}
        self._shown = dict.fromkeys([self.project, self.shown, self.ran, self.clock, *shows])
        self.outputs: list[Any] = []  # of every event, once they are attached

    def of(self, name: str) -> Project:
        return self.projects.of(name)

    def on(
        self, event: Callable[..., Any], handler: Callable[..., Changes | None], inputs: Sequence[Any] = (),
        shows: Sequence[Any] = (), *, slow: bool = False,
    ) -> None:  # fmt: skip
        """Calls handler(project, *values of inputs) when the event happens; of an event that a gr.HTML's script
        triggers, as a part's press, with what it carries (a dict) before the values. slow: beside the others, and not
        in turn."""
        self._handlers.append(_Handler(event, handler, inputs, slow))
        self._shown.update(dict.fromkeys(shows))

    def on_show(
        self, step: str, draw: Callable[..., Changes], shows: Sequence[Any] = (), state: Sequence[gr.State] = ()
    ) -> None:
        """Calls draw(project, *values of state) when the step is opened, after each answer while it is looked at, and
        each second while a command of the project runs. It has to be quick."""
        self._drawings.setdefault(step, []).append(_Drawing(draw, state))
        self._shown.update(dict.fromkeys([*shows, *state]))

    def on_end(self, step: str, ending: Callable[[Project], str]) -> None:
        """What is said when the step's command has ended, for whoever did not watch it."""
        self._endings[step] = ending

    def wait_for(self, pending: Callable[[], bool]) -> None:
        """The page is drawn anew each second as long as that is so, as while a command runs."""
        self._waits.append(pending)

    def say(self, said: str) -> Changes:
        return {self.message: sentence(said)}

    def go(self, step: str) -> Changes:
        return {GO: step}

    def part(self, elem_id: str, value: str = "") -> gr.HTML:
        """HTML whose buttons with `data-press` (any JSON) are heard: workshop.on(part.press, …)."""
        return gr.HTML(value, elem_id=elem_id, js_on_load=_PART_JS)

    def wire(self, tabs: Mapping[str, gr.Tab]) -> None:
        """Attaches everything; called once, when all steps are there."""
        assert self.steps is not None
        self._names = frozenset(tabs)
        self.outputs = outputs = [*self._shown, *tabs.values(), self.steps, self.message]  # said once it is shown
        states = list(dict.fromkeys(part for drawings in self._drawings.values() for d in drawings for part in d.state))
        given = [self.project, self.shown, self.ran, *states]

        def attach(
            event: Callable[..., Any], handle: Callable[..., Changes | None], inputs: Sequence[Any] = (),
            slow: bool = False,
        ) -> None:  # fmt: skip
            def answer(*values: Any) -> dict[Any, Any]:
                (name, step, ran), rest = values[:3], values[len(given) :]
                kept = dict(zip(states, values[3 : len(given)], strict=True))
                return self._answer(self.of(name), step, kept, handle, rest, ran=ran, slow=slow)

            def heard(event: gr.EventData, *values: Any) -> dict[Any, Any]:
                data = event._data if isinstance(event._data, dict) else {}
                return answer(*values[: len(given)], data, *values[len(given) :])

            # one at a time, so that a look at what runs cannot bring back a tab that was just left
            turn: dict[str, Any] = {"concurrency_id": "studio"}
            if slow:
                turn = {"concurrency_id": "slow", "concurrency_limit": SLOW_AT_ONCE, "trigger_mode": "multiple"}
            carries = isinstance(event, partial)  # an event that a gr.HTML's script names
            if carries:  # whoever is quick presses another of its buttons before the first is answered
                turn["trigger_mode"] = "multiple"
            event(heard if carries else answer, [*given, *inputs], outputs, **PRIVATE, **turn)

        for one in self._handlers:
            attach(one.event, one.handle, one.inputs, one.slow)
        for step, tab in tabs.items():
            attach(tab.select, partial(_opening, step))
        attach(self.clock.tick, lambda project: None)

    def open(self, project: Project, step: str) -> dict[Any, Any]:
        """Everything on the page, of a project that is opened with that step."""
        return {self.project: project.name, **self._answer(project, step, {}, lambda project: self.go(step), ())}

    def _answer(
        self, project: Project, step: str, kept: Mapping[Any, Any], handle: Callable[..., Changes | None],
        values: Sequence[Any], *, ran: bool = False, slow: bool = False,
    ) -> dict[Any, Any]:  # fmt: skip
        changes = dict(handle(project, *values) or {})
        wanted = changes.pop(GO, None)
        if wanted is not None and wanted not in self._names:
            raise UsageError(f"There is no step “{wanted}” here: load the page again.")
        runs = project.running
        running: dict[Any, Any] = {self.clock: gr.update(active=runs or any(pending() for pending in self._waits))}
        if slow and wanted is None:  # the person may look at something else by now
            return running | changes
        if wanted is not None and self.steps is not None:
            step = wanted
            running |= {self.shown: step, self.steps: gr.Tabs(selected=step)}
        running[self.ran] = runs
        if ran and not runs:
            running |= self._ended(project)
        state = {**kept, **{part: value for part, value in changes.items() if part in kept}}
        return {**running, **self._head(project, step), **self._draw(project, step, state), **changes}

    def _draw(self, project: Project, step: str, state: Mapping[Any, Any]) -> dict[Any, Any]:
        drawn: dict[Any, Any] = {}
        for one in self._drawings.get(step, ()):
            try:
                drawn |= one.draw(project, *(state.get(part, part.value) for part in one.state))
            except MirrorError as error:  # a table that is torn, a model that is damaged
                drawn |= self.say(str(error))
        return drawn

    def _ended(self, project: Project) -> Changes:
        step = project.last_run
        if not step:
            return {}
        said = self._endings.get(step, lambda project: project.run(step).progress().failure or "It has ended.")
        try:
            return self.say(said(project))
        except MirrorError as error:
            return self.say(str(error))


def _opening(step: str, project: Project) -> Changes:
    return {GO: step}


def photo_script(name: str) -> str:
    """The script of a part that takes photos: what all such have in common (photos.js), then its own file."""
    return "\n".join((HERE / file).read_text(encoding="utf-8") for file in ("photos.js", name))


def command(arguments: Sequence[str], program: str = "train.py") -> str:
    """The command line that does the same, as HTML."""
    return render("command.html", command=command_line(arguments, program))


def command_line(arguments: Sequence[str], program: str = "train.py") -> str:
    return typed(["python", program, *arguments])


def sentence(said: str) -> str:
    return render("sentence.html", kind="status", sentence=said)


def value_of(pressed: Mapping[str, Any], name: str, kind: type) -> Any:
    """What a button carries under a name. Raises UsageError for what no button of the page sends."""
    value = pressed.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError("The page sent something that it has no button for: load it again.")
    return value
