"""Features that are known are not computed again, and are the same: whatever became of the store, of the photos or of
the training that filled it.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mirror.errors import ImageError
from mirror.inference.user_cache import user_cache
from mirror.training import feature_files, pooled_features
from mirror.training.augmentation import View
from mirror.training.depth_features import deepened
from mirror.training.feature_files import FeatureStore, network_key, photo_key
from tests.world.photos import draw_photo

ROOT = Path(__file__).resolve().parents[2]
PLAIN = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/mirror/features"


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for i, path in enumerate(paths):
        draw_photo("duckling", i, (80, 60)).save(path)
    return paths


def body(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 5, 3, stride=2), nn.ReLU())


failures: list[str] = []  # why features could not be kept, as it was told
VIEWS = [View(i, None, box) for i in range(6) for box in (None, (0.1, 0.1, 0.9, 0.8))]


def seen(photos: list[Path], network: nn.Module | None = None, size: int = 32, **more) -> tuple[np.ndarray, int]:
    """The features, and of how many photos they were known."""
    known = [0]
    mean, std = PLAIN

    def keep(count: int, failure: str) -> None:
        if failure:
            failures.append(failure)
        else:
            known.append(count)

    features = pooled_features.pooled_features(
        network or body(), photos, VIEWS, size=size, mean=mean, std=std, keep=keep, **more
    )
    return features, known[-1]


def test_what_is_known_is_the_same_and_is_taken_from_the_disk(photos: list[Path]) -> None:
    fresh, known = seen(photos)
    again, all_known = seen(photos)
    assert (known, all_known) == (0, 6) and np.array_equal(fresh, again) and fresh.shape == (12, 5)


@pytest.mark.parametrize("change", ["weights", "size", "photo", "activation", "views"])
def test_nothing_is_taken_for_what_it_is_not(photos: list[Path], change: str, monkeypatch) -> None:
    before, _ = seen(photos)
    network, size, expected = body(), 32, 0
    if change == "weights":
        network = body(seed=1)
    elif change == "size":
        size = 48
    elif change == "activation":
        network[1] = nn.Sigmoid()
    elif change == "photo":
        draw_photo("cygnet", 9, (80, 60)).save(photos[0])
        expected = 5
    else:
        monkeypatch.setattr(sys.modules[__name__], "VIEWS", [View(v.photo, None, (0, 0, 1, 1)) for v in VIEWS])
    after, known = seen(photos, network, size)
    assert known == expected and not np.array_equal(before, after)


@pytest.mark.parametrize("spoil", ["garbage", "a folder", "read-only", "half of it", "no bytes"])
def test_a_store_that_cannot_be_used_changes_nothing(photos: list[Path], cache: Path, spoil: str) -> None:
    fresh, _ = seen(photos)
    (file,) = cache.glob("*.sqlite")
    if spoil == "garbage":
        file.write_bytes(b"garbage" * 1000)
    elif spoil == "a folder":
        file.unlink()
        file.mkdir()
    elif spoil == "read-only":
        file.chmod(0o400)
    elif spoil == "half of it":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        rows = sqlite3.connect(file)
        rows.execute("update photos set features = x''")
        rows.commit()
        rows.close()
    failures.clear()
    assert np.array_equal(seen(photos)[0], fresh)
    usable = spoil == "no bytes" or (spoil == "read-only" and os.geteuid() == 0)  # nothing keeps root from writing
    assert (len(failures), any(failures)) == (0 if usable else 1, not usable)


def test_it_stays_within_its_bound_and_forgets_what_was_unused_longest(cache: Path, monkeypatch) -> None:
    monkeypatch.setattr(feature_files, "MOST", 200_000)
    for number, name in enumerate("abc"):
        store = FeatureStore(name)
        for row in range(40):
            store.keep(f"{row}", np.zeros((1, 1000), np.float32))
        store.close()
        os.utime(cache / f"{name}.sqlite", (number, number))
    assert {path.stem for path in cache.glob("*.sqlite")} == {"b", "c"}
    assert sum(path.stat().st_size for path in cache.iterdir()) < 500_000


def test_features_of_every_depth_are_kept_beside_the_last_layers(photos: list[Path]) -> None:
    network = nn.Sequential(body(), nn.Conv2d(5, 8, 3, stride=2))
    deep = deepened(network, 32)
    last, _ = seen(photos, network)
    (found, before), (again, after) = seen(photos, deep), seen(photos, deep)
    assert (before, after) == (0, 6) and np.array_equal(again, found) and found.shape == (12, 4 * 5 + 8)
    np.testing.assert_allclose(found[:, -8:], last, rtol=1e-5, atol=1e-6)


def test_one_damaged_photo_is_told_and_the_others_are_seen(photos: list[Path]) -> None:
    photos[2].write_bytes(photos[2].read_bytes()[:100])
    told: list[tuple[int, str]] = []
    features, _ = seen(photos, unreadable=lambda photo, why: told.append((photo, why)))
    assert [photo for photo, _ in told] == [2]
    assert np.isnan(features).all(axis=1).nonzero()[0].tolist() == [4, 5]
    with pytest.raises(ImageError):
        seen(photos)


def test_a_training_that_was_killed_goes_on_where_it_was(photos: list[Path], tmp_path: Path, monkeypatch) -> None:
    """Killed in the middle of its photos, it finds those again that it had written."""
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.training import test_feature_files as here\n"
        "from mirror.training import feature_files\n"
        "from pathlib import Path\n"
        "feature_files.COMMIT = 1\n"
        "stop = lambda done, total: done >= 6 and os.kill(os.getpid(), 9)\n"
        "here.seen([Path(p) for p in sys.argv[2:]], progress=stop)\n"
    )
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT), *map(str, photos)], env=environment, capture_output=True, timeout=300
    )
    assert done.returncode == -9, done.stderr
    features, known = seen(photos)
    assert 3 <= known < 6
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert np.array_equal(seen(photos)[0], features)


def test_a_graphics_card_gets_batches_of_many_photos(photos: list[Path]) -> None:
    """As it is shown them, with a damaged one among them."""
    rendered = [np.full((2, 4, 4, 3), i, np.uint8) for i in range(50)]
    shown: list[np.ndarray | ImageError] = [*rendered[:20], ImageError("damaged"), *rendered[20:]]
    sizes: list[int] = []

    def forward(views: np.ndarray) -> np.ndarray:
        sizes.append(len(views))
        return views[:, 0, 0, :1].astype(np.float32)

    found = dict(pooled_features._in_batches(range(51), shown, forward))
    assert max(sizes) <= pooled_features.DEVICE_BATCH and sizes[0] == pooled_features.DEVICE_BATCH and sum(sizes) == 100
    assert isinstance(found.pop(20), ImageError)
    assert all((features == photo - (photo > 20)).all() and len(features) == 2 for photo, features in found.items())


def test_keys_do_not_hang_on_where_things_are(tmp_path: Path) -> None:
    assert network_key(body(), 32, *PLAIN) == network_key(body(), 32, *PLAIN)
    for name in "ab":
        Image.new("RGB", (9, 9)).save(tmp_path / f"{name}.png")
    assert photo_key(tmp_path / "a.png", VIEWS) == photo_key(tmp_path / "b.png", VIEWS)
    assert user_cache("features").is_relative_to(tmp_path)
