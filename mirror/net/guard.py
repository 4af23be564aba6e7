"""How to reach the network: connections that are checked before they are made, and never outlive their deadline.

`NetworkSettings` says by which proxy, how patiently and how much.
`GuardedBackend` is what httpcore opens its sockets with. It resolves a name once, looks at every address the name has,
and connects to one of those very addresses: there is no second look-up that could answer differently (DNS rebinding).
`deadline` bounds everything that happens on the calling thread's sockets, so that a server which sends a byte now and
then cannot hold a download for ever. mirror/net/fetch.py is the only user.
"""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import re
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import httpcore
import httpx

from mirror.errors import NoProxy
from mirror.net.addresses import as_address, is_private_name, is_public

Resolve = Callable[[str, int, float | None], list[str]]

PRODUCT = "MirrorOnTheWall"  # the name by which an X-Robots-Tag may speak to us alone
USER_AGENT = f"{PRODUCT}/1.0 (photo collector of the open-source project mirror; respects X-Robots-Tag: noai)"
PROXIED_LOOK_UP = 2.0  # seconds to look up here what a proxy will fetch; many machines behind one cannot at all
# Never the value itself, which may hold a password
NO_PROXY = (
    "What is given as proxy is no proxy: give http://host:port, https://host:port or socks5://host:port (by --proxy, "
    "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY)."
)
_clock = threading.local()


@dataclass(frozen=True)
class NetworkSettings:
    """How to reach the network. Times in seconds.

    proxy: an http://, https:// or socks5:// URL for every request; None takes HTTPS_PROXY, HTTP_PROXY and ALL_PROXY
        from the environment, "" goes without. Hosts named in NO_PROXY are reached directly in any case, as curl does.
    insecure: TLS certificates are not verified, as with curl's -k.
    allow_private_hosts: lets private, loopback and link-local addresses pass. Where a proxy fetches, addresses and
        names for use inside a network are refused before it is asked, and so are names that are private as this
        machine looks them up; what the proxy's own look-up says is its business.
    total_timeout: for one URL, with its redirects.
    """

    proxy: str | None = None
    insecure: bool = False
    allow_private_hosts: bool = False
    connect_timeout: float = 10.0
    read_timeout: float = 20.0
    total_timeout: float = 60.0
    max_bytes: int = 20 * 1024 * 1024
    max_redirects: int = 5
    user_agent: str = USER_AGENT

    def proxy_for(self, url: str) -> str | None:
        """The proxy that will fetch `url`, None for a direct connection."""
        parsed = httpx.URL(url)
        settings = urllib.request.getproxies_environment()
        bypasses = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it
        if parsed.host and bypasses(parsed.netloc.decode(), settings):
            return None
        proxy = self.proxy
        if proxy is None:
            proxy = settings.get(parsed.scheme) or settings.get("all")
        if proxy and "://" not in proxy:
            proxy = f"http://{proxy}"
        return proxy or None


class HostRefused(Exception):
    """A host with an address that must not be connected to. `host`: as asked for; `address`: the one refused."""

    def __init__(self, host: str, address: str):
        super().__init__(f"{host} is {address}")
        self.host = host
        self.address = address


class HostUnknown(httpcore.ConnectError):
    """The name has no address: asking again at once is of no use."""


def resolve_host(host: str, port: int, timeout: float | None) -> list[str]:
    """Every address of `host`, in the system's order of preference. Raises HostUnknown, httpcore.ConnectError (the
    name server failed for now) or httpcore.ConnectTimeout. A thread waits for it, as getaddrinfo takes no time-out."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    answers: queue.SimpleQueue = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
    try:
        found = answers.get(timeout=timeout)
    except queue.Empty:
        raise httpcore.ConnectTimeout(f"no answer from the name server about {host}") from None
    if isinstance(found, socket.gaierror) and found.errno == socket.EAI_AGAIN:
        raise httpcore.ConnectError(str(found))
    if isinstance(found, Exception):
        raise HostUnknown(str(found))
    return list(dict.fromkeys(entry[4][0] for entry in found))


@contextlib.contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Within it, connecting, reading and writing on this thread raise httpcore time-outs once `seconds` have passed."""
    _clock.end = None if seconds is None else time.monotonic() + seconds
    try:
        yield
    finally:
        _clock.end = None


def hang_up() -> None:
    """Closes this thread's last new connection: httpcore forgets one whose SOCKS proxy made no sense."""
    if connected := getattr(_clock, "connected", None):
        connected.close()


def postpone(seconds: float) -> None:
    """Moves this thread's deadline: time spent waiting for one's turn does not count."""
    if getattr(_clock, "end", None) is not None:
        _clock.end += seconds


def _left(timeout: float | None, error: type[httpcore.TimeoutException]) -> float | None:
    end = getattr(_clock, "end", None)
    if end is None:
        return timeout
    left = end - time.monotonic()
    if left <= 0:
        raise error("the total time is up")
    return left if timeout is None else min(timeout, left)


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every step is also bounded by `deadline`."""

    def __init__(self, inner: httpcore.NetworkStream):
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = _left(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class GuardedBackend(httpcore.NetworkBackend):
    """httpcore's sockets, opened only to addresses that `is_allowed` lets pass.

    One refused address refuses the host, whatever its other addresses are: no honest photo host has both.
    """

    def __init__(self, is_allowed: Callable[[str], bool] = is_public, resolve: Resolve = resolve_host):
        self._is_allowed = is_allowed
        self._resolve = resolve
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._resolve(host, port, _left(timeout, httpcore.ConnectTimeout))
        for address in addresses:
            if not self._is_allowed(address):
                raise HostRefused(host, address)
        failure: Exception = HostUnknown(f"{host} has no address")
        for address in addresses:
            try:
                left = _left(timeout, httpcore.ConnectTimeout)
                connected = self._sockets.connect_tcp(address, port, left, local_address, socket_options)
                _clock.connected = _TimedStream(connected)
                return _clock.connected
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ProxyGuard:
    """What a proxy is not asked for: the same hosts that are not connected to directly, as far as that is known here.

    resolve: the look-up. Where it does not answer in time, it is not asked again.
    """

    def __init__(self, is_allowed: Callable[[str], bool] = is_public, resolve: Resolve = resolve_host):
        self._is_allowed, self._resolve = is_allowed, resolve
        self._answers = True

    def check(self, host: str, port: int) -> None:
        """Raises HostRefused."""
        literal = as_address(host)
        if literal is not None:
            if not self._is_allowed(literal):
                raise HostRefused(host, literal)
            return
        if is_private_name(host):
            raise HostRefused(host, "a name for use inside a network")
        if not self._answers:
            return
        try:
            addresses = self._resolve(host, port, _left(PROXIED_LOOK_UP, httpcore.ConnectTimeout))
        except httpcore.ConnectTimeout:
            self._answers = False
            return
        except httpcore.ConnectError:  # the proxy may know it
            return
        for address in addresses:
            if not self._is_allowed(address):
                raise HostRefused(host, address)


def check_environment() -> None:
    """Raises NoProxy where HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or NO_PROXY cannot be meant; gradio and the Hub's client
    read them when they are imported, and end in a traceback."""
    for name in ("http", "https", "all"):
        if proxy := urllib.request.getproxies_environment().get(name):
            open_proxy(proxy if "://" in proxy else f"http://{proxy}", None)
    try:
        httpx.Client(verify=False).close()
    except (httpx.InvalidURL, ValueError, ImportError):
        raise NoProxy(f"NO_PROXY cannot be read, or {NO_PROXY[0].lower()}{NO_PROXY[1:]}") from None


def without_passwords(text: str) -> str:
    """A library's error without the user names and passwords of the addresses in it."""
    return re.sub(r"(?<=//)\S*@", "", text)


def open_proxy(proxy: str, tls: ssl.SSLContext | None) -> httpcore.Proxy:
    """A proxy URL, with its user name and password if it has them, as httpcore takes it. Raises NoProxy."""
    try:
        url = httpx.URL(proxy)
        if url.scheme not in ("http", "https", "socks5", "socks5h") or not url.host or (url.port or 1) > 65535:
            raise ValueError(url.scheme)
    except (httpx.InvalidURL, ValueError):
        raise NoProxy(NO_PROXY) from None
    if url.scheme.startswith("socks"):
        try:
            import socksio  # noqa: F401
        except ImportError:
            raise NoProxy("A socks proxy needs one more package: pip install socksio.") from None
    return httpcore.Proxy(
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=b"/"),
        auth=(url.username, url.password) if url.username else None,
        ssl_context=tls if url.scheme == "https" else None,
    )
