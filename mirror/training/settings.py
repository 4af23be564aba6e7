"""The settings of the recipe, each with its reason. `TrainingSettings` holds those that train.py's options set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Views of each training photo (augmentation.py)
MIN_SCALE = 0.35  # of the photo's area: fastai's default for RandomResizedCrop is 0.08, its article's 0.8
RATIOS = (3 / 4, 4 / 3)  # of a crop's width to its height, as in RandomResizedCrop
RESOLUTION_CUE = 0.2  # |AUC - 0.5| of the short side between two labels from which resolution is taken for a cue
CHANCE = 0.01  # … and how often labels dealt out at random would tell as much, at most: of many labels one always does
LEVELS = 5  # resolutions, from that of the coarsest photos to the network's
REACHED = (
    0.1  # of each label's photos reach the highest level, and 3 at least: one sharp photo must not outweigh the rest
)

# The linear probe (linear_probe.py)
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)  # inverse L2 strengths C (scikit-learn's term), tried from the strictest up
PROBE_FOLDS = 5  # to choose the strength by
VARIANCE_FLOOR = 1e-3  # added to a feature's variance: one that hardly varies must not be blown up
MAX_ITERATIONS = 1000  # of L-BFGS

# Predictions for photos that were not learned from (feature_cache.py)
FOLDS = 5  # in which training photos are left out in turn, where no other number is asked for

# Fine-tuning (fine_tuning.py)
FINE_TUNE_FROM = 1000  # training photos: at 244 the frozen body did better; from where on it does not is a guess
FINE_TUNE_EPOCHS = 5  # at most
PATIENCE = 1  # epochs without a better validation loss before it stops
LEARNING_RATE = 3e-4  # of the head; the body's first layers take a hundredth of it
BATCH = 32  # photos; fewer where there are fewer, for fastai drops the last, incomplete batch of training photos


@dataclass(frozen=True)
class TrainingSettings:
    """arch: a torchvision or timm name; weights: a file of them; size: side of the network's input in px, a little
    above the 224 of pretraining (Touvron et al. 2019, arXiv 1906.06423); views: of each photo; epochs of fine-tuning
    at most, None: by the number of photos; folds: cross-validate the error in so many, whatever is trained; None: where
    only the head is, and by the validation photos where the whole network is; hold_out: by the validation photos in any
    case."""

    arch: str = "resnet18"
    weights: Path | None = None
    size: int = 288
    views: int = 3
    epochs: int | None = None
    seed: int = 42
    folds: int | None = None
    hold_out: bool = False

    def epochs_for(self, training_photos: int) -> int:
        """Epochs of fine-tuning at most; 0: only the head is fitted."""
        if self.epochs is not None:
            return self.epochs
        return FINE_TUNE_EPOCHS if training_photos >= FINE_TUNE_FROM else 0
