"""A port for a server that a test starts."""

from __future__ import annotations

import random
import socket

PORTS = range(20_000, 32_000)  # below those that the system gives to connections and to port 0, on Linux and elsewhere


def free_port() -> int:
    """One of PORTS on 127.0.0.1 where nobody listens: until the server does, only another test's draw can take it."""
    while True:
        port = random.SystemRandom().choice(PORTS)  # the same in no two workers, whatever seeds a test sets
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:  # taken
                continue
        return port
