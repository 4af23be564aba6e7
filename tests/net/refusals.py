"""What must not be fetched, and what a fetch that fails says."""

from __future__ import annotations

import pytest

from mirror.errors import FetchError
from mirror.net.fetch import Client, NetworkSettings, fetch

LOCAL = NetworkSettings(allow_private_hosts=True)
# Spellings of this machine, of its network, and of where clouds keep their secrets
PRIVATE_HOSTS = (
    "127.0.0.1", "127.8.9.10", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0X7F.0.0.1", "017700000001",
    "0177.0.0.1", "0177.0x0.0.1", "0", "0.0.0.0", "10.0.0.5", "012.0.0.5", "10.5", "167772165", "172.16.0.1",
    "172.31.255.255", "192.168.1.1", "192.168.257", "0xc0.0xa8.0x1.0x1", "3232235777", "169.254.169.254",
    "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "100.64.0.1", "100.100.100.200", "192.0.0.192",
    "168.63.129.16", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "127.0.0.1.", "①②⑦.⓪.⓪.①",
    "１２７.０.０.１", "127。0。0。1", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::ffff:a00:5]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.5]", "[64:ff9b:1::1]", "[2002:7f00:1::]",
    "[2002:a00:5::1]", "[2001:0:7f00:1::]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]",
    "[3fff::1]", "[5f00::1]", "[100::1]", "[2001:db8::1]", "localhost", "LOCALHOST", "localhost.", "a.localhost",
    "localhost.localdomain", "nas.local", "metadata.google.internal", "router.lan", "printer", "intranet", "wiki.corp",
    "fritz.home.arpa", "kubernetes.default.svc", "fritz.box", "metadata.goog", "127.0.0.1%00.example.com",
    "127.0.0.1%2eexample", "ＬＯＣＡＬＨＯＳＴ", "4294967295", "256.256.256.256", "999999999999", "127.0.0.256",
)  # fmt: skip


def refused(url: str, network: NetworkSettings = LOCAL, client: Client | None = None) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch(url, network, client)
    assert caught.value.url == url
    assert str(caught.value).endswith(".")
    return caught.value
