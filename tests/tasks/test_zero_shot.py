"""Images against words: the numbers of transformers called directly, from words that are read once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor, pipeline

from mirror.batch.writers import OutputFilter
from mirror.errors import ImageError, MirrorError, ModelUnavailable, UsageError
from mirror.image_sources import find_sources
from mirror.images import load_image
from mirror.tasks.registry import open_predictor
from mirror.tasks.request import ZERO_SHOT, TaskRequest
from mirror.tasks.zero_shot import SETS_KEPT, TEXTS_AT_ONCE, ZeroShot
from tests.support.limits import LIMIT
from tests.support.tiny_clip import (
    CARS,
    picture,
    saved,
    tiny_chinese_clip,
    tiny_clip,
    tiny_metaclip,
    tiny_siglip,
    tiny_siglip2,
)
from tests.support.tiny_vit import tiny_vit
from tests.web.tiny import RED, photo

ROOT = Path(__file__).resolve().parents[2]
CATS = ROOT.parent / "shared" / "data" / "scenes" / "other" / "cats_000000039769.jpg"
LABELS = ("cat", "dog", "a red car", "two cats asleep on a pink blanket", "Château")
KINDS = {
    "CLIP": tiny_clip,
    "MetaCLIP 2": tiny_metaclip,
    "Chinese CLIP": tiny_chinese_clip,
    "SigLIP": tiny_siglip,
    "SigLIP 2": tiny_siglip2,
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="module")
def model(clip: Path) -> ZeroShot:
    return ZeroShot.load(str(clip))


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_siglip(tmp_path_factory.mktemp("models") / "siglip")


@pytest.fixture(scope="module")
def recipe(clip: Path) -> Callable[[Image.Image, tuple[str, ...]], torch.Tensor]:
    """The article's, word for word."""
    model = CLIPModel.from_pretrained(clip)
    processor = CLIPProcessor.from_pretrained(clip)

    def probabilities(image: Image.Image, labels: tuple[str, ...]) -> torch.Tensor:
        inputs = processor(text=list(labels), images=image, return_tensors="pt", padding=True)
        with torch.no_grad():
            return model(**inputs).logits_per_image.softmax(dim=1)[0]

    return probabilities


def pictures() -> list[Image.Image]:
    return [picture(0), picture(1, (60, 90)), picture(2, (500, 40)), picture(3, (32, 32)), picture(4, (1, 1))]


@pytest.mark.parametrize("labels", [LABELS, CARS], ids=["five labels", "196 cars"])
def test_the_numbers_are_those_of_the_articles_recipe(model: ZeroShot, recipe, labels: tuple[str, ...]) -> None:
    images = pictures() + ([load_image(CATS)] if CATS.is_file() else [])
    tops = set()
    for image, answer in zip(images, model.bound(labels).predict(images), strict=True):
        expected = recipe(image, labels)
        assert list(answer.probabilities) == list(labels) and answer.known
        assert list(answer.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-5)
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
        top = torch.topk(expected, 5).indices.tolist()
        assert [label for label, _ in OutputFilter(5).of(answer)] == [labels[index] for index in top]
        tops.add(answer.label)
    assert len(tops) > 1  # else a model that ignores the image would pass


@pytest.mark.parametrize("template", ["{}", "a photo of {}", "{} (a photo, as {they} say)"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_are_those_of_transformers_pipeline(kind: str, template: str, tmp_path: Path) -> None:
    folder = KINDS[kind](tmp_path)
    theirs = pipeline("zero-shot-image-classification", model=str(folder))
    ours = open_predictor(TaskRequest(ZERO_SHOT, str(folder), LABELS, template))
    escaped = template.replace("{they}", "{{they}}")  # which str.format, and so the pipeline, would look up
    for image, answer in zip(pictures(), ours.predict(pictures()), strict=True):
        told = theirs(image, candidate_labels=list(LABELS), hypothesis_template=escaped)
        expected = {each["label"]: each["score"] for each in told}
        assert answer.probabilities == pytest.approx(expected, abs=1e-5)


def test_siglip_gives_each_label_a_probability_of_its_own(siglip: Path) -> None:
    model = ZeroShot.load(str(siglip))
    [one], [many] = model.bound(("cat",)).predict([picture(0)]), model.bound(LABELS).predict([picture(0)])
    assert one.probability == pytest.approx(many.probabilities["cat"], abs=1e-6)
    assert 0 < one.probability < 1
    assert sum(many.probabilities.values()) != pytest.approx(1, abs=0.1)


def words(tokens: int) -> str:
    """A text of so many of CLIP's tokens, those of its begin and its end included."""
    return "cat " * (tokens - 2)


def test_a_label_as_long_as_the_model_reads_is_answered_and_a_longer_one_refused(
    model: ZeroShot, recipe, siglip: Path
) -> None:
    longest = (words(77), "dog")
    [answer] = model.bound(longest).predict([picture(0)])
    assert list(answer.probabilities.values()) == pytest.approx(recipe(picture(0), longest).tolist(), abs=1e-5)
    with pytest.raises(ValueError, match="77"):  # no traceback of this kind for people
        recipe(picture(0), (words(78), "dog"))
    with pytest.raises(UsageError) as told:
        model.bound(("dog", words(78)))
    assert str(told.value) == (
        f"“{'cat ' * 14}c…” is too long: the model reads 77 tokens and it has 78, so use fewer words."
    )
    with pytest.raises(UsageError, match="reads 77 tokens and it has 79"):
        model.bound(longest, "a photo {}")
    with pytest.raises(UsageError, match="reads 64 tokens"):  # where transformers' pipeline reads its beginning
        ZeroShot.load(str(siglip)).bound(("dog", "x" * 200))


class Counted:
    """How often a part of the network runs, and on how many at once."""

    def __init__(self, part: torch.nn.Module):
        self.sizes: list[int] = []
        self._hook = part.register_forward_hook(self._count, with_kwargs=True)

    def _count(self, part: torch.nn.Module, given: tuple, named: dict, output: object) -> None:
        self.sizes.append(len(next(iter([*given, *named.values()]))))

    def __enter__(self) -> Counted:
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()


def test_words_are_read_once_and_from_then_on_only_images(clip: Path) -> None:
    model = ZeroShot.load(str(clip))
    with Counted(model.towers.model.text_model) as texts, Counted(model.towers.model.vision_model) as images:
        predictor = model.bound(CARS)
        assert texts.sizes == [64, 64, 64, 4] and max(texts.sizes) <= TEXTS_AT_ONCE
        for seed in range(3):
            predictor.predict([picture(seed)])
        model.bound(CARS).predict([picture(0), picture(1)])  # another visitor with the same words
        assert (len(texts.sizes), images.sizes) == (4, [1, 1, 1, 2])
        model.bound(CARS, "a photo of {}")
        assert len(texts.sizes) == 8


def test_the_words_read_last_are_kept_and_no_more_than_so_many_sets(clip: Path) -> None:
    model = ZeroShot.load(str(clip))
    sets = [("cat", f"dog {number}") for number in range(SETS_KEPT + 1)]
    with Counted(model.towers.model.text_model) as texts:
        for labels in sets[:-1]:
            model.bound(labels)
        model.bound(sets[0])  # used again, so it is not the next to go
        assert len(texts.sizes) == SETS_KEPT
        model.bound(sets[-1])
        model.bound(sets[0])
        assert len(texts.sizes) == SETS_KEPT + 1
        model.bound(sets[1])
        assert len(texts.sizes) == SETS_KEPT + 2
    assert len(model._kept) == SETS_KEPT
    assert "dog" not in repr(list(model._kept))  # what visitors type is not


def test_a_batch_of_images_is_answered_as_each_alone(model: ZeroShot) -> None:
    predictor = model.bound(LABELS)
    images = [picture(seed, (40 + 9 * seed, 90 - 7 * seed)) for seed in range(predictor.batch)]
    together = predictor.predict(images)
    for image, answer in zip(images, together, strict=True):
        [alone] = predictor.predict([image])
        assert answer.probabilities == pytest.approx(alone.probabilities, abs=1e-6)


def test_sources_are_answered_in_their_order_and_errors_in_their_places(model: ZeroShot, tmp_path: Path) -> None:
    for number in range(19):  # more than two batches
        saved(picture(number), tmp_path / f"{number:02d}.png")
    (tmp_path / "07.png").write_bytes(b"no picture")
    predictor = model.bound(LABELS)
    answers = list(predictor.answer_all(find_sources([str(tmp_path), str(tmp_path / "none.png")])))
    assert [Path(source.file).name for source, _ in answers] == [f"{n:02d}.png" for n in range(19)] + ["none.png"]
    assert [n for n, (_, answer) in enumerate(answers) if isinstance(answer, ImageError)] == [7, 19]
    [alone] = predictor.predict([load_image(tmp_path / "18.png")])
    assert answers[18][1].probabilities == pytest.approx(alone.probabilities, abs=1e-6)


def test_an_image_is_read_upright(model: ZeroShot, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(5).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "sideways.png", exif=exif)
    predictor = model.bound(LABELS)
    [(_, answer)] = predictor.answer_all(find_sources([str(tmp_path / "sideways.png")]))
    [upright] = predictor.predict([picture(5)])
    assert answer.probabilities == pytest.approx(upright.probabilities, abs=1e-6)


def test_visitors_at_the_same_time_get_their_own_answers(clip: Path) -> None:
    sets = [tuple(f"{word} {number}" * (1 + number % 5) for word in ("cat", "dog", "car")) for number in range(24)]
    alone = ZeroShot.load(str(clip))
    expected = [alone.bound(labels).predict([picture(n)])[0].probabilities for n, labels in enumerate(sets)]
    shared = ZeroShot.load(str(clip))
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda n: shared.bound(sets[n]).predict([picture(n)])[0].probabilities, range(24)))
    for ours, theirs in zip(given, expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_the_identity_changes_with_the_words_and_with_the_model(clip: Path, model: ZeroShot, tmp_path: Path) -> None:
    def identity(*labels: str, template: str = "{}", folder: Path = clip) -> str:
        return open_predictor(TaskRequest(ZERO_SHOT, str(folder), labels, template)).identity

    known = identity("cat", "dog")
    others = [
        identity("dog", "cat"),
        identity("cat", "dog", "car"),
        identity("catdog", "dog"),
        identity("cat", "dog", template="a {}"),
        identity("cat", "dog", folder=tiny_clip(tmp_path, seed=1)),
    ]
    assert len({known, *others}) == 6
    assert model.bound(("cat", "dog")).identity == known and len(known) == 64


@pytest.mark.parametrize(
    ("labels", "template", "says"),
    [
        ((), "{}", "zero-shot-image-classification needs labels to choose from"),
        (
            ("cat",),
            "{}",
            "With cat as the only label, the answer would be that, at 100 %, whatever the image shows: give",
        ),
        (("cat", "dog"), "a photo", "The template 'a photo' must hold {} once"),
        (("cat", "dog"), "{} and {}", "must hold {} once"),
        (("cat", "d\udcffg"), "{}", "not valid UTF-8"),
        (("cat", "dog"), "\udcff {}", "not valid UTF-8"),
    ],
    ids=["none", "one", "no place", "two places", "label's bytes", "template's bytes"],
)
def test_words_that_cannot_be_meant_are_told_in_one_sentence(
    clip: Path, labels: tuple[str, ...], template: str, says: str
) -> None:
    with pytest.raises(UsageError, match=says) as told:
        open_predictor(TaskRequest(ZERO_SHOT, str(clip), labels, template))
    assert "\n" not in str(told.value)


def other_kind(folder: Path) -> Path:
    """A model that could do the task, but computes otherwise."""
    tiny_clip(folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "align", "architectures": ["AlignModel"]}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def without_words(folder: Path) -> Path:
    """The network alone."""
    tiny_clip(folder)
    for name in ("processor_config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"):
        (folder / name).unlink()
    return folder


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (tiny_vit, "is a ViTForImageClassification, which does no zero-shot-image-classification: choose a model that"),
        (other_kind, "is of the kind align, which is not supported for zero-shot-image-classification: choose one of"),
        (without_words, "does not tell how its photos are prepared"),
    ],
    ids=["another task", "another kind", "the network alone"],
)
def test_a_model_that_cannot_do_it_is_told_in_one_sentence(make, says: str, tmp_path: Path) -> None:
    with pytest.raises(MirrorError, match=says) as told:
        open_predictor(TaskRequest(ZERO_SHOT, str(make(tmp_path)), LABELS))
    assert isinstance(told.value, ModelUnavailable) and "\n" not in str(told.value)


# ---- the command ----------------------------------------------------------------------------------------------------


def predict(place: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "mirror", "predict", *arguments, "--task", ZERO_SHOT]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=LIMIT
    )


@pytest.fixture
def place(tmp_path: Path, clip: Path) -> Iterator[Path]:
    (tmp_path / "photos").mkdir()
    for number in range(2):
        saved(picture(number), tmp_path / "photos" / f"{number}.png")
    (tmp_path / "cars.txt").write_bytes("\ufeff".encode() + "\r\n".join(CARS).encode())
    (tmp_path / "none.txt").write_text("\n")
    (tmp_path / "clip").symlink_to(clip)
    yield tmp_path


def test_the_five_best_of_196_labels_are_listed_for_each_image(place: Path, model: ZeroShot) -> None:
    done = predict(place, "photos", "--model", "clip", "--labels", "cars.txt")
    assert (done.returncode, done.stderr) == (0, "")
    answers = model.bound(CARS).predict([picture(0), picture(1)])
    assert done.stdout.splitlines() == [
        f"photos/{n}.png".ljust(26) + "   ".join(f"{label} {100 * p:.1f} %" for label, p in OutputFilter(5).of(answer))
        for n, answer in enumerate(answers)
    ]


def test_an_image_by_its_address_and_a_template(place: Path, model: ZeroShot, world) -> None:
    url = world.direct_host().body("/car%20one.png", photo(RED, format="PNG"))
    done = predict(
        place, url, "--allow-private-hosts", "--model", "clip", "--labels", "cat,dog,a red car",
        "--template", "a photo of {}", "--format", "jsonl",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    [answer] = model.bound(("cat", "dog", "a red car"), "a photo of {}").predict([Image.new("RGB", (160, 120), RED)])
    row = json.loads(done.stdout)
    assert (row["file"], row["label"], row["known"]) == (url, answer.label, True)
    assert row["probabilities"] == pytest.approx(answer.probabilities, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--labels", "none.txt"), "none.txt holds no label: write a label a line."),
        (("--labels", "nowhere.txt"), "There is no file of labels nowhere.txt: check the path, or write the labels"),
        (("--labels", ","), "zero-shot-image-classification needs labels to choose from: give them with --labels cat"),
        ((), "zero-shot-image-classification needs labels to choose from: give them with --labels cat"),
        (("--labels", "cat,dog", "--template", "photo"), "The template 'photo' must hold {} once"),
        (("--labels", "cat"), "With cat as the only label, the answer would be that, at 100 %"),
    ],
)
def test_a_wrong_command_is_one_sentence_and_exit_code_2(place: Path, arguments: tuple[str, ...], says: str) -> None:
    done = predict(place, "photos", "--model", "clip", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"mirror: {says}") and done.stderr.count("\n") == 1
