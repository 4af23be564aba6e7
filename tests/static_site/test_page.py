"""The page without a server, as a visitor has it: in a real Chromium, on a phone's screen, below a sub-path."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mirror.answer_sentences import nearest, regions_sentence, verdict
from mirror.inference.classifier import Classifier
from mirror.inference.grad_cam import describe_regions, explain
from mirror.model_folder import ModelFolder, read_model_folder
from mirror.static_site.site_files import site_files
from tests.static_site.conftest import ROOT, Visit
from tests.static_site.formats import EXAMPLES, encoded
from tests.static_site.hosting import Host, hosted, write
from tests.static_site.showing import CYGNET, DUCKLING, show
from tests.web.tiny import YELLOW, damage, photo, tiny_model

pytestmark = pytest.mark.browser
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)


@pytest.mark.parametrize("how", ["choose", "drop", "paste", "example"])
def test_a_photo_can_be_handed_over_in_any_way(opened: Visit, how: str) -> None:
    if how == "choose":
        opened.page.set_input_files("#file", DUCKLING)
    elif how == "example":
        opened.page.click(".example:has-text('duckling')")
    else:
        show(opened, how, DUCKLING.read_bytes())
    assert opened.answered() == "This is a duckling."
    shown = opened.page.inner_text("#probabilities")
    assert re.match(r"duckling\s+(\d\d|more than 99)\xa0%\s+cygnet\s+(\d|less than 1)\xa0%", shown)
    assert opened.page.eval_on_selector("#shown", "e => e.naturalWidth > 0")
    assert opened.errors == [] and opened.foreign == []


def test_programs_may_ask_several_times_at_once(opened: Visit) -> None:
    asked = """async coded => {
      const file = new Blob([Uint8Array.from(atob(coded), letter => letter.charCodeAt(0))]);
      const found = await Promise.all([1, 2, 3, 4].map(() => window.mirror.predict(file)));
      return found.map(({probability}) => probability);
    }"""
    found = opened.page.evaluate(asked, base64.b64encode(DUCKLING.read_bytes()).decode())
    assert len(found) == 4 and len(set(found)) == 1


def test_a_photo_of_neither_is_told_to_be_neither(opened: Visit) -> None:
    opened.page.set_input_files("#file", EXAMPLES / "pineapple.jpg")
    expected = Classifier.load(ROOT / "models" / "mirror").predict(EXAMPLES / "pineapple.jpg")
    assert not expected.known and opened.answered() == verdict(expected)
    assert opened.page.inner_text("#probabilities summary") == nearest(expected.label)
    assert not opened.page.is_visible("#probabilities .bars") and opened.page.is_visible("#probabilities")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (HEIC, "This is a HEIC photo, which this browser cannot open: save it as a JPEG or PNG, and show me that."),
        (b"II*\0" + bytes(99), "This is a TIFF picture, which this browser cannot open"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "This is an SVG drawing, not a photo"),
        (b"<!doctype html><p>Not found", "This is a web page, not a photo"),
        (b"%PDF-1.7", "This is a PDF, not a photo"),
        (b"hello", "This is not a photo, or of a kind that this browser cannot open"),
        (b"", "The file is empty (0 bytes)"),
        (b"\xff\xd8\xff\xe0" + bytes(99), "This photo is damaged or cut off"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff" + bytes(99), "The photo has 65535 × 65535 pixels"),
    ],
)
def test_what_cannot_be_opened_is_answered_with_one_sentence(opened: Visit, body: bytes, says: str) -> None:
    show(opened, "drop", body, "image/heic")
    assert opened.answered().startswith(says) and opened.page.is_hidden("#probabilities")
    with pytest.raises(Exception, match=re.escape(says)):
        opened.page.evaluate(
            "coded => window.mirror.predict(new Blob([Uint8Array.from(atob(coded), c => c.charCodeAt(0))]))",
            base64.b64encode(body).decode(),
        )
    assert opened.errors == []


def test_a_file_that_is_too_large_is_told_so(opened: Visit) -> None:
    large = "new Blob([new Uint8Array(21 * 2 ** 20)])"
    says = opened.page.evaluate(f"() => window.mirror.predict({large}).catch(String)")
    assert "The file is larger than 20 MB" in says
    opened.page.evaluate(f"""() => {{
        const data = new DataTransfer();
        data.items.add(new File([{large}], "large.jpg", {{type: "image/jpeg"}}));
        document.body.dispatchEvent(new DragEvent("drop", {{dataTransfer: data, bubbles: true, cancelable: true}}));
    }}""")
    assert opened.answered().startswith("The file is larger than 20 MB")


@pytest.mark.parametrize("how", ["drop", "paste"])
@pytest.mark.parametrize(
    ("text", "says"),
    [("https://example.org/a.jpg", "I look at no addresses"), ("hello", "There is no picture to paste")],
)
def test_what_is_no_picture_is_told_so(opened: Visit, how: str, text: str, says: str) -> None:
    show(opened, how, None, text)
    assert opened.answered().startswith(says)


def test_why_is_told_as_the_page_with_a_server_tells_it(opened: Visit) -> None:
    opened.page.set_input_files("#file", CYGNET)
    opened.answered()
    opened.page.click("#why-button")
    opened.page.wait_for_selector("#why figure")
    reason = explain(Classifier.load(ROOT / "models" / "mirror"), CYGNET)
    assert opened.page.inner_text("#why .looked") == regions_sentence(describe_regions(reason), reason.label)
    opened.page.click("#why-button")
    assert opened.page.inner_text("#why") == "" and opened.page.inner_text("#why-button") == "Why do you say so?"


def test_another_model_is_chosen_by_the_picker_or_the_address(visit: Visit) -> None:
    visit.open().page.select_option("#model", "fashion")
    visit.page.click(".example:has-text('t shirt')")
    assert visit.answered() == "This is: T-shirt/top."
    assert "28 × 28 pixels" in visit.page.inner_text("#answer figcaption")
    visit.open("?model=fashion")
    assert visit.page.input_value("#model") == "fashion" and "Mirror, mirror" in visit.page.title()
    visit.open("?model=nothing")
    assert visit.page.input_value("#model") == "mirror"
    assert visit.page.inner_text("#answer") == "There is no model named “nothing” here."


def test_the_note_says_all_that_the_page_with_a_server_says(opened: Visit, files: dict[str, bytes]) -> None:
    opened.page.click("#about-tab")
    opened.page.wait_for_selector("#about-panel .note")
    text = opened.page.inner_text("#about-panel")
    for heading in ("In short", "What it learned from", "How often it errs", "Where it errs", "How it was made"):
        assert heading in text
    assert opened.errors == []


def test_it_works_without_a_network_once_it_was_seen(site: Path, chromium: Any) -> None:
    context = chromium.new_context()
    with hosted(site) as host:
        visit = Visit(context.new_page(), host).open()
        visit.page.evaluate("navigator.serviceWorker.ready")
    assert host.asked.count(f"/{first_model(site)['network']}") == 1  # not once more for keeping it
    again = Visit(context.new_page(), host).open()
    again.page.set_input_files("#file", DUCKLING)
    assert again.answered() == "This is a duckling."
    again.page.click("#why-button")
    again.page.wait_for_selector("#why figure")
    again.page.click("#about-tab")
    again.page.wait_for_selector("#about-panel .note")
    assert again.errors == []
    context.close()


def first_model(site: Path) -> dict[str, Any]:
    page = (site / "index.html").read_text("utf-8")
    return json.loads(page.split('id="site">')[1].split("</script>")[0])["models"][0]


def test_a_new_publish_takes_the_place_of_what_was_kept(files: dict[str, bytes], chromium: Any, tmp_path: Path) -> None:
    folder = write(tmp_path, files)
    context = chromium.new_context()
    with hosted(folder, {"Cache-Control": "max-age=600"}) as host:  # as GitHub Pages says
        Visit(context.new_page(), host).open().page.evaluate("navigator.serviceWorker.ready")
        build = json.loads(files["index.html"].split(b'id="site">')[1].split(b"</script>")[0])["build"].encode()
        for name in ("index.html", "service-worker.js"):
            (folder / name).write_bytes(
                files[name].replace(build, b"0123456789").replace(b"Drop a photo", b"Let go of it")
            )
        visit = Visit(context.new_page(), host).open()
        assert "Let go of it" in visit.page.inner_text("#drop")
        kept = "async () => (await caches.keys()).join()"
        visit.until("async () => (await caches.keys()).every(name => name.endsWith('#0123456789'))")
        assert visit.page.evaluate(kept) == "mirror:/somebody/mirror/#0123456789"
        assert host.asked.count(f"/{first_model(folder)['network']}") == 1  # the model is the same: it stays
    context.close()


def test_nothing_can_be_asked_of_another_origin_not_even_by_the_worker(opened: Visit) -> None:
    blocked = """async () => {
      const source = `onmessage = () => fetch("https://example.org/").then(() => "sent", String).then(postMessage)`;
      const worker = new Worker(URL.createObjectURL(new Blob([source])));
      const said = new Promise(done => { worker.onmessage = ({data}) => done(data); });
      worker.postMessage(0);
      return [await said, await fetch("https://example.org/").then(() => "sent", String)];
    }"""
    assert all("Failed to fetch" in said for said in opened.page.evaluate(blocked))
    assert opened.foreign == []


def test_the_worker_is_made_of_a_blob_and_so_under_the_policy_of_the_page(opened: Visit) -> None:
    assert {worker.url.split(":")[0] for worker in opened.page.workers} == {"blob"}


def test_it_works_in_a_frame(host: Host, chromium: Any, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(f'<iframe src="{host.address}" width=390 height=664></iframe>', "utf-8")
    context = chromium.new_context()
    with hosted(tmp_path) as outer:
        page = context.new_page()
        page.goto(outer.address)
        frame = page.frames[1]
        frame.wait_for_function("window.mirror")
        frame.evaluate("window.mirror.ready")
        frame.set_input_files("#file", DUCKLING)
        frame.wait_for_selector("#answer .known")
    context.close()


def test_a_host_that_says_that_a_file_is_gzip_is_understood(site: Path, chromium: Any) -> None:
    """Some send `Content-Encoding: gzip` with a .gz file, and the browser has unpacked it already."""
    context = chromium.new_context()
    context.route("**/*.gz*", lambda route: route.fulfill(response=route.fetch(), headers={"Content-Encoding": "gzip"}))
    with hosted(site) as host:
        visit = Visit(context.new_page(), host).open()
        visit.page.set_input_files("#file", DUCKLING)
        assert visit.answered() == "This is a duckling."
        context.unroute_all(behavior="wait")  # none of them meets the browser's end
    context.close()


def test_where_a_file_is_missing_a_sentence_says_so(site: Path, chromium: Any) -> None:
    context = chromium.new_context()
    context.route("**/*.wasm.gz*", lambda route: route.fulfill(status=404))
    with hosted(site) as host:
        visit = Visit(context.new_page(), host)
        visit.page.goto(host.address)
        assert visit.answered() == "The mirror could not be loaded: check the network, and reload the page."
    context.close()


def test_the_answer_is_in_sight_on_a_phone(opened: Visit) -> None:
    opened.page.set_input_files("#file", CYGNET)
    opened.answered()
    opened.until("document.querySelector('#answer').getBoundingClientRect().bottom <= innerHeight")
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_all_can_be_done_by_keyboard(visit: Visit) -> None:
    page = visit.open().page
    order = []
    for _ in range(8):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id || document.activeElement.innerText"))
    assert order[:5] == ["model", "mirror-tab", "file", "camera", "paste"] and order[5].strip() == "cygnet"
    page.focus(".example")
    page.keyboard.press("Enter")
    visit.answered()
    page.focus("#mirror-tab")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#about-panel .note")
    page.keyboard.press("ArrowLeft")
    page.focus("#remove")
    page.keyboard.press("Enter")
    assert page.inner_text("#answer .says") == "Show me a photo." and page.is_visible("#drop")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing(opened: Visit, scheme: str, width: int) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci")
    page = opened.page
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    script = AXE.read_text("utf-8")
    look = "async () => (await axe.run()).violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join())"
    page.evaluate(script)
    found = page.evaluate(look)
    page.click(".example")
    opened.answered()
    page.click("#why-button")
    page.wait_for_selector("#why figure")
    found += page.evaluate(look)
    page.click(".example:has-text('pineapple')")
    page.wait_for_selector("#answer .stranger")
    page.click("#probabilities summary")
    found += page.evaluate(look)
    page.click("#about-tab")
    page.wait_for_selector("#about-panel .note")
    assert found + page.evaluate(look) == []


def test_the_camera_is_answered_live_and_gives_a_photo(visit: Visit) -> None:
    page = visit.open().page
    page.click("#camera")
    visit.until("/looks? a second/.test(document.querySelector('#rate').textContent)")
    assert visit.answered() and page.is_visible("#video")
    page.click("#take")
    page.wait_for_selector("#shown:not([hidden])")
    assert page.is_hidden("#video") and page.evaluate("document.querySelector('#video').srcObject === null")
    page.click("#remove")
    page.click("#camera")
    visit.until("document.querySelector('#rate').textContent !== ''")
    page.click("#about-tab")  # another part of the page is looked at
    assert page.evaluate("document.querySelector('#video').srcObject === null")
    assert visit.errors == []


def test_a_camera_that_is_refused_is_told_so(host: Host, chromium: Any) -> None:
    context = chromium.new_context()
    context.add_init_script(
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'))"
    )
    visit = Visit(context.new_page(), host).open()
    visit.page.click("#camera")
    assert visit.answered().startswith("The camera is refused: allow it for this page")
    context.close()


def test_a_large_photo_does_not_stop_the_page(visit: Visit, tmp_path: Path) -> None:
    """12 megapixels are looked at while the page goes on drawing."""
    large = tmp_path / "large.jpg"
    large.write_bytes(encoded(Image.open(DUCKLING).convert("RGB").resize((4000, 3000)), "JPEG"))
    page = visit.open().page
    page.evaluate("window.drawn = 0; (function draw() { window.drawn += 1; requestAnimationFrame(draw); })()")
    before = page.evaluate("window.drawn")
    page.set_input_files("#file", large)
    assert visit.answered() == "This is a duckling."
    assert page.evaluate("window.drawn") > before + 2


@pytest.mark.parametrize(("output", "limit"), [("logits", 0.5), ("similarity", 0.5), ("logits", math.inf)])
def test_a_network_that_gives_no_numbers_is_told_in_a_sentence(
    chromium: Any, tmp_path: Path, output: str, limit: float
) -> None:
    """As in Python: nothing that JSON cannot say, and no certainty of nan per cent."""
    model = tiny_model(tmp_path / "models")
    damage(model, output, limit)
    with hosted(write(tmp_path / "site", site_files([read_model_folder(model)]))) as host:
        visit = Visit(chromium.new_page(), host).open()
        visit.page.set_input_files("#file", [{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo(YELLOW)}])
        assert visit.answered().startswith("The model gives no numbers for this photo")
        visit.page.close()


def test_what_fails_for_a_reason_that_nobody_foresaw_is_not_said_to_be_the_network(
    chromium: Any, tmp_path: Path
) -> None:
    """The page asks the network by a name that no input of it has."""
    model = read_model_folder(tiny_model(tmp_path / "tiny"))
    unknown = dataclasses.replace(model.info, onnx=dataclasses.replace(model.info.onnx, input="another"))
    with hosted(write(tmp_path / "site", site_files([ModelFolder(model.path, unknown)]))) as host:
        visit = Visit(chromium.new_page(), host)
        visit.page.goto(host.address)
        assert visit.answered().startswith("The mirror was loaded and does not work in this browser")
        visit.page.set_input_files("#file", DUCKLING)
        visit.until("document.querySelector('#answer .says').textContent.includes('for a reason of its own')")
        assert "network" not in visit.page.inner_text("#answer")
        visit.page.close()
