"""A local Hub in the place of the one that huggingface_hub asks, and an empty store of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.world.hub import Hub


@contextmanager
def hub_at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Nobody is logged in there; the token in use is kept in `folder`/token."""
    with Hub() as hub:
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(folder / "token"))
        monkeypatch.setattr("huggingface_hub.constants.HF_STORED_TOKENS_PATH", str(folder / "stored_tokens"))
        yield hub
