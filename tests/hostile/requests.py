"""What a stranger may send to the page instead of a photo: every kind of request as named payloads.

    for name, payload in server_paths("/etc/passwd", port=7860): …

The kinds: a path of the server in every shape that a photo may have (server_paths), what is no photo at all
(no_photos), a photo in every honest spelling (spellings), and values that no argument expects (arguments).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

META = {"_type": "gradio.FileData"}

Named = Iterator[tuple[str, Any]]


def server_paths(path: str, port: int = 7860) -> Named:
    """A path that is no upload, in each shape in which a photo could name it."""
    fields: dict[str, dict[str, Any]] = {
        "path": {"path": path},
        "url": {"url": path},
        "path and url": {"path": path, "url": f"http://127.0.0.1:{port}/gradio_api/file={path}"},
        "path and null url": {"path": path, "url": None, "size": None, "mime_type": None},
        "path and a name": {"path": path, "orig_name": "photo.jpg", "size": 10, "mime_type": "image/jpeg"},
        "stream": {"path": path, "is_stream": True},
        "stream url": {"path": None, "url": path, "is_stream": True},
        "file url": {"path": f"file://{path}"},
        "file url as url": {"url": f"file://{path}"},
        "own address": {"url": f"/gradio_api/file={path}"},
        "own old address": {"url": f"/file={path}"},
        "own address as path": {"path": f"/gradio_api/file={path}"},
        "own address, encoded": {"url": f"/gradio_api/file={quote(path, safe='')}"},
        "own address, encoded twice": {"url": f"/gradio_api/file={quote(quote(path, safe=''), safe='')}"},
        "encoded": {"path": quote(path, safe="")},
        "own stream": {"url": f"/gradio_api/stream/{path}"},
    }
    for name, payload in fields.items():
        yield name, payload
        yield f"{name}, with meta", payload | {"meta": META}
        yield f"{name}, with another meta", payload | {"meta": {"_type": "x"}}
    yield "text", path
    yield "own address as text", f"/gradio_api/file={path}"
    yield "file url as text", f"file://{path}"


def no_photos() -> Named:
    """What is no photo, no address and no path."""
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    yield from {
        "a number": 7, "true": True, "a float": 0.5, "a list": [1, 2], "a list of photos": [{"path": "a.jpg"}],
        "a path that is a list": {"path": ["/etc/passwd"]}, "a path that is a dict": {"path": {"path": "/etc/passwd"}},
        "a path that is a number": {"path": 5}, "a url that is a dict": {"url": {"url": "data:,x"}},
        "a url that is a list": {"url": ["https://example.org/a.jpg"]}, "deep": deep, "deep in path": {"path": deep},
        "NUL": {"path": "/tmp/a\0.jpg"}, "NUL as text": "a\0b", "long": {"path": "/" + "a/" * 50_000},
        "long text": "a" * 200_000, "half a surrogate pair": {"path": "/tmp/\ud800.jpg"}, "relative": {"path": "a.jpg"},
        "dots": {"path": "../../../../etc/passwd"}, "another scheme": {"path": "ftp://example.org/a.jpg"},
        "javascript": {"url": "javascript:alert(1)"}, "a data: URL without comma": {"url": "data:image/png;base64"},
        "no base64": {"url": "data:image/png;base64,!!!!"}, "odd base64": {"url": "data:image/png;base64,AAAAA"},
        "an empty data: URL": {"url": "data:,"}, "a blank": " ", "a home": {"path": "~/photo.jpg"},
        "a variable": {"path": "$HOME/photo.jpg"}, "a share": {"path": "\\\\server\\share\\a.jpg"},
    }.items()  # fmt: skip


def spellings(photo: bytes, media: str = "image/png") -> Named:
    """One photo, in every spelling of a data: URL that clients make."""
    text = base64.b64encode(photo).decode()
    broken = base64.encodebytes(photo).decode()  # a line break each 76 letters, as `base64 photo.jpg` writes
    safe = base64.urlsafe_b64encode(photo).decode()
    urls = {
        "standard": f"data:{media};base64,{text}",
        "line breaks": f"data:{media};base64,{broken}",
        "CRLF": f"data:{media};base64,{broken.replace(chr(10), chr(13) + chr(10))}",
        "spaces": f"data:{media};base64, {' '.join(text[i : i + 10] for i in range(0, len(text), 10))} ",
        "URL-safe": f"data:{media};base64,{safe}",
        "no padding": f"data:{media};base64,{text.rstrip('=')}",
        "URL-safe, no padding": f"data:{media};base64,{safe.rstrip('=')}",
        "percent-encoded base64": f"data:{media};base64,{quote(text, safe='')}",
        "percent-encoded": f"data:{media},{quote(photo, safe='')}",
        "no media type": f"data:;base64,{text}",
        "no type at all": f"data:,{quote(photo, safe='')}",
        "another media type": f"data:text/plain;base64,{text}",
        "parameters": f"data:{media};name=a.png;charset=utf-8;base64,{text}",
        "loud": f"DATA:{media.upper()};BASE64,{text}",
    }
    for name, url in urls.items():
        yield name, {"url": url}
    standard = urls["standard"]
    yield "in path", {"path": standard}
    yield "as text", standard
    yield "with meta", {"url": standard, "path": None, "meta": META}
    yield "with a name for a path", {"url": standard, "path": "photo.png", "orig_name": "photo.png"}
    yield "with everything", {
        "url": standard, "path": None, "size": None, "orig_name": "a.png", "mime_type": media, "is_stream": False,
        "meta": META,
    }  # fmt: skip


def arguments() -> Named:
    """Values that any argument of any handler may be given."""
    yield from {
        "null": None, "true": True, "a number": 3, "a negative number": -1, "a large number": 10**400, "NaN": "NaN",
        "a text": "no such thing", "an empty text": "", "a long text": "a" * 500_000, "a list": [], "lists": [[], [[]]],
        "a dict": {}, "an update": {"__type__": "update", "value": "x", "visible": True}, "NUL": "\0",
        "a path": {"path": "/etc/passwd", "meta": META}, "half a surrogate pair": "\ud800",
    }.items()  # fmt: skip
