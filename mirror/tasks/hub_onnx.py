"""A network of the Hub in ONNX: opened where it cannot do harm, and shown photos as its configuration says.

    network = HubNetwork(locate("hf:onnx-community/dfine_s_coco-ONNX"), ("logits", "pred_boxes"))
    logits, boxes = network.run(network.photos([photo]))

It is checked and tried like every network from anywhere (inference/onnx_check.py, onnx_trial.py), and keeps nothing in
other files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mirror.errors import ModelFolderError, ModelUnavailable
from mirror.inference.onnx_trial import Inputs, open_tried_file
from mirror.inference.session import require_finite
from mirror.storage import parse_json, read_file
from mirror.tasks.hub_layout import PREPROCESSING
from mirror.tasks.hub_models import MAX_DESCRIPTION, MAX_ONNX, Located
from mirror.tasks.image_processors import ImageProcessor
from mirror.tasks.request import IMAGE_CLASSIFICATION, OBJECT_DETECTION, ZERO_SHOT

TRIAL_SIDE = 256  # pixels: of a photo that a network of any size is tried on
TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
# How the names of the architectures that do a task go on; of models that compare pictures with words they end so
ENDINGS = {IMAGE_CLASSIFICATION: "ForImageClassification", OBJECT_DETECTION: "ForObjectDetection", ZERO_SHOT: "Model"}


class HubNetwork:
    """name: of the model. shapes: of the outputs for one image. inputs: the sides of what the graph takes, None where
    one is free. May be run from several threads at once."""

    def __init__(self, located: Located, outputs: Sequence[str], *, tokens: int = 1):
        """outputs: those that it must give, in the order in which `run` does. tokens: of the text that it is tried on.
        Raises ModelUnavailable for what cannot be opened here or gives something else."""
        assert located.onnx is not None
        self.name, self.outputs = located.name, tuple(outputs)
        self.processor = ImageProcessor.of(_preprocessing(located), located.name)
        file = located.onnx.resolve()  # in the Hub's cache it is a link to a blob
        try:
            self._engine, self.shapes, self.inputs = open_tried_file(
                file, f"{located.onnx.name} of {located.name}", partial(self._tried_on, tokens), limit=MAX_ONNX,
                sha256=located.sha256, threads=_threads(),
            )  # fmt: skip
        except OSError as error:
            raise ModelUnavailable(
                f"{located.name} cannot be read ({error.strerror or error}): fetch it again."
            ) from None
        except (LookupError, TypeError, ValueError):
            raise ModelUnavailable(f"{located.name} holds no ONNX network: fetch it again.") from None
        except ModelFolderError as error:
            raise ModelUnavailable(str(error)) from None
        lacking = [name for name in outputs if name not in self.shapes]
        if lacking:
            raise ModelUnavailable(
                f"{located.name} gives {', '.join(self.shapes)} and no {lacking[0]}: choose a model that is made for "
                "this task."
            )

    def photos(self, photos: Sequence[Image.Image]) -> dict[str, np.ndarray]:
        """Upright RGB photos, all of one size where the network takes any → its inputs. Raises ImageTooSmall."""
        shown = [self.processor(photo) for photo in photos]
        inputs = {name: np.stack([each[name] for each in shown]) for name in shown[0] if name in self.inputs}
        sides = self.inputs.get("pixel_mask")
        if sides and all(sides[1:]):  # of a size of its own, as exports of DETR have it: all of it is the photo's
            inputs["pixel_mask"] = np.ones((len(photos), *map(int, filter(None, sides[1:]))), np.int64)
        return inputs

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str] = ()) -> list[np.ndarray]:
        """The outputs in float32, by default those that it was opened for. Raises ModelFolderError, also for nan."""
        wanted = outputs or self.outputs
        given = {name: value.astype(self._engine.inputs[name], copy=False) for name, value in inputs.items()}
        found = [each.astype(np.float32, copy=False) for each in self._engine.run(given, wanted)]
        require_finite(self.name, *found)
        return found

    @property
    def takes_one(self) -> bool:
        """Whether photos go through one by one: the graph has room for one only, or they are of several sizes."""
        return self.inputs["pixel_values"][0] == 1 or not self.processor.gives_one_size

    def _tried_on(self, tokens: int, inputs: Inputs) -> dict[str, tuple[int, ...]]:
        """The sides of what a network that takes `inputs` is tried on."""
        photo = Image.new("RGB", (TRIAL_SIDE, TRIAL_SIDE))
        if "longest_edge" in self.processor.size:  # hundreds of times the work, and tells no more
            shown = {"pixel_values": np.zeros((3, TRIAL_SIDE, TRIAL_SIDE)), "pixel_mask": np.zeros((TRIAL_SIDE,) * 2)}
        else:
            shown = self.processor(photo)
        sides = {name: (1, *value.shape) for name, value in shown.items()} | dict.fromkeys(TEXT_INPUTS, (1, tokens))
        unknown = [name for name in inputs if name not in sides]
        if unknown or "pixel_values" not in inputs:
            raise ModelUnavailable(
                f"The network of {self.name} takes {', '.join(inputs)}, which is not supported: choose another."
            )
        shows, takes = sides["pixel_values"][1:], inputs["pixel_values"][1:]
        if any(own and own != side for own, side in zip(takes, shows, strict=True)):
            given, taken = (" x ".join(str(side or "any") for side in each[-2:]) for each in (shows, takes))
            raise ModelUnavailable(
                f"{self.name} is shown photos of {given} pixels and takes {taken}, so its files do not belong "
                "together: choose another model."
            )
        return {
            name: tuple(own or side for own, side in zip(own_sides, sides[name], strict=True))
            for name, own_sides in inputs.items()
        }


def require_task(located: Located, task: str) -> None:
    """Raises ModelUnavailable where the model's configuration says that it is made for something else."""
    ending = ENDINGS[task]
    architectures = [str(name) for name in located.config.get("architectures") or []]
    if architectures and not any(ending in name for name in architectures):
        raise ModelUnavailable(
            f"{located.name} is a {architectures[0]}, which does no {task}: choose a model that is made for {task}."
        )


def labels_of(located: Located, count: int) -> list[str]:
    """What the model calls its `count` kinds of things. Raises ModelUnavailable where it names another number."""
    named = located.config.get("id2label")
    try:
        named = {int(number): str(label) for number, label in named.items()} if named else {}
    except (AttributeError, TypeError, ValueError):
        named = {-1: ""}
    if named and sorted(named) != list(range(count)):
        raise ModelUnavailable(
            f"{located.name} names {len(named)} labels, and its network tells {count} apart: choose another model."
        )
    return [named.get(number, f"LABEL_{number}") for number in range(count)]


def description(located: Located, name: str) -> dict[str, Any]:
    """A JSON file of the model; {} where it has none. Raises ModelUnavailable for one that cannot be read."""
    path: Path = located.source / name
    if not path.is_file():
        return {}
    try:
        found = parse_json(read_file(path.resolve(), limit=MAX_DESCRIPTION))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"The {name} of {located.name} cannot be read ({error}): fetch the model again."
        ) from None
    return found if isinstance(found, dict) else {}


def _threads() -> int | None:
    """As many as OMP_NUM_THREADS says, which is what Ray tells its workers; None: all CPUs."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdecimal() and int(said) else None


def _preprocessing(located: Located) -> dict[str, Any]:
    for name in PREPROCESSING:
        found = description(located, name)
        found = found.get("image_processor", found)
        if isinstance(found, dict) and (found.get("image_processor_type") or found.get("feature_extractor_type")):
            return found
    raise ModelUnavailable(
        f"{located.name} does not tell how its photos are prepared, for it has no {PREPROCESSING[0]}: choose another."
    )
