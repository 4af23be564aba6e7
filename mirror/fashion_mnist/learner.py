"""A torchvision ResNet trained by the recipe → a fastai learner of the usual shape: body, pool, one linear layer.

Nothing in it is ours, so that its pickle opens with plain fastai where this package is not installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from mirror.fashion_mnist.dataset import LABELS, SIDE
from mirror.fashion_mnist.loop import Plan


def as_learner(network: nn.Module, size: int, plan: Plan) -> Any:
    """The learner that answers as `network` [N, 3, size, size] → [N, 10] does, with the recipe's resize and mean."""
    from fastai.vision import all as fv
    from torchvision.models import resnet18

    block = fv.DataBlock(
        blocks=(fv.ImageBlock, fv.CategoryBlock(vocab=list(LABELS), sort=False)),
        get_x=fv.ItemGetter(0),
        get_y=fv.ItemGetter(1),
        splitter=fv.IndexSplitter([0]),
        item_tfms=fv.Resize(size, method=fv.ResizeMethod.Squish),
        batch_tfms=[fv.Normalize.from_stats([plan.mean] * 3, [plan.std] * 3)],
    )
    blank = np.zeros((SIDE, SIDE, 3), np.uint8)  # fastai wants images to begin with; an exported learner has none
    loaders = block.dataloaders([(blank, label) for label in LABELS], path=Path("."), bs=2, num_workers=0)
    linear = nn.Linear(network.fc.in_features, network.fc.out_features)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
    learner = fv.vision_learner(
        loaders, resnet18, pretrained=False, normalize=False, metrics=fv.error_rate, custom_head=head,
        loss_func=fv.CrossEntropyLossFlat(), path=Path("."),
    )  # fmt: skip
    body = learner.model[0]  # the same layers in the same order, by number instead of by name
    trained = {name: value for name, value in network.state_dict().items() if not name.startswith("fc.")}
    body.load_state_dict(dict(zip(body.state_dict(), trained.values(), strict=True)))
    linear.load_state_dict(network.fc.state_dict())  # only now, for fastai gives every head new weights
    learner.model.eval()
    return learner
