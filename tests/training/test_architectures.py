"""The names of networks, which are known without importing torch."""

from __future__ import annotations

import subprocess
import sys

import pytest
import timm
import torchvision

from mirror.errors import UsageError
from mirror.training.architectures import architecture_names, check_name
from tests.support.limits import LIMIT


def test_they_are_the_names_that_the_packages_themselves_list() -> None:
    listed = {*timm.list_models(), *torchvision.models.list_models(module=torchvision.models)}
    assert set(architecture_names()) == listed and len(listed) > 1000


@pytest.mark.parametrize(
    "name", ["resnet18", "vit_b_16", "tf_efficientnet_lite0", "resnet50.a1_in1k", "vit_small_patch14_dinov2.lvd142m"]
)
def test_one_that_is_there_passes(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet81", "did you mean resnet18, "),
        ("ResNet18", "did you mean resnet18, "),
        ("efficientnet-b0", "did you mean efficientnet_b0, "),
        ("vit", "did you mean vit_"),
        ("a.b", "resnet18 is a good first choice."),
        ("../../etc", "resnet18 is a good first choice."),
    ],
)
def test_one_that_is_not_gets_a_hint(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_name(name)
    assert str(caught.value).startswith(f"--arch {name} is neither a torchvision nor a timm model: {hint}")


def test_neither_package_is_imported_for_that() -> None:
    program = (
        "import sys; from mirror.training.architectures import architecture_names; "
        "print(len(architecture_names()) > 1000, {'torch', 'timm', 'torchvision'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=LIMIT)
    assert done.stdout == "True set()\n"
