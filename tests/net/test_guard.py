"""No photo is fetched from a private address, whatever it is called."""

from __future__ import annotations

import ipaddress

import pytest

from mirror.errors import PrivateAddress
from mirror.net.addresses import is_public
from mirror.net.fetch import Client, NetworkSettings, fetch
from tests.net.refusals import refused
from tests.world import PhotoHost, World


class TestGuard:
    @pytest.mark.parametrize(
        ("address", "public"),
        [
            ("93.184.216.34", True),
            ("2606:2800:220:1:248:1893:25c8:1946", True),
            ("::ffff:93.184.216.34", True),
            ("64:ff9b::93.184.216.34", True),
            ("127.0.0.1", False),
            ("127.8.9.10", False),
            ("0.0.0.0", False),
            ("10.1.2.3", False),
            ("172.16.0.1", False),
            ("192.168.1.1", False),
            ("169.254.169.254", False),
            ("100.64.0.1", False),
            ("192.0.2.1", False),
            ("224.0.0.1", False),
            ("240.0.0.1", False),
            ("255.255.255.255", False),
            ("::", False),
            ("::1", False),
            ("fe80::1", False),
            ("fc00::1", False),
            ("fd12:3456::1", False),
            ("ff02::1", False),
            ("2001:db8::1", False),
            ("::ffff:127.0.0.1", False),
            ("::ffff:10.0.0.1", False),
            ("::127.0.0.1", False),
            ("64:ff9b::127.0.0.1", False),
            ("64:ff9b::192.168.0.1", False),
            ("2002:7f00:1::", False),
            ("2002:c0a8:1::1", False),
            ("192.0.0.192", False),
            ("168.63.129.16", False),
            ("100.100.100.200", False),
            ("fd00:ec2::254", False),
            ("fec0::1", False),
            ("3fff::1", False),
            ("3fff:fff:ffff::1", False),
            ("5f00::1", False),
            ("64:ff9b:1::7f00:1", False),
            ("2001:20::1", False),
            ("100:0:0:1::1", False),
            ("4000::1", False),
            ("fe80::1%eth0", False),
            ("1.1.1.1", True),
            ("168.63.129.17", True),
            ("2002:5db8:d822::1", True),
            ("2a00:1450:4001::1", True),
        ],
    )
    def test_knows_public_addresses(self, address: str, public: bool) -> None:
        assert is_public(address) is public

    def test_knows_no_address_as_public_that_python_knows_as_private(self) -> None:
        """Beside every border of every range in Python's own tables, and on a grid over all addresses."""
        some = (ipaddress.ip_address("0.0.0.0"), ipaddress.ip_address("::"))
        private = [network for address in some for network in address._constants._private_networks]
        assert len(private) > 20
        for network in private:
            for number in (int(network[0]), int(network[-1]), (int(network[0]) + int(network[-1])) // 2):
                address = type(network[0])(number)
                assert address.is_global or not is_public(str(address)), address
        for number in range(0, 2**32, 65_537 * 16):
            address = ipaddress.IPv4Address(number)
            assert is_public(str(address)) == (address.is_global and not address.is_multicast), address

    @pytest.mark.parametrize(
        "name", ["127.0.0.1", "localhost", "127.1", "0x7f.1", "2130706433", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"]
    )
    def test_never_connects_to_this_machine(self, world: World, name: str) -> None:
        error = refused(f"http://{name}:{world.port}/a", NetworkSettings())
        assert (type(error), error.reason) == (PrivateAddress, "private-address")
        assert world.connections == []

    def test_lets_them_pass_when_told_to(self, host: PhotoHost) -> None:
        assert fetch(host.body("/a", b"mine"), NetworkSettings(allow_private_hosts=True)).body == b"mine"

    def test_looks_again_after_a_redirect(self, world: World, public_world: World) -> None:
        secret = f"http://localhost:{world.port}/secret"
        site = public_world.photo_host(f"site.example:{public_world.port}", "http")
        url = site.redirects("/a", secret)
        addresses = {"site.example": ["127.0.0.2"], "localhost": ["127.0.0.1"]}
        client = Client(
            resolve=lambda host, port, timeout: addresses[host], is_allowed=lambda address: address == "127.0.0.2"
        )
        with client:
            assert refused(url, client=client).reason == "private-address"
        assert [request.url for request in public_world.requests] == [url]
        assert world.connections == []

    def test_connects_to_the_address_it_has_checked(self, world: World, public_world: World) -> None:
        """A name server that answers differently the second time (DNS rebinding) gets no second question."""
        answers = iter([["127.0.0.2"], ["127.0.0.1"]])
        public_world.photo_host(f"rebind.example:{public_world.port}", "http").body("/a", b"public")
        client = Client(
            resolve=lambda host, port, timeout: next(answers), is_allowed=lambda address: address == "127.0.0.2"
        )
        with client:
            assert fetch(f"http://rebind.example:{public_world.port}/a", client=client).body == b"public"
        assert list(answers) == [["127.0.0.1"]]
        assert [ours for _, ours in public_world.connections] == ["127.0.0.2"]

    def test_one_private_address_refuses_the_whole_name(self, world: World, public_world: World) -> None:
        client = Client(
            resolve=lambda host, port, timeout: ["127.0.0.2", "127.0.0.1"],
            is_allowed=lambda address: address == "127.0.0.2",
        )
        with client:
            refused(f"http://both.example:{public_world.port}/a", client=client)
        assert public_world.connections == []
