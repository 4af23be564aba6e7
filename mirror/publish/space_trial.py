"""Waits until a Space runs, asks it one example, and compares with the answer here: a Space that runs may be broken."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from mirror.errors import PublishError
from mirror.inference.classifier import Classifier
from mirror.model_folder import ModelFolder, published_name
from mirror.publish.hub_refusals import refusals
from mirror.publish.published_files import MARK, Files, content_of
from mirror.publish.space_gradio import example_pictures
from mirror.wording import count

if TYPE_CHECKING:
    from huggingface_hub import HfApi

POLL_SECONDS = 2.0
TRIES = 5  # of asking a page that runs
PATIENCE_SECONDS = 1800.0  # a first build takes minutes
UNDER_WAY = ("BUILDING", "RUNNING_BUILDING", "APP_STARTING", "RUNNING_APP_STARTING", "NO_APP_FILE", "STOPPED")
ASLEEP = {
    "SLEEPING": "sleeps until somebody opens it, or --again wakes it",
    "PAUSED": "was paused, and starts again from its settings",
}
IN_WORDS = {"BUILDING": "is built", "RUNNING_BUILDING": "is built", "APP_STARTING": "starts"}
SITE_SECONDS = 30.0  # for one file
NOT_SHOWN = {"README.md", MARK}  # of a static Space: for its repository
GZIP = b"\x1f\x8b"
LARGEST_DIFFERENCE = 1e-3  # of a probability
FAILED = re.compile(r"error|exception|no matching|not found", re.I)


@dataclass(frozen=True)
class Example:
    """A photo, and what the model says of it here."""

    name: str
    photo: bytes
    probabilities: dict[str, float]


def require_hardware(api: HfApi, space: str, hardware: str) -> None:
    """The Space's hardware, which one that was there before may not have. PublishError where the account may not."""
    from huggingface_hub import SpaceHardware

    with refusals(space):
        runtime = api.get_space_runtime(space)
        if hardware not in (runtime.hardware, runtime.requested_hardware):
            api.request_space_hardware(space, SpaceHardware(hardware))


def build_anew(api: HfApi, space: str) -> None:
    """The Space is built from its files without what its last build kept, and started, also where it sleeps. Raises
    PublishError where the account may not."""
    with refusals(space):
        api.restart_space(space, factory_reboot=True)


def wait_until_it_runs(api: HfApi, space: str, say: Callable[[str], None]) -> bool:
    """Returns once the Space runs; False where it sleeps or was paused, after saying so. PublishError where it fails,
    with the first error of its log, or takes too long."""
    deadline, before = time.monotonic() + PATIENCE_SECONDS, ""
    while True:
        with refusals(space):
            stage = str(api.get_space_runtime(space).stage)
        if stage == "RUNNING":
            return True
        if stage in ASLEEP:
            say(f"The Space is not asked: it {ASLEEP[stage]}.")
            return False
        if stage not in UNDER_WAY:
            raise PublishError(f"The Space {space} does not run ({stage}): {_first_error(api, space, stage)}")
        if time.monotonic() > deadline:
            raise PublishError(f"The Space {space} is not up after half an hour ({stage}): look at its page.")
        if stage != before:
            say(f"The Space {IN_WORDS.get(stage, 'is prepared')} …")
        before = stage
        time.sleep(POLL_SECONDS)


def _first_error(api: HfApi, space: str, stage: str) -> str:
    with refusals(space):
        lines = list(api.fetch_space_logs(space, build="BUILD" in stage))
    failed = next((line.strip() for text in lines for line in text.splitlines() if FAILED.search(line)), None)
    return f"its log says “{failed}”." if failed else "look at the log on its page."


def example_of(model: ModelFolder) -> Example:
    """One of the pictures to click or, where there is none, a drawn one; with the answer here."""
    pictures = example_pictures(model)
    name, photo = next(iter(pictures.items()), ("drawn.png", b""))
    return Example(name, photo or _drawn(), Classifier.load(model).predict(photo or _drawn()).probabilities)


def patiently(ask: Callable[[], str]) -> str:
    """What `ask` returns, which may need some tries: what has just started is not reached from everywhere at once."""
    for attempt in range(1, TRIES):
        try:
            return ask()
        except PublishError as error:
            if not error.passing:
                raise
        time.sleep(POLL_SECONDS * attempt)
    return ask()


def ask_example(address: str, example: Example, token: str | None) -> str:
    """Asks the page at `address` and returns what it answered, in words. PublishError where it does not answer, or not
    as it does here."""
    from gradio_client import Client, handle_file

    with tempfile.TemporaryDirectory() as scratch:
        photo = Path(scratch, Path(example.name).name)
        photo.write_bytes(example.photo)
        try:
            client = Client(address, token=token, verbose=False, analytics_enabled=False)
            answer = client.predict(handle_file(photo), api_name="/predict")
        except Exception as error:  # whatever a page may answer with
            raise PublishError(
                f"{address} runs and does not answer ({error}): look at its log.", passing=True
            ) from None
    found = {entry["label"]: entry["confidence"] for entry in answer["confidences"]}
    return _require_same(address, answer["label"], found, example)


def _require_same(address: str, label: str, found: Mapping[str, float], example: Example) -> str:
    """The answer in words. PublishError where it is another than the one here."""
    differences = [abs(found.get(label, 0.0) - share) for label, share in example.probabilities.items()]
    if set(found) != set(example.probabilities) or max(differences) > LARGEST_DIFFERENCE:
        here = max(example.probabilities, key=example.probabilities.__getitem__)
        raise PublishError(
            f"{address} answers {label} to {example.name} where this machine answers {here}, "
            f"{max(differences):.3f} apart in a probability: look at its log."
        )
    return f"{example.name}: {label}, as here (largest difference {max(differences):.0e})"


def check_site(address: str, files: Files, token: str | None, models: Sequence[ModelFolder]) -> str:
    """Asks a static Space for every file, and the network that came of each model for its answer to an example; returns
    what came, in words. PublishError where it shows anything else than was sent, or answers otherwise.

    The Hub may write a script into its pages, so of index.html only what the page reads is compared.
    """
    import httpx

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    shown: dict[str, bytes] = {}
    with httpx.Client(headers=headers, follow_redirects=True, timeout=SITE_SECONDS) as client:
        for name in sorted(files.keys() - NOT_SHOWN):
            try:
                answer = client.get(f"{address}/{quote(name)}")
            except httpx.HTTPError as error:
                unanswered = f"{address} runs and does not answer ({error}): look at its page."
                raise PublishError(unanswered, passing=True) from None
            body, sent = answer.content, content_of(files[name])
            same = _site_of(body) == _site_of(sent) if name == "index.html" else body == _unpacked_as(body, sent)
            if answer.status_code != 200 or not same:
                other = f"{address} runs and does not show what was sent ({name}): look at its page."
                raise PublishError(other, passing=True)
            shown[name] = body
    told = [f"{count(len(shown), 'file')} as here"]
    for model in models:
        with tempfile.TemporaryDirectory() as scratch:
            example = example_of(model)
            found = Classifier.load(_as_shown(shown, model, Path(scratch))).predict(example.photo)
        told.append(_require_same(address, found.label, found.probabilities, example))
    return "; ".join(told)


def _site_of(page: bytes) -> str | None:
    """What index.html tells the page."""
    found = re.search(rb'<script[^>]* id="site"[^>]*>(.*?)</script>', page, re.S)
    return found[1].decode() if found else None


def _unpacked_as(body: bytes, sent: bytes) -> bytes:
    """What was sent, unpacked where the host told the browser to unpack it, and it came so."""
    return gzip.decompress(sent) if sent[:2] == GZIP and body[:2] != GZIP else sent


def _as_shown(shown: Mapping[str, bytes], model: ModelFolder, scratch: Path) -> ModelFolder:
    """The model with the network that the page was given, in `scratch`."""
    network = shown[f"models/{published_name(model.info)}/network.onnx.gz"]
    network = gzip.decompress(network) if network[:2] == GZIP else network
    (scratch / model.info.onnx.file).write_bytes(network)
    files = {model.info.onnx.file: hashlib.sha256(network).hexdigest()}
    return ModelFolder(scratch, dataclasses.replace(model.info, files=files))


def _drawn() -> bytes:
    """A picture of no one's: stripes of colour."""
    import io

    import numpy as np
    from PIL import Image

    rows, columns = np.mgrid[:256, :256]
    pixels = np.stack([rows, columns, (rows * columns) % 256], axis=-1).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
