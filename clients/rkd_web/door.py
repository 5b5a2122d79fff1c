"""
What is judged before anything is read: the name we are called by, and the page that calls.

A page in somebody's browser may reach a server on loopback: by another name (DNS rebinding), or
straight away. So the name must be one of ours, and a page must be named in the setting of origins.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping

from rkd_client.errors import ForbiddenError, InvalidInputError, RkdError

from rkd_web.settings import Settings

SPOKEN = ("1.0", "1.1")


class Door:
    """
    Judges requests by their headers alone.

    Args:
        settings: which pages and names are welcome.
        own: what this machine calls itself.
    """

    def __init__(self, settings: Settings, own: str | None = None) -> None:
        name = (socket.gethostname() if own is None else own).lower()
        self._names = frozenset({"localhost", name, f"{name}.local"} - {""})
        self._given = settings.hosts
        self._called, self._prefix = settings.program.called, settings.program.prefix
        self._origins = settings.origins

    def refusal(
        self, headers: Mapping[str, str], http: str = "1.1", scheme: str = ""
    ) -> RkdError | None:
        """
        Return why a request is turned away; None to let it in.

        Args:
            headers: of the request, names in small letters.
            http: the version of HTTP it says it speaks.
            scheme: by which pages of our own are reached, `https`; "" where there are none. They
                may call, and links on other pages may lead to them.
        """
        if http not in SPOKEN or {"content-length", "transfer-encoding"} <= headers.keys():
            # Two lengths are two requests to somebody (RFC 9112, 6.1): none is answered.
            return InvalidInputError("REQUEST_MALFORMED", "this is no request of HTTP/1.1")
        host = host_of(headers.get("host", ""))
        if not self._is_ours(host):
            return ForbiddenError(
                "HOST_FORBIDDEN",
                f"this {self._called} is not called {host[:80]!r}",
                remedy=f"name it in {self._prefix}_ALLOWED_HOSTS if it is",
            )
        origin = headers.get("origin")
        crossing = headers.get("sec-fetch-site", "") in {"cross-site", "same-site"}
        if scheme and origin is None and headers.get("sec-fetch-dest") == "document":
            return None
        if scheme and origin is not None and origin.lower() == f"{scheme}://{headers['host']}":
            return None
        if (origin is not None or crossing) and not self.is_welcome(origin):
            return ForbiddenError(
                "ORIGIN_FORBIDDEN",
                f"pages of {(origin or 'elsewhere')[:80]!r} may not call this {self._called}",
                remedy=f"name its origin in {self._prefix}_ORIGINS if they may",
            )
        return None

    def is_welcome(self, origin: str | None) -> bool:
        """Tell whether pages of *origin* may call."""
        return origin is not None and origin.lower() in self._origins

    def _is_ours(self, host: str) -> bool:
        """Addresses cannot be rebound; names must be known."""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            pass
        else:
            return True
        if host in self._names or host.endswith(".localhost"):
            return True
        return any(
            host.endswith(given[1:]) if given.startswith("*.") else host == given
            for given in self._given
        )


def host_of(header: str) -> str:
    """Return the host of a `host` header, without its port and brackets, in small letters."""
    text = header.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].removesuffix(".")
