"""Which internet addresses, and names of hosts, belong to the public internet: a table of our own, newer than Python's.

The tables are the IANA special-purpose address registries for IPv4 and IPv6 as of 2026 (RFC 6890 and its updates), and
single addresses that clouds give their metadata services within public ranges. Python's `ipaddress` carries the state
of its own release (3.11.7 lets 192.0.0.192, 3fff::/20 and fec0::/10 through). Standard library only.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata

IPv4 = ipaddress.IPv4Address

_SPECIAL_4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  # private use
            "100.64.0.0/10",  # shared by carriers' customers (RFC 6598); Alibaba's metadata: 100.100.100.200
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local; metadata of most clouds: 169.254.169.254
            "192.0.0.0/24",  # IETF protocols; Oracle's older metadata: 192.0.0.192
            "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  # documentation
            "192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24",  # AS112 and AMT: no photo is there
            "192.88.99.0/24",  # relays of 6to4, deprecated
            "198.18.0.0/15",  # benchmarks
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
            "168.63.129.16/32",  # Azure's host, at an address of Microsoft's public ones
        ),
    )
)  # fmt: skip
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")  # all that is given out for use by everybody
_SPECIAL_6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # IETF protocols: Teredo, benchmarks, ORCHID, AMT, AS112 …
            "2001:db8::/32",
            "3fff::/20",  # documentation
            "2620:4f:8000::/48",  # AS112
        ),
    )
)
# Prefixes behind which lies an IPv4 address, and how far it is from the right end in bits
_CARRIERS = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # mapped
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64 (RFC 6052)
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4
)
_PRIVATE_NAMES = re.compile(
    r"(.*\.)?(localhost|localdomain|local|internal|intranet|lan|home|corp|private|home\.arpa|in-addr\.arpa|ip6\.arpa"
    r"|svc|consul|onion|fritz\.box|mshome\.net|metadata\.goog)"  # of clusters, routers, Windows; Google's metadata
)


def is_public(address: str) -> bool:
    """Whether an IP address (text, IPv4 or IPv6) belongs to the public internet.

    False for every range of the special-purpose registries, whatever else they are for, for what is not given out at
    all, and for IPv6 addresses that carry such an IPv4 address. ValueError for what is no address.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, IPv4):
        return not any(ip in network for network in _SPECIAL_4)
    if ip.scope_id:  # of one link
        return False
    for network, shift in _CARRIERS:
        if ip in network:
            return is_public(str(IPv4(int(ip) >> shift & 0xFFFFFFFF)))
    return ip in _GLOBAL_6 and not any(ip in network for network in _SPECIAL_6)


def as_address(host: str) -> str | None:
    """The IP address that a host's name is, in any spelling that a proxy or a C library may read; None for a name.

    `2130706433`, `0x7f.1`, `0177.0.0.1`, `127.1`, `[::ffff:127.0.0.1]` and digits of other scripts are all of them.
    """
    plain = unicodedata.normalize("NFKC", host).replace("\N{IDEOGRAPHIC FULL STOP}", ".")
    plain = plain.strip().strip("[]").rstrip(".")
    try:
        return str(ipaddress.ip_address(plain.partition("%")[0] if ":" in plain else plain))
    except ValueError:
        pass
    parts = plain.split(".")
    if not 1 <= len(parts) <= 4:
        return None
    numbers = [_number(part) for part in parts]
    if any(number is None for number in numbers):
        return None
    *first, last = (number or 0 for number in numbers)
    if any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        return "0.0.0.0"  # a number, but of no address: nobody is to make one of it
    value = last
    for place, number in enumerate(first):
        value |= number << 8 * (3 - place)
    return str(IPv4(value))


def is_private_name(host: str) -> bool:
    """Whether a name is for use inside a network: `localhost`, `printer`, `nas.local`, `metadata.google.internal` …"""
    name = unicodedata.normalize("NFKC", host).strip().rstrip(".").casefold()
    return "." not in name or bool(_PRIVATE_NAMES.fullmatch(name))


def _number(text: str) -> int | None:
    """A part of an address as inet_aton reads it: decimal, octal after 0, hexadecimal after 0x."""
    for pattern, base in ((r"0[xX][0-9a-fA-F]*", 16), (r"0[0-7]*", 8), (r"[1-9][0-9]*", 10)):
        if re.fullmatch(pattern, text) and len(text) <= 40:
            return int(text[2:] or "0", 16) if base == 16 else int(text, base)
    return None
