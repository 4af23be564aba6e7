"""What a person may choose before a training, in plain words, and the options of train.py that it comes to. Pure."""

from __future__ import annotations

from mirror.errors import UsageError
from mirror.folders import folder_at
from mirror.web.workshop.prerequisites import STANDS_IN, has_packaged, has_resnet

USUAL = ""
Choice = tuple[str, str, str]  # of NETWORKS, of TIMES, and a folder of photos of none of the labels, "" for none
NOTHING_CHOSEN: Choice = (USUAL, USUAL, "")
PACKAGED = "tf_efficientnet_lite0"  # its weights come with a package
NETWORKS = {
    "The usual one, or the one that the model has": USUAL,
    "ResNet-18: small, fetched the first time (45 MB)": "resnet18",
    f"EfficientNet-Lite0: smaller, {'nothing to fetch' if has_packaged() else 'fetched the first time'}": PACKAGED,
    "The best of those on this machine (tried for a quarter of an hour at most)": "auto",
}
TIMES = {
    "As long as it pays": USUAL,
    "Quick: only the last layer": "--epochs 0",
    "5 minutes of fine-tuning at most": "--minutes 5",
    "Half an hour of fine-tuning at most": "--minutes 30",
}


def options_of(choice: Choice, *, is_new: bool, resnet: bool | None = None) -> dict[str, str]:
    """Options of train.py → their values. is_new: there is no model whose settings hold; resnet: the weights of
    train.py's own network are here (None: looked for). Raises UsageError for what cannot be chosen."""
    network, time, others = choice
    if network not in NETWORKS.values() or time not in TIMES.values():
        raise UsageError("The page sent a choice that it does not offer: load it again.")
    options: dict[str, str] = {}
    if network:
        options["--arch"] = network
    elif stands_in(choice, is_new=is_new, resnet=resnet):
        options["--arch"] = PACKAGED
    if time:
        option, value = time.split()
        options[option] = value
    if others := others.strip():
        folder = folder_at(others)
        if folder is None:
            raise UsageError(
                f"There is no folder {others[:200]} of photos of none of the labels: give another, or none."
            )
        options["--others"] = str(folder)
    return options


def stands_in(choice: Choice, *, is_new: bool, resnet: bool | None = None) -> str:
    """The sentence that the packaged network takes the place of train.py's own, whose weights are not here; "" where it
    does not."""
    here = has_resnet() if resnet is None else resnet
    return STANDS_IN if is_new and not choice[0] and not here and has_packaged() else ""
