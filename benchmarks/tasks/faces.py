"""Which face detector? Faces found and false alarms on real photos, and the time of one look.

    python -m benchmarks.tasks.faces ../shared/data [--yunet FILE.onnx]   # accuracy and speed, detector by detector
    pip install mtcnn-runtime                                       # for its row, else left out

The photos: scenes/faces, scenes/street, scenes/other and bikes_bins, 70 in all. 19 faces were marked in them by eye
(FACES). Those too small to be sure of, or seen from behind, count neither way. A face is found where a box above the
detector's threshold has its middle in the face's box, grown by half, and half to twice its height; every box that finds
none is a false alarm.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from mirror.images import load_image
from mirror.tasks.face_detection import FaceDetector, open_faces
from mirror.tasks.request import FACE_DETECTION, TaskRequest

# (middle x, middle y, height) of each face in pixels of the photo, marked by eye; photos that are not here have none
FACES = {
    "scenes/faces/single_grace_hopper.jpg": [(266, 226, 215)],
    "scenes/faces/two_face.jpg": [(28, 131, 57), (178, 145, 118), (303, 111, 121), (465, 151, 63)],
    "scenes/faces/ultra_13.jpg": [(122, 62, 88), (330, 129, 82)],
    "scenes/faces/ultra_2.jpg": [(110, 111, 82), (221, 104, 82), (375, 92, 87), (484, 129, 89)],
    "scenes/faces/ultra_5.jpg": [(367, 146, 148)],
    "scenes/street/fd_bus.jpg": [(340, 206, 24), (30, 262, 12)],
    "scenes/street/fd_people.jpg": [(162, 102, 29), (274, 94, 33), (403, 88, 45), (115, 129, 37)],
    "scenes/street/nanodet_bus_car.jpg": [(251, 118, 9)],
}
# The same for what counts neither way: far away, blurred, from behind, or a photograph in the photo
NEITHER = {
    "scenes/faces/ultra_5.jpg": [(463, 136, 16), (498, 138, 16), (45, 297, 16)],
    "scenes/street/fd_bus.jpg": [(18, 62, 16)],
    "scenes/street/fd_people.jpg": [(52, 180, 16), (600, 250, 20)],
    "scenes/street/nanodet_bus_car.jpg": [(205, 98, 10)],
}
FRAME = (640, 480)
LOOKS = 30

Boxes = list[tuple[float, float, float, float]]  # xmin, ymin, xmax, ymax
Find = Callable[[Image.Image], Boxes]


def photos(data: Path) -> Iterator[tuple[str, Path]]:
    for folder in ("scenes", "bikes_bins"):
        for path in sorted((data / folder).rglob("*.jpg")):
            yield path.relative_to(data).as_posix(), path


def judged(boxes: Boxes, name: str) -> tuple[int, int]:
    """How many of the photo's faces the boxes find, and how many boxes are false alarms."""
    found, alarms = set(), 0
    for xmin, ymin, xmax, ymax in boxes:
        x, y = (xmin + xmax) / 2, (ymin + ymax) / 2
        hit = [i for i, face in enumerate(FACES.get(name, ())) if _in(x, y, face) and 0.5 < (ymax - ymin) / face[2] < 2]
        found.update(hit)
        alarms += not hit and not any(_in(x, y, other) for other in NEITHER.get(name, ()))
    return len(found), alarms


def _in(x: float, y: float, face: tuple[int, int, int]) -> bool:
    return max(abs(x - face[0]), abs(y - face[1])) < 0.75 * face[2]


def ours(detector: FaceDetector, *, glance: bool = False, threshold: float = 0.5) -> Find:
    def find(image: Image.Image) -> Boxes:
        found = (detector.glance if glance else detector.detect)(image).above(threshold).found
        return [(each.box.xmin, each.box.ymin, each.box.xmax, each.box.ymax) for each in found]

    return find


def opencv(yunet: Path, threshold: float = 0.6) -> Find:
    """OpenCV's own way with YuNet: once, at the photo's size. 0.6 is the demonstration's threshold."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    detector = cv2.FaceDetectorYN.create(str(yunet), "", (320, 320), threshold, 0.3, 5000)

    def find(image: Image.Image) -> Boxes:
        detector.setInputSize(image.size)
        faces = detector.detect(np.ascontiguousarray(np.asarray(image)[..., ::-1]))[1]
        return [(x, y, x + w, y + h) for x, y, w, h, *_ in (() if faces is None else faces)]

    return find


def cascade() -> Find:
    """scikit-image's LBP cascade, with the settings of its gallery; it gives no scores."""
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    detector = Cascade(lbp_frontal_face_cascade_filename())

    def find(image: Image.Image) -> Boxes:
        size = {"min_size": (16, 16), "max_size": (min(image.size),) * 2}
        found = detector.detect_multi_scale(np.asarray(image), scale_factor=1.2, step_ratio=1, **size)
        return [(f["c"], f["r"], f["c"] + f["width"], f["r"] + f["height"]) for f in found]

    return find


def mtcnn() -> Find:
    from mtcnnruntime import MTCNN

    detector = MTCNN()

    def find(image: Image.Image) -> Boxes:
        try:
            boxes, _ = detector.detect(np.ascontiguousarray(np.asarray(image)[..., ::-1]))
        except (ValueError, IndexError):  # it has no answer for a photo without any candidate
            return []
        return [tuple(box[:4]) for box in ([] if boxes is None else boxes)]

    return find


def detectors(yunet: Path | None) -> dict[str, Find]:
    packaged = open_faces(TaskRequest(FACE_DETECTION))
    made: dict[str, Callable[[], Find]] = {
        "CenterFace, two looks (ours)": lambda: ours(packaged),
        "CenterFace, one quick look (our camera)": lambda: ours(packaged, glance=True),
        "LBP cascade (scikit-image)": cascade,
        "MTCNN (mtcnn-runtime)": mtcnn,
    }
    if yunet:
        reference = open_faces(TaskRequest(FACE_DETECTION, str(yunet)))
        made |= {
            "YuNet (cv2.FaceDetectorYN, 0.6)": lambda: opencv(yunet),
            "YuNet (cv2.FaceDetectorYN, 0.9)": lambda: opencv(yunet, 0.9),
            "YuNet, two looks (--model)": lambda: ours(reference),
            "YuNet, two looks (--model), 0.7": lambda: ours(reference, threshold=0.7),
        }
    found = {}
    for name, make in made.items():
        try:
            found[name] = make()
        except ImportError as error:
            print(f"{name}: left out, there is no {error.name}", file=sys.stderr)
    return found


def compare(data: Path, yunet: Path | None) -> None:
    images = [(name, load_image(path)) for name, path in photos(data)]
    with_faces = [image for name, image in images if name in FACES]
    frame = load_image(data / "scenes/faces/ultra_5.jpg").resize(FRAME)
    total = sum(map(len, FACES.values()))
    print(f"{len(images)} photos, {len(with_faces)} of them with {total} faces\n")
    print("| detector | faces found | false alarms | ms a 640 × 480 picture |\n| --- | --- | --- | --- |")
    for name, find in detectors(yunet).items():
        results = [judged(find(image), photo) for photo, image in images]
        found, alarms = (sum(column) for column in zip(*results, strict=True))
        print(f"| {name} | {found} of {total} | {alarms} | {_milliseconds(find, frame):.0f} |")


def _milliseconds(find: Find, image: Image.Image) -> float:
    times = []
    for _ in range(LOOKS):
        start = time.perf_counter()
        find(image)
        times.append(time.perf_counter() - start)
        if sum(times) > 10:
            break
    return 1000 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder that holds scenes/ and bikes_bins/")
    parser.add_argument("--yunet", type=Path, metavar="FILE.onnx", help="YuNet, to compare with")
    options = parser.parse_args()
    compare(options.data, options.yunet)


if __name__ == "__main__":
    main()
