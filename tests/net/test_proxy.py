"""Photos by way of a proxy, which never leads around the guard."""

from __future__ import annotations

import socket
import threading

import httpcore
import pytest

from mirror.errors import UsageError
from mirror.net.fetch import Client, NetworkSettings, fetch
from mirror.net.guard import check_environment
from tests.net.refusals import PRIVATE_HOSTS, refused
from tests.world import World

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
