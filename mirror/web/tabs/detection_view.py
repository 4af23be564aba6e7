"""What a detector found, on the page: how many of what in a sentence, the photo with boxes, and a table of them.

    table = lay_out_table("objects")        # in the tab's left column, under the photo
    parts = lay_out("objects", …, table)    # in its right column
    parts.outputs                           # sentence, picture and table: `answer` gives their values

The browser gets all that was found. The slider shows and hides it there: neither the model nor the server is asked
again, and nothing has to be kept for a visitor who moves it an hour later.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from mirror.images import full_size, small_jpeg
from mirror.net.fetch import NetworkSettings
from mirror.tasks.detection import Detection, Detections
from mirror.tasks.drawing import colours, draw, ink
from mirror.templates import render
from mirror.web.mirror_tab import card, trouble
from mirror.web.photo_fields import PhotoFields
from mirror.web.photo_input import PREVIEW_PIXELS, PictureOutput
from mirror.web.tabs.handlers import TaskHandler, answer_photo
from mirror.web.uploads import Sent
from mirror.wording import count, is_plural, listed, percent, plain

FLOOR = 0.05  # what scores no more is not sent to the browser: the slider's least
HIGHEST, STEP = 0.99, 0.01
JPEG_QUALITY = 88
NOTHING_SO_SURE = "Nothing that I am so sure of."
MORE_OR_FEWER = "Move the slider to see more or fewer."
IRREGULAR = {"person": "people", "mouse": "mice", "sheep": "sheep", "knife": "knives", "skis": "skis"}

Shown = tuple[str, str, str]  # sentence, picture and table as HTML; the last two are empty without an answer

# Shows what scores more than the slider says, and the sentence that counts it
FILTER = """
threshold => {
  const found = document.querySelector('#NAME-found .found'), table = document.querySelector('#NAME-table table');
  if (!found || !table) return;
  for (const place of [found, table])
    for (const each of place.querySelectorAll('[data-score]')) each.hidden = !(Number(each.dataset.score) > threshold);
  const kept = table.querySelectorAll('tbody tr:not([hidden])').length;
  table.hidden = kept === 0;
  document.querySelector('#NAME-answer .says').textContent = JSON.parse(found.dataset.says)[kept];
}
"""


@dataclass(frozen=True)
class DetectionView:
    """The sentence, the slider, the picture and the table."""

    sentence: gr.HTML
    slider: gr.Slider
    picture: gr.HTML
    table: gr.HTML

    @property
    def outputs(self) -> list[gr.HTML]:
        return [self.sentence, self.picture, self.table]


def lay_out_table(name: str) -> gr.HTML:
    """The table's place, in the current column. name: the beginning of the element ids."""
    return gr.HTML(elem_id=f"{name}-table", elem_classes="found-table")


def lay_out(name: str, label: str, threshold: float, invitation: str, table: gr.HTML | None = None) -> DetectionView:
    """In the current column, wired. name: the beginning of the element ids; label, threshold: the slider's;
    invitation: what the card says before there is a photo; table: its place, where that is not under the picture."""
    sentence = gr.HTML(waiting(invitation)[0], elem_id=f"{name}-answer", elem_classes="answer")
    slider = gr.Slider(
        FLOOR, HIGHEST, threshold, step=STEP, label=label, elem_id=f"{name}-score", elem_classes="least-score"
    )
    picture = gr.HTML(elem_id=f"{name}-found")
    slider.change(None, [slider], None, js=FILTER.replace("NAME", name))
    return DetectionView(sentence, slider, picture, table or lay_out_table(name))


def waiting(invitation: str) -> Shown:
    return card("waiting", invitation, "It stays between us: nothing you show is kept."), "", ""


def busy() -> Shown:
    return card("waiting", "Let me look …", "The first time takes longer: I have to open the model."), "", ""


def failed(sentence: str) -> Shown:
    return trouble(sentence), "", ""


def answer(image: Image.Image, found: Detections, threshold: float) -> Shown:
    """What is shown for what was found in an upright RGB image."""
    ranked = sorted(found.above(FLOOR).found, key=lambda each: -each.score)  # equals in the detector's order
    says = [count_labels(ranked[:kept]) for kept in range(len(ranked) + 1)]
    kept = sum(each.score > threshold for each in ranked)
    palette = colours(each.label for each in ranked)
    boxes = [_box(each, full_size(image), palette[each.label], threshold) for each in ranked]
    ratio = image.width / image.height
    picture = render("detections.html", boxes=boxes, says=json.dumps(says), photo=_data_url(image), ratio=ratio)
    return card("known", says[kept], MORE_OR_FEWER), picture, render("detection_table.html", boxes=boxes)


def shown(look: TaskHandler) -> TaskHandler:
    """A detector's look as the page shows it. look: its answer is the upright photo and what was found in it."""
    return TaskHandler(
        look.open, lambda model, image, threshold: answer(*look.answer(model, image), threshold), look.decode
    )


def add_api(task: str, network: NetworkSettings, asked: PhotoFields, look: TaskHandler, threshold: float) -> None:
    """/TASK takes a photo and gives what is where; /TASK-picture gives it drawn. look: its answer is the upright photo
    and what was found in it; threshold: the endpoints' default."""

    def drawn(model: Any, image: Image.Image, threshold: float) -> Image.Image:
        seen, found = look.answer(model, image)
        return draw(seen, found.above(threshold))

    async def detect(image: Sent | None, threshold: float = threshold) -> list[dict[str, Any]]:
        """What is where in one photo: score, label and box (pixels of the upright photo) of what scores more."""
        _, found = await answer_photo(network, look, image)
        return found.above(threshold).to_json()["detections"]

    async def picture(image: Sent | None, threshold: float = threshold) -> Image.Image:
        """The photo with boxes drawn around what scores more."""
        return await answer_photo(network, TaskHandler(look.open, drawn, look.decode), image, threshold)

    trigger, score = gr.Button(visible=False), gr.Number(threshold, minimum=0, maximum=1, visible=False)
    trigger.click(detect, [asked.photo, score], gr.JSON(visible=False), api_name=task)
    trigger.click(picture, [asked.photo, score], PictureOutput(visible=False), api_name=f"{task}-picture")


def count_labels(found: Sequence[Detection]) -> str:
    """`2 bicycles and 1 person.`, the most frequent first, equals by name."""
    counts = Counter(plain(each.label) for each in found)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if not ranked:
        return NOTHING_SO_SURE
    return listed([count(number, label, several(label)) for label, number in ranked]) + "."


def several(label: str) -> str:
    """The plural of a label by the usual rules of English, which bend its last word."""
    *first, last = label.split(" ")
    if is_plural(label):
        plural = last
    elif last in IRREGULAR:
        plural = IRREGULAR[last]
    elif last.endswith(("s", "x", "z", "ch", "sh")):
        plural = last + "es"
    elif last.endswith("y") and last[-2:-1] not in tuple("aeiou"):
        plural = last[:-1] + "ies"
    else:
        plural = last + "s"
    return " ".join([*first, plural])


def _box(found: Detection, size: tuple[int, int], colour: str, threshold: float) -> dict[str, Any]:
    """What the templates draw of a detection: its sides in shares of the photo, within it, and what it says."""
    (width, height), box = size, found.box
    left, right = (min(max(side, 0), width) / width for side in (box.xmin, box.xmax))
    top, bottom = (min(max(side, 0), height) / height for side in (box.ymin, box.ymax))
    return {
        "label": plain(found.label), "score": repr(found.score), "percent": percent(found.score, 1),
        "hidden": found.score <= threshold, "colour": colour, "ink": ink(colour),
        "left": left, "top": top, "width": right - left, "height": bottom - top,
        "corners": (f"{box.xmin}, {box.ymin}", f"{box.xmax}, {box.ymax}"),
    }  # fmt: skip


def _data_url(image: Image.Image) -> str:
    """The photo as it is shown, within the page itself, so that no file has to stay for it."""
    small = small_jpeg(image, PREVIEW_PIXELS, JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(small).decode('ascii')}"
