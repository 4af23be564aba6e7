"""A photo host with a gate: it answers `/gated.png` only once the gate is open, so that a process waits there."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections import Counter
from typing import Any

from tests.support.limits import LIMIT, join
from tests.web.tiny import YELLOW, photo

BODY = photo(YELLOW, format="PNG")


class Gate:
    """Use in a `with` statement. `asked` counts requests by path."""

    def __enter__(self) -> Gate:
        self.open, self.reached, self.asked = threading.Event(), threading.Event(), Counter()
        gate = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                gate.asked[self.path] += 1
                if self.path == "/gated.png":
                    gate.reached.set()
                    assert gate.open.wait(LIMIT)
                with contextlib.suppress(ConnectionError):  # the process that asked may have been killed
                    self.send_response(200)
                    self.send_header("Content-Type", "image/png")
                    self.send_header("Content-Length", str(len(BODY)))
                    self.end_headers()
                    self.wfile.write(BODY)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()
        join(self._thread)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{path}"
