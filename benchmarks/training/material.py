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
    from mirror.training.settings import FOLDS, TrainingSettings
    from mirror.training.training_data import TrainingData

    settings = TrainingSettings(ARCH, seed=SEED)
    with tempfile.TemporaryDirectory() as place:
        with collect_from_folder(Path(place) / "photos", PHOTOS / name, log=quiet) as folder:
            data = TrainingData.of(folder.photos, FOLDS)
            architecture = find_architecture(ARCH)
            weights = load_weights(architecture, None, quiet)
            start = Start(folder.path, data.labels, architecture, *weights, settings.size, SEED)
            body = start.learner(data.photos).model[0]
            extractor = FeatureExtractor(body, folder.path, architecture, settings.size, quiet)
            rows = np.arange(len(data.photos))
            views = extract_features(extractor, data, rows, views=settings.views, seed=SEED)
    return views, extractor


def quiet(*_: object) -> None:
    pass
