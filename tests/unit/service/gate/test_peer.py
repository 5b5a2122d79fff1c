"""Peers, as gRPC names them."""

from __future__ import annotations

import pytest

from rkd.access.role import Role
from rkd.service.gate.peer import read_peer


@pytest.mark.parametrize(
    ("text", "loopback", "network"),
    [
        ("ipv4:127.0.0.1:41908", True, "127.0.0.1"),
        ("ipv4:127.8.9.10:1", True, "127.8.9.10"),
        ("ipv4:192.168.1.7:41908", False, "192.168.1.7"),
        ("ipv6:%5B::1%5D:35220", True, "::/64"),
        ("ipv6:[2001:db8:1:2:3::4]:1", False, "2001:db8:1:2::/64"),
        ("ipv6:%5Bfe80::1%25eth0%5D:35220", False, "fe80::/64"),
        ("ipv6:%5B::ffff:192.168.1.7%5D:1", False, "192.168.1.7"),
        ("ipv6:%5B::ffff:127.0.0.1%5D:1", True, "127.0.0.1"),
        ("vsock:2:3", False, "vsock:2:3"),
        ("", False, ""),
    ],
)
def test_addresses(text: str, loopback: bool, network: str) -> None:  # noqa: FBT001 - a table
    """Loopback is told from others; IPv6 counts by its /64; the unknown gets no trust."""
    peer = read_peer(text, {})

    assert (peer.is_socket, peer.is_loopback, peer.network) == (False, loopback, network)


def test_the_unix_socket() -> None:
    """A unix peer has no address; the socket's mode has judged."""
    assert read_peer("unix:", {}).is_socket


@pytest.mark.parametrize(
    ("others", "role"),
    [
        ([], Role.GENERATE),
        ([b"laptop.lan"], Role.GENERATE),
        ([b"laptop.lan", b"rkd:role:manage"], Role.MANAGE),
        ([b"rkd:role:emperor"], Role.READ),
    ],
)
def test_certificates(others: list[bytes], role: Role) -> None:
    """The role is in a URI; none means generate, an unknown one the least."""
    auth = {"x509_common_name": [b"laptop"], "x509_subject_alternative_name": others}
    peer = read_peer("ipv4:192.168.1.7:1", auth)

    assert (peer.certificate, peer.certificate_role) == ("laptop", role)


def test_without_certificate() -> None:
    """A plain connection has neither name nor role."""
    peer = read_peer("ipv4:192.168.1.7:1", {"transport_security_type": [b"insecure"]})

    assert (peer.certificate, peer.certificate_role) == ("", None)
