"""The step that publishes: who you are at the Hub, what goes there and what stays, and the address in the end.

It starts `mirror publish`, and `hf auth login` in all but name; both may be ended and started again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import gradio as gr

from mirror.errors import MirrorError
from mirror.publish import hub_login
from mirror.publish.hub_refusals import TOKENS
from mirror.publish.publication import UNPUBLISHED
from mirror.templates import render
from mirror.terminal import typed
from mirror.web.workshop.long_run import MIRROR, Program, Progress
from mirror.web.workshop.projects import Project
from mirror.web.workshop.publish_choices import BESIDE, PHOTOS, TABS, WAYS, Choices, publish_arguments
from mirror.web.workshop.step import Changes, Workshop, value_of

STEP, LOGIN = "publish", "login"
LOG_IN = Program(
    "from mirror.cli.exit_codes import ended; from mirror.publish.hub_login import log_in; "
    "raise SystemExit(ended(log_in, 'mirror: '))",
    "mirror: ",
)


@dataclass(frozen=True)
class Who:
    """Whoever the Hub said is logged in. token: a digest of the token that it was asked with, "" for none; problem: a
    sentence on why nobody may publish."""

    token: str = ""
    name: str = ""
    problem: str = ""


class HubAccount:
    """Who is logged in on this machine: asked once a token, for the Hub may be slow to answer."""

    def __init__(self) -> None:
        self._known = Who()

    def known(self) -> Who | None:
        """Who it is; None where the Hub has not been asked yet."""
        token = _digest()
        return self._known if self._known.token == token else None

    def ask(self) -> None:
        token = _digest()
        try:
            account = hub_login.read_login()
            self._known = Who(token, account.name if account else "")
            if account:
                account.require_write(account.name)
        except MirrorError as error:
            self._known = Who(token, self._known.name if self._known.token == token else "", str(error))

    def forget(self) -> None:
        """The next look asks again."""
        self._known = Who("unknown")


def _digest() -> str:
    from huggingface_hub import get_token

    token = get_token()
    return hashlib.sha256(token.encode()).hexdigest() if token else ""


def add(workshop: Workshop) -> None:
    account = HubAccount()
    nothing = gr.HTML()
    with gr.Column() as all_of_it:
        login = workshop.part("publish-login")
        with gr.Accordion("Log in with a token instead", open=not hub_login.is_by_browser()) as by_token:
            token = gr.Textbox(
                label="A token that may write", type="password", max_lines=1,
                info=f"Made at {TOKENS}. It goes to huggingface_hub's own store on this machine, and is shown nowhere.",
            )  # fmt: skip
            keep = gr.Button("Log in with this token")
        way = gr.Radio(_choices(WAYS), value=Choices.way, label="Where it is published", elem_id="publish-way")
        beside = gr.CheckboxGroup(_choices(BESIDE), value=list(Choices.beside), label="What goes besides the page")
        photos = gr.Radio(
            _choices(PHOTOS), value=Choices.photos, label="The photos it learned from", elem_id="publish-photos"
        )
        with gr.Accordion("More", open=False):
            to = gr.Textbox(
                label="Its name at the Hub", placeholder="NAME or OWNER/NAME", max_lines=1,
                info="The project's own where this is empty; give an owner to publish for an organisation.",
            )  # fmt: skip
            tabs = gr.CheckboxGroup(_choices(TABS), label="Further tabs of the page without a server")
            private = gr.Checkbox(label="Private: only for you and those you let in")
        command = gr.HTML(elem_id="publish-command")
        with gr.Row(elem_id="publish-buttons"):
            look = gr.Button("See what would go")
            publish = gr.Button("Publish", variant="primary")
            cancel = gr.Button("Cancel", visible=False)
        outcome = gr.HTML(elem_id="publish-outcome")
    chosen = gr.State(Choices())
    choices = [way, beside, photos, private, tabs, to]

    def draw(project: Project, wanted: Choices) -> Changes:
        if project.info() is None:
            none = render("empty_step.html", what="There is no model yet to publish: train one first.")
            return {nothing: none, all_of_it: gr.update(visible=False)}
        progress, told = project.run(STEP).progress(), publish_arguments(project, wanted)
        return {
            **draw_login(project), nothing: "", all_of_it: gr.update(visible=True),
            command: render("command.html", command=typed(["python", "-m", "mirror", *told])),
            cancel: gr.update(visible=progress.running), outcome: render_publication(project, progress),
        }  # fmt: skip

    def start(project: Project, *values: Any, last: str) -> Changes:
        project.run(STEP).start([*publish_arguments(project, Choices(*values)), last], MIRROR)
        return {chosen: Choices(*values)}

    def ask(project: Project) -> Changes | None:
        if account.known() is not None:
            return None
        account.ask()
        return draw_login(project)

    def draw_login(project: Project) -> Changes:
        """The parts that depend on who is logged in."""
        who = account.known()
        progress = project.run(STEP).progress()
        may = bool(who and who.name) and not progress.running
        return {
            login: render_login(project, who),
            by_token: gr.update(visible=bool(who and not who.name) and not hub_login.token_variable()),
            look: gr.update(interactive=may),
            publish: gr.update(interactive=may, value="Publish again" if project.publication() else "Publish"),
        }

    def press(project: Project, pressed: dict[str, Any]) -> Changes:
        wanted = value_of(pressed, "login", str)
        if wanted == "begin":
            project.run(LOGIN).start([], LOG_IN)
        elif wanted == "cancel":
            project.run(LOGIN).cancel()
        elif wanted == "out":
            hub_login.log_out()
        else:
            account.forget()
        return {}

    def keep_token(project: Project, given: str) -> Changes:
        try:
            hub_login.log_in(given)
        except MirrorError as error:
            return {token: "", **workshop.say(str(error))}
        return {token: "", **draw_login(project)}

    workshop.on_show(
        STEP, draw, [nothing, all_of_it, login, by_token, command, look, publish, cancel, outcome], [chosen]
    )
    workshop.on_end(STEP, lambda project: ending(account, project.run(STEP).progress()))
    workshop.on_end(LOGIN, lambda project: project.run(LOGIN).progress().failure or "You are logged in.")
    for changed in (way.change, beside.change, photos.change, private.change, tabs.change, to.blur):
        workshop.on(changed, lambda project, *values: {chosen: Choices(*values)}, choices)
    workshop.on(look.click, lambda project, *values: start(project, *values, last="--dry-run"), choices)
    workshop.on(publish.click, lambda project, *values: start(project, *values, last="--yes"), choices)
    workshop.on(cancel.click, lambda project: project.run(STEP).cancel())
    workshop.on(login.press, press)
    workshop.on(login.change, ask, slow=True)
    workshop.on(keep.click, keep_token, [token], [token], slow=True)


def render_login(project: Project, who: Who | None) -> str:
    """Who is logged in, or the code of a login that waits for a person."""
    progress = project.run(LOGIN).progress()
    code = hub_login.read_device_code(progress.lines) if progress.running else None
    return render(
        "publish_login.html", who=who, waiting=progress.running, code=code, failure=progress.failure,
        variable=hub_login.token_variable(), by_browser=hub_login.is_by_browser(), command=hub_login.COMMAND,
    )  # fmt: skip


def render_publication(project: Project, progress: Progress) -> str:
    """How far it is, or the plan where nothing was to be published; and where it is published. Raises MirrorError."""
    lines, record, info = progress.lines, project.publication(), project.info()
    dry = bool(lines) and lines[-1] == UNPUBLISHED
    return render(
        "publication.html", progress=progress, plan=[line.strip() for line in lines if line.startswith("  ")],
        dry=dry, record=None if progress.running else record,
        changed=bool(record and info and not record.is_of(info)),
    )  # fmt: skip


def is_published(progress: Progress) -> bool:
    """Whether it has ended with something published."""
    return bool(progress.lines) and not (progress.running or progress.failure) and progress.lines[-1] != UNPUBLISHED


def ending(account: HubAccount, progress: Progress) -> str:
    """What is said of a publication that has ended. Where it failed, the account may be what was refused: it is asked
    for anew."""
    if progress.failure:
        account.forget()
        return progress.failure
    return "It is published." if is_published(progress) else "That is what would go; nothing was published."


def _choices(words: dict[str, str]) -> list[tuple[str, str]]:
    return [(said, value) for value, said in words.items()]
