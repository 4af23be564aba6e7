"""Whose request it is. The class: what one visitor may have only so much of is counted by something that they have many
of (a /64 of IPv6), or write themselves (X-Forwarded-For), so that they escape the count or use up somebody else's.
"""

from __future__ import annotations

import pytest

from mirror.web.gateway import bodies, connection_limits
from mirror.web.gateway.client_address import address_of


@pytest.mark.parametrize(
    ("peer", "forwarded", "space", "expected"),
    [
        ("203.0.113.7", [], False, "203.0.113.7"), ("127.0.0.1", [], False, ""), ("::1", [], False, ""),
        ("203.0.113.7", ["8.8.8.8"], False, "203.0.113.7"),  # anybody can write that
        ("10.1.2.3", ["8.8.8.8"], True, "8.8.8.8"),
        ("10.1.2.3", ["1.1.1.1, 8.8.8.8, 10.0.0.9"], True, "8.8.8.8"),  # the first one is forged
        ("10.1.2.3", ["1.1.1.1", "8.8.8.8"], True, "8.8.8.8"),  # … and so is the first of two headers
        ("10.1.2.3", ["1.1.1.1, rubbish", "2a00:1:2:3::4,"], True, "2a00:1:2:3::/64"),
        ("10.1.2.3", ["rubbish"], True, "10.1.2.3"), ("10.1.2.3", [], True, "10.1.2.3"),
        ("testclient", [], False, ""), ("::ffff:127.0.0.1", [], False, ""), ("", [], True, ""),
        ("::ffff:203.0.113.7", [], False, "203.0.113.7"), ("fe80::1%eth0", [], False, "fe80::/64"),
        ("2001:db8:1:2:3:4:5:6", [], False, "2001:db8:1:2::/64"),  # a client of IPv6 has all of these
        ("10.1.2.3", ["2a00:1:2:3:4::5"], True, "2a00:1:2:3::/64"),
    ],
)  # fmt: skip
def test_whose_address_counts(monkeypatch, peer, forwarded, space, expected):
    monkeypatch.setenv("SYSTEM", "spaces" if space else "")
    assert address_of(peer, forwarded) == expected
    scope = {"client": (peer, 1), "headers": [(b"x-forwarded-for", value.encode()) for value in forwarded]}
    assert bodies.client_of(scope) == expected


def test_connections_of_one_network_of_ipv6_are_counted_together(monkeypatch):
    monkeypatch.setattr(connection_limits, "PER_CLIENT", 3)
    held = connection_limits.Connections()
    entered = [held.enter(object(), f"2a00:1:2:3::{number}") for number in range(5)]
    assert entered == [True] * 3 + [False] * 2
    assert held.enter(object(), "2a00:1:2:4::1") and held.enter(object(), "8.8.8.8")
    assert all(held.enter(object(), "10.0.0.1") for _ in range(5))  # a proxy may have many
