"""Models of the Hub by onnxruntime against transformers and torch: start, memory and photos a second.

    python -m benchmarks.tasks.without_torch                # about 15 minutes on 2 cores, 5 GB of memory and of disk
    python -m benchmarks.tasks.without_torch --photos 40 --only vit

The column int8 is what `mirror compile --precision int8` makes, without its limits: what 8 bits cost a network that has
learned nothing says nothing, and what they cost a real one, the command measures. With --page the page is started with
DETR and CLIP (by transformers and torch, in float32, in 8 bits), every tab is used once, and its memory is read.

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
from collections.abc import Sequence
from pathlib import Path

from gradio_client import Client, handle_file

from benchmarks import ROOT
from tests.web.serving import serve

PHOTOS = ROOT / "examples"
WORDS = ("a cat", "a dog", "a red car", "a photo of two people", "none of that")
MAKE = """\
import sys, torch, transformers
from pathlib import Path
from transformers import *
from mirror.export.hub_export import export
from mirror.tasks.hub_models import locate
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
import json, shutil
from mirror.export.hub_precision import reduced
small = Path(out + "-int8")
shutil.copytree(out, small)
photos = sorted(Path(folder).parent.glob("*.jpg"))[:3]
(small / "parity.json").write_text(json.dumps({"precision": "int8"} | reduced(small, task, "int8", photos)))
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
from mirror.image_sources import ImageSource
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
ASKED = {  # the endpoints of the tabs, and what they are asked besides a photo
    "predict": (), "explain": (), "image-classification": (), "object-detection": (0.5,),
    "zero-shot-image-classification": (", ".join(WORDS),), "face-detection": (),
}  # fmt: skip


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
    parser.add_argument("--page", action="store_true", help="the memory of the page with every tab used once")
    options = parser.parse_args()
    print("| | transformers and torch | onnxruntime, float32 | ratio | int8 | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        photos = photos_of(Path(scratch), options.photos)
        for kind in ("clip", "detr") if options.page else options.only or MODELS:
            folders = make(kind, Path(scratch))
            if not options.page:
                measure(kind, folders, Path(scratch), photos, options.times)
        if options.page:
            measure_page(Path(scratch), photos[0])


def make(kind: str, scratch: Path) -> tuple[str, str, str]:
    """The folders of a model for torch, in ONNX, and in ONNX with 8 bits."""
    theirs, ours = str(scratch / kind), str(scratch / f"{kind}-onnx")
    run(MAKE, kind, theirs, ours, MODELS[kind][0], home=str(scratch))
    return theirs, ours, f"{ours}-int8"


def photos_of(scratch: Path, count: int) -> list[str]:
    """Examples at 640 x 480, over and over."""
    from PIL import Image

    files = sorted(PHOTOS.glob("*.jpg"))
    for number in range(count):
        with Image.open(files[number % len(files)]) as photo:
            photo.convert("RGB").resize((640, 480)).save(scratch / f"{number:03d}.jpg", quality=90)
    return [str(path) for path in sorted(scratch.glob("*.jpg"))]


def measure(kind: str, folders: Sequence[str], scratch: Path, photos: list[str], times: int) -> None:
    task, words, batch = MODELS[kind]
    shown = photos if kind == "vit" else photos[:3]
    asked = {folder: json.dumps([task, folder, words, shown, batch]) for folder in folders}
    for folder in folders[1:]:
        run(OURS, asked[folder], home=str(scratch))  # the network's trial is remembered from then on
    rows = {folder: [] for folder in folders}
    for _ in range(times):
        for folder, code in zip(folders, (THEIRS, OURS, OURS), strict=True):
            rows[folder].append(json.loads(run(code, asked[folder], home=str(scratch))))
    torch, full, small = ([statistics.median(values) for values in zip(*rows[f], strict=True)] for f in folders)
    if abs(torch[3] - full[3]) > 1e-3:
        raise SystemExit(f"{kind}: the answers differ by {abs(torch[3] - full[3])}.")
    name = {"clip": "CLIP ViT-B/32", "detr": "DETR-R50, 640 x 480", "vit": f"ViT-B/16, {len(photos)} photos"}[kind]
    for column, what, scale, unit in ((0, "start to first answer", 1, "s"), (2, "most memory", 1, "MB"),
                                      (1, "a photo", 1000, "ms")):  # fmt: skip
        row(f"{name}: {what}", [scale * side[column] for side in (torch, full, small)], unit)


def row(name: str, values: Sequence[float], unit: str) -> None:
    first, *others = values
    shown = " | ".join(f"{value:,.{1 if unit == 's' else 0}f} {unit} | {value / first:.2f}" for value in others)
    print(f"| {name} | {first:,.{1 if unit == 's' else 0}f} {unit} | {shown} |", flush=True)


def measure_page(scratch: Path, photo: str) -> None:
    """The most memory that the page's processes had at a time, in MB, after every tab was used."""
    peaks = []
    for ending in ("", "-onnx", "-onnx-int8"):
        models = {task: scratch / f"{kind}{ending}" for kind, (task, *_) in MODELS.items() if kind != "vit"}
        named = [f"--task-model={task}={folder}" for task, folder in models.items()]
        variables = {"XDG_CACHE_HOME": str(scratch), "HF_HOME": str(scratch), "HF_HUB_OFFLINE": "1"}
        with serve(*named, anew=True, **variables) as page:
            client = Client(page.url, verbose=False)
            for name, more in ASKED.items():
                client.predict(handle_file(photo), *more, api_name=f"/{name}")
            peaks.append(resident(page.process.pid))
    row("The page, every tab used once: memory", peaks, "MB")


def resident(pid: int) -> float:
    """The most that a process and those that it started had, each for itself, in MB."""
    import psutil

    process = psutil.Process(pid)
    texts = [Path(f"/proc/{each.pid}/status").read_text() for each in (process, *process.children(recursive=True))]
    return sum(int(text.split("VmHWM:")[1].split()[0]) for text in texts) / 1024


if __name__ == "__main__":
    main()
