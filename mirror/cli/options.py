"""What the commands share: the options of models and of the network, and what an option is for."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.errors import UsageError
from mirror.image_sources import is_url
from mirror.terminal import path_text

if TYPE_CHECKING:
    from mirror.net.fetch import NetworkSettings


@dataclass(frozen=True)
class Use:
    """what: an option is for; asked: whether the options ask for that; way: to ask for it, as "or name a file"."""

    what: str
    asked: Callable[[argparse.Namespace], object]
    way: str = ""


def require_used(options: argparse.Namespace, uses: Mapping[str, Use]) -> None:
    """uses: of the options that not every command of their kind has one for. Raises UsageError for one that was given
    where it would do nothing."""
    for option, use in uses.items():
        if option in options.given and not use.asked(options):
            raise UsageError(f"{option} is for {use.what}: leave it out{use.way and ', '}{use.way}.")


def require_apart(outputs: Mapping[str, Path | None], images: Sequence[str]) -> None:
    """outputs: of the options that name a file. Raises UsageError where one would take the place of another, or of an
    image that was named itself."""
    taken = {os.path.realpath(image): image for image in images if os.path.isfile(image)}
    for option, path in outputs.items():
        if path is None or (path.exists() and not path.is_file()):  # a device
            continue
        other = taken.setdefault(os.path.realpath(path), f"what {option} writes")
        if other != f"what {option} writes":
            raise UsageError(f"{option} {path} would take the place of {other}: give another name.")


def add_model(command: argparse.ArgumentParser, default: str | None, text: str) -> None:
    command.add_argument("--model", type=path_text, default=default, help=text)


def add_network(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--proxy", metavar="URL", help="for URLs and models of the Hub (default: HTTPS_PROXY and HTTP_PROXY)"
    )
    command.add_argument("--insecure", action="store_true", help="do not verify TLS certificates, as curl -k")
    command.add_argument(
        "--allow-private-hosts",
        action="store_true",
        help="fetch URLs from private addresses (this machine, this network), also through a proxy",
    )


def network_of(options: argparse.Namespace, images: Sequence[str]) -> NetworkSettings | None:
    """How the URLs among the images are fetched; None where there is none."""
    return network_settings(options) if any(map(is_url, images)) else None


def network_settings(options: argparse.Namespace) -> NetworkSettings:
    """How whatever has an address is fetched."""
    from mirror.net.fetch import NetworkSettings

    return NetworkSettings(
        proxy=options.proxy, insecure=options.insecure, allow_private_hosts=options.allow_private_hosts
    )


def reach_libraries(options: argparse.Namespace) -> None:
    """--proxy and --insecure for what torch and the Hub's client fetch themselves: weights, models, published sets."""
    if options.proxy:
        os.environ["HTTPS_PROXY"] = os.environ["HTTP_PROXY"] = options.proxy
    if options.insecure:
        trust_all()


def trust_all() -> None:
    """Neither torch nor the Hub's client verifies certificates any more."""
    import ssl

    from huggingface_hub import get_session, set_client_factory

    vars(ssl)["_create_default_https_context"] = ssl._create_unverified_context  # as PEP 476 has it
    usual = get_session()  # of httpx or of httpx2, by the version; its hooks keep HF_HUB_OFFLINE
    client, hooks, timeout = type(usual), usual.event_hooks, usual.timeout
    set_client_factory(lambda: client(verify=False, follow_redirects=True, event_hooks=hooks, timeout=timeout))


OF_URLS = Use("photos that are given by an address", lambda options: any(map(is_url, options.images)))
NETWORK_USES = dict.fromkeys(("--proxy", "--insecure", "--allow-private-hosts"), OF_URLS)


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an option that is a whole number from `least` to `most`, or up."""

    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]{1,18}", text) or not least <= int(text) <= (most or int(text)):
            to = f"to {most:,}" if most else "up"
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} {to}")
        return int(text)

    return parse


count = whole_number(1)


def probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value
