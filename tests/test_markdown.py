"""Whatever a user named is shown in cards as it was written, and is no markup: rendered by a Markdown renderer."""

from __future__ import annotations

import dataclasses
import hashlib
import html
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from mirror.collect.photo_records import METADATA_COLUMNS, format_row
from mirror.model_card import model_card
from mirror.model_folder import ModelFolder, read_model_folder
from mirror.model_schema import Query
from mirror.publish.dataset_repository import dataset_repository
from mirror.publish.space_card import space_card
from mirror.templates import as_markdown, fenced, markdown_table

SHIPPED = Path(__file__).parents[1] / "models" / "mirror"
HOSTILE = (
    "<img src=x onerror=alert(1)>", "](javascript:alert(1))", "[a](https://evil.example)", "![a](https://evil.example)",
    "`code`", "```\nafter", "a|b", "one\n\n# two", "*bold*", "__bold__", "_a_", "~~gone~~", "<https://evil.example>",
    "&lt;b&gt; &#60;", "$$x$$", "\\", "trailing\\", "# heading", "> quote", "- item", "1. item", "2) item", "+ item",
    "=== ", "---", "***", "\\*a\\*", "<!-- ", "a\r\n| --- |", "{{ 7 * 7 }}", "{% raw %}", "<script>alert(1)</script>",
    "[x]: https://evil.example", "||", "\u2028# two",
)  # fmt: skip
EXPECTED = ("h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "pre", "code")


def rendered(markdown: str) -> str:
    """HTML, of the Hub's dialect as far as it can carry harm: raw HTML, tables, strikethrough."""
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown)


def shown(markup: str) -> str:
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", markup)).split())


def require_plain(card: str, told: str, *, also: tuple[str, ...] = ()) -> None:
    """The card has no element but its own, and shows `told`."""
    body = rendered(card.split("---\n", 2)[2])
    assert set(re.findall(r"<(\w+|!)", body)) <= {*EXPECTED, *also}, body
    assert " ".join(told.replace("_", " ").split()) in shown(body).replace("_", " ")


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_shown_as_it_is_in_a_paragraph_a_heading_an_item_and_a_table(text: str) -> None:
    plain = " ".join(text.split())
    for markdown, element in [(as_markdown(text), "p"), (f"# {as_markdown(text)}", "h1")]:
        (found,) = re.findall(rf"^<{element}>(.*)</{element}>$", rendered(markdown), re.S)
        assert "<" not in found and html.unescape(found) == plain
    (found,) = re.findall("<li>(.*)</li>", rendered(f"- {as_markdown(text)}"), re.S)
    assert "<" not in found and html.unescape(found) == plain
    table = rendered(markdown_table(["label", "n"], [(text, 1), (None, 2)]))
    assert [html.unescape(cell) for cell in re.findall("<td[^>]*>(.*?)</td>", table)] == [plain, "1", "–", "2"]


@pytest.mark.parametrize("text", HOSTILE)
def test_code_stays_within_its_fences(text: str) -> None:
    (found,) = re.findall("^<pre><code[^>]*>(.*)</code></pre>$", rendered(fenced(f"a {text}", "bash")), re.S)
    assert html.unescape(found).rstrip("\n") == f"a {text}".replace("\r\n", "\n").rstrip("\n")


@pytest.fixture
def hostile(request: pytest.FixtureRequest) -> ModelFolder:
    """The shipped model with one label, one query and one site, its name too, as somebody may have called them."""
    model = read_model_folder(SHIPPED)
    info, text = model.info, request.param
    labels = (text, info.labels[1])
    data = dataclasses.replace(
        info.data,
        source="search",
        counts=dict.fromkeys(labels, 50),
        queries=(Query(text, text),),
        sites={text: 3},
        engines={text: 3},
        license_filter=text,
        retrieved=(text, text),
    )
    metrics = dataclasses.replace(info.metrics, labels=dict(zip(labels, info.metrics.labels.values(), strict=True)))
    training = dataclasses.replace(info.training, options=("--search", text))
    made = dataclasses.replace(
        info, name=text, labels=labels, data=data, metrics=metrics, training=training, arch=text, pickle=None
    )
    return ModelFolder(model.path, made)


@pytest.mark.parametrize("hostile", HOSTILE, indirect=True)
def test_the_cards_of_a_model_and_of_its_space_show_names_and_no_markup_of_theirs(hostile: ModelFolder) -> None:
    label = hostile.info.labels[0]
    require_plain(model_card(hostile.info), label)
    require_plain(space_card(hostile.info, repository=None, sdk="static").decode(), label)


@pytest.mark.parametrize("text", HOSTILE)
def test_the_card_of_a_data_set_shows_labels_and_no_markup_of_theirs(text: str, tmp_path: Path) -> None:
    model = read_model_folder(SHIPPED)
    row = dict.fromkeys(METADATA_COLUMNS, "") | {"file_name": "a.jpg", "label": text, "sha256": "0" * 64}
    row |= {"width": "1", "height": "1", "title": text, "query": text, "url": text}
    listed = (format_row(METADATA_COLUMNS) + format_row(row[name] for name in METADATA_COLUMNS)).encode()
    (tmp_path / "photos.csv").write_bytes(listed)
    files = {"photos.csv": hashlib.sha256(listed).hexdigest()}
    info = dataclasses.replace(model.info, name=text, files=files)
    card = dataset_repository(ModelFolder(tmp_path, info), None)["README.md"]
    require_plain(bytes(card).decode(), "1 photo of 1 label")
