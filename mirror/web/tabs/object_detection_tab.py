"""What is where? A photo in; boxes around the things in it, how many of what, a table, and /object-detection.

The browser gets all that was found. The slider shows and hides it there: neither the model nor the server is asked
again, and nothing has to be kept for a visitor who moves it an hour later. The tab of faces is laid out here too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from PIL import Image

from mirror import answer_sentences
from mirror.images import full_size, small_jpeg
from mirror.net.fetch import NetworkSettings
from mirror.tasks.detections import SHOWN_FROM, Detection, Detections
from mirror.tasks.drawing import colours, draw, ink
from mirror.tasks.predictor import Detector
from mirror.tasks.request import OBJECT_DETECTION, public_name
from mirror.templates import data_url, render
from mirror.web.gradio_blocks import add_endpoint
from mirror.web.photo_fields import lay_out_photo
from mirror.web.photo_input import PREVIEW_PIXELS, PictureOutput
from mirror.web.tabs.handlers import PhotoEvents, TaskHandler, answer_photo
from mirror.web.tabs.mirror_tab import card, error_card, lay_out_answer
from mirror.web.tabs.task_models import TaskModels
from mirror.web.uploads import SentPhoto
from mirror.wording import count, is_plural, listed, percent, plain

LEAST_SCORE = 0.05  # what scores no more is not sent to the browser: the slider's least
GREATEST_SCORE, STEP = 0.99, 0.01
JPEG_QUALITY = 88
NOTHING_FOUND = "Nothing that I am so sure of."
SLIDER_HINT = "Move the slider to see more or fewer."
IRREGULAR = {"person": "people", "mouse": "mice", "sheep": "sheep", "knife": "knives", "skis": "skis"}

Outputs = tuple[str, str, str]  # sentence, picture and table as HTML; the last two are empty without an answer

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


def build(task_models: TaskModels, network: NetworkSettings) -> None:
    """Lays out the tab inside the current gr.Tab, wires it, and adds its endpoints."""
    lay_out(OBJECT_DETECTION, "objects", "thing", "Show me a street, a room, a table.", task_models, network)


def lay_out(
    task: str, name: str, noun: str, invitation: str, task_models: TaskModels, network: NetworkSettings
) -> None:
    """In the current tab, wired. name: the beginning of the element ids; noun: what is looked for; invitation: what the
    card says before there is a photo. Programs get /TASK, what is where in a photo, and /TASK-picture, the photo with
    that drawn into it."""
    with gr.Row(equal_height=False, elem_classes="looking"):
        with gr.Column(scale=5, min_width=300):
            fields = lay_out_photo(name)
            table = gr.HTML(elem_id=f"{name}-table", elem_classes="found-table")
        with gr.Column(scale=6, min_width=300):
            waiting = (card("waiting", invitation, "It stays between us: nothing you show is kept."), "", "")
            sentence = lay_out_answer(waiting[0], elem_id=f"{name}-answer", elem_classes="answer")
            slider = gr.Slider(
                LEAST_SCORE, GREATEST_SCORE, SHOWN_FROM, step=STEP, label="Least score to show",
                elem_id=f"{name}-score", elem_classes="least-score",
            )  # fmt: skip
            picture = gr.HTML(elem_id=f"{name}-found")
    slider.change(None, [slider], None, js=FILTER.replace("NAME", name))

    def handler(answer: Callable[..., Any]) -> TaskHandler:
        return TaskHandler(lambda *_: task_models.wait_for_detector(task), answer)

    def as_outputs(detector: Detector, image: Image.Image, threshold: float) -> Outputs:
        return answer(image, detector.detect(image), threshold, detector.name)

    def as_json(detector: Detector, image: Image.Image, threshold: float) -> list[dict[str, Any]]:
        return detector.detect(image).above(threshold).to_json()["detections"]

    def as_picture(detector: Detector, image: Image.Image, threshold: float) -> Image.Image:
        return draw(image, detector.detect(image).above(threshold))

    async def detect(image: SentPhoto | None, threshold: float = SHOWN_FROM) -> list[dict[str, Any]]:
        """Args:
        image: the photo, as a file or an http(s) address
        threshold: what scores no more than this, of 0 to 1, is left out
        """
        return await answer_photo(network, handler(as_json), image, threshold)

    async def picture_of(image: SentPhoto | None, threshold: float = SHOWN_FROM) -> Image.Image:
        """Args:
        image: the photo, as a file or an http(s) address
        threshold: what scores no more than this, of 0 to 1, is left out
        """
        return await answer_photo(network, handler(as_picture), image, threshold)

    busy = (card("waiting", *answer_sentences.LOOKING), "", "")
    events = PhotoEvents(network, handler(as_outputs), busy, lambda sentence, _: (error_card(sentence), "", ""))
    events.wire(fields, [sentence, picture, table], waiting, [slider])
    inputs = {"image": fields.photo, "threshold": gr.Number(SHOWN_FROM, minimum=0, maximum=1, visible=False)}
    told = f"Each {noun} found in a photo: score, label and box (in pixels of the upright photo)."
    add_endpoint(detect, inputs, gr.JSON(visible=False), task, told)
    drawn = f"A photo with a box drawn around each {noun} found in it."
    add_endpoint(picture_of, inputs, PictureOutput(visible=False), f"{task}-picture", drawn)


def answer(image: Image.Image, detections: Detections, threshold: float, seen_by: str = "") -> Outputs:
    """What is shown for what was found in an upright RGB image. seen_by: the detector's name, where it tells more."""
    scored = detections.above(LEAST_SCORE).found
    ranked = sorted(scored, key=lambda detection: -detection.score)  # equals in the detector's order
    sentences = [count_labels(ranked[:shown]) for shown in range(len(ranked) + 1)]
    shown = sum(detection.score > threshold for detection in ranked)
    palette = colours(detection.label for detection in ranked)
    boxes = [_box(detection, full_size(image), palette[detection.label], threshold) for detection in ranked]
    ratio = image.width / image.height
    photo = data_url(small_jpeg(image, PREVIEW_PIXELS, JPEG_QUALITY))
    picture = render("detections.html", boxes=boxes, says=json.dumps(sentences), photo=photo, ratio=ratio)
    hint = f"{SLIDER_HINT} Seen by {public_name(seen_by)}." if seen_by else SLIDER_HINT
    return card("known", sentences[shown], hint), picture, render("detection_table.html", boxes=boxes)


def count_labels(detections: Sequence[Detection]) -> str:
    """`2 bicycles and 1 person.`, the most frequent first, equals by name."""
    counts = Counter(plain(detection.label) for detection in detections)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if not ranked:
        return NOTHING_FOUND
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


def _box(detection: Detection, size: tuple[int, int], colour: str, threshold: float) -> dict[str, Any]:
    """What the templates draw of a detection: its sides in shares of the photo, within it, and what it says."""
    (width, height), box = size, detection.box
    left, right = (min(max(side, 0), width) / width for side in (box.xmin, box.xmax))
    top, bottom = (min(max(side, 0), height) / height for side in (box.ymin, box.ymax))
    return {
        "label": plain(detection.label), "score": repr(detection.score), "percent": percent(detection.score, 1),
        "hidden": detection.score <= threshold, "colour": colour, "ink": ink(colour),
        "left": left, "top": top, "width": right - left, "height": bottom - top,
        "corners": (f"{box.xmin}, {box.ymin}", f"{box.xmax}, {box.ymax}"),
    }  # fmt: skip
