"""What the int8 gate promises, on photos that had no part in it: the share of labels that int8 changes where it ships.

    python -m benchmarks.training.int8 --draws 4 --sizes 128      # about 10 minutes on one core

Of ants_bees (whose classes the packaged tf_efficientnet_lite0 was taught) 48 photos are drawn, a head is fitted to
them, and the network is built as train.py builds it, by `--precision auto` and by `int8`. The other 349 photos tell
whether "99 % of labels the same" holds: of the network that ships, and of int8 as it was.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import DATA
from benchmarks.training.material import ARCH, quiet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--photos", type=int, default=48)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 288])
    options = parser.parse_args()
    print(f"{ARCH}, {options.photos} photos of ants_bees\n")
    print("| px | draw | the gate's estimate | int8, all layers: unseen changed | ships | it changes |")
    print("| ---: | ---: | ---: | ---: | --- | ---: |")
    for size in options.sizes:
        changes = np.array([draw(options.photos, size, seed) for seed in range(options.draws)])
        print(
            f"| {size} | mean | | {100 * changes[:, 0].mean():.2f} % | | {100 * changes[:, 1].mean():.2f} % |",
            flush=True,
        )


def draw(photos: int, size: int, seed: int) -> tuple[float, float]:
    """The shares of unseen photos whose label int8 changes, and that what ships changes, against float32."""
    from mirror.collect import collect_from_folder
    from mirror.export.precision import PreprocessedImages, outputs_of
    from mirror.training.build import build_model
    from mirror.training.photo_model import PhotoModel, describe_data
    from mirror.training.recipe import train
    from mirror.training.settings import TrainingSettings

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        with collect_from_folder(place / "photos", DATA / "ants_bees", log=quiet) as folder:
            rows = [replace(photo, split="", split_given=False) for photo in folder.photos]
            order = np.random.default_rng(seed).permutation(len(rows))
            settings = TrainingSettings(ARCH, size=size, seed=seed)
            trained = train([rows[i] for i in order[:photos]], folder.path, settings, quiet)
            content = PhotoModel(trained, folder.path, describe_data(folder, "folder"), settings)
            made = {
                asked: build_model(content, place / asked, precision=asked, log=quiet)
                for asked in ("fp32", "auto", "int8")
            }
            unseen = [rows[i].path(folder.path) for i in order[photos:]]
            images = PreprocessedImages(unseen, made["fp32"].info.preprocessing)
            labels = {
                asked: outputs_of(model.path / "model.onnx", images)[0].argmax(axis=1) for asked, model in made.items()
            }
        first = made["auto"].info.quantisation.attempts[0]
        int8, ships = (float(np.mean(labels[asked] != labels["fp32"])) for asked in ("int8", "auto"))
        expected = 1 - min(first.agreement, first.expected_agreement)
        precision = made["auto"].info.onnx.precision
        print(
            f"| {size} | {seed} | {100 * expected:.2f} % | {100 * int8:.2f} % | {precision} | {100 * ships:.2f} % |",
            flush=True,
        )
        return int8, ships


if __name__ == "__main__":
    main()
