"""What the commands share: the options of models and of the network."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mirror.sources import is_url

if TYPE_CHECKING:
    from mirror.net.fetch import NetworkSettings


def add_model(command: argparse.ArgumentParser, default: str | None, text: str) -> None:
    command.add_argument("--model", default=default, help=text)


def add_network(command: argparse.ArgumentParser) -> None:
    command.add_argument("--proxy", metavar="URL", help="for URLs (default: HTTPS_PROXY and HTTP_PROXY)")
    command.add_argument("--insecure", action="store_true", help="do not verify TLS certificates, as curl -k")
    command.add_argument(
        "--allow-private-hosts",
        action="store_true",
        help="fetch URLs from private addresses (this machine, this network), also through a proxy",
    )


def network_of(options: argparse.Namespace, images: Sequence[str]) -> NetworkSettings | None:
    """How the URLs among the images are fetched; None where there is none."""
    if not any(map(is_url, images)):
        return None
    from mirror.net.fetch import NetworkSettings

    return NetworkSettings(
        proxy=options.proxy, insecure=options.insecure, allow_private_hosts=options.allow_private_hosts
    )


def whole_number(least: int) -> Callable[[str], int]:
    """The type of an option that is a whole number from `least` up."""

    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]{1,18}", text) or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
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
