"""Models of the Hub by onnxruntime against transformers and torch: start, memory and photos a second.

    python -m benchmarks.tasks.without_torch                # about 15 minutes on 2 cores, 5 GB of memory and of disk
    python -m benchmarks.tasks.without_torch --photos 40 --only vit

Architectures of full size (CLIP ViT-B/32, DETR with a ResNet-50, ViT-B/16) with weights drawn at random: none of them
has learned any class, and speed and memory do not depend on what a network knows. Each is exported as `mirror compile`
does it, in a process of its own; both sides answer in processes of their own, in turn, with as many threads as there
are CPUs, and the answers are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import ROOT

PHOTOS = ROOT / "examples"
WORDS = ("a cat", "a dog", "a red car", "a photo of two people", "none of that")
MAKE = """\
import sys, torch, transformers
from pathlib import Path
from transformers import *
from mirror.export.hub_export import export
from mirror.tasks.hub import locate
kind, folder, out, task = sys.argv[1:]
torch.manual_seed(0)
if kind == "clip":
    from tests.support.tiny_clip import clip_tokenizer
    words = clip_tokenizer(Path(folder))
    special = {name: getattr(words, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    CLIPModel(CLIPConfig(text_config=special)).save_pretrained(folder)
    CLIPProcessor(CLIPImageProcessor(), words).save_pretrained(folder)
elif kind == "detr":
    DetrForObjectDetection(DetrConfig(use_timm_backbone=False, backbone_config=ResNetConfig(
        out_features=["stage4"]))).save_pretrained(folder)
    DetrImageProcessor().save_pretrained(folder)
else:
    ViTForImageClassification(ViTConfig(num_labels=1000)).save_pretrained(folder)
    ViTImageProcessor().save_pretrained(folder)
export(locate(folder), task, Path(out))
"""
THEIRS = """\
import json, resource, sys, time
start = time.monotonic()
task, folder, words, photos, batch = json.loads(sys.argv[1])
import torch
from PIL import Image
from transformers import AutoImageProcessor, pipeline
from mirror.inference.session import available_cpus
torch.set_num_threads(available_cpus())
ask = pipeline(task, model=folder, image_processor=AutoImageProcessor.from_pretrained(folder, backend="pil"))
more = {"candidate_labels": words, "hypothesis_template": "{}"} if words else {}
more |= {"threshold": 0.0} if task == "object-detection" else {}
first = ask(Image.open(photos[0]).convert("RGB"), **more)
opened = time.monotonic() - start
begun = time.monotonic()
for _ in ask(photos, batch_size=batch, **more): pass
each = (time.monotonic() - begun) / len(photos)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([opened, each, peak, max(one["score"] for one in first)]))
"""
OURS = """\
import json, resource, sys, time
start = time.monotonic()
task, folder, words, photos, batch = json.loads(sys.argv[1])
from mirror.images import load_image
from mirror.sources import ImageSource
from mirror.tasks.registry import open_predictor
from mirror.tasks.request import TaskRequest
predictor = open_predictor(TaskRequest(task, folder, tuple(words)))
[first] = predictor.predict([load_image(photos[0])])
opened = time.monotonic() - start
begun = time.monotonic()
for _ in predictor.answer_all(iter([ImageSource(photo, photo) for photo in photos])): pass
each = (time.monotonic() - begun) / len(photos)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
best = first.probability if hasattr(first, "probability") else max(one.score for one in first.found)
print(json.dumps([opened, each, peak, best]))
"""
MODELS = {
    "clip": ("zero-shot-image-classification", WORDS, 1),
    "detr": ("object-detection", (), 1),
    "vit": ("image-classification", (), 8),
}


def run(code: str, *arguments: str, home: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    quiet = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_OFFLINE": "1"}
    places = {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": home, "HF_HOME": home}
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    done = subprocess.run(command, env=kept | quiet | places, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return done.stdout.splitlines()[-1] if done.stdout else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=200, help="in the folder of ViT-B/16 (default: %(default)s)")
    parser.add_argument("--times", type=int, default=3, help="each side, in turn (default: %(default)s)")
    parser.add_argument("--only", choices=MODELS, action="append", help="default: all")
    options = parser.parse_args()
    print("| | transformers and torch | onnxruntime | ratio |\n| --- | ---: | ---: | ---: |", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        photos = photos_of(Path(scratch), options.photos)
        for kind in options.only or MODELS:
            measure(kind, Path(scratch), photos, options.times)


def photos_of(scratch: Path, count: int) -> list[str]:
    """Examples at 640 x 480, over and over."""
    from PIL import Image

    files = sorted(PHOTOS.glob("*.jpg"))
    for number in range(count):
        with Image.open(files[number % len(files)]) as photo:
            photo.convert("RGB").resize((640, 480)).save(scratch / f"{number:03d}.jpg", quality=90)
    return [str(path) for path in sorted(scratch.glob("*.jpg"))]


def measure(kind: str, scratch: Path, photos: list[str], times: int) -> None:
    task, words, batch = MODELS[kind]
    theirs, ours = str(scratch / kind), str(scratch / f"{kind}-onnx")
    run(MAKE, kind, theirs, ours, task, home=str(scratch))
    shown = photos if kind == "vit" else photos[:3]
    asked = {folder: json.dumps([task, folder, words, shown, batch]) for folder in (theirs, ours)}
    run(OURS, asked[ours], home=str(scratch))  # the network's trial is remembered from then on
    rows = {folder: [] for folder in asked}
    for _ in range(times):
        for folder, code in ((theirs, THEIRS), (ours, OURS)):
            rows[folder].append(json.loads(run(code, asked[folder], home=str(scratch))))
    (opened, each, peak, best), found = (
        [statistics.median(values) for values in zip(*rows[folder], strict=True)] for folder in (theirs, ours)
    )
    if abs(best - found[3]) > 1e-3:
        raise SystemExit(f"{kind}: the answers differ by {abs(best - found[3])}.")
    name = {"clip": "CLIP ViT-B/32", "detr": "DETR-R50, 640 x 480", "vit": f"ViT-B/16, {len(photos)} photos"}[kind]
    for what, before, after, unit in (
        ("start to first answer", opened, found[0], "s"),
        ("most memory", peak, found[2], "MB"),
        ("a photo", 1000 * each, 1000 * found[1], "ms"),
    ):
        digits = 1 if unit == "s" else 0
        print(
            f"| {name}: {what} | {before:,.{digits}f} {unit} | {after:,.{digits}f} {unit} | {after / before:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
