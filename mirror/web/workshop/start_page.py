"""The start page: a card a project, which is a link to it, and the name of a new one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from mirror.templates import render
from mirror.web.studio.photo_routes import thumbnail_address
from mirror.web.workshop.projects import Card, Projects
from mirror.wording import count, listed, plain

SHOWN_LABELS = 6


def render_cards(projects: Projects, icon: Markup, named: str = "") -> str:
    """HTML: forms and links alone, so that a project opens in a tab of its own too. named: what a person called a new
    one."""
    cards = [shown_card(card) for card in projects.cards()]
    return render("projects.html", cards=cards, name=named or projects.free_name(), icon=icon)


def shown_card(card: Card) -> dict[str, Any]:
    """What the template shows of it."""
    shown = [plain(label) for label in card.labels[:SHOWN_LABELS]]
    more = [f"{len(card.labels) - SHOWN_LABELS} more"] if len(card.labels) > SHOWN_LABELS else []
    return {
        **vars(card),
        "address": f"/?{urlencode({'project': card.name})}",
        "picture": thumbnail_address(card.name, card.picture) if card.picture else "",
        "labels": listed([*shown, *more]) if shown else "",
        "photos": count(card.photos, "photo") if card.photos is not None else "",
    }
