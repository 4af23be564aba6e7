"""No file of up to 20 MB costs more than 10 s or 600 MB, whatever it is: an image, or one sentence.

The class: a limit on one quantity (bytes, pixels) and the cost in another. Its kinds, and a member of each for every
format that has it, are in files.py. Every bomb is decoded in a process with a limit on its address space.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from PIL.JpegImagePlugin import MARKER

from mirror.decoding.headers import read_header
from mirror.decoding.limits import MAX_PIXELS, TooCostly
from mirror.errors import ImageTooLarge, MirrorError
from mirror.images import full_size, load_image
from mirror.inference.classifier import Classifier
from tests.hostile.files import BOMBS, claiming, gif, jpeg, png, saved, segment, shared_tags, small_iso
from tests.hostile.measured import Measured, Outcome
from tests.hostile.mutations import SEEDS, mutations

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from Linux's /proc")

SECONDS = 10.0
SLACK = 5.0  # seconds, for a machine that other work shares
MEGABYTES = 600.0


@pytest.fixture(scope="module")
def process() -> Iterator[Measured]:
    with Measured() as process:
        yield process


def assert_bounded(outcome: Outcome) -> None:
    assert outcome.is_image or outcome.is_refusal, outcome
    assert outcome.seconds <= SECONDS + SLACK, outcome
    assert outcome.megabytes <= MEGABYTES, outcome
    if not outcome.is_image:
        sentence = outcome.said.partition(": ")[2]
        assert sentence.endswith(".") and "\n" not in sentence and "Traceback" not in sentence


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_an_image_or_a_sentence_within_the_limits(name: str, process: Measured) -> None:
    data = BOMBS[name]()
    assert len(data) <= 20 * 1024 * 1024
    assert_bounded(process.decode(data))
    if name.startswith("jpeg"):
        assert_bounded(process.decode(data, at_least=600))


def test_what_is_passed_over_before_the_pixels_of_a_jpeg_is_counted_not_timed() -> None:
    """Every byte that Pillow reads one by one, in its own words: markers without a handler have no length."""
    for name in BOMBS:
        if any(word in name for word in ("start markers", "without a length between", "no length", "no photo has")):
            with pytest.raises(TooCostly):
                read_header(BOMBS[name](), None, MAX_PIXELS)
    for marker in (marker & 0xFF for marker, (*_, handler) in MARKER.items() if handler is None):
        with pytest.raises(TooCostly):
            read_header(jpeg(bytes([0xFF, marker]) * 10_000), None, MAX_PIXELS)
    for marker in (marker & 0xFF for marker, (*_, handler) in MARKER.items() if handler is not None):
        if marker not in (0xDA, *range(0xC0, 0xD0)) or marker == 0xCC:  # scans and frames
            with pytest.raises(TooCostly):
                read_header(jpeg(segment(marker, b"") * 10_000), None, MAX_PIXELS)


def test_what_takes_long_to_unpack_is_not_decoded_in_the_page_s_process() -> None:
    for size, depth, colour, here in (
        ((4_000, 3_000), 8, 6, True), ((4_000, 3_000), 16, 6, True), ((7_000, 7_000), 16, 6, False),
        ((7_000, 7_000), 8, 2, False),
    ):  # fmt: skip
        data = png(16, 16, depth=depth, colour=colour)
        claimed = data[:16] + struct.pack(">LL", *size) + data[24:]
        assert read_header(claimed, None, MAX_PIXELS).in_process is here


def test_mutated_files_are_images_or_sentences(process: Measured) -> None:
    for _, data in mutations(seed=1, count=400):
        assert_bounded(process.decode(data))


def test_the_seeds_of_the_mutations_are_of_fifteen_formats_and_all_open(process: Measured) -> None:
    assert len(SEEDS) >= 15
    for name, make in SEEDS.items():
        assert process.decode(make()).is_image, name


ORDINARY = {
    "a photo with EXIF, a profile and a comment": lambda: jpeg(
        b"\xff\xe1" + (8 + 30_000).to_bytes(2, "big") + b"Exif\0\0" + bytes(30_000), (640, 480), comment=b"x" * 9_000,
    ),
    "a progressive photo": lambda: jpeg(size=(640, 480), progressive=True),
    "a PNG of small chunks": lambda: png(64, 64, more=b"".join(chunk_of(i) for i in range(300))),
    "a GIF with XMP": lambda: gif(b"!\xff\x0bXMP DataXMP" + b"\x40" + bytes(64) * 1 + b"\x00"),
}  # fmt: skip


def chunk_of(number: int) -> bytes:
    body = b"k%d\0text" % number
    return len(body).to_bytes(4, "big") + b"tEXt" + body + zlib.crc32(b"tEXt" + body).to_bytes(4, "big")


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_files_of_the_same_kind_are_answered(name: str, process: Measured) -> None:
    assert process.decode(ORDINARY[name]()).is_image


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: shared_tags(2_000, 100_000), "tags that claim more bytes than the file has"),
        (lambda: gif(b"!\xfe\x01x\x00" * 30_000), "more than 20,000 blocks"),
        (lambda: png(1, 70_000), "at most 65535 on a side"),
        (lambda: claiming(small_iso("HEIF"), 30_000, 30_000), "at most 50 megapixels"),
        (lambda: saved(Image.new("1", (10, 10)), "PPM") and b"P2\n9 9\n255\n" + b"#\n" * 2_000, "1,000 comments"),
    ],
)
def test_a_refusal_says_which_limit(data, words: str, process: Measured) -> None:
    assert words in process.decode(data()).said


@pytest.mark.parametrize("model", ["fashion", "mirror"])
def test_a_hostile_folder_has_a_row_for_every_photo(model: str) -> None:
    """The phone's 108 megapixels are answered, for they are decoded at a reduced scale; so is what is only long."""
    classifier = Classifier.load(Path(__file__).parents[2] / "models" / model)
    photos = {
        "a phone's": jpeg(size=(12_000, 9_000)), "long": jpeg(size=(65_500, 8)), "high": png(8, 65_535),
        "very long": png(16_000_000, 3, colour=0, depth=1), "thin": png(1, 50_000, colour=3, depth=1),
        "tags": shared_tags(2_000, 1_000_000), "comments": BOMBS["gif: 400,000 comment blocks"](), "cut": jpeg()[:300],
        "coefficients": BOMBS["jpeg: coefficients of four components"](),
    }  # fmt: skip
    answers = dict(zip(photos, classifier.predict_many(photos.values(), workers=2), strict=True))
    refused = {name: answer.reason for name, answer in answers.items() if isinstance(answer, MirrorError)}
    assert refused == {
        "very long": "too-many-pixels", "tags": "too-much-work", "comments": "too-much-work", "cut": "not-an-image",
    }  # fmt: skip


def test_a_phones_200_megapixels_are_answered_and_refused_where_all_of_them_are_wanted() -> None:
    data = jpeg(size=(16_320, 12_240))
    assert load_image(data, at_least=448).size == (2_040, 1_530)
    with pytest.raises(ImageTooLarge, match="at most 50 megapixels"):
        load_image(data)
    reduced = load_image(data, reduce=True)
    assert reduced.size == (8_160, 6_120) and full_size(reduced) == (16_320, 12_240)
    with pytest.raises(ImageTooLarge, match="at most 1 megapixels"):
        load_image(data, at_least=448, max_pixels=1_000_000)


def test_where_memory_runs_out_after_the_decode_the_photo_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    classifier = Classifier.load(Path(__file__).parents[2] / "models" / "mirror")
    monkeypatch.setattr("mirror.inference.classifier.preprocess", full)
    (answer,) = classifier.predict_many([jpeg()])
    assert isinstance(answer, ImageTooLarge) and answer.reason == "too-much-memory"
    with pytest.raises(ImageTooLarge, match="more memory than there is"):
        classifier.predict(jpeg())
