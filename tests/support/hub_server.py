"""A Hugging Face Hub of a few local folders on 127.0.0.1, speaking what huggingface_hub asks of the real one.

    with Hub({"owner/name": folder}) as hub:
        environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)}

`gated` models show their description and refuse their files; `secret` ones answer 401, as those that do not exist do;
`broken` makes every answer a 500; `slow` holds every answer back for so many seconds; `sizes` says of files that
they have so many bytes. `asked`: the paths asked for.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Collection, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.support.limits import join


class Hub:
    def __init__(self, models: Mapping[str, Path], *, gated: Collection[str] = (), slow: float = 0.0):
        self.models, self.gated, self.slow, self.broken = dict(models), set(gated), slow, False
        self.sizes: dict[Path, int] = {}
        self.asked: list[str] = []

    def __enter__(self) -> Hub:
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        join(self._thread)
        self._server.server_close()

    def commit(self, model: str) -> str:
        """A git commit's name, which changes with any file."""
        digest = hashlib.sha1()
        for path in self.files(model):
            digest.update(self.name(model, path).encode() + path.read_bytes())
        return digest.hexdigest()

    def files(self, model: str) -> list[Path]:
        return sorted(path for path in self.models[model].rglob("*") if path.is_file())

    def name(self, model: str, path: Path) -> str:
        """A file's path in its repository."""
        return path.relative_to(self.models[model]).as_posix()

    def size(self, path: Path) -> int:
        """What the Hub says of it."""
        return self.sizes.get(path, path.stat().st_size)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(path)
        time.sleep(self.hub.slow)
        parts = path.strip("/").split("/")
        if self.hub.broken:
            self._json({"error": "Internal Server Error"}, 500)
        elif parts[:2] == ["api", "models"] and "/".join(parts[2:4]) in self.hub.models:
            self._describe("/".join(parts[2:4]), parts[4:])
        elif parts[2:3] == ["resolve"] and "/".join(parts[:2]) in self.hub.models:
            self._file("/".join(parts[:2]), "/".join(parts[4:]))
        else:
            self._json({"error": "Invalid username or password."}, 401)

    do_HEAD = do_GET

    def _describe(self, model: str, rest: list[str]) -> None:
        files, commit = self.hub.files(model), self.hub.commit(model)
        if rest[:1] == ["tree"]:
            listed = [(self.hub.name(model, file), self.hub.size(file), _git(file)) for file in files]
            self._json([{"type": "file", "path": name, "size": size, "oid": oid} for name, size, oid in listed])
        elif rest[:1] == ["revision"] and rest[1] not in ("main", commit):
            self._json({"error": "Invalid rev id"}, 404, **{"X-Error-Code": "RevisionNotFound"})
        else:
            siblings = [{"rfilename": self.hub.name(model, file), "size": self.hub.size(file)} for file in files]
            about = {"id": model, "modelId": model, "sha": commit, "siblings": siblings, "tags": [], "private": False}
            self._json(about | {"downloads": 0, "likes": 0, "gated": "auto" if model in self.hub.gated else False})

    def _file(self, model: str, name: str) -> None:
        path = self.hub.models[model] / name
        if model in self.hub.gated:
            self._json({"error": "Access to this model is restricted."}, 403, **{"X-Error-Code": "GatedRepo"})
        elif not path.is_file():
            self._json({"error": "Entry not found"}, 404, **{"X-Error-Code": "EntryNotFound"})
        else:
            self._send(path.read_bytes(), ETag=f'"{_git(path)}"', **{"X-Repo-Commit": self.hub.commit(model)})

    def _json(self, value: Any, status: int = 200, **headers: str) -> None:
        self._send(json.dumps(value).encode(), status, **{"Content-Type": "application/json"}, **headers)

    def _send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _git(path: Path) -> str:
    """A file's git object id, which is its ETag on the Hub."""
    body = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
