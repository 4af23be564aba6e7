"""A trained model → models/<name>/: the pickle, the network compiled from it, its card, its photos, its report.

Each recipe hands over a `ModelContent`: its learner, the images to compare networks by, and the judging.
"""

from __future__ import annotations

import dataclasses
import errno
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from mirror import model_history
from mirror.errors import ModelFolderError
from mirror.export.grad_cam_export import add_heat
from mirror.export.graph import attach_novelty_bank
from mirror.export.int8_gate import (
    OtherHeads,
    PreprocessedImages,
    choose_precision,
    outputs_of,
    precision_of,
    with_precision,
)
from mirror.export.novelty import FeatureBank, describe
from mirror.export.onnx_export import compile_learner
from mirror.inference.session import SIMILARITY
from mirror.metric_sentences import novelty_sentence
from mirror.model_card import write_card
from mirror.model_folder import ModelFolder, write_model_folder
from mirror.model_schema import ModelInfo, Novelty, Preprocessing
from mirror.progress import working
from mirror.terminal import say
from mirror.training.evaluation import Evaluation
from mirror.training.report_pictures import Picture, draw_report

Images = Sequence[Path | Image.Image]
Log = Callable[[str], None]


@dataclass(frozen=True)
class Samples:
    """Images that networks are compared on. parity: with `learn.predict`; calibration: for the ranges of int8;
    compared: int8 with float32, and actual: the labels of these as indices, UNJUDGED for those learned from.
    other_heads: as `choose_precision` takes them; seen: all of `compared` were learned from, which shows nothing."""

    parity: Images
    calibration: Images
    compared: Images
    actual: np.ndarray
    other_heads: OtherHeads | None = None
    seen: bool = False


@dataclass(frozen=True)
class ShippedNetwork:
    """The network that ships, in the precision that was chosen."""

    file: Path
    preprocessing: Preprocessing
    precision: str
    log: Log

    def outputs(self, images: Images, names: Sequence[str]) -> list[np.ndarray]:
        """The named outputs of the images, [N, …] each."""
        return outputs_of(self.file, PreprocessedImages(images, self.preprocessing), names)

    def add_novelty(self, bank: FeatureBank | None) -> Novelty | None:
        """Gives the network the output "similarity" where there is a bank, and describes the bank."""
        if bank is None:
            self.log("Too few photos to tell what is none of the labels: it will always name one.")
            return None
        attach_novelty_bank(self.file, bank)
        novelty = describe(bank)
        self.log(novelty_sentence(novelty))
        return novelty


class ModelContent(Protocol):
    """What a recipe has made. learner: fastai's; noun: what its images are called; picture: what the report may show of
    an image, by its name, None where none may be shown."""

    @property
    def learner(self) -> Any: ...

    @property
    def noun(self) -> str: ...

    @property
    def picture(self) -> Picture | None: ...

    def samples(self) -> Samples: ...

    def judge(self, network: ShippedNetwork) -> Evaluation: ...

    def describe(self, info: ModelInfo, precision: str, keep_pickle: bool) -> ModelInfo:
        """`info` with where it comes from: arch, data, training."""

    def write_lists(self, folder: Path, evaluation: Evaluation) -> None:
        """photos.csv, and the report's lists."""


def build_model(
    content: ModelContent, path: Path, *, precision: str = "auto", keep_pickle: bool = True, log: Log = say
) -> ModelFolder:
    """Writes the model folder `path`, whole or not at all. precision: of the network, "auto", "fp32" or "int8".
    keep_pickle: whether learner.pkl (45 MB) stays in the folder once the network was compiled from it.

    Raises ModelFolderError where the disk refuses, UnsupportedLearner where the compiled network differs.
    """

    def build(folder: Path) -> ModelInfo:
        learner, file = folder / "learner.pkl", folder / "model.onnx"
        samples = content.samples()
        with working("Compiling the network, and comparing it with learn.predict", log):
            export_learner(content.learner, learner)
            compiled = compile_learner(learner, file, samples.parity)
        compared_on = f"{compiled.photos} {content.noun}"
        log(f"model.onnx answers as learn.predict does, to {compiled.difference:.1g} on {compared_on}.")
        if not keep_pickle:
            learner.unlink()
        calibration, compared = (
            PreprocessedImages(images, compiled.preprocessing) for images in (samples.calibration, samples.compared)
        )
        asked = precision
        if samples.seen and precision == "auto":
            log("int8: every photo was learned from, so none can show that it answers alike, and fp32 ships.")
            asked = "fp32"
        with working("Trying it in 8 bits" if asked != "fp32" else "Checking it in fp32", log) as say_of_it:
            quantisation = choose_precision(
                file, calibration, compared, samples.actual, asked, say_of_it, samples.other_heads
            )
        with working("Judging what ships", log) as say_of_it:
            network = ShippedNetwork(file, compiled.preprocessing, precision_of(quantisation), say_of_it)
            evaluation = content.judge(network)
        info = with_precision(compiled.info(path.name), quantisation)
        onnx = info.onnx
        if evaluation.novelty:
            onnx = dataclasses.replace(onnx, outputs=(*onnx.outputs, SIMILARITY))
        info = dataclasses.replace(
            content.describe(info, precision, keep_pickle),
            pickle=learner.name if keep_pickle else None,
            onnx=add_heat(file, onnx, log),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            temperature=evaluation.temperature,
            novelty=evaluation.novelty,
            metrics=evaluation.metrics,
        )
        with working("Writing the report", log):
            content.write_lists(folder, evaluation)
            draw_report(info, content.picture, folder / "report")
            write_card(folder, info)
        return info

    replaced = path.exists()
    again = "what was seen of the photos is kept, and the same command goes on from there"
    try:
        made = write_model_folder(path, build, lambda: model_history.place_for(path))
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be written ({error.strerror or error}): make room; {again}.") from None
    except MemoryError:
        raise ModelFolderError(
            f"{path} was not made, for the memory is used up: close other programs or choose a smaller --arch; {again}."
        ) from None
    if model_history.shorten(path) and replaced:
        log(f"The model that it replaces is kept: {model_history.command(path)}.")
    return made


def export_learner(learner: Any, file: Path) -> None:
    """`learner.export` with nothing of this machine in it: its path is ".", and functions go by name. fastai's default,
    cloudpickle, copies some by value: bytecode that only this Python version runs, with the paths of its files."""
    learner.path = Path(".")
    try:
        learner.export(file.absolute(), pickle_module=pickle)
    except RuntimeError as error:
        if "inline_container" not in str(error) and "file write failed" not in str(error):
            raise
        raise OSError(errno.ENOSPC, "the disk takes no more of it") from error  # torch.save names its own source line


def given_options(*options: tuple[str, object, object], keep_pickle: bool) -> tuple[str, ...]:
    """train.py's options from (name, value, default), those that are as the default left out."""
    given: list[str] = []
    for name, value, default in options:
        if value != default:
            given += [name] if value is True else [name, str(value)]
    return tuple(given if keep_pickle else [*given, "--no-pickle"])
