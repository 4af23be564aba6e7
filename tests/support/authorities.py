"""Whose certificates the tests trust: one authority's, which signs for no host that a test asks.

To read those of all the world's authorities takes 60 ms of a processor for each client that httpx opens, in a test as
in the programs that it starts.
"""

from __future__ import annotations

import os
from pathlib import Path

import certifi

OUTSIDE = "MIRROR_TEST_AUTHORITIES"  # SSL_CERT_FILE as it was


def trust_one(folder: Path) -> None:
    """From now on, here and in what is started from here. folder: to keep the certificate in."""
    first, end, _ = Path(certifi.where()).read_text(encoding="utf-8").partition("-----END CERTIFICATE-----\n")
    file = folder / "authority.pem"
    file.write_text(first + end, encoding="utf-8")
    os.environ |= {OUTSIDE: os.environ.get("SSL_CERT_FILE", ""), "SSL_CERT_FILE": str(file)}


def as_outside() -> dict[str, str]:
    """The environment of pip, which may fetch: with the authorities that this machine trusts."""
    variables = {**os.environ, "SSL_CERT_FILE": os.environ[OUTSIDE]}
    return {name: value for name, value in variables.items() if value or name != "SSL_CERT_FILE"}
