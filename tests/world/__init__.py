"""A small internet on 127.0.0.1: search engines, photo hosts and the proxy that leads to them.

    with World() as world:
        host = world.photo_host("photos.example")
        world.results("baby swan", [host.photo(f"/{i}.jpg", seed=i) for i in range(30)])
        train("--proxy", world.proxy_url, "--insecure", "--search", "cygnet=baby swan")
        assert world.count("https://photos.example/0.jpg") == 1

It speaks what the real clients speak: HTTP/1.1 behind a CONNECT proxy that terminates TLS for any host, with
DuckDuckGo's image protocol (vqd page, i.js) and Bing's asynchronous result page. Every path can be told to misbehave,
and every request is kept, so that a test can count what was asked for and what was answered to the end.
"""

from tests.world.photos import draw_photo, encode, near_copy
from tests.world.server import Asked, PhotoHost, World, wait_until

__all__ = ["Asked", "PhotoHost", "World", "draw_photo", "encode", "near_copy", "wait_until"]
