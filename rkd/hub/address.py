"""Addresses: what is one, and where a redirect may lead. Pure."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

_PORTS = {"http": 80, "https": 443}


def followed(url: str, location: str) -> str:
    """
    Say where a redirect of *url* to *location* leads.

    Raises:
        ValueError: nowhere rkd goes: another scheme, from https down to http, no host, no port
            there is.
    """
    target = urljoin(url, location)
    scheme, host, _ = origin(target)
    if scheme not in _PORTS or not host:
        raise ValueError("it redirects to what is no address of the web")
    if scheme == "http" and urlsplit(url).scheme == "https":
        raise ValueError("it redirects from https to http")
    return target


def origin(url: str) -> tuple[str, str, int]:
    """
    Give scheme, host and port of *url*.

    Raises:
        ValueError: it is no address.
    """
    parts = urlsplit(url)
    port = parts.port  # raises for what is no port
    if port == 0:
        raise ValueError("0 is no port")
    return parts.scheme, (parts.hostname or "").lower(), port or _PORTS.get(parts.scheme, 0)
