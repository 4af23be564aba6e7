"""mirror.net.fetch against a real server that misbehaves on purpose."""

from __future__ import annotations

import gzip
import threading
import tracemalloc
import zlib

import pytest

from mirror.net.fetch import PRODUCT, Client, NetworkSettings, fetch
from tests.net.refusals import LOCAL, refused
from tests.world import PhotoHost, World


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


def test_a_shared_client_keeps_connections_open(world: World, host: PhotoHost) -> None:
    urls = [host.body(f"/{n}", b"x") for n in range(5)]
    with Client(LOCAL) as client:
        for url in urls:
            fetch(url, client=client)
    assert (len(world.requests), len(world.connections)) == (5, 1)
