"""The page as a container: the Gradio Space's files and a Dockerfile, for `docker build` anywhere or a Docker Space."""

from __future__ import annotations

from collections.abc import Sequence

from mirror.model_folder import ModelFolder
from mirror.publish.space_card import space_card
from mirror.publish.space_gradio import GRADIO, REQUIREMENTS, page_files
from mirror.templates import FOLDER

PORT = 7860


def space_container(
    model: ModelFolder, *, repository: str | None = None, models: Sequence[str] = (), datasets: Sequence[str] = (),
    photos_may_go: bool = False,
) -> dict[str, bytes]:  # fmt: skip
    """Path → content of the build context. The arguments are those of `space_gradio`."""
    card = space_card(model.info, repository=repository, models=models, datasets=datasets, sdk="docker", app_port=PORT)
    return page_files(model, photos_may_go=photos_may_go) | {
        "README.md": card,
        "Dockerfile": (FOLDER / "Dockerfile").read_bytes(),
        "requirements.txt": f"gradio=={GRADIO}\n{REQUIREMENTS}".encode(),
    }
