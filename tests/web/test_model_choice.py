"""Which model a visitor meets: one's own first, by the address, as before, and without a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mirror.templates import data_url
from tests.support.visits import PHONE, SHIPPED, choose, visiting
from tests.web.asking import ask
from tests.web.serving import Served, run_app, serve
from tests.web.tiny import YELLOW, photo, tiny_model

pytestmark = pytest.mark.browser
FRUIT = "Mirror, mirror on the wall, am I an apple, a pear or a plum after all?"
PNG = data_url(photo(YELLOW, format="PNG"), "png")
PETS = "Mirror, mirror on the wall, am I a cat or a dog after all?"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    tiny_model(tmp_path, "mirror")
    tiny_model(tmp_path, "fruit", ("apple", "pear", "plum"))
    return tmp_path


@pytest.fixture
def page(models: Path) -> Iterator[Served]:
    with serve("--models", str(models)) as served:
        yield served


def is_asked(visit, question: str) -> None:
    """Waits for the question, in the page and in its title."""
    visit.page.locator("h1", has_text=question).wait_for()
    visit.page.wait_for_function("title => document.title === title", arg=question)


def test_ones_own_model_comes_first_and_an_address_names_another(chromium, page):
    with visiting(chromium, page.url) as visit:
        is_asked(visit, FRUIT)
        visit.goto(f"{page.url}/?model=mirror")
        is_asked(visit, SHIPPED)
        visit.pick("yellow.jpg", photo(YELLOW))
        visit.says("duckling")
        assert visit.page.locator("#notice").is_hidden()
        visit.goto(f"{page.url}/?model=no%20such%20model")
        is_asked(visit, FRUIT)
        visit.page.get_by_text("There is no model named “no such model” here: fruit answers.").wait_for()
        choose(visit, "mirror")
        visit.page.locator("#notice").wait_for(state="hidden")


def test_a_choice_is_remembered_and_the_address_leads_to_it(chromium, page):
    with visiting(chromium, page.url) as visit:
        is_asked(visit, FRUIT)
        choose(visit, "mirror")
        is_asked(visit, SHIPPED)
        visit.page.wait_for_function("location.search === '?model=mirror'")
        visit.goto(page.url)
        is_asked(visit, SHIPPED)
    with visiting(chromium, page.url) as another:
        is_asked(another, FRUIT)


def test_a_new_model_is_offered_without_a_restart(chromium, page, models):
    with visiting(chromium, page.url) as visit:
        is_asked(visit, FRUIT)
        tiny_model(models, "pets", ("cat", "dog"))
        event, answer = ask(page.url, "predict", {"url": PNG}, "pets")
        assert event == "complete" and {each["label"] for each in answer[0]["confidences"]} == {"cat", "dog"}
        visit.reload()
        choose(visit, "pets")
        is_asked(visit, PETS)
        visit.pick("yellow.jpg", photo(YELLOW))
        visit.says("dog|cat")


def test_another_model_answers_the_photo_that_is_shown_and_leaves_it_as_it_is(chromium, page):
    """Its picture would come once more, a little worse, and in the place of a photo that is given meanwhile."""
    with visiting(chromium, page.url) as visit:
        visit.pick("yellow.jpg", photo(YELLOW, (1600, 1200)))
        visit.says("apple|pear|plum")
        src = visit.page.wait_for_function(
            "(src => src?.startsWith('data:') && src)(document.querySelector('#photo img')?.src)"
        ).json_value()
        visit.rest(quiet=500)
        choose(visit, "mirror")
        visit.says("duckling")
        visit.rest(quiet=500)
        assert visit.page.locator("#photo img").get_attribute("src") == src


def test_another_models_answer_does_not_come_after_its_photo_was_taken_away(chromium, page):
    with visiting(chromium, page.url) as visit:
        visit.pick("yellow.jpg", photo(YELLOW))
        visit.says("apple|pear|plum")
        visit.page.wait_for_function("document.querySelector('#photo img')?.src.startsWith('data:')")
        visit.rest(quiet=500)
        held: list[Any] = []
        visit.page.route("**/queue/data?*", lambda route: held.append(route))
        choose(visit, "mirror")
        visit.page.wait_for_timeout(2000)  # the server has answered by now; where it has not, it answers no more
        visit.page.get_by_role("button", name="Remove Image").click()
        visit.says("Show me a photo.")
        for route in held:
            route.continue_()
        visit.page.unroute("**/queue/data?*")
        visit.page.wait_for_timeout(1500)
        visit.says("Show me a photo.")
        assert held and visit.page.locator("#photo img, #probabilities li").count() == 0


def test_only_the_trained_models_tabs_have_its_question_and_the_picker(chromium, page):
    for viewport in (PHONE, {"width": 1180, "height": 800}):
        with visiting(chromium, page.url, viewport=viewport) as visit:
            is_asked(visit, FRUIT)
            picker, heading = visit.page.get_by_label("Model"), visit.page.locator("h1")
            for tab, own in (("What is this?", False), ("About this mirror", True), ("The mirror", True)):
                visit.open_tab(tab)
                picker.wait_for(state="visible" if own else "hidden")
                assert heading.inner_text() == (FRUIT if own else "Mirror, mirror on the wall"), tab
                assert visit.page.locator("#question p").is_visible() is own


def test_a_name_that_is_no_models_is_told_on_the_command_line(models):
    done = run_app("--models", str(models), "--default", "pears")
    assert done.returncode == 2
    assert done.stderr == f"There is no model named pears in {models}: choose one of fruit, mirror.\n"
