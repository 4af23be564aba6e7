"""What calibration.py and label_noise.py measure on: photos as the frozen body of train.py's recipe sees them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks import DATA

PHOTOS = DATA


ARCH = "tf_efficientnet_lite0"
SEED = 42


def seen_photos(name: str):
    """The `ViewFeatures` of all photos of PHOTOS / name, all of them to learn from, and their `FeatureExtractor`."""
    from mirror.collect import collect_from_folder
    from mirror.training.feature_cache import FeatureExtractor, extract_features
    from mirror.training.learner import Start
    from mirror.training.pretrained import find_architecture, load_weights
    from mirror.training.recipe import TrainingSettings, group_numbers

    settings = TrainingSettings(ARCH, seed=SEED)
    with tempfile.TemporaryDirectory() as place:
        with collect_from_folder(Path(place) / "photos", PHOTOS / name, log=quiet) as folder:
            photos = sorted(folder.photos, key=lambda photo: (photo.label, photo.sha256, photo.url))
            labels = tuple(folder.labels)
            architecture = find_architecture(ARCH)
            weights = load_weights(architecture, None, quiet)
            start = Start(folder.path, labels, architecture, *weights, settings.size, SEED)
            sight = FeatureExtractor(start.learner(photos).model[0], folder.path, architecture, settings.size, quiet)
            actual = np.array([labels.index(photo.label) for photo in photos])
            rows = np.arange(len(photos))
            seen = extract_features(sight, photos, actual, group_numbers(photos), rows, views=settings.views, seed=SEED)
    return seen, sight


def quiet(*_: object) -> None:
    pass
