"""Learners of fastai 2.0 to 2.4: what later versions gave their classes is not in them, and they name modules that are
no more. They are read; what is missing is said to be another version's, never the learner's own script's."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from fastai.vision.all import (
    CropPad,
    CrossEntropyLossFlat,
    Flip,
    Learner,
    Normalize,
    RandomCrop,
    RandomResizedCrop,
    RandomResizedCropGPU,
    Resize,
    aug_transforms,
    imagenet_stats,
)
from torch import nn

from mirror.errors import UnsupportedLearner
from mirror.export.learner_opening import open_learner
from mirror.export.onnx_export import read_preprocessing_of
from mirror.inference.pickle_scan import check_pickle, names_in
from tests.learners import LABELS, dataloaders, export
from tests.support.pickles import zipped

NORMALIZE = Normalize.from_stats(*imagenet_stats, cuda=False)
# What these classes keep since fastai 2.3 (RandomResizedCrop), and since later ones
LATER = ("max_scale", "mode_mask", "align_corners", "batch", "div_mask", "axes", "val_xtra", "valid_scale", "pad_mode")
RENAMED = {
    b"cfasttransform.transform\n": b"cfastcore.transform\n",
    b"cplum._function\nFunction\n": b"cfastcore.dispatch\nTypeDispatch\n",
}
TRANSFORMS = {
    "a random crop": (RandomResizedCrop(32, min_scale=0.5), [*aug_transforms(), NORMALIZE]),
    "sizes in a batch": (Resize(40), [*aug_transforms(size=32, min_scale=0.75), NORMALIZE]),
    "a crop in a batch": (Resize((40, 48)), [RandomResizedCropGPU(32, min_scale=0.5), NORMALIZE]),
    "a crop": ([Resize(40), RandomCrop(32)], [Flip(), NORMALIZE]),
    "a padded photo": (CropPad(32), [NORMALIZE]),
}


def small(dls) -> Learner:
    torch.manual_seed(0)
    body = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    return Learner(dls, nn.Sequential(*body), loss_func=CrossEntropyLossFlat())


def renamed(path: Path, names: dict[bytes, bytes]) -> Path:
    """The same program with other names."""
    found = path.with_stem(f"{path.stem}-renamed")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(found, "w") as out:
        for entry in source.infolist():
            body = source.read(entry)
            for now, then in names.items() if entry.filename.endswith("data.pkl") else ():
                body = body.replace(now, then)
            out.writestr(entry, body)
    return found


def as_of_older(item, batch, name: str) -> Path:
    """A learner whose transforms lack what was added later, in half precision, exported under older names."""
    learner = small(dataloaders(item, batch)).to_fp16()
    learner.mixed_precision.autocast = torch.amp.autocast("cpu")
    for pipeline in (learner.dls.valid.after_item, learner.dls.valid.after_batch):
        for transform in pipeline.fs:
            for attribute in set(LATER) & set(vars(transform)):
                delattr(transform, attribute)
    return renamed(export(learner, f"older {name}.pkl"), RENAMED)


@pytest.mark.filterwarnings("ignore:.*CUDA.*:UserWarning")
@pytest.mark.parametrize("name", TRANSFORMS)
def test_what_later_versions_added_is_as_it_was_without(name: str) -> None:
    item, batch = TRANSFORMS[name]
    now, then = export(small(dataloaders(item, batch)), f"now {name}.pkl"), as_of_older(item, batch, name)
    check_pickle(then)
    here, there = (open_learner(path, trusted=False) for path in (now, then))
    assert read_preprocessing_of(there) == read_preprocessing_of(here)
    assert tuple(there.dls.vocab) == LABELS
    torch.testing.assert_close(there.model.state_dict(), here.model.state_dict())


@pytest.mark.parametrize("path", ["pathlib\nWindowsPath", "pathlib._local\nPosixPath", "pathlib._local\nWindowsPath"])
def test_a_learner_of_another_system_or_python_is_the_same_learner(path: str) -> None:
    """Exported on Windows, by Python 3.13 and by both."""
    here = export(small(dataloaders(Resize(32), [NORMALIZE])), "here.pkl")
    there = renamed(here, {b"cpathlib\nPosixPath\n": f"c{path}\n".encode()})
    assert {f"{name.module}\n{name.name}" for name in names_in(there)} > {path}
    check_pickle(there)
    own, read = (open_learner(file, trusted=False) for file in (here, there))
    assert read_preprocessing_of(read) == read_preprocessing_of(own) and tuple(read.dls.vocab) == LABELS
    torch.testing.assert_close(read.model.state_dict(), own.model.state_dict())


def test_run_it_lacks_a_module_of_another_version_not_a_package() -> None:
    path = as_of_older(Resize(32), [NORMALIZE], "run")
    with pytest.raises(UnsupportedLearner, match="another version of its libraries .*fastcore") as caught:
        open_learner(path)
    assert caught.value.reason == "version"


@pytest.mark.parametrize("where", ["fastai.vision.augment", "__main__"])
def test_a_name_that_is_gone_is_the_librarys_or_the_scripts(tmp_path: Path, where: str) -> None:
    (tmp_path / "a.pkl").write_bytes(zipped(b"\x80\x02c" + where.encode() + b"\nGone\n."))
    reason = "version" if where.startswith("fastai") else "own code"
    with pytest.raises(UnsupportedLearner) as caught:
        open_learner(tmp_path / "a.pkl")
    assert caught.value.reason == reason


def test_what_is_only_read_asks_for_nothing_of_its_script() -> None:
    learner = small(dataloaders(RandomResizedCrop(32)))
    for transform in learner.dls.valid.after_item.fs:
        vars(transform).pop("size", None)
    with pytest.raises(UnsupportedLearner) as caught:
        open_learner(export(learner, "strange.pkl"), trusted=False)
    assert caught.value.reason == "version"
