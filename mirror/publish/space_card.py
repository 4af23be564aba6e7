"""README.md of a Space: the front matter that the Hub reads (https://huggingface.co/docs/hub/spaces-config-reference),
and what the model says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from mirror.describe import ModelDescription
from mirror.model_schema import ModelInfo
from mirror.publish.published_model import published_info
from mirror.templates import render_markdown
from mirror.wording import either

SHORT = 60  # characters of short_description; the Hub refuses more
TITLE_LABELS = 3  # of more, a title tells the number
COLOURS = ("yellow", "gray")


def space_card(
    info: ModelInfo, *, repository: str | None, models: Sequence[str] = (), datasets: Sequence[str] = (), **sdk: Any
) -> bytes:
    """The README. repository: OWNER/NAME of the Space, None where that is not known; models, datasets: repositories
    that belong to it; sdk: what the front matter says of how it runs."""
    from huggingface_hub import SpaceCardData

    model = ModelDescription(published_info(info))
    data = SpaceCardData(
        title=title(info), emoji="\N{MIRROR}", colorFrom=COLOURS[0], colorTo=COLOURS[1], **sdk,
        short_description=short_description(info), models=list(models) or None, datasets=list(datasets) or None,
        tags=["image-classification", "onnx"], pinned=False,
    )  # fmt: skip
    served = repository if sdk["sdk"] == "gradio" else None
    front = Markup(data.to_yaml())
    card = render_markdown(
        "space_card.md", card_data=front, model=model, title=title(info), address=served, sdk=sdk["sdk"]
    )
    return (card.rstrip() + "\n").encode()


def title(info: ModelInfo) -> str:
    """`Mirror: cygnet or duckling`."""
    labels = ModelDescription(info).labels
    if len(labels) > TITLE_LABELS:
        return f"Mirror: {info.name}"
    return f"Mirror: {', '.join(labels[:-1])} or {labels[-1]}"


def short_description(info: ModelInfo) -> str:
    """At most SHORT characters."""
    labels = ModelDescription(info).labels
    question = f"Is this {either(labels)}?" if len(labels) <= TITLE_LABELS else ""
    return question if 0 < len(question) <= SHORT else f"Tells {len(labels)} kinds of picture apart"
