"""mirror.net.fetch against a real server that misbehaves on purpose."""

from __future__ import annotations

import gzip
import ipaddress
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Iterator

import httpcore
import pytest

from mirror.errors import FetchError, PrivateAddress, UsageError
from mirror.net.addresses import is_public
from mirror.net.fetch import PRODUCT, Client, NetworkSettings, fetch
from mirror.net.guard import check_environment
from tests.world import PhotoHost, World

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


UNUSABLE_PROXIES = (
    "ftp://h:1", "http://", "nonsense://x", "socks4://me:secret@h:1", "http://me:secret@h:port", "http://me:secret",
    "me:secret@h:port", "http://me:secret@h:99999", "http://me:secret@[::1", "http://me:secret@",
)  # fmt: skip
WELCOME, LET_IN = b"\x05\x02", b"\x01\x00"
# What a SOCKS proxy says, each after having been spoken to
SOCKS_REPLIES = (
    (b"HTTP/1.1 400 Bad Request\r\n\r\n",), (b"\x05",), (b"\x04\x02",), (b"\x05\xff",), (b"\x05\x07",), (b"",),
    (WELCOME, b"\x01"), (WELCOME, b"\x01\x01"), (WELCOME, b"\xff\xff\xff"), (WELCOME, LET_IN, b"\x05"),
    (WELCOME, LET_IN, b"\x05\x00\x00\x01"), (WELCOME, LET_IN, b"\x05\x00\x00\x09abcd\x00\x50"),
    (WELCOME, LET_IN, b"\x05\x63\x00\x01abcd\x00\x50"), (WELCOME, LET_IN, b"\x05\x00\x00\x03\x02\xff\xfe\x00\x50"),
    (WELCOME, LET_IN, b"\x05\x00\x00\x04abcd\x00\x50"), (WELCOME, LET_IN, b"\x05\x05\x00\x01abcd\x00\x50"),
)  # fmt: skip


def _speak(server: socket.socket, replies: tuple[bytes, ...]) -> None:
    connection, _ = server.accept()
    with connection:
        for reply in replies:
            if connection.recv(4096):
                connection.sendall(reply)


@pytest.fixture
def host(world: World) -> PhotoHost:
    return world.direct_host()


@pytest.fixture
def public_world() -> Iterator[World]:
    """A second server at 127.0.0.2, which tests of the guard declare to be the one public address."""
    with World("127.0.0.2") as world:
        yield world


def refused(url: str, network: NetworkSettings = LOCAL, client: Client | None = None) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch(url, network, client)
    assert caught.value.url == url
    assert str(caught.value).endswith(".")
    return caught.value


class TestBody:
    def test_arrives_whole_with_its_headers(self, host: PhotoHost) -> None:
        url = host.body("/a.jpg?size=big&x=1", b"\xff\xd8 photo", content_type="image/jpeg", x_thing="7")
        fetched = fetch(url, LOCAL)
        assert (fetched.url, fetched.requested, fetched.body) == (url, url, b"\xff\xd8 photo")
        assert (fetched.content_type, fetched.headers["x-thing"]) == ("image/jpeg", "7")

    @pytest.mark.parametrize("size", [0, 1, 999_999, 1_000_000])
    def test_up_to_the_cap_passes(self, host: PhotoHost, size: int) -> None:
        url = host.body("/a", b"x" * size)
        assert len(fetch(url, NetworkSettings(allow_private_hosts=True, max_bytes=1_000_000)).body) == size

    def test_over_the_cap_is_refused_before_it_is_read(self, host: PhotoHost) -> None:
        url = host.body("/a", b"x" * 1_000_001)
        assert refused(url, NetworkSettings(allow_private_hosts=True, max_bytes=1_000_000)).reason == "too-many-bytes"

    def test_an_endless_one_stops_at_the_cap(self, host: PhotoHost) -> None:
        network = NetworkSettings(allow_private_hosts=True, max_bytes=300_000)
        assert refused(host.endless("/a"), network).reason == "too-many-bytes"

    def test_shorter_than_announced_is_incomplete(self, host: PhotoHost) -> None:
        assert refused(host.short("/a", b"x" * 5000)).reason == "incomplete-body"

    @pytest.mark.parametrize(
        ("encoding", "sent"),
        [
            ("gzip", gzip.compress(b"photo" * 999)),
            ("deflate", zlib.compress(b"photo" * 999)),
            ("deflate", zlib.compress(b"photo" * 999, wbits=-15)),
            ("", b"photo" * 999),
            ("none", b"photo" * 999),
        ],
        ids=["gzip", "deflate", "deflate without a header", "plain", "none"],
    )
    def test_compressed_is_undone(self, host: PhotoHost, encoding: str, sent: bytes) -> None:
        url = host.body("/a", sent, content_encoding=encoding)
        assert fetch(url, LOCAL).body == b"photo" * 999

    @pytest.mark.parametrize(
        ("encoding", "sent", "reason"),
        [
            pytest.param("gzip", gzip.compress(bytes(50_000_000)), "too-many-bytes", id="bomb of 50 MB in 50 KB"),
            pytest.param("gzip", gzip.compress(b"photo" * 999)[:-20], "incomplete-body", id="cut short"),
            pytest.param("gzip", b"not gzip at all", "bad-encoding", id="not compressed"),
            pytest.param("deflate", b"not deflated at all", "bad-encoding", id="not deflated"),
            pytest.param("deflate", zlib.compress(bytes(50_000_000), wbits=-15), "too-many-bytes", id="headless bomb"),
            pytest.param("br", b"x", "bad-encoding", id="brotli, not asked for"),
            pytest.param("gzip, gzip", gzip.compress(gzip.compress(b"x")), "bad-encoding", id="twice"),
        ],
    )
    def test_compressed_badly_is_refused(self, host: PhotoHost, encoding: str, sent: bytes, reason: str) -> None:
        url = host.body("/a", sent, content_encoding=encoding)
        assert refused(url, NetworkSettings(allow_private_hosts=True, max_bytes=1_000_000)).reason == reason

    def test_a_bomb_is_never_in_memory(self, host: PhotoHost) -> None:
        url = host.body("/a", gzip.compress(bytes(50_000_000)), content_encoding="gzip")
        tracemalloc.start()
        try:
            refused(url, NetworkSettings(allow_private_hosts=True, max_bytes=1_000_000))
            assert tracemalloc.get_traced_memory()[1] < 10_000_000
        finally:
            tracemalloc.stop()


class TestAnswers:
    @pytest.mark.parametrize("status", [204, 206, 304, 400, 401, 403, 404, 410, 429, 500, 503])
    def test_any_status_but_200_is_an_error_that_keeps_it(self, host: PhotoHost, status: int) -> None:
        error = refused(host.body("/a", b"", status=status, retry_after="7"))
        assert (error.reason, error.status, error.retry_after) == (f"http-{status}", status, "7")

    def test_a_dropped_connection_is_a_failure(self, host: PhotoHost) -> None:
        error = refused(host.drops("/a"))
        assert (error.reason, error.status) == ("connection-failed", None)

    def test_nobody_listening_is_a_failure(self, world: World, host: PhotoHost) -> None:
        world.refuses_connections = True
        assert refused(host.body("/a", b"x")).reason == "connection-failed"

    def test_a_name_without_an_address_is_an_unknown_host(self) -> None:
        assert refused("http://no-such-host.invalid/a.jpg").reason == "unknown-host"

    def test_no_byte_within_the_read_time_is_a_timeout(self, host: PhotoHost) -> None:
        url = host.waits("/a", threading.Event(), b"late")
        assert refused(url, NetworkSettings(allow_private_hosts=True, read_timeout=0.2)).reason == "timeout"

    def test_bytes_that_drip_end_with_the_total_time(self, host: PhotoHost) -> None:
        url = host.drips("/a", every=0.05)
        network = NetworkSettings(allow_private_hosts=True, read_timeout=20, total_timeout=0.4)
        assert refused(url, network).reason == "timeout"

    @pytest.mark.parametrize(
        "url",
        ["", "a.jpg", "/etc/passwd", "file:///etc/passwd", "ftp://h/a", "data:image/png;base64,AA", "gopher://h/1",
         "http://", "http:///a", "https://h:99999/", "http://[::1", "http://a\x00b/", "http://" + "a" * 70_000],
    )  # fmt: skip
    def test_what_is_no_web_address_is_refused(self, url: str) -> None:
        assert refused(url).reason == "bad-url"


class TestHonesty:
    def test_names_the_project_and_sends_nothing_else_about_us(self, world: World, host: PhotoHost) -> None:
        url = host.body("/a", b"x")
        assert fetch(url.replace("http://", "http://user:secret@") + "#part", LOCAL).url == url
        headers = world.requests[0].headers
        assert headers["user-agent"].startswith(f"{PRODUCT}/") and "http" not in headers["user-agent"]
        assert set(headers) == {"host", "user-agent", "accept", "accept-encoding"}

    @pytest.mark.parametrize(
        ("value", "left_out"),
        [
            ("noai", True),
            ("noindex, NoImageAI", True),
            (f"{PRODUCT}: noai", True),
            (f"{PRODUCT.lower()}: noindex, noimageai", True),
            ("noai, unavailable_after: 25 Jun 2030 15:00:00 PST", True),
            ("otherbot: noai", False),
            ("noindex, nofollow", False),
            ("unavailable_after: 25 Jun 2030 15:00:00 PST", False),
            ("noaid", False),
        ],
    )
    def test_respects_a_publisher_who_wants_no_ai(self, host: PhotoHost, value: str, left_out: bool) -> None:
        url = host.body("/a", b"x", x_robots_tag=value)
        if left_out:
            assert refused(url).reason == "noai"
        else:
            assert fetch(url, LOCAL).body == b"x"

    def test_respects_it_on_a_redirect_as_well(self, world: World, host: PhotoHost) -> None:
        end = host.body("/end", b"x")
        url = host.body("/a", b"", status=302, location=end, x_robots_tag="noai")
        assert refused(url).reason == "noai"
        assert world.count(end) == 0


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_are_followed(self, host: PhotoHost, status: int) -> None:
        host.body("/b/end.jpg", b"here")
        fetched = fetch(host.redirects("/a", "b/end.jpg", status), LOCAL)
        assert (fetched.body, fetched.url.rpartition(":")[2].partition("/")[2]) == (b"here", "b/end.jpg")

    @pytest.mark.parametrize(("hops", "arrives"), [(5, True), (6, False)])
    def test_at_most_five_times(self, host: PhotoHost, hops: int, arrives: bool) -> None:
        for hop in range(hops):
            host.redirects(f"/{hop}", f"/{hop + 1}")
        host.body(f"/{hops}", b"here")
        url = f"http://{host.name}/0"
        if arrives:
            assert fetch(url, LOCAL).body == b"here"
        else:
            assert refused(url).reason == "redirect-loop"

    def test_a_circle_ends_at_once(self, world: World, host: PhotoHost) -> None:
        url = host.redirects("/a", "/b")
        host.redirects("/b", "/a")
        assert refused(url).reason == "redirect-loop"
        assert len(world.requests) == 2

    @pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://h/a", "javascript:alert(1)", "https://h:99999/"])
    def test_to_anything_but_the_web_is_refused(self, host: PhotoHost, to: str) -> None:
        assert refused(host.redirects("/a", to)).reason == "bad-redirect"

    def test_take_neither_credentials_nor_cookies_along(self, world: World, host: PhotoHost) -> None:
        end = host.body("/end", b"x")
        url = host.body("/a", b"", status=302, location=end.replace("//", "//u:p@"), set_cookie="id=1; Path=/")
        assert fetch(url.replace("//", "//user:secret@"), LOCAL).body == b"x"
        for request in world.requests:
            assert not {"authorization", "cookie", "referer"} & set(request.headers)


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


class TestProxy:
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_fetches_what_only_it_can_reach(self, world: World, scheme: str) -> None:
        url = world.photo_host("inside.example", scheme).body("/a", b"from inside")
        assert fetch(url, NetworkSettings(proxy=world.proxy_url, insecure=True)).body == b"from inside"

    @pytest.mark.parametrize("host", PRIVATE_HOSTS)
    def test_is_not_asked_for_what_is_private(self, world: World, host: str) -> None:
        for scheme in ("http", "https"):
            error = refused(f"{scheme}://{host}/a", NetworkSettings(proxy=world.proxy_url, insecure=True))
            assert error.reason in ("private-address", "bad-url")
        assert world.connections == []

    def test_is_asked_for_them_when_told_to(self, world: World) -> None:
        url = world.photo_host("10.0.0.1", "http").body("/a", b"mine")
        network = NetworkSettings(proxy=world.proxy_url, insecure=True, allow_private_hosts=True)
        assert fetch(url, network).body == b"mine"

    def test_is_not_asked_after_a_redirect_either(self, world: World) -> None:
        for number, host in enumerate(("127.0.0.1", "2130706433", "localhost", "metadata.google.internal", "[::1]")):
            url = world.photo_host("photos.example").redirects(f"/{number}", f"http://{host}/secret")
            assert refused(url, NetworkSettings(proxy=world.proxy_url, insecure=True)).reason == "private-address"
        assert {request.url.split("/")[2] for request in world.requests} == {"photos.example"}

    @pytest.mark.parametrize("answer", [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["fd00:ec2::254"]])
    def test_is_not_asked_for_a_name_that_is_private_as_it_is_looked_up_here(
        self, world: World, answer: list[str]
    ) -> None:
        url = world.photo_host("photos.example").body("/a", b"x")
        with Client(NetworkSettings(proxy=world.proxy_url, insecure=True), resolve=lambda *_: answer) as client:
            assert refused(url, client=client).reason == "private-address"
        assert world.connections == []

    def test_is_asked_for_a_name_that_cannot_be_looked_up_here_and_that_is_tried_once(self, world: World) -> None:
        asked = []

        def resolve(host: str, port: int, timeout: float | None) -> list[str]:
            asked.append(host)
            if host == "127.0.0.1":  # the proxy itself
                return [host]
            raise httpcore.ConnectTimeout("no name server here")

        site = world.photo_host("photos.example", "http")
        with Client(NetworkSettings(proxy=world.proxy_url), resolve=resolve) as client:
            for name in ("/a", "/b", "/c"):
                assert fetch(site.body(name, b"x"), client=client).body == b"x"
        assert asked.count("photos.example") == 1

    def test_certificates_are_verified(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        url = world.photo_host("photos.example").body("/a", b"x")
        assert refused(url, NetworkSettings(proxy=world.proxy_url)).reason == "tls-failed"
        monkeypatch.setenv("SSL_CERT_FILE", str(world.ca_file))
        assert fetch(url, NetworkSettings(proxy=world.proxy_url)).body == b"x"

    @pytest.mark.parametrize(
        ("environment", "network", "url", "expected"),
        [
            ({}, NetworkSettings(), "https://h/", None),
            ({"HTTPS_PROXY": "http://p:1"}, NetworkSettings(), "https://h/", "http://p:1"),
            ({"HTTPS_PROXY": "http://p:1"}, NetworkSettings(), "http://h/", None),
            ({"http_proxy": "p:2"}, NetworkSettings(), "http://h/", "http://p:2"),
            ({"ALL_PROXY": "http://p:3"}, NetworkSettings(), "https://h/", "http://p:3"),
            ({"HTTPS_PROXY": "http://p:1"}, NetworkSettings(proxy="http://mine:9"), "https://h/", "http://mine:9"),
            ({"HTTPS_PROXY": "http://p:1"}, NetworkSettings(proxy=""), "https://h/", None),
            ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "h"}, NetworkSettings(), "https://h/", None),
            ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "x.org"}, NetworkSettings(), "https://a.x.org/", None),
            ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "x.org"}, NetworkSettings(), "https://ax.org/", "http://p:1"),
            ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, NetworkSettings(), "https://h/", None),
            ({"NO_PROXY": "h"}, NetworkSettings(proxy="http://mine:9"), "https://h/", None),
        ],
    )
    def test_is_chosen_as_curl_does(
        self,
        environment: dict,
        network: NetworkSettings,
        url: str,
        expected: str | None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert network.proxy_for(url) == expected

    def test_from_the_environment_is_used(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTPS_PROXY", world.proxy_url)
        url = world.photo_host("photos.example").body("/a", b"x")
        assert fetch(url, NetworkSettings(insecure=True)).body == b"x"

    def test_does_not_open_a_way_around_the_guard(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """What NO_PROXY takes away from the proxy is connected to directly, so it is checked."""
        monkeypatch.setenv("NO_PROXY", "localhost")
        secret = f"http://localhost:{world.port}/secret"
        url = world.photo_host("photos.example").redirects("/a", secret)
        assert refused(url, NetworkSettings(proxy=world.proxy_url, insecure=True)).reason == "private-address"
        assert world.count(secret) == 0

    def test_that_is_down_is_named(self) -> None:
        error = refused(
            "https://photos.example/a", NetworkSettings(proxy="http://me:secret@127.0.0.1:9", insecure=True)
        )
        assert error.reason == "proxy-failed"
        assert "127.0.0.1:9" in str(error) and "secret" not in str(error)

    def test_gets_its_own_credentials(self, world: World) -> None:
        url = world.photo_host("photos.example", "http").body("/a", b"x")
        fetch(url, NetworkSettings(proxy=world.proxy_url.replace("//", "//me:secret@")))
        assert world.requests[0].headers["proxy-authorization"] == "Basic bWU6c2VjcmV0"

    @pytest.mark.parametrize("proxy", UNUSABLE_PROXIES)
    def test_that_makes_no_sense_is_a_usage_error_without_its_password(self, proxy: str) -> None:
        with pytest.raises(UsageError, match="is no proxy") as caught:
            fetch("https://photos.example/a", NetworkSettings(proxy=proxy))
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
    @pytest.mark.parametrize("proxy", UNUSABLE_PROXIES)
    def test_of_the_environment_that_makes_no_sense_is_told_at_the_start(
        self, monkeypatch: pytest.MonkeyPatch, name: str, proxy: str
    ) -> None:
        monkeypatch.setenv(name, proxy)
        with pytest.raises(UsageError, match="is no proxy") as caught:
            check_environment()
        assert "secret" not in str(caught.value)

    def test_exceptions_that_make_no_sense_are_told_at_the_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "localhost,10.0.0.0/8,::1")
        check_environment()
        monkeypatch.setenv("NO_PROXY", "[::1")
        with pytest.raises(UsageError, match="NO_PROXY cannot be read"):
            check_environment()

    @pytest.mark.parametrize("reply", SOCKS_REPLIES)
    def test_of_socks_that_answers_nonsense_is_a_failure_of_the_proxy(self, reply: tuple[bytes, ...]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=_speak, args=(server, reply), daemon=True).start()
            network = NetworkSettings(proxy=f"socks5://me:secret@127.0.0.1:{server.getsockname()[1]}")
            error = refused("http://93.184.215.14/a", network)
        assert error.reason in ("proxy-failed", "connection-failed")
        assert "secret" not in str(error)


def test_a_shared_client_keeps_connections_open(world: World, host: PhotoHost) -> None:
    urls = [host.body(f"/{n}", b"x") for n in range(5)]
    with Client(LOCAL) as client:
        for url in urls:
            fetch(url, client=client)
    assert (len(world.requests), len(world.connections)) == (5, 1)
