"""Fashion-MNIST: the shipped model on the 10,000 test images, against the network of a first TensorFlow tutorial.

    python -m benchmarks.fashion_mnist.accuracy  # about 3 minutes on 2 cores; needs the set (train.py says how)

The tutorial's network (784 – 128, ReLU – 10; Adam, batches of 32, 5 epochs over all 60,000 images, grey levels from 0
to 1) is trained here, in torch. The shipped model answers as it does on the page, float or int8. Then what it refuses:
test images as they are and as product photos (enlarged, on an off-white, uneven, noisy ground, as JPEG), and everyday
photos.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import DATA, ROOT
from mirror.fashion_mnist.dataset import NAME, ImageSplit, open_set
from mirror.fashion_mnist.garment import crop_garment
from mirror.inference.classifier import Classifier, Prediction
from mirror.intervals import rate_interval

PHOTOS = DATA

EVERYDAY = ("scenes", "bikes_bins", "waterfowl", "ants_bees")
SEED, EPOCHS, BATCH, HIDDEN = 42, 5, 32, 128
PRODUCTS = 10  # every so many test images is made a product photo


def tutorial(train: ImageSplit, test: ImageSplit) -> np.ndarray:
    """What the tutorial's network says of the test images."""
    import torch

    torch.manual_seed(SEED)
    pixels = torch.tensor(train.pixels.reshape(len(train.labels), -1))
    labels = torch.from_numpy(train.labels)
    network = torch.nn.Sequential(
        torch.nn.Linear(pixels.shape[1], HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, int(labels.max()) + 1)
    )
    for linear in (network[0], network[2]):  # Keras's first weights, and its Adam
        torch.nn.init.xavier_uniform_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
    optimizer = torch.optim.Adam(network.parameters(), eps=1e-7)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(labels)).split(BATCH):
            loss = torch.nn.functional.cross_entropy(network(pixels[rows].float() / 255), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return network(torch.tensor(test.pixels.reshape(len(test.labels), -1)).float() / 255).argmax(dim=1).numpy()


def as_product(pixels: np.ndarray, random: np.random.Generator) -> bytes:
    """An image of the set as a photo of 330 x 400 px: dark on off-white, which darkens downwards, with noise."""
    large = Image.fromarray(255 - pixels).resize((250, 250), Image.Resampling.BICUBIC)
    photo = Image.new("RGB", (330, 400), "white")
    photo.paste(large.convert("RGB"), (40, 75))
    levels = np.asarray(photo, np.float32) * (0.93, 0.92, 0.90) - np.linspace(0, 15, 400)[:, None, None]
    levels = np.clip(levels + random.normal(0, 2.5, levels.shape), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def rate(right: np.ndarray) -> str:
    """`0.9476 (95 % interval 0.9431–0.9518)`."""
    low, high = rate_interval(right)
    return f"{right.mean():.4f} (95 % interval {low:.4f}–{high:.4f}) of {len(right):,}"


def answers(classifier: Classifier, images: Iterable[Any]) -> list[Prediction]:
    return list(classifier.predict_many(images))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "fashion")
    options = parser.parse_args()
    classifier, found = Classifier.load(options.model), open_set(ROOT / "data" / NAME)
    labels = {label: place for place, label in enumerate(classifier.labels)}
    test = found.test

    said = tutorial(found.train, test)
    print(f"the tutorial's network           accuracy {rate(said == test.labels)}")
    shipped = answers(classifier, (Image.fromarray(pixels) for pixels in test.pixels))
    right = np.array([labels[answer.label] for answer in shipped]) == test.labels
    print(f"{options.model.name}, as it ships ({classifier.info.onnx.precision})     accuracy {rate(right)}")
    refused = np.array([not answer.known for answer in shipped])
    print(f"  of these it takes for none     {100 * refused.mean():.1f} %")

    random, places = np.random.default_rng(SEED), slice(None, None, PRODUCTS)
    photos = [as_product(pixels, random) for pixels in test.pixels[places]]
    products = answers(classifier, photos)
    right = np.array([labels[answer.label] for answer in products]) == test.labels[places]
    print(f"the same as product photos       accuracy {rate(right)}")
    print(f"  of these it takes for none     {100 * np.mean([not answer.known for answer in products]):.1f} %")

    for name in EVERYDAY:
        files = sorted((PHOTOS / name).rglob("*.jpg"))
        if files:
            known = sum(answer.known for answer in answers(classifier, files))
            framed = sum(crop_garment(Image.open(file).convert("RGB")).found for file in files)
            print(
                f"{name:12} {len(files):4} photos: {100 * (1 - known / len(files)):5.1f} % taken for none; "
                f"a plain background in {framed}"
            )


if __name__ == "__main__":
    main()
