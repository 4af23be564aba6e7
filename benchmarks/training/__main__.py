"""Training, ours against the article's recipe: wall time and error on the same photos, over several seeds.

    python -m benchmarks.training                       # 5 seeds, about 40 minutes on 2 cores
    python -m benchmarks.training --seeds 1 --resnet18  # one seed, and resnet18's time as well

Both train on ../shared/data/ants_bees/train (244 photos) and are judged on .../val (153 photos) with the same weights
(tf_efficientnet_lite0, packaged), which were taught both classes: their error before any training is printed, too. The
article: RandomResizedCrop(256, min_scale=0.8), aug_transforms(), batches of 64, fine_tune(5). Wall time runs from
photo files to a judged learner, imports left out; ours is given without and with the screening of the photos
(decoding, hashing, storing), which the article's recipe does not do. Each run is a process of its own, and the two
take turns, so that a machine that slows down slows both. ResNet-18's time is measured on random weights: its own
cannot be had everywhere, and time does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import DATA
from benchmarks.training.material import untrained_errors

PHOTOS = DATA / "ants_bees"


def article(arch: str, seed: int) -> dict[str, float]:
    """The article's notebook, with the packaged weights put into the body."""
    import os

    from fastai.vision import all as fv

    from mirror.training.pretrained import find_architecture, load_into, load_weights

    os.environ["TQDM_DISABLE"] = "1"
    start = time.perf_counter()
    fv.set_seed(seed, reproducible=True)
    known = find_architecture(arch)
    block = fv.DataBlock(
        blocks=(fv.ImageBlock, fv.CategoryBlock),
        get_items=fv.get_image_files,
        get_y=fv.parent_label,
        splitter=fv.GrandparentSplitter(train_name="train", valid_name="val"),
        item_tfms=[fv.RandomResizedCrop(256, min_scale=0.8)],
        batch_tfms=[*fv.aug_transforms(), fv.Normalize.from_stats(list(known.mean), list(known.std))],
    )
    learner = fv.vision_learner(
        block.dataloaders(PHOTOS, bs=64), known.arch, pretrained=False, normalize=False, metrics=fv.error_rate
    )
    if arch != "resnet18":
        load_into(learner.model[0], load_weights(known)[0], arch)
    learner.freeze()  # as vision_learner(pretrained=True) does
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(5)
        error = float(learner.validate()[1])
    return {"seconds": time.perf_counter() - start, "error": error}


def ours(arch: str, seed: int) -> dict[str, float]:
    """What `python train.py --epochs 0 --data …` does."""
    import torch
    import torchvision

    from mirror.collect import assign_splits, collect_from_folder
    from mirror.training.recipe import train
    from mirror.training.settings import TrainingSettings

    def quiet(*_: object) -> None:
        pass

    with tempfile.TemporaryDirectory() as place:
        weights = None
        if arch == "resnet18":
            weights = Path(place) / "random.pth"
            torch.save(torchvision.models.resnet18().state_dict(), weights)
        start = time.perf_counter()
        with collect_from_folder(Path(place) / "photos", PHOTOS, log=quiet) as photos:
            screened = time.perf_counter()
            rows = assign_splits(photos.photos, seed=seed)
            settings = TrainingSettings(arch, weights, epochs=0, seed=seed)
            trained = train(rows, photos.path, settings, log=quiet)
        held = trained.data.rows("validation")
        error = float((trained.logits[held].argmax(axis=1) != trained.data.actual[held]).mean())
        end = time.perf_counter()
    return {"seconds": end - screened, "with_screening": end - start, "error": error}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="runs of each recipe (default: %(default)s)")
    parser.add_argument("--resnet18", action="store_true", help="time resnet18 as well, one run of each")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(globals()[json.loads(options.one)["recipe"]](**json.loads(options.one)["arguments"])))
        return 0
    if not PHOTOS.is_dir():
        print(f"training.py: {PHOTOS} is not there: the benchmark needs the ants_bees photos.", file=sys.stderr)
        return 1
    arch = "tf_efficientnet_lite0"
    theirs, mine = [], []
    for seed in range(options.seeds):
        theirs.append(run("article", arch=arch, seed=seed))
        mine.append(run("ours", arch=arch, seed=seed))
        print(f"seed {seed}: article {describe(theirs[-1])}; ours {describe(mine[-1])}", flush=True)
    table(arch, theirs, mine)
    print(f"\nBefore any training, by the classes that the network was taught: {100 * untrained_errors().mean():.2f} %")
    if options.resnet18:
        theirs, mine = [run("article", arch="resnet18", seed=0)], [run("ours", arch="resnet18", seed=0)]
        print("\nresnet18 (random weights, so only the time means anything)")
        table("resnet18", theirs, mine, errors=False)
    return 0


def run(recipe: str, **arguments: object) -> dict[str, float]:
    """One recipe in a process of its own."""
    one = json.dumps({"recipe": recipe, "arguments": arguments})
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.training.__main__", "--one", one]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{recipe} {arguments} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def describe(found: dict[str, float]) -> str:
    return f"{found['seconds']:.0f} s, {100 * found['error']:.1f} %"


def table(arch: str, theirs: list[dict[str, float]], mine: list[dict[str, float]], errors: bool = True) -> None:
    mean = lambda rows, key: statistics.fmean(row[key] for row in rows)  # noqa: E731
    print(f"\n| {arch}, mean of {len(mine)} | article's recipe | ours | ratio |\n| --- | ---: | ---: | ---: |")
    lines = [("wall time, s", "seconds", "seconds"), ("… with screening the photos, s", "seconds", "with_screening")]
    for title, key, own in lines:
        a, b = mean(theirs, key), mean(mine, own)
        print(f"| {title} | {a:.1f} | {b:.1f} | {b / a:.3f} |")
    if errors:
        a, b = 100 * mean(theirs, "error"), 100 * mean(mine, "error")
        print(f"| error on 153 photos, % | {a:.2f} | {b:.2f} | {b / a:.2f} |")
        for name, rows in (("article", theirs), ("ours", mine)):
            print(f"\n{name}: " + ", ".join(f"{100 * row['error']:.1f}" for row in rows), end="")
        print()


if __name__ == "__main__":
    raise SystemExit(main())
