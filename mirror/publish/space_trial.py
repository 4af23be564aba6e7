"""Waits until a Space runs, asks it one example, and compares with the answer here: a Space that runs may be broken."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.errors import PublishError
from mirror.inference.classifier import Classifier
from mirror.model_folder import ModelFolder
from mirror.publish.hub_refusals import refusals
from mirror.publish.published_files import Files, content_of
from mirror.publish.space_gradio import example_pictures

if TYPE_CHECKING:
    from huggingface_hub import HfApi

POLL_SECONDS = 2.0
TRIES = 5  # of asking a page that runs
PATIENCE_SECONDS = 1800.0  # a first build takes minutes
UNDER_WAY = ("BUILDING", "RUNNING_BUILDING", "APP_STARTING", "RUNNING_APP_STARTING", "NO_APP_FILE", "STOPPED")
ASLEEP = {"SLEEPING": "sleeps until somebody opens it", "PAUSED": "was paused, and starts again from its settings"}
IN_WORDS = {"BUILDING": "is built", "RUNNING_BUILDING": "is built", "APP_STARTING": "starts"}
SITE_SECONDS = 30.0  # for one file
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
    differences = [abs(found.get(label, 0.0) - share) for label, share in example.probabilities.items()]
    if set(found) != set(example.probabilities) or max(differences) > LARGEST_DIFFERENCE:
        here = max(example.probabilities, key=example.probabilities.__getitem__)
        raise PublishError(
            f"{address} answers {answer['label']} to {example.name} where this machine answers {here}, "
            f"{max(differences):.3f} apart in a probability: look at its log."
        )
    return f"{example.name}: {answer['label']}, as here (largest difference {max(differences):.0e})"


def check_site(address: str, files: Files, token: str | None) -> str:
    """Asks a static Space for the descriptions of its models, and returns what came, in words. PublishError where they
    are not those that were sent: the page answers in the browser, with what it is given."""
    import httpx

    names = [name for name in files if name.endswith("/model.json")]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for name in names:
        try:
            answer = httpx.get(f"{address}/{name}", headers=headers, follow_redirects=True, timeout=SITE_SECONDS)
        except httpx.HTTPError as error:
            unanswered = f"{address} runs and does not answer ({error}): look at its page."
            raise PublishError(unanswered, passing=True) from None
        if answer.status_code != 200 or answer.content != content_of(files[name]):
            other = f"{address} runs and does not show what was sent ({name}): look at its page."
            raise PublishError(other, passing=True)
    return f"{', '.join(names)}: as here"


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
