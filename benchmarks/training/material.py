"""What calibration.py and label_noise.py measure on: photos as the frozen body of train.py's recipe sees them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks import DATA

PHOTOS = DATA


ARCH = "tf_efficientnet_lite0"
SEED = 42


def seen_photos(source: Path):
    """The `ViewFeatures` of all photos below `source`, all of them to learn from, their `FeatureExtractor`, and
    `TrainingData`."""
    from mirror.collect import collect_from_folder
    from mirror.training.backbones import find_backbone
    from mirror.training.feature_cache import FeatureExtractor, extract_features
    from mirror.training.learner import Start
    from mirror.training.settings import DEFAULT_FOLDS, TrainingSettings
    from mirror.training.training_data import TrainingData

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


def quiet(*_: object) -> None:
    pass
