"""Photos to doubt: planted wrong labels, outliers and copies are found, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

from mirror.training.label_issues import (
    CLOSE,
    MOST_OF_A_GROUP,
    HeldOutPredictions,
    find_issues,
    look_alikes,
    mislabeled,
    outliers,
)
from tests.support.training import photo


def evidence(labels: int = 2, each: int = 20, width: int = 40, seed: int = 0) -> HeldOutPredictions:
    """Photos of `labels` clouds, well apart, each given its own label with 90 %."""
    random = np.random.default_rng(seed)
    names = tuple(f"label {number}" for number in range(labels))
    actual = np.repeat(np.arange(labels), each)
    features = 3 * random.random((labels, width))[actual] + random.random((len(actual), width))
    shares = np.full((len(actual), labels), 0.1 / (labels - 1))
    shares[np.arange(len(actual)), actual] = 0.9
    photos = [photo(i, names[label]) for i, label in enumerate(actual)]
    return HeldOutPredictions(photos, names, shares, features.astype(np.float32), np.arange(len(actual)))


def relabelled(found: HeldOutPredictions, place: int, label: str) -> HeldOutPredictions:
    photos = list(found.photos)
    photos[place] = replace(photos[place], label=label)
    return replace(found, photos=photos)


@pytest.mark.parametrize("labels", [2, 3, 6])
def test_a_clean_set_gives_no_suspects(labels: int) -> None:
    assert find_issues(evidence(labels)) == []


@pytest.mark.parametrize("labels", [2, 5])
def test_disputed_labels_are_cleanlabs(labels: int) -> None:
    random = np.random.default_rng(1)
    actual = np.arange(200) % labels
    logits = random.normal(size=(200, labels))
    logits[np.arange(200), actual] += 1
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = tuple("abcdefgh"[:labels])
    photos = [photo(i, names[label]) for i, label in enumerate(actual)]
    found = list(mislabeled(HeldOutPredictions(photos, names, shares, np.zeros((200, 2)), np.arange(200))))
    listed = find_label_issues(
        actual, shares, return_indices_ranked_by="self_confidence", filter_by="predicted_neq_given", n_jobs=1
    )
    ranked = sorted(found, key=lambda one: -one.score)
    assert [one.file_name for one in ranked] == [photos[i].file_name for i in listed] and len(listed) > 10
    quality = get_label_quality_scores(actual, shares, method="self_confidence")
    assert [1 - one.score for one in ranked] == pytest.approx([quality[i] for i in listed])
    assert all(one.suggested == names[shares[i].argmax()] for one, i in zip(ranked, listed, strict=True))


def test_a_wrong_label_is_told_in_words() -> None:
    (found,) = find_issues(relabelled(evidence(), 3, "label 1"))[:1]
    assert (found.file_name, found.issue, found.label, found.suggested) == (
        "images/label 0/003.jpg", "disputed", "label 1", "label 0",
    )  # fmt: skip
    assert found.score == pytest.approx(0.9) and found.reason == "filed under label 1, but taken for label 0 (90 %)"


def test_photos_that_nothing_has_judged_are_not_disputed() -> None:
    found = relabelled(evidence(), 3, "label 1")
    found.probabilities[3] = np.nan
    assert list(mislabeled(found)) == []


@pytest.mark.parametrize("labels", [2, 4])
def test_a_photo_far_from_all_of_its_label_is_an_outlier(labels: int) -> None:
    found = evidence(labels)
    found.features[5] = np.eye(found.features.shape[1])[0] * 9
    (outlier,) = outliers(found)
    assert (outlier.file_name, outlier.issue) == ("images/label 0/005.jpg", "outlier")
    unit = found.features[:20] / np.linalg.norm(found.features[:20], axis=1, keepdims=True)
    alike = np.sort(np.delete(unit @ unit[5], 5))[-3:].mean()
    assert outlier.score == pytest.approx(1 - alike, abs=1e-6) and f"{alike:.2f} alike" in outlier.reason


def test_two_copies_of_an_outlier_do_not_hide_each_other() -> None:
    found = evidence()
    found.features[5] = found.features[6] = np.eye(found.features.shape[1])[0] * 9
    found.groups[6] = found.groups[5]
    assert {one.file_name for one in outliers(found)} == {"images/label 0/005.jpg", "images/label 0/006.jpg"}


def test_a_little_less_alike_than_photos_that_are_all_alike_is_no_outlier() -> None:
    found = evidence()
    found.features[5] += 0.5  # 0.98 alike, where the others are 0.99
    assert list(outliers(found)) == []


def test_eight_photos_a_label_are_enough_and_seven_say_nothing() -> None:
    for each, outlying in ((8, 1), (7, 0)):
        found = evidence(each=each)
        found.features[0] = np.eye(found.features.shape[1])[0] * 9
        assert len(list(outliers(found))) == outlying, each


@pytest.mark.parametrize(
    ("name", "hashes", "score"),
    [
        ("the same", ("00000000ffffffff", "00000000ffffffff"), 1.0),
        ("12 bits apart", ("00000000ffffffff", "00000000fffff000"), 1 - 12 / 64),
        ("mirrored", ("00000000ffffffff", f"{0x00000000FFFFFFFF ^ 0x5555555555555555:016x}"), 1 - 12 / 64),
        ("13 bits apart", ("00000000ffffffff", "00000000ffffe000"), None),
        ("flat ones", ("", ""), None),
    ],
)
def test_near_duplicates_by_their_hashes(name: str, hashes: tuple[str, str], score: float | None) -> None:
    found = evidence()
    photos = list(found.photos)
    for place, phash in zip((4, 30), hashes, strict=True):
        photos[place] = replace(photos[place], phash=phash)
    pairs = list(look_alikes(replace(found, photos=photos)))
    assert [one.score for one in pairs] == ([] if score is None else [pytest.approx(score)]), name
    for one in pairs:
        assert (one.file_name, one.other) == ("images/label 1/030.jpg", "images/label 0/004.jpg")
        assert one.reason.endswith(", which is filed under label 0")


def test_near_duplicates_by_their_features_name_the_nearest_only() -> None:
    found = evidence(width=200)
    noise = np.random.default_rng(0).normal(size=(2, 200)).astype(np.float32)
    found.features[7] = found.features[2] + 0.05 * noise[0]
    found.features[9] = found.features[7] + 0.01 * noise[1]
    pairs = {one.file_name[-7:-4]: one for one in look_alikes(found)}
    assert {name: one.other[-7:-4] for name, one in pairs.items()} == {"007": "002", "009": "007"}
    centred = found.features - found.features[:20].mean(axis=0)
    cosine = centred[2] @ centred[7] / np.linalg.norm(centred[2]) / np.linalg.norm(centred[7])
    assert pairs["007"].score == pytest.approx(cosine, abs=1e-5) and cosine > CLOSE


def test_of_the_frames_of_one_camera_a_few_are_listed_and_all_that_bear_two_labels() -> None:
    found = evidence()
    found.features[:18] = found.features[0] + 1e-3 * found.features[:18]
    found.groups[:18] = found.groups[0]
    listed = list(look_alikes(found))
    assert 0 < len(listed) <= MOST_OF_A_GROUP
    found.features[20:30] = found.features[:10]
    found.groups[20:30] = found.groups[0]
    two = [one for one in look_alikes(found) if "which is filed under" in one.reason]
    assert len(two) == 10


def test_what_is_worst_for_a_model_comes_first() -> None:
    found = relabelled(evidence(width=200), 3, "label 1")
    found.features[5] = np.eye(200)[0] * 20
    found.features[9] = found.features[8]
    issues = [one.issue for one in find_issues(found)]
    assert set(issues) == {"disputed", "outlier", "look-alike"}
    assert issues == sorted(issues, key=["disputed", "outlier", "look-alike"].index)
