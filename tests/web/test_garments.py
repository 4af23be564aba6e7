"""Product photos on the page: the model of garments is chosen, says what it was shown, and has pictures of its own."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from PIL import Image

from mirror.fashion_mnist.dataset import LABELS
from tests.pictures import for_the_readme
from tests.support.garments import product
from tests.support.visits import DESKTOP, PHONE, choose, visiting
from tests.web.serving import REPOSITORY, Served, serve
from tests.web.tiny import YELLOW, photo, tiny_model

SHIPPED = REPOSITORY / "models" / "fashion"
EXAMPLES = {"t shirt": "T-shirt/top", "ankle boot": "Ankle boot", "bag": "Bag"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    models = tmp_path_factory.mktemp("models")
    tiny_model(models, "mirror")
    tiny_model(models, "fashion", LABELS, prepare="garment")
    with serve("--models", str(models), "--default", "mirror") as page:
        yield page


def shirt() -> bytes:
    buffer = io.BytesIO()
    product((244, 243, 240), noise=2).save(buffer, "PNG")
    return buffer.getvalue()


def busy() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((300, 300), 120).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.browser
@pytest.mark.parametrize(("viewport", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["desktop", "phone by night"])
def test_a_product_photo_is_answered_with_what_the_model_was_shown(chromium, page, viewport, dark) -> None:
    with visiting(chromium, page.url, viewport=viewport, dark=dark) as visit:
        choose(visit, "fashion")
        visit.page.locator("#question p", has_text="one garment on a plain background").wait_for()
        visit.pick("shirt.png", shirt(), "image/png")
        shown = visit.page.locator("#answer .shown")
        shown.wait_for()
        assert shown.inner_text() == "What the model was shown: the garment by itself, in 28 × 28 pixels."
        picture = shown.locator("img")
        assert picture.evaluate("i => [i.naturalWidth, i.naturalHeight, getComputedStyle(i).imageRendering]") == [
            28, 28, "pixelated"
        ]  # fmt: skip
        assert picture.get_attribute("alt") == "The photo in 28 × 28 pixels, grey on black"
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        visit.shot(f"garments-{viewport['width']}")


@pytest.mark.browser
def test_where_there_is_no_garment_it_says_so_and_other_models_show_nothing_of_it(chromium, page) -> None:
    with visiting(chromium, page.url) as visit:
        visit.pick("yellow.jpg", photo(YELLOW))
        visit.says("duckling")
        assert visit.page.locator("#answer .shown").count() == 0
        choose(visit, "fashion")
        visit.says("^None of these: I see no single garment on a plain background.$")
        visit.page.get_by_role("button", name="Remove Image").click()
        visit.says("Show me a photo")
        visit.pick("busy.png", busy(), "image/png")
        visit.says("^None of these: I see no single garment on a plain background.$")
        assert "the whole photo, for no garment stands out" in visit.page.locator("#answer .shown").inner_text()
        visit.open_tab("About this mirror")
        visit.page.get_by_text("cut out of its plain background").wait_for()


@pytest.mark.browser
def test_each_model_has_its_own_pictures_to_try(chromium, page) -> None:
    with visiting(chromium, page.url) as visit:
        tiles = visit.page.locator("#examples .example")
        tiles.filter(has_text="pineapple").wait_for()
        choose(visit, "fashion")
        tiles.filter(has_text="bag").wait_for()
        assert [tile.inner_text().strip() for tile in tiles.all()] == sorted(EXAMPLES)
        choose(visit, "mirror")
        tiles.filter(has_text="pineapple").wait_for()


def test_the_api_takes_the_model_by_name(page) -> None:
    client = Client(page.url, verbose=False)
    png = Path(client.output_dir) / "shirt.png"
    png.parent.mkdir(parents=True, exist_ok=True)
    png.write_bytes(shirt())
    said = client.predict(handle_file(png), "fashion", api_name="/predict")
    assert {row["label"] for row in said["confidences"]} == set(LABELS)
    assert client.predict(handle_file(png), api_name="/predict")["label"] in ("cygnet", "duckling")


@pytest.mark.browser
def test_the_shipped_model_names_the_drawn_garments(chromium) -> None:
    if not SHIPPED.is_dir():
        pytest.skip("models/fashion does not exist yet: train.py writes it")
    with serve() as page, visiting(chromium, page.url, viewport={"width": 1180, "height": 760}) as visit:
        choose(visit, "fashion")
        for name, said in EXAMPLES.items():
            visit.page.locator("#examples .example").filter(has_text=name).click()
            visit.says(f"{said}\\.$")
            visit.page.locator("#answer .shown img").wait_for()
            visit.page.wait_for_function("document.querySelector('#photo img')?.naturalWidth === 768")
            visit.shot(f"garments-{name.replace(' ', '-')}")
        visit.page.locator("#examples .example").filter(has_text="ankle boot").click()
        visit.says("Ankle boot")
        visit.rest()
        for_the_readme("fashion", visit.page)
