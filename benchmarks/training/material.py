"""What calibration.py and label_noise.py measure on: photos as the frozen body of train.py's recipe sees them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks import DATA

PHOTOS = DATA


ARCH = "tf_efficientnet_lite0"
SEED = 42
TAUGHT_AS = {"ants": 310, "bees": 309}  # of ImageNet's 1,000 classes, which ARCH was taught: ant, bee


def seen_photos(source: Path):
    """The `ViewFeatures` of all photos below `source`, all of them to learn from, their `FeatureExtractor`, and
    `TrainingData`."""
    from mirror.collect import collect_from_folder
    from mirror.training.backbones import find_backbone
    from mirror.training.learner import Start
    from mirror.training.settings import DEFAULT_FOLDS, TrainingSettings
    from mirror.training.training_data import TrainingData
    from mirror.training.view_features import FeatureExtractor, extract_features

    settings = TrainingSettings(ARCH, seed=SEED)
    with tempfile.TemporaryDirectory() as place:
        with collect_from_folder(Path(place) / "photos", source, log=quiet) as folder:
            data = TrainingData.of(folder.photos, DEFAULT_FOLDS)
            found = find_backbone(ARCH, None, settings.size, settings.size, quiet)
            start = Start(folder.path, data.labels, found.architecture, found.state, found.source, settings.size, SEED)
            extractor = FeatureExtractor(start.body(), folder.path, found.architecture, settings.size, quiet)
            rows = np.arange(len(data.photos))
            views = extract_features(extractor, data, rows, views=settings.views, seed=SEED).last
    return views, extractor, data


def untrained_errors() -> np.ndarray:
    """[N] whether the network takes an ant for a bee, or a bee for an ant, before any training: by its own two classes,
    on each photo of ants_bees/val, prepared as it was taught with."""
    import timm
    import torch
    from timm.data import create_transform, resolve_model_data_config

    from mirror.images import load_image
    from mirror.training.pretrained import find_architecture, load_into, load_weights

    network = timm.create_model(ARCH).eval()
    load_into(network, *load_weights(find_architecture(ARCH), None, quiet))
    prepare = create_transform(**resolve_model_data_config(network))
    wrong = []
    for own, other in (("ants", "bees"), ("bees", "ants")):
        for file in sorted((DATA / "ants_bees" / "val" / own).iterdir()):
            with torch.inference_mode():
                logits = network(prepare(load_image(file))[None])[0]
            wrong.append(bool(logits[TAUGHT_AS[other]] > logits[TAUGHT_AS[own]]))
    return np.array(wrong)


def quiet(*_: object) -> None:
    pass
