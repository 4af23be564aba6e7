"""Whose request it is: the client's address, as everything here counts it that a client may have only so much of."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable


def address_of(peer: str, forwarded: Iterable[str] = ()) -> str:
    """What one client has of addresses, as `network_of` gives it; "" where it says nothing of who asks.

    peer: the other end of the connection. forwarded: the values of all X-Forwarded-For headers. On a Space the
    connection is the platform's, which notes the client's at the end of the last one; elsewhere anybody can write that
    header, and it is not believed (a proxy of one's own is named to uvicorn with FORWARDED_ALLOW_IPS).
    """
    if os.environ.get("SYSTEM") == "spaces":
        noted = [part.strip() for part in ",".join(forwarded).split(",")]
        peer = next((part for part in reversed(noted) if is_public(part)), peer)
    return network_of(peer)


def network_of(address: str) -> str:
    """One address of IPv4, 64 bits of IPv6, which one visitor has all of; "" for this machine, which is also where a
    proxy is, and for what is no address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    if parsed.is_loopback:
        return ""
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))


def is_public(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False
