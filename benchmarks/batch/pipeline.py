"""`mirror predict DIR --out x.parquet` against transformers' image-classification pipeline on an equal backbone.

    python -m benchmarks.batch.pipeline                    # 2,000 photos of 640 px; about ten minutes on 2 cores
    python -m benchmarks.batch.pipeline --photos 500 --keep kept

The backbone is one ResNet-18 with one set of weights, seeing 256 px: as a fastai learner that was compiled (of
benchmarks/serving/material.py), and as transformers' ResNetForImageClassification, whose features are checked to be
the learner's. The pipeline reads the same files in batches of 16, in float32; its rate is taken once before ours and
once after, from when it is loaded. Ours is the whole command, from the start of the process to the finished file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.batch.jobs import linked, predict
from benchmarks.serving.material import Material, gather

BATCH = 16
PRECISIONS = ("fp32", "int8")  # of ours
SIZE = 256  # pixels, as the learner's
FEATURES_DIFFER = 1e-4  # at most, of features of some 1 to 10


def as_transformers(pickle: Path, folder: Path) -> float:
    """The learner's body as a transformers folder with an image processor. The largest difference in its features."""
    import torch
    from fastai.learner import load_learner
    from transformers import ConvNextImageProcessor, ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    body = load_learner(pickle).model[0].eval()  # torchvision's, without its last two layers
    config = ResNetConfig(hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic", num_labels=2)
    network = ResNetForImageClassification(config).eval()
    with torch.no_grad():
        for ours, theirs in _pairs(body, network.resnet):
            theirs.load_state_dict(ours.state_dict())
        pixels = torch.randn(2, 3, SIZE, SIZE)
        difference = (body(pixels) - network.resnet(pixels).last_hidden_state).abs().max().item()
    if not difference <= FEATURES_DIFFER:
        raise SystemExit(f"The backbones are not equal: their features differ by {difference:.1g}.")
    network.save_pretrained(folder)
    processor = ConvNextImageProcessor(
        size={"shortest_edge": SIZE}, crop_pct=1.0, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]
    )  # from 256 px a ConvNext's processor squishes, where crop_pct is 1
    processor.save_pretrained(folder)
    return difference


def _pairs(body: Any, resnet: Any) -> list[tuple[Any, Any]]:
    """Torchvision's layers, and transformers' in the same places."""
    stem = resnet.embedder.embedder
    pairs = [(body[0], stem.convolution), (body[1], stem.normalization)]
    for blocks, stage in zip(body[4:], resnet.encoder.stages, strict=True):
        for block, layer in zip(blocks, stage.layers, strict=True):
            convolutions = [(block.conv1, block.bn1, layer.layer[0]), (block.conv2, block.bn2, layer.layer[1])]
            if block.downsample is not None:
                convolutions.append((*block.downsample, layer.shortcut))
            for convolution, norm, there in convolutions:
                pairs += [(convolution, there.convolution), (norm, there.normalization)]
    return pairs


def pipeline_rate(model: Path, photos: Path) -> float:
    """Photos a second, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.batch.pipeline", "--side", str(model), str(photos)]
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(child.stdout.splitlines()[-1])


def side(model: str, photos: str) -> None:
    """The child: prints its rate."""
    from transformers import pipeline

    files = sorted(str(path) for path in Path(photos).glob("*.jpg"))
    classify = pipeline("image-classification", model=model, device="cpu")
    classify(files[:BATCH], batch_size=BATCH)
    start = time.perf_counter()
    answers = sum(1 for _ in classify((file for file in files), batch_size=BATCH))
    assert answers == len(files)
    print(json.dumps(answers / (time.perf_counter() - start)))


def compare(place: Path, made: Material, photos: int) -> None:
    folder, model = linked(made.many, place / "photos", photos), place / "transformers"
    difference = as_transformers(made.pickle, model)
    print(f"One backbone: its features differ by at most {difference:.0e}.", flush=True)
    before = pipeline_rate(model, folder)
    ours = {each: photos / predict(folder, made.folder(each), place / f"{each}.parquet").seconds for each in PRECISIONS}
    theirs = (before + pipeline_rate(model, folder)) / 2
    print(f"\n| {photos:,} photos of 640 px | images per second | ratio |\n| --- | ---: | ---: |")
    print(f"| transformers' pipeline, batches of {BATCH} | {theirs:.1f} | 1 |")
    for each, rate in ours.items():
        print(f"| predict DIR --out x.parquet, {each} | {rate:.1f} | {rate / theirs:.1f} x |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=2000, help="default: %(default)s")
    parser.add_argument("--keep", type=Path, help="keep learner, models and photos here")
    parser.add_argument("--side", nargs=2, metavar=("MODEL", "PHOTOS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        side(*options.side)
        return
    print(f"{os.cpu_count()} CPUs, load average at the start {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="pipeline-") as scratch:
        place = Path(scratch)
        (place / "transformers").mkdir()
        compare(place, gather(options.keep or place / "made"), options.photos)


if __name__ == "__main__":
    main()
