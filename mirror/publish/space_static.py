"""The page without a server, as a static Space: plain files that any web server can show."""

from __future__ import annotations

from mirror.errors import PublishError
from mirror.model_folder import ModelFolder


def space_static(model: ModelFolder) -> dict[str, bytes]:
    """Path → content of the site. Raises PublishError."""
    raise PublishError(
        "The page without a server is not available yet: publish with --as zero, which a free account may host too, or "
        "with --as gradio."
    )
