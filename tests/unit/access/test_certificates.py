"""The private authority and what it signs."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509 import verification

from rkd.access.certificates import Pair, make_authority, make_client, make_server
from rkd.access.role import Role

NOW = datetime.now(UTC)


def parse(pair: Pair) -> x509.Certificate:
    """Read the certificate of *pair*."""
    return x509.load_pem_x509_certificate(pair.certificate)


def policy(authority: Pair, at: datetime = NOW) -> verification.PolicyBuilder:
    """Trust *authority*."""
    return verification.PolicyBuilder().store(verification.Store([parse(authority)])).time(at)


def test_a_server_is_verified_under_each_of_its_names() -> None:
    """Host names and addresses, by a verifier of the web's rules."""
    authority = make_authority("rock", NOW)
    server = parse(make_server(authority, ("rock.lan", "192.168.1.7", "::1"), NOW))

    policy(authority).build_server_verifier(x509.DNSName("rock.lan")).verify(server, [])
    for address in ("192.168.1.7", "::1"):
        name = x509.IPAddress(ipaddress.ip_address(address))
        policy(authority).build_server_verifier(name).verify(server, [])


def test_a_client_is_verified_and_carries_its_role() -> None:
    """The role is a URI among its names."""
    authority = make_authority("rock", NOW)
    client = parse(make_client(authority, "laptop", Role.MANAGE, NOW))
    verified = policy(authority).build_client_verifier().verify(client, [])

    assert verified.subjects == [x509.UniformResourceIdentifier("rkd:role:manage")]
    assert client.subject.rfc4514_string() == "CN=laptop"


def test_certificates_are_good_a_day_back() -> None:
    """A board whose clock is behind still accepts what was just made."""
    authority = make_authority("rock", NOW)
    client = parse(make_client(authority, "laptop", Role.READ, NOW))
    back = NOW - timedelta(hours=20)

    policy(authority, back).build_client_verifier().verify(client, [])
