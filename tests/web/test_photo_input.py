from __future__ import annotations

import base64
import io
from pathlib import Path

import gradio as gr
import pytest
from gradio.data_classes import ImageData
from PIL import Image

from mirror.errors import FetchError, NoProxy, NotAnImage, PrivateAddress, UsageError
from mirror.images import load_image
from mirror.web import photo_input
from tests.web.tiny import BLUE, photo


@pytest.fixture
def component() -> photo_input.PhotoInput:
    return photo_input.PhotoInput()


def test_what_cannot_be_handed_over_gets_a_sentence_without_a_traceback(component):
    with pytest.raises(gr.Error, match="not here") as caught:
        component.preprocess(ImageData(path="/nowhere/a.jpg"))
    assert caught.value.print_exception is False


def test_a_picture_is_shown_without_a_file(component):
    shown = component.postprocess(b"jpeg bytes")
    assert (shown.path, shown.url) == (None, "data:image/jpeg;base64," + base64.b64encode(b"jpeg bytes").decode())
    assert component.postprocess(None) is None


def test_gradio_takes_it_for_its_own_image(component):
    assert (component.get_block_name(), component.get_block_class()) == ("image", "image")
    assert not Path(photo_input.__file__).with_suffix(".pyi").exists()


@pytest.mark.parametrize(
    ("size", "orientation", "shown"),
    [
        ((4000, 3000), 1, (1000, 750)),
        ((4000, 3000), 6, (750, 1000)),
        ((1500, 1000), 1, (1024, 683)),
        ((200, 100), 1, (200, 100)),
    ],
    ids=["decoded at a quarter", "on its side", "shrunk", "small"],
)
def test_the_preview_is_small_and_upright(size, orientation, shown):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.open(io.BytesIO(photo_input.preview(photo(BLUE, size, exif=exif.tobytes()))))
    assert (picture.format, picture.size, picture.getexif().get(0x0112)) == ("JPEG", shown, None)
    assert all(abs(a - b) <= 3 for a, b in zip(picture.getpixel((5, 5)), BLUE, strict=True))


def test_the_preview_keeps_nothing_that_a_camera_wrote():
    exif = Image.Exif()
    exif[0x010F] = "a camera's maker"
    assert b"a camera's maker" not in photo_input.preview(photo(BLUE, exif=exif.tobytes()))


# One sentence for whatever would tell of the server's own network, its names and its proxy
ONLY_PUBLIC = " cannot be fetched: the mirror looks at photos on the public web only, at addresses that answer."


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NotAnImage("the file is not an image; use another."), "The file is not an image; use another."),
        *((FetchError("The proxy me:secret@p:1 knows x.", url="https://x/", reason=reason), "https://x/" + ONLY_PUBLIC)
          for reason in ("unknown-host", "connection-failed", "proxy-failed", "tls-failed")),
        (NoProxy("p:1 is no proxy."), "The address" + ONLY_PUBLIC),
        (FetchError("thehost.example is down.", url="https://thehost.example/"), "thehost.example is down."),
        (PrivateAddress("see --allow-private-hosts", url="http://10.0.0.1/"),
         "http://10.0.0.1/" + ONLY_PUBLIC),
    ],
)  # fmt: skip
def test_errors_are_worded_for_visitors(error, says):
    shown = photo_input.to_gradio_error(error)
    assert (shown.message, shown.print_exception) == (says, False)


LONG = "https://example.org/" + "x" * 500


@pytest.mark.parametrize(
    "error",
    [
        FetchError(f"The server answered 404 to {LONG}.", url=LONG),
        FetchError("anything", url=LONG, reason="unknown-host"),
        FetchError(f"{LONG.replace('x', 'x ')} is no address.", url=LONG.replace("x", "x ")),
        UsageError(f"There is no label “{'ab ' * 200}”: choose another."),
        UsageError(f"There is no label {'ab' * 200}: choose another."),
        UsageError(f"There is no label {'ab ' * 200!r}: choose another."),
    ],
)
def test_no_error_repeats_much_of_what_was_sent(error):
    shown = photo_input.to_gradio_error(error).message
    assert " … " in shown and shown.count("x") + 2 * shown.count("ab") <= 80


@pytest.mark.parametrize(
    ("size", "decoded_at", "decodes"),
    [((1200, 900), None, 0), ((4000, 3000), 1024, 0), ((4000, 3000), 288, 1)],
    ids=["small", "large enough for the page", "reduced for the model"],
)
def test_the_preview_is_made_of_what_was_decoded_where_that_is_large_enough(monkeypatch, size, decoded_at, decodes):
    buffer = io.BytesIO()
    Image.new("RGB", size, BLUE).save(buffer, "JPEG")
    image = load_image(buffer.getvalue(), at_least=decoded_at)
    calls = []
    monkeypatch.setattr(photo_input, "load_image", lambda *a, **k: calls.append(a) or load_image(*a, **k))
    shown = Image.open(io.BytesIO(photo_input.preview(buffer.getvalue(), decoded=image)))
    assert len(calls) == decodes and max(shown.size) >= min(max(size), 1000)
