"""Live: the mirror says what it sees while the camera looks, "none of these" included."""

from __future__ import annotations

from typing import Any

from PIL import Image

from mirror.web.fair_scheduling import on_thread
from mirror.web.served_models import ModelRegistry
from mirror.web.tabs import camera
from mirror.web.tabs.mirror_tab import Answer, answer_card, bars


def build(registry: ModelRegistry) -> None:
    """Lays out the tab inside the current gr.Tab."""
    camera.lay_out(look(registry), "live")


def look(registry: ModelRegistry) -> camera.Look:
    """For the camera: {"card": the answer, "bars": the probabilities}, both as HTML."""

    def answered(image: Image.Image, model: str | None) -> dict[str, Any]:
        served = registry.get(model)
        with served.excused():
            classifier = served.classifier()
            pixels, prepared = classifier.preprocess(image)
            prediction = classifier.answer(pixels, prepared)
        card = answer_card(Answer(prediction, prepared, classifier.preparation, None))
        return {"card": card, "bars": bars(prediction)}

    async def live(image: Image.Image, model: str | None) -> dict[str, Any]:
        return await on_thread(answered, image, model)

    return live
