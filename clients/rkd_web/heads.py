"""What the head of a request says: its headers, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.types import Scope

from rkd.setting import is_loopback

PROXIED: Final = ("x-forwarded-for", "forwarded", "x-real-ip")
"""Headers of a proxy before us: whoever calls is not of this machine because the proxy is."""


def headers_in(scope: Scope) -> dict[str, str]:
    """Return the headers of a request; of one sent twice, both, joined by a comma."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def peer_of(scope: Scope) -> str | None:
    """Return the address a request comes from; None for a unix socket."""
    client = scope.get("client")
    return client[0] if client and client[0] else None


def is_local(peer: str | None, headers: Mapping[str, str]) -> bool:
    """Tell whether a request comes from this machine itself, and through no proxy."""
    return (peer is None or is_loopback(peer)) and not any(one in headers for one in PROXIED)
