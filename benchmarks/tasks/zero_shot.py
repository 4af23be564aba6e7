"""What it saves to read the words once: photos a second of zero-shot classification against the article's recipe.

    python -m benchmarks.tasks.zero_shot  # 196 labels, as many as Stanford's cars; 5 minutes on 2 cores
    python -m benchmarks.tasks.zero_shot --labels 10,196,1000 --photos 8
    python -m benchmarks.tasks.zero_shot --model openai/clip-vit-base-patch32

The article calls CLIPModel with all the words and one image at a time; ours reads the words once, and from then on only
images, one at a time and in batches. Without --model a ViT-B/32 of full size is made here with weights drawn at random
and a small vocabulary: the time depends on neither, but on the labels' tokens, which are as many as the names of
Stanford's cars have. Photos are decoded already. Theirs is asked before ours and after.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

from benchmarks import ROOT
from mirror.images import load_image
from mirror.tasks.hub_models import locate
from mirror.tasks.zero_shot import ZeroShot
from tests.support.tiny_clip import clip_tokenizer

PHOTOS = ROOT / "examples"
WORDS = ("red", "car", "photo", "dog", "cat")  # a token each, also in CLIP's own vocabulary


def labels(count: int) -> tuple[str, ...]:
    """Of 8 to 16 tokens, as "Chevrolet Silverado 1500 Hybrid Crew Cab 2012" is of 16; each digit is one."""
    return tuple(f"{' '.join((WORDS * 2)[: 2 + number % 9])} {1000 + number}" for number in range(count))


def full_size(folder: Path) -> Path:
    """A ViT-B/32 as openai/clip-vit-base-patch32 is, but for its weights and its words."""
    torch.manual_seed(0)
    tokenizer = clip_tokenizer(folder)
    special = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    CLIPModel(CLIPConfig(text_config=special)).save_pretrained(folder)
    CLIPProcessor(CLIPImageProcessor(), tokenizer).save_pretrained(folder)
    return folder


def recipe(folder: Path) -> Callable[[Image.Image, tuple[str, ...]], list[float]]:
    """The article's."""
    model, processor = CLIPModel.from_pretrained(folder), CLIPProcessor.from_pretrained(folder)

    def probabilities(image: Image.Image, labels: tuple[str, ...]) -> list[float]:
        inputs = processor(text=list(labels), images=image, return_tensors="pt", padding=True)
        with torch.no_grad():
            return model(**inputs).logits_per_image.softmax(dim=1)[0].tolist()

    return probabilities


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--labels", default="196", help="how many, with commas between them (default: %(default)s)")
    parser.add_argument("--photos", type=int, default=16, help="that ours is asked (default: %(default)s)")
    parser.add_argument("--recipe-photos", type=int, default=2, help="that theirs is asked, twice (default: 2)")
    parser.add_argument("--model", help="a CLIP on the Hub or in a folder (default: one with random weights)")
    options = parser.parse_args()
    files = sorted(PHOTOS.glob("*.jpg"))
    images = [load_image(files[number % len(files)]) for number in range(options.photos)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = locate(options.model).source if options.model else full_size(Path(scratch))
        theirs, ours = recipe(folder), ZeroShot.load(str(folder))
        print(f"\n{torch.get_num_threads()} threads, {options.photos} photos\n")
        print("| labels | recipe, ms a photo | words once, ms | ours, ms a photo | in batches of 8 | ratio |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: |")
        for count in map(int, options.labels.split(",")):
            row(theirs, ours, labels(count), images, options.recipe_photos)


def row(theirs: Callable, ours: ZeroShot, words: tuple[str, ...], images: list[Image.Image], asked: int) -> None:
    expected = theirs(images[0], words)  # which also warms it up
    before = seconds(lambda: [theirs(image, words) for image in images[:asked]])
    reading = seconds(lambda: ours.text_features(words))
    predictor = ours.bound(words)
    [answer] = predictor.predict(images[:1])
    difference = max(abs(a - b) for a, b in zip(expected, answer.probabilities.values(), strict=True))
    if difference > 1e-5:
        raise SystemExit(f"The answers differ by {difference}.")
    alone = seconds(lambda: [predictor.predict([image]) for image in images]) / len(images)
    batches = [images[start : start + predictor.batch] for start in range(0, len(images), predictor.batch)]
    together = seconds(lambda: [predictor.predict(batch) for batch in batches]) / len(images)
    after = seconds(lambda: [theirs(image, words) for image in images[:asked]])
    theirs_each = (before + after) / (2 * asked)
    cells = [f"{1000 * each:,.0f}" for each in (theirs_each, reading, alone, together)]
    print(f"| {len(words):,} | {' | '.join(cells)} | {theirs_each / alone:.0f} x |", flush=True)


if __name__ == "__main__":
    main()
