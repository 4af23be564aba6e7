"""What can be chosen of a publication, in plain words, and the `mirror publish` that does it. Pure: no gradio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mirror.model_folder import published_name
from mirror.publish.publication import COSTS, DATASET, GRADIO, MODEL, PARTS, SPACE, STATIC, ZERO
from mirror.static_site.site_tabs import READY, TITLES
from mirror.web.workshop.projects import Project

STAY, OWN = "stay", "own"
LICENSES = ("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0")
WAYS = {way: COSTS[way][0].upper() + COSTS[way][1:] for way in (STATIC, GRADIO, ZERO)}
BESIDE = {MODEL: "The model itself, with its card", DATASET: "The list of photos it learned from, with their addresses"}
PHOTOS = {
    STAY: "No photo leaves this machine",
    OWN: "The photos go too: they are mine",
    **{license: f"The photos go too: all may be published under {license}" for license in LICENSES},
}
TABS = {tab: TITLES[tab] for tab in READY}


@dataclass(frozen=True)
class Choices:
    """way: of WAYS; beside: what goes besides the page, of BESIDE; photos: of PHOTOS; tabs: further ones of the page
    without a server, of TABS; to: NAME or OWNER/NAME, "" for the project's own."""

    way: str = STATIC
    beside: Sequence[str] = tuple(BESIDE)
    photos: str = STAY
    private: bool = False
    tabs: Sequence[str] = ()
    to: str = ""


def publish_arguments(project: Project, choices: Choices) -> list[str]:
    """Of the `mirror` that publishes a project's model, without --yes and --dry-run. Raises MirrorError for a model
    that is broken."""
    info = project.info()
    told = ["publish", project.given(project.model), "--as", choices.way]
    parts = [part for part in PARTS if part == SPACE or part in choices.beside]
    if len(parts) < len(PARTS):
        told += ["--what", ",".join(parts)]
    if DATASET in parts and info and project.folder.is_dir():
        default = project.home / "data" / published_name(info)
        if default.resolve() != project.folder.resolve():
            told += ["--data", project.given(project.folder)]
    if choices.photos != STAY:
        told += ["--own-photos"] if choices.photos == OWN else ["--license", choices.photos]
    if choices.tabs and choices.way == STATIC:
        told += ["--tabs", ",".join(choices.tabs)]
    if to := choices.to.strip():
        told.append(f"--to={to}")
    return told + ["--private"] * choices.private
