"""What the int8 gate promises, on photos that had no part in it: the share of labels that int8 changes where it ships.

    python -m benchmarks.training.int8 --draws 4 --sizes 128      # about 10 minutes on one core
    python -m benchmarks.training.int8 --heads 60 --sizes 288     # many draws, of the head alone

Of ants_bees (whose classes the packaged tf_efficientnet_lite0 was taught) 48 photos are drawn, a head is fitted to
them, and the network is built as train.py builds it, by `--precision auto` and by `int8`. The other 349 photos tell
whether "99 % of labels the same" holds: of the network that ships, and of int8 as it was. With --heads the body is put
into int8 for two sets of photos alone, and for each draw a head of one strength is fitted to what float32 sees of the
photos drawn; the same gate then judges by the same share of them, so that the spread between draws is seen as well.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import DATA
from benchmarks.training.material import ARCH, quiet

STRENGTH = 0.003  # scikit-learn's C of the heads that --heads fits
FOLDS, CALIBRATED = 5, 2  # of them the photos of the first ones gave the ranges of int8, as in photo_model.py


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--photos", type=int, default=48)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 288])
    parser.add_argument("--heads", type=int, default=0, help="draws of the head alone instead")
    options = parser.parse_args()
    print(f"{ARCH}, {options.photos} photos of ants_bees\n")
    if options.heads:
        for size in options.sizes:
            of_heads(options.photos, size, options.heads)
        return
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
    from mirror.export.int8_gate import PreprocessedImages, outputs_of
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


def of_heads(photos: int, size: int, draws: int) -> None:
    """Prints in how many draws int8 ships, and what share of the other photos' labels it then changes."""
    from mirror.export.int8_gate import compare
    from mirror.training.linear_probe import fold_numbers

    actual, groups, before, networks = features_of_networks(size)
    changed = []
    for seed in range(draws):
        order = np.random.default_rng(seed).permutation(len(actual))
        own, others = np.sort(order[:photos]), order[photos:]
        fold = fold_numbers(actual[own], groups[own], FOLDS, seed)
        judging = [own[fold == number] for number in range(CALIBRATED, FOLDS)]
        heads = [head(before, actual, own[fold != number]) for number in range(CALIBRATED, FOLDS)]
        whole = head(before, actual, own)
        for after in networks[seed % len(networks)]:
            pairs = [
                np.concatenate([one(seen[rows]) for one, rows in zip(heads, judging, strict=True)])
                for seen in (before, after)
            ]
            if compare("", *pairs, actual[np.concatenate(judging)]).passed:
                labels = [whole(seen[others]).argmax(axis=1) for seen in (before, after)]
                changed.append(float(np.mean(labels[0] != labels[1])))
                break
    if not changed:
        print(f"{size} px, heads alone: int8 ships in none of {draws} draws.", flush=True)
        return
    shares = [f"{100 * share:.2f} %" for share in (np.mean(changed), *np.quantile(changed, (0.5, 0.9, 1)))]
    print(
        f"{size} px, heads alone: int8 ships in {len(changed)} of {draws} draws, and changes {shares[0]} of the "
        f"others' labels on average, {shares[1]} in half of the draws at most, {shares[2]} in nine of ten, "
        f"{shares[3]} in all; more than 1 % in {sum(share > 0.01 for share in changed)}.",
        flush=True,
    )


def head(features: np.ndarray, actual: np.ndarray, rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Features [N, D] → logits [N, 2], by those at `rows`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=1000)).fit(
        features[rows], actual[rows]
    )

    def logits(seen: np.ndarray) -> np.ndarray:
        lead = fitted.decision_function(seen)
        return np.stack([-lead / 2, lead / 2], axis=1)

    return logits


def features_of_networks(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[list[np.ndarray]]]:
    """Labels [N] and groups [N] of ants_bees, their features [N, D] by float32, and by each version of int8 that is
    tried, its ranges being of one set of photos, and of another."""
    from mirror.collect import collect_from_folder
    from mirror.export.int8_gate import ATTEMPTS, PreprocessedImages, outputs_of
    from mirror.export.onnx_export import compile_learner
    from mirror.export.quantize import Quantizer
    from mirror.training.backbones import find_backbone, width_of
    from mirror.training.build import export_learner
    from mirror.training.learner import Start, set_head
    from mirror.training.linear_probe import LinearProbe
    from mirror.training.training_data import TrainingData

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        with collect_from_folder(place / "photos", DATA / "ants_bees", log=quiet) as folder:
            data = TrainingData.of(folder.photos)
            files = [photo.path(folder.path) for photo in data.photos]
            found = find_backbone(ARCH, None, size, size, quiet)
            start = Start(folder.path, data.labels, found.architecture, found.state, found.source, size, 0)
            learner, width = start.learner(data.photos), width_of(start.body(), size)
            none = np.zeros((2, width), np.float32)  # its features alone are asked for
            set_head(learner, LinearProbe(none, none[:, 0], STRENGTH, None))
            export_learner(learner, place / "learner.pkl")
            made = compile_learner(place / "learner.pkl", place / "float.onnx", files[:8])

            def seen(file: Path) -> np.ndarray:
                return outputs_of(file, PreprocessedImages(files, made.preprocessing), ("features",))[0]

            networks = []
            for seed in range(2):
                some = np.random.default_rng(seed).permutation(len(files))[:20]
                pixels = PreprocessedImages([files[i] for i in some], made.preprocessing)
                quantizer, versions = Quantizer(place / "float.onnx", list(pixels)), []
                for first in ATTEMPTS:
                    quantizer.write(place / "int8.onnx", first)
                    versions.append(seen(place / "int8.onnx"))
                networks.append(versions)
            return data.actual, data.groups, seen(place / "float.onnx"), networks


if __name__ == "__main__":
    main()
