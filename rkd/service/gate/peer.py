"""Who is at the other end of a call, from what gRPC says of its connection."""

from __future__ import annotations

import ipaddress
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rkd.access.role import ROLE_URI, Role


@dataclass(frozen=True, slots=True)
class Peer:
    """
    The other end.

    Args:
        is_socket: came through the unix socket, whose file mode says who may.
        is_loopback: came from this machine over TCP.
        network: what failures are counted by: the address, or the /64 of an IPv6 one.
        certificate: common name of a verified client certificate; empty without one.
        certificate_role: the role written in it, GENERATE where none is.
    """

    is_socket: bool
    is_loopback: bool
    network: str
    certificate: str = ""
    certificate_role: Role | None = None


def read_peer(peer: str, auth: Mapping[str, Iterable[bytes]]) -> Peer:
    """
    Read gRPC's words for the peer (`ipv4:1.2.3.4:5`, `ipv6:%5B::1%5D:5`, `unix:`).

    Args:
        peer: `context.peer()`.
        auth: `context.auth_context()`; names of a certificate are in it only after gRPC checked
            the certificate against the client CA.
    """
    certificate, role = _certificate(auth)
    scheme, _, rest = peer.partition(":")
    if scheme == "unix":
        return Peer(is_socket=True, is_loopback=True, network="unix")
    host = urllib.parse.unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # a way in that we do not know gets no trust
        return Peer(False, False, peer, certificate, role)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    network = (
        str(address)
        if isinstance(address, ipaddress.IPv4Address)
        else str(ipaddress.ip_network((address, 64), strict=False))
    )
    return Peer(False, address.is_loopback, network, certificate, role)


def _certificate(auth: Mapping[str, Iterable[bytes]]) -> tuple[str, Role | None]:
    names = [name.decode(errors="replace") for name in auth.get("x509_common_name", ())]
    others = [
        name.decode(errors="replace") for name in auth.get("x509_subject_alternative_name", ())
    ]
    if not names and not others:
        return "", None
    for name in others:
        if name.startswith(ROLE_URI):
            try:
                return (names or others)[0], Role.parse(name.removeprefix(ROLE_URI))
            except ValueError:
                return (names or others)[0], Role.READ
    return (names or others)[0], Role.GENERATE
