"""The figures of README.md and docs/figures.md, a folder a theme: `python -m benchmarks.serving`, from this checkout.

They need requirements-train.txt and tests/requirements.txt. Photos are looked for in ../shared/data, or in the folder
that the variable MIRROR_PHOTOS names:

    ants_bees/{train,val}/{ants,bees}/*.jpg   the ants and bees of PyTorch's transfer learning tutorial, 397 photos:
                                              https://download.pytorch.org/tutorial/hymenoptera_data.zip
    bikes_bins/, scenes/, waterfowl/,
    waterfowl_more/, waterfowl_near/          photos of your own of such things: a folder a label
"""

import os
from pathlib import Path

import mirror  # noqa: F401  # before any library that would report to someone

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("MIRROR_PHOTOS") or ROOT.parent / "shared" / "data")
