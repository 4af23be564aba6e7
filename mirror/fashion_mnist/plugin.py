"""What the rest of the project knows of Fashion-MNIST: how a photo becomes one of its pictures, what is said of the
models trained on it, and how one is trained. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Any

from mirror.errors import UsageError
from mirror.fashion_mnist.dataset import LABELS, NAME, open_set
from mirror.fashion_mnist.fashion_settings import ARCH, EPOCHS, SIZE, FashionSettings
from mirror.fashion_mnist.garment import SEEN, crop_garment
from mirror.metric_sentences import error_sentence
from mirror.preparation import Preparation, PublishedDataset

MODEL = "fashion"


def train(options: Any) -> None:
    """The published set → a network from scratch → judged by its test images."""
    if options.arch != ARCH or options.epochs == 0:
        given = f"--arch {options.arch}" if options.arch != ARCH else "--epochs 0"
        raise UsageError(f"--dataset {NAME} trains a {ARCH} from random weights: leave out {given}.")
    from mirror.fashion_mnist.fashion_model import FashionModel
    from mirror.fashion_mnist.from_scratch import train_network
    from mirror.training.build import build_model

    folder, path = Path("data") / NAME, options.models / (options.name or MODEL)
    images = open_set(folder)
    print(f"{len(images.train.labels):,} training and {len(images.test.labels):,} test images: {images.source}.")
    settings = FashionSettings(options.size or SIZE, options.epochs or EPOCHS, options.seed)
    network = train_network(images, folder, settings)
    content = FashionModel(network, images, settings)
    model = build_model(content, path, precision=options.precision, keep_pickle=not options.no_pickle)
    assert model.info.metrics  # a model that was just built has been judged
    judged = model.info.metrics.validation
    low, high = (1 - end for end in reversed(judged.interval))
    accuracy = f"{1 - judged.error_rate:.4f} (95 % interval {low:.4f}–{high:.4f})"
    print(f"Test accuracy {accuracy} on the {judged.photos:,} test images, which nothing else was done with.")
    print(f"See it: python app.py --models {quote(str(options.models))}")
    print(f"{path}: {error_sentence(judged)}")


PREPARATION = Preparation(
    prepare=crop_garment,
    min_side=SEEN,
    subject="a photo of one garment on a plain background",
    missing="I see no single garment on a plain background.",
    shown="the garment by itself",
    shown_whole="the whole photo, for no garment stands out from it",
    look="grey on black",
    view="one garment by itself, cut out of its plain background and made grey on black, 28 pixels wide",
    limits=(
        "It was made for product photos: one garment, by itself, on a plain background, upright. Such a photo is cut "
        "to the garment and made grey, black around it and 28 px wide before it is looked at; where nothing stands out "
        "from a plain background, the answer is none of these. It has learned from one shop's pictures of its time: "
        "people wearing clothes, other cuts and other fashions it does not know."
    ),
    examples="garments",
    labels=LABELS,
    dataset=PublishedDataset(
        name=NAME,
        model=MODEL,
        photos=(
            "Fashion-MNIST's {total:,} product pictures, grey and of 28 px ({counts}; Xiao et al. 2017, arXiv "
            "1708.07747; MIT licence). photos.csv says which of them it has learned from, which were held out and "
            "which it was judged by, by their places in the set's own files."
        ),
        hub="zalando-datasets/fashion_mnist",
        task="fashion_mnist",
        test_split="Fashion-MNIST, test images",
        size=SIZE,
        epochs=EPOCHS,
        options=("name", "proxy", "insecure", "arch", "size", "epochs", "seed", "models", "precision", "no_pickle"),
        train=train,
    ),
)
