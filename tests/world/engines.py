"""What the search engines of the test world answer, in the very form the real clients parse.

DuckDuckGo as duckduckgo_search 8.1.1 and ddgs 9.16.1 use it: `GET /?q=Q` gives a page that holds vqd="4-…"; then
`GET /i.js?o=json&q=Q&l=us-en&vqd=…&p=1&f=…&s=OFFSET` gives JSON with `results` and, where there are more, `next`.
Bing as ddgs 9.16.1 uses it: `GET /images/async?q=Q&first=1&count=35` gives HTML with a JSON attribute a result.
"""

from __future__ import annotations

import hashlib
import html
import json
import threading
from dataclasses import dataclass, field
from urllib.parse import quote_plus

DUCKDUCKGO = "duckduckgo.com"
BING = "www.bing.com"
ENGINE_HOSTS = (DUCKDUCKGO, BING)


@dataclass
class Refusal:
    """`status` for requests whose path starts with `path`, `times` times (None: always). 200: a page without sense."""

    status: int
    times: int | None = None
    path: str = "/"


@dataclass
class Engines:
    """`results`: what a query finds, in order, as (image URL, page URL, title); `page_size`: results a page;
    `thumbnails`: the engine's small picture of an image, by its URL, where it is to be had."""

    results: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    page_size: int = 100
    thumbnails: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, list[Refusal]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, host: str, path: str, query: dict[str, str]) -> tuple[int, str, bytes]:
        """(status, content type, body) for a request to an engine."""
        refused = self._refusal(host, path)
        if refused is not None:
            return refused, "text/html", b"<html><body>Unusual traffic, anomaly-modal.</body></html>"
        if host == DUCKDUCKGO and path == "/i.js":
            return self._images(query)
        if host == DUCKDUCKGO and path == "/":
            page = f'<html><script>var x; vqd="{_vqd(query.get("q", ""))}";</script></html>'
            return 200, "text/html", page.encode()
        if host == BING and path == "/images/async":
            return 200, "text/html", self._bing(query)
        return 404, "text/plain", b"no such page"

    def _refusal(self, host: str, path: str) -> int | None:
        with self.lock:
            for refusal in self.refusals.get(host, []):
                if refusal.times == 0 or not path.startswith(refusal.path):
                    continue
                if refusal.times is not None:
                    refusal.times -= 1
                return refusal.status
        return None

    def _images(self, query: dict[str, str]) -> tuple[int, str, bytes]:
        words = query.get("q", "")
        if query.get("vqd") != _vqd(words):
            return 403, "text/plain", b"If this error persists, please let us know"
        start = int(query.get("s", "0"))
        found = self.results.get(words, [])
        page = [
            {
                "title": title,
                "image": url,
                "thumbnail": self.thumbnails.get(url, f"https://tse1.mm.bing.net/th?id={index}"),
                "url": page_url,
                "height": 240,
                "width": 320,
                "source": "Bing",
            }
            for index, (url, page_url, title) in enumerate(found[start : start + self.page_size], start)
        ]
        answer: dict[str, object] = {"query": words, "results": page, "response_type": "images"}
        end = start + self.page_size
        if end < len(found):
            answer["next"] = f"i.js?q={quote_plus(words)}&o=json&p=1&s={end}&u=bing&f=,,,&l=us-en"
        return 200, "application/javascript", json.dumps(answer).encode()

    def _bing(self, query: dict[str, str]) -> bytes:
        first, count = int(query["first"]) - 1, int(query["count"])
        items = []
        for url, page_url, title in self.results.get(query.get("q", ""), [])[first : first + count]:
            thumbnail = self.thumbnails.get(url, "https://tse1.mm.bing.net/th?id=1")
            data = {"t": title, "murl": url, "turl": thumbnail, "purl": page_url}
            items.append(
                f'<div><div class="imgpt"><a class="iusc" m="{html.escape(json.dumps(data))}"></a>'
                '<div class="img_info"><span class="nowrap">320 × 240 · jpeg</span></div></div>'
                '<div class="infopt"><div class="lnkw"><a>photos.example</a></div></div></div>'
            )
        return f"<html><body>{''.join(items)}</body></html>".encode()


def _vqd(words: str) -> str:
    return f"4-{int(hashlib.sha256(words.encode()).hexdigest()[:30], 16)}"
