"""A compiled model of the Hub against transformers' own pipeline: the same answers to the same photos?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from mirror.errors import ModelUnavailable
from mirror.images import load_image
from mirror.tasks.detections import Box, Detections
from mirror.tasks.hub_errors import quietly
from mirror.tasks.hub_models import Located
from mirror.tasks.registry import open_detector, open_label_predictor
from mirror.tasks.request import IMAGE_CLASSIFICATION, OBJECT_DETECTION, ZERO_SHOT, TaskRequest
from mirror.tasks.transformers_models import OFFLINE

LARGEST_DIFFERENCE = 1e-4  # of a score
LARGEST_SHIFT = 1  # of a side of a box, in pixels
COUNTED_FROM = 0.01  # the least score of a detection that is compared; those below are noise, thousands of them
WORDS = ("a cat", "a dog", "a red car in a street", "two people", "nothing of that")


def check_parity(located: Located, task: str, folder: Path, photos: Sequence[Path | Image.Image]) -> dict[str, Any]:
    """For parity.json: how many photos were compared, and how far the folder's answers are from transformers' own in a
    score and, for detectors, in a side of a box. Raises ModelUnavailable where that is more than is allowed."""
    import transformers

    pipeline: Any = transformers.pipeline  # its types know each task by name alone
    with quietly("transformers"):
        theirs = pipeline(task, model=str(located.source), image_processor=_slow(located), device="cpu")
    ours: Any
    if task == OBJECT_DETECTION:
        ours = open_detector(TaskRequest(task, str(folder)))
    else:
        ours = open_label_predictor(TaskRequest(task, str(folder), WORDS if task == ZERO_SHOT else ()))
    score, shift = 0.0, 0
    for place in photos:
        photo = load_image(place)
        if task == OBJECT_DETECTION:
            each_score, each_shift = _of_detections(ours.detect(photo), theirs(photo, threshold=COUNTED_FROM))
            score, shift = max(score, each_score), max(shift, each_shift)
            continue
        if task == ZERO_SHOT:
            given = theirs(photo, candidate_labels=list(WORDS), hypothesis_template="{}")
        else:
            given = theirs(photo, top_k=10**6)
        expected = sorted(each["score"] for each in given)  # two labels may have one name
        found = sorted(ours.classify(photo).probabilities.values())
        score = max(score, *(abs(a - b) for a, b in zip(found, expected, strict=True)))
    named = "score" if task != IMAGE_CLASSIFICATION else "probability"
    sentence = f"within {score:.0e} of transformers in any {named}"
    if task == OBJECT_DETECTION:
        sentence += f" and {shift} pixels in any box"
    sentence += f", on {len(photos)} photos"
    if not (score <= LARGEST_DIFFERENCE and shift <= LARGEST_SHIFT):
        raise ModelUnavailable(
            f"The network made of {located.name} is {sentence}, and {LARGEST_DIFFERENCE:g} and {LARGEST_SHIFT} are "
            "allowed: choose another model."
        )
    compared = {"photos": len(photos), "largest_difference": score}
    return compared | ({"largest_shift": shift} if task == OBJECT_DETECTION else {}) | {"sentence": sentence}


def _slow(located: Located) -> Any:
    from transformers import AutoImageProcessor

    return AutoImageProcessor.from_pretrained(located.source, backend="pil", **OFFLINE)


def _of_detections(ours: Detections, theirs: Sequence[dict[str, Any]]) -> tuple[float, int]:
    """The largest differences of a score and of a side, each of theirs set beside the nearest of ours of its label."""
    score, shift = 0.0, 0
    for each in theirs:
        box = Box(**each["box"])
        rivals = [own for own in ours.found if own.label == each["label"]]
        nearest = min(rivals, key=lambda own: (_moved(own.box, box), abs(own.score - each["score"])), default=None)
        if nearest is None:
            return 1.0, 0
        score = max(score, abs(nearest.score - each["score"]))
        shift = max(shift, _moved(nearest.box, box))
    return score, shift


def _moved(one: Box, other: Box) -> int:
    sides = ((one.xmin, other.xmin), (one.ymin, other.ymin), (one.xmax, other.xmax), (one.ymax, other.ymax))
    return max(abs(a - b) for a, b in sides)
