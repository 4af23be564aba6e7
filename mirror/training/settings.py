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
# Inverse L2 strengths C (scikit-learn's term), from the strictest up; higher ones raise the loss of few photos
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
PROBE_FOLDS = 5  # to choose the strength by
VARIANCE_FLOOR = 1e-3  # added to a feature's variance: one that hardly varies must not be blown up
MAX_ITERATIONS = 1000  # of L-BFGS

# Predictions for photos that were not learned from (view_features.py)
DEFAULT_FOLDS = 5  # in which training photos are left out in turn, where no other number is asked for

# Fine-tuning: whether it is done (fine_tuning_plan.py)
ROOM = 0.02  # of the photos the head alone must err on, by the lower end of the interval
FEWEST_TO_TUNE = 100  # training photos: a fold of them, which says whether it helps, holds 20
ARTICLE_PASSES = 6  # over the photos in fastai's `fine_tune(5)`, one of them with the body frozen: the time it may take
MINUTES = 60  # at most, where --minutes does not say otherwise
EPOCHS, FEWEST_EPOCHS = 10, 3  # where there is the time; a cycle of fewer hardly warms up before it anneals

# Fine-tuning: how (last_layers.py, augmented_features.py, fine_tuning.py, fine_tuning_choice.py)
LAST_WEIGHTS = 0.75  # of the body's weights at least that its last layers hold, which alone are trained
BODY_GROUPS = 2  # parts of the last layers, each with a learning rate of its own
# The highest learning rates, of a whole batch; of a smaller one in proportion (Goyal et al. 2017, arXiv 1706.02677), or
# few photos ruin in two epochs what the network knows
BODY_RATE = 1e-3  # of the last part
RATE_STEP = 0.5  # between one part and the one before it
HEAD_RATE = 1e-3
BATCH = 32  # photos; fewer where there are fewer, for fastai drops the last, incomplete batch of training photos
SMALLEST_BATCH = 8
STEPS = 20  # an epoch, from where on batches grow
SHARES = (0.0, 0.5, 1.0)  # of the way from the head alone to the tuned network, tried on photos left out
CLEAR_GAIN = 1.28  # standard errors that a gain must exceed: chance alone would give it once in ten
CHECKPOINTS = ".training"  # folder in the photo folder


@dataclass(frozen=True)
class TrainingSettings:
    """arch: a torchvision or timm name; weights: a file of them; size: side of the network's input in px, a little
    above the 224 of pretraining (Touvron et al. 2019, arXiv 1906.06423); views: of each photo; epochs of fine-tuning,
    0: only the head is trained, None: fine_tuning_plan.py decides; minutes: that fine-tuning may take, None: as long as
    the article's recipe; folds: cross-validate the error in so many, whatever is trained; None: where only the head is,
    and by the validation photos where more is; hold_out: by the validation photos in any case."""

    arch: str = "resnet18"
    weights: Path | None = None
    size: int = 288
    views: int = 3
    epochs: int | None = None
    minutes: float | None = None
    seed: int = 42
    folds: int | None = None
    hold_out: bool = False
