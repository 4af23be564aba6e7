"""Fashion-MNIST as torchvision reads it, what is no IDX file, what is held out, and what is said where it is not."""

from __future__ import annotations

import gzip
import struct
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from mirror.errors import DatasetError
from mirror.fashion_mnist import dataset
from mirror.fashion_mnist.dataset import FILES, LABELS, hold_out, open_set, read_idx, read_split


def idx(values: np.ndarray, kind: int = 8) -> bytes:
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, kind, values.ndim, *values.shape) + values.tobytes()


def test_both_readers_give_the_same_images_and_labels(debian: Path, tmp_path: Path) -> None:
    from torchvision.datasets import FashionMNIST

    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in (name for names in FILES.values() for name in names):
        (raw / name.removesuffix(".gz")).write_bytes(gzip.decompress((debian / name).read_bytes()))
    for half in ("train", "test"):
        theirs, ours = FashionMNIST(str(tmp_path), train=half == "train"), read_split(debian, half)
        assert np.array_equal(ours.pixels, theirs.data.numpy()) and np.array_equal(ours.labels, theirs.targets.numpy())
    assert list(LABELS) == FashionMNIST.classes


def test_the_folders_own_files_come_first(debian: Path, tmp_path: Path) -> None:
    for name in (name for names in FILES.values() for name in names):
        (tmp_path / name).symlink_to(debian / name)
    assert str(tmp_path) in open_set(tmp_path).source
    assert "Debian" in open_set(tmp_path / "empty").source


def test_an_idx_file_is_read(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx(values)))
    assert np.array_equal(read_idx(tmp_path / "a.gz"), values)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no gzip",
        gzip.compress(b""),
        gzip.compress(b"\0\0\x08"),
        gzip.compress(idx(np.zeros((2, 2), np.uint8))[:-1]),
        gzip.compress(idx(np.zeros((2, 2), np.uint8)) + b"\0"),
        gzip.compress(idx(np.zeros((2, 2), np.uint8), kind=13)),
        gzip.compress(idx(np.zeros((2, 2), np.uint8)))[:-9],
    ],
    ids=["empty", "no gzip", "nothing in it", "a cut header", "cut short", "too long", "floats", "a cut gzip"],
)
def test_what_is_no_idx_file_is_said_in_a_sentence(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a.gz").write_bytes(body)
    with pytest.raises(DatasetError, match=r"a\.gz (cannot be read|is no IDX file).*: get the set again\.$"):
        read_idx(tmp_path / "a.gz")


def test_files_of_another_set_are_refused(tmp_path: Path) -> None:
    for name, values in zip(FILES["test"], (np.zeros((3, 28, 28), np.uint8), np.zeros(3, np.uint8)), strict=True):
        (tmp_path / name).write_bytes(gzip.compress(idx(values)))
    with pytest.raises(DatasetError, match="does not hold Fashion-MNIST's 10,000 test images"):
        read_split(tmp_path, "test")


def test_as_many_of_each_label_are_held_out_the_same_each_time() -> None:
    labels = np.random.default_rng(3).integers(0, 10, 5000)
    learned, held = hold_out(labels, seed=42)
    assert len(held) == 3000 and (np.bincount(labels[held]) == 300).all()
    assert np.array_equal(np.sort(np.concatenate([learned, held])), np.arange(5000))
    assert (np.diff(held) > 0).all() and (np.diff(learned) > 0).all()
    assert np.array_equal(held, hold_out(labels, seed=42)[1])
    assert not np.array_equal(held, hold_out(labels, seed=43)[1])


def test_without_the_set_and_without_a_network_the_ways_out_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "DEBIAN", tmp_path / "nowhere")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setattr(urllib.request, "_opener", None)  # urllib keeps the first proxies it saw, also for other tests
    with pytest.raises(DatasetError) as refused:
        open_set(tmp_path, log=lambda line: None)
    said = str(refused.value)
    assert "dataset-fashion-mnist" in said and "train-images-idx3-ubyte.gz" in said and str(tmp_path) in said
    assert "Connection refused" in said and "\n" not in said
