"""What was measured of a model, as sentences: its error, what it refuses, and what few photos can say."""

from __future__ import annotations

from mirror.metrics_schema import Estimate, Validation
from mirror.model_schema import Novelty, QuantizationResult
from mirror.wording import count, listed, percent, plain

FEW = 100  # photos judged, below which their number says little, and what it cannot say is told
NAMED = 12  # labels in a sentence


def error_sentence(judged: Validation) -> str:
    """`error 3.1 % (95 % interval 1.2–7.6 %) on 153 photos`."""
    low, high = (100 * end for end in judged.interval)
    share = f"{100 * judged.confidence:g} %"
    rate = f"{100 * judged.error_rate:.1f} %"
    return f"error {rate} ({share} interval {low:.1f}–{high:.1f} %) on {count(judged.photos, 'photo')}"


def judged_by(judged: Validation) -> str:
    """How the photos that an error counts were kept from the model, after their number: `… photos {judged_by}`."""
    return f"cross-validated in {judged.folds} folds" if judged.folds else "that it had not learned from"


def photos_judged(photos: int, judged: Validation) -> str:
    """`153 photos it had not learned from`; of a model that learned from all in the end, or for which none was held
    out, `68 photos, each left out in turn`."""
    unseen = judged.photos and not judged.folds
    return count(photos, "photo") + (" it had not learned from" if unseen else ", each left out in turn")


def same_labels(result: QuantizationResult) -> str:
    """How far int8 answers as float32 does: `the same label on 97.5 % of 40 photos left out, on about 99.0 % of
    others`."""
    photos = count(result.photos, "photo") + (" left out" if result.judged == result.photos else "")
    text = f"the same label on {percent(result.agreement, 1)} of {photos}"
    others = result.expected_agreement
    return text if others is None else f"{text}, on about {percent(others, 1)} of others"


def group_sentences(judged: Validation) -> tuple[str, ...]:
    """What the error owes to photos that belong together; () where each photo is alone, or nothing is known of it."""
    if judged.groups is None or judged.groups >= judged.photos:
        return ()
    groups = count(judged.groups, "group")
    if not judged.blocks:
        return (
            f"Photos that belong together (near-copies, crops, photos of one page) were left out together; the "
            f"{count(judged.photos, 'photo')} are {groups}, which the interval allows for.",
        )
    scenes = "these scenes" if len(judged.blocks) > 1 else "this scene"
    return (
        f"Nearly all photos of {listed([plain(label) for label in judged.blocks[:NAMED]])} belong together, as frames "
        f"of one camera do, so neighbouring files were left out together, in {groups} of all photos. The error is that "
        f"in {scenes} as photographed: it says nothing of another place, light or day.",
    )


def is_few(photos: int) -> bool:
    """Whether so many photos leave an error or a calibration to chance."""
    return 0 < photos < FEW


def novelty_sentence(novelty: Novelty) -> str:
    """`Held out, 5 % of the labels' own 40 photos are taken for none of them, and so are 98 % of 52 others.`"""
    if novelty.real_refused is None:
        return "Too few photos to measure how many of the labels' own are taken for none of them."
    photos = "photos" if novelty.photos is None else f"{novelty.photos:,} photos"
    text = (
        f"Held out, {percent(novelty.real_refused)}{_interval(novelty.real_interval)} of the labels' own {photos} are "
        "taken for none of them"
    )
    if novelty.others_refused is not None:
        share = f"{percent(novelty.others_refused)}{_interval(novelty.others_interval)}"
        text += f", and so are {share} of {novelty.others:,} others"
    return f"{text}."


def _interval(ends: tuple[float, float] | None) -> str:
    """` (95 % interval 0.6–16.9 %)`; "" where it is not known."""
    return "" if ends is None else f" (95 % interval {100 * ends[0]:.1f}–{100 * ends[1]:.1f} %)"


def between(estimate: Estimate, signed: bool = False) -> str:
    """`0.105 (0.062 to 0.151)`, the interval being of 95 %."""
    form = "+.3f" if signed else ".3f"
    low, high = (format(end, form) for end in estimate.interval)
    return f"{estimate.value:{form}} ({low} to {high})"
