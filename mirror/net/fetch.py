"""The one way a photo's address is fetched: one URL, one attempt, within limits.

`fetch(url)` streams a body over http or https and refuses what a stranger's URL could do to us: addresses that are not
public (before connecting, or before a proxy is asked, and again after every redirect), bodies over the cap (also when
compressed), servers that never finish, redirects that never end. `X-Robots-Tag: noai` and `noimageai` are respected.
Nothing is retried here (mirror/collect/download.py does); no cookies are kept, and no credentials are sent.

Every failure is a FetchError whose `.reason` is one of these slugs, as written to rejected.csv:

    bad-url           not an http(s) URL               private-address   refused before connecting (PrivateAddress)
    http-404 …        the server's answer              redirect-loop     more redirects than allowed, or a circle
    unknown-host      the name has no address          bad-redirect      a redirect to nowhere
    connection-failed refused, dropped, or no route    too-many-bytes    over NetworkSettings.max_bytes
    tls-failed        the certificate or handshake     incomplete-body   ended before its announced length
    timeout           connect, read or total           bad-encoding      a Content-Encoding that cannot be undone
    proxy-failed      the proxy, not the host          noai              the publisher asks to be left out
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
import traceback
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpcore
import httpx

from mirror.errors import FetchError, MirrorError, PrivateAddress
from mirror.net.guard import (
    PRODUCT,
    GuardedBackend,
    HostRefused,
    HostUnknown,
    NetworkSettings,
    ProxyGuard,
    Resolve,
    deadline,
    hang_up,
    is_public,
    open_proxy,
    postpone,
    resolve_host,
    without_passwords,
)

__all__ = ["PRODUCT", "Client", "Fetched", "NetworkSettings", "fetch"]

REDIRECTS = (301, 302, 303, 307, 308)
PLAIN = ("identity", "none")  # content encodings that are none
ACCEPT = "image/jpeg,image/png,image/webp,image/*;q=0.8,*/*;q=0.5"


@dataclass(frozen=True)
class Fetched:
    """A body that arrived whole. `url`: where it was found, after redirects; `requested`: the URL asked for; `headers`:
    lower-case names, repeated ones joined by a comma."""

    url: str
    body: bytes
    content_type: str
    headers: dict[str, str]
    requested: str = ""


class Client:
    """Connections kept open between fetches; safe to share between threads, closed by `with`.

    per_host: how many requests one host may be serving at a time, redirects included; None for any number.
    resolve, is_allowed: the name look-up and the address check, for tests and for other policies.
    """

    def __init__(
        self,
        network: NetworkSettings | None = None,
        *,
        per_host: int | None = None,
        resolve: Resolve = resolve_host,
        is_allowed: Callable[[str], bool] | None = None,
    ):
        self.network = network or NetworkSettings()
        self._per_host = per_host
        self._tls = httpx.create_ssl_context(verify=not self.network.insecure)
        self._is_allowed = is_allowed or (_anywhere if self.network.allow_private_hosts else is_public)
        self._resolve = resolve
        # None: whatever is asked for may be fetched by a proxy
        self._proxied = ProxyGuard(self._is_allowed, resolve) if self._is_allowed is not _anywhere else None
        self._lock = threading.Lock()
        self._closed = False
        self._pools: dict[str | None, httpcore.ConnectionPool] = {}
        self._slots: dict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(per_host or 1))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for pool in self._pools.values():
                with contextlib.suppress(RuntimeError):  # a request is still under way on another thread
                    pool.close()
            self._pools.clear()

    def pool(self, proxy: str | None) -> httpcore.ConnectionPool:
        with self._lock:
            if self._closed:
                raise httpcore.ConnectError("the client was closed")
            if proxy not in self._pools:
                allowed = self._is_allowed if proxy is None else _anywhere
                self._pools[proxy] = httpcore.ConnectionPool(
                    ssl_context=self._tls,
                    proxy=open_proxy(proxy, self._tls) if proxy else None,
                    max_connections=100,
                    max_keepalive_connections=20,
                    keepalive_expiry=5.0,
                    network_backend=GuardedBackend(allowed, self._resolve),
                )
            return self._pools[proxy]

    def check_proxied(self, url: httpx.URL) -> None:
        """Raises HostRefused for a URL that a proxy is not to be asked for."""
        if self._proxied is not None:
            self._proxied.check(url.host, url.port or (443 if url.scheme == "https" else 80))

    @contextlib.contextmanager
    def slot(self, host: str) -> Iterator[None]:
        """Waits until `host` may be asked."""
        if self._per_host is None:
            yield
            return
        with self._lock:
            slots = self._slots[host]
        start = time.monotonic()
        with slots:
            postpone(time.monotonic() - start)
            yield


def fetch(url: str, network: NetworkSettings | None = None, client: Client | None = None) -> Fetched:
    """The body behind `url`: one attempt, following redirects by hand. `client` brings its own NetworkSettings.

    Raises FetchError (see the list above), PrivateAddress, and NoProxy for a proxy that cannot be meant.
    """
    if client is None:
        with Client(network) as client:
            return fetch(url, client=client)
    limits = client.network
    current = _parse(url, url)
    seen: set[str] = set()
    with deadline(limits.total_timeout):
        for _ in range(limits.max_redirects + 1):
            if str(current) in seen:
                raise FetchError(f"{url} redirects in a circle.", url=url, reason="redirect-loop")
            seen.add(str(current))
            with client.slot(current.host):
                answer = _get(url, current, client)
            if isinstance(answer, Fetched):
                return answer
            current = answer
    raise FetchError(f"{url} redirects more than {limits.max_redirects} times.", url=url, reason="redirect-loop")


def _get(requested: str, url: httpx.URL, client: Client) -> Fetched | httpx.URL:
    """One request: a body, or where to look next."""
    limits = client.network
    proxy = limits.proxy_for(str(url))
    headers = [("User-Agent", limits.user_agent), ("Accept", ACCEPT), ("Accept-Encoding", "identity")]
    timeouts = {
        "connect": limits.connect_timeout,
        "read": limits.read_timeout,
        "write": limits.read_timeout,
        "pool": limits.total_timeout,
    }
    target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    try:
        if proxy is not None:
            client.check_proxied(url)
        with client.pool(proxy).stream("GET", target, headers=headers, extensions={"timeout": timeouts}) as response:
            response_headers = httpx.Headers(response.headers)
            if _asks_to_be_left_out(response_headers):
                raise FetchError(
                    f"The publisher of {requested} asks not to be used for AI.", url=requested, reason="noai"
                )
            if response.status in REDIRECTS and "location" in response_headers:
                return _follow(requested, url, response_headers["location"])
            _check_status(requested, response.status, response_headers, proxy)
            body = _read(requested, response.iter_stream(), response_headers, limits.max_bytes)
            fields = {name.lower(): response_headers[name] for name in response_headers}
            return Fetched(str(url), body, response_headers.get("content-type", ""), fields, requested=requested)
    except MirrorError:
        raise
    except Exception as error:
        if (proxy or "").startswith("socks"):
            hang_up()
        raise _explain(requested, url, error, proxy) from error


def _parse(requested: str, url: str | httpx.URL) -> httpx.URL:
    """An http(s) URL without credentials and fragment; nothing else may be asked for."""
    try:
        parsed = httpx.URL(url)
        plain = parsed.host and not set(parsed.host) & set("%\\")  # which a proxy may read as another host
        if parsed.scheme in ("http", "https") and plain and (parsed.port or 80) < 65536:
            return parsed.copy_with(username=None, password=None, fragment=None)
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError):
        pass
    raise FetchError(f"{requested} is not an http(s) address that can be fetched.", url=requested, reason="bad-url")


def _follow(requested: str, url: httpx.URL, location: str) -> httpx.URL:
    try:
        return _parse(requested, url.join(location))
    except (FetchError, httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise FetchError(
            f"{requested} redirects to {location!r}, which cannot be fetched.", url=requested, reason="bad-redirect"
        ) from error


def _check_status(requested: str, status: int, headers: httpx.Headers, proxy: str | None) -> None:
    if status in (200, 203):
        return
    if status == 407 and proxy:
        raise FetchError(
            "The proxy asks for a user name and password.", url=requested, reason="proxy-failed", status=407
        )
    raise FetchError(
        f"The server answered {status} to {requested}.",
        url=requested,
        reason=f"http-{status}",
        status=status,
        retry_after=headers.get("retry-after"),
    )


def _asks_to_be_left_out(headers: httpx.Headers) -> bool:
    """X-Robots-Tag holds noai or noimageai, for everyone or for us by name (`botname: noai`).

    The directives are DeviantArt's proposal of November 2022, read as img2dataset reads them.
    """
    for value in headers.get_list("x-robots-tag"):
        name, colon, rest = value.partition(":")
        if colon and "," not in name and name.strip().lower() != "unavailable_after":
            if name.strip().lower() != PRODUCT.lower():
                continue
            value = rest
        if {"noai", "noimageai"} & {word.strip().lower() for word in value.split(",")}:
            return True
    return False


def _read(requested: str, chunks: Iterator[bytes], headers: httpx.Headers, max_bytes: int) -> bytes:
    """The body, its content encoding undone, at most `max_bytes` of it at any moment."""

    def too_many() -> FetchError:
        return FetchError(
            f"{requested} is larger than {max_bytes / 2**20:.0f} MB.", url=requested, reason="too-many-bytes"
        )

    encoding = headers.get("content-encoding", "identity").strip().lower() or "identity"
    if encoding not in (*PLAIN, "gzip", "x-gzip", "deflate"):
        raise FetchError(f"{requested} came encoded as {encoding!r}.", url=requested, reason="bad-encoding")
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise too_many()
    body = bytearray()
    inflate = None if encoding in PLAIN else zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib header
    for chunk in chunks:
        if encoding == "deflate" and chunk and not body and chunk[0] & 15 != 8:  # as IIS sends it, without a header
            inflate, encoding = zlib.decompressobj(wbits=-zlib.MAX_WBITS), "raw deflate"
        if inflate is None:
            body += chunk
        while inflate is not None and chunk and len(body) <= max_bytes:
            body += inflate.decompress(chunk, max_bytes + 1 - len(body))  # a bomb stops at the cap, not in memory
            chunk = inflate.unconsumed_tail
        if len(body) > max_bytes:
            raise too_many()
    if inflate is not None and not inflate.eof:
        raise FetchError(f"The body of {requested} ended early.", url=requested, reason="incomplete-body")
    return bytes(body)


def _explain(requested: str, url: httpx.URL, error: Exception, proxy: str | None) -> Exception:
    """What httpcore, ssl and zlib raise, as a FetchError; anything else is a fault of ours and stays what it is."""
    host = url.host
    if isinstance(error, HostRefused):
        return PrivateAddress(
            f"{requested} does not lead to a public address, and only those are fetched (see --allow-private-hosts).",
            url=requested,
        )
    tls = any(isinstance(cause, ssl.SSLError) for cause in _causes(error))
    table: list[tuple[bool, str, str]] = [
        (isinstance(error, httpcore.TimeoutException), "timeout", f"{host} did not answer in time."),
        (tls, "tls-failed", f"No secure connection to {host} (--insecure skips the check): {error}."),
        (isinstance(error, httpcore.ProxyError), *_proxy_answer(host, error)),
        (
            isinstance(error, httpcore.ConnectError) and proxy is not None,
            "proxy-failed",
            f"The proxy {without_passwords(proxy or '')} cannot be reached: {error}.",
        ),
        (_of_socks(error), "proxy-failed", f"The proxy for {host} does not speak SOCKS."),
        (isinstance(error, HostUnknown), "unknown-host", f"There is no host called {host}."),
        (isinstance(error, zlib.error), "bad-encoding", f"The body of {requested} could not be decompressed."),
        (
            isinstance(error, httpcore.RemoteProtocolError) and "complete message body" in str(error),
            "incomplete-body",
            f"The body of {requested} ended early.",
        ),
        (
            isinstance(error, httpcore.NetworkError | httpcore.ProtocolError),
            "connection-failed",
            f"The connection to {host} failed: {error or type(error).__name__}.",
        ),
    ]
    for matches, reason, sentence in table:
        if matches:
            return FetchError(sentence, url=requested, reason=reason)
    return error


def _proxy_answer(host: str, error: Exception) -> tuple[str, str]:
    """A proxy that answers 502 to 504 speaks of the host behind it; any other refusal is its own."""
    if str(error)[:3] in ("502", "503", "504"):
        return "connection-failed", f"The proxy could not reach {host}: {error}."
    return "proxy-failed", f"The proxy refused: {error}."


def _of_socks(error: BaseException) -> bool:
    """Whether socksio stumbled over a reply: it raises its own error, and whatever its parsing comes to."""
    places = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(place.partition(".")[0] == "socksio" for place in places)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _anywhere(_: str) -> bool:
    return True
