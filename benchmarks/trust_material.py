"""What calibration.py and label_noise.py measure on: photos as the frozen body of train.py's recipe sees them."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = ROOT.parent / "shared" / "data"
sys.path.insert(0, str(ROOT))

ARCH = "tf_efficientnet_lite0"
SEED = 42


def seen_photos(name: str):
    """`frozen.Seen` of all photos of PHOTOS / name, every one of them to learn from, and the `Sight` that saw them."""
    from mirror.collect import gather_from_directory
    from mirror.training.finetune import Settings, group_numbers
    from mirror.training.frozen import Sight, look
    from mirror.training.learner import Start
    from mirror.training.weights import find_architecture, load_weights

    settings = Settings(ARCH, seed=SEED)
    with tempfile.TemporaryDirectory() as place:
        with gather_from_directory(Path(place) / "photos", PHOTOS / name, log=quiet) as folder:
            photos = sorted(folder.photos, key=lambda photo: (photo.label, photo.sha256, photo.url))
            labels = tuple(folder.labels)
            architecture = find_architecture(ARCH)
            weights = load_weights(architecture, None, quiet)
            start = Start(folder.path, labels, architecture, *weights, settings.size, SEED)
            sight = Sight(start.learner(photos).model[0], folder.path, architecture, settings.size, quiet)
            actual = np.array([labels.index(photo.label) for photo in photos])
            rows = np.arange(len(photos))
            seen = look(sight, photos, actual, group_numbers(photos), rows, views=settings.views, seed=SEED)
    return seen, sight


def quiet(*_: object) -> None:
    pass
