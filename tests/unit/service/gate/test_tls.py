"""TLS of the listeners, over real connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from rkd.access.certificates import Pair, make_authority, make_client, make_server
from rkd.access.role import Role
from rkd.errors import InvalidInputError
from rkd.service.gate.limits import server_options
from rkd.service.gate.peer import Peer, read_peer
from rkd.service.gate.tls import TlsFiles, server_credentials

NOW = datetime.now(UTC)
HERE = ("localhost", "127.0.0.1")


class FakeHealth(health.aio.HealthServicer):
    """Says it serves, and remembers who asked."""

    def __init__(self) -> None:
        super().__init__()
        self.peers: list[Peer] = []

    async def Check(
        self,
        request: health_pb2.HealthCheckRequest,
        context: grpc.aio.ServicerContext[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ],
    ) -> health_pb2.HealthCheckResponse:
        """Note the peer."""
        self.peers.append(read_peer(context.peer(), context.auth_context()))
        return health_pb2.HealthCheckResponse()


def files(folder: Path, server: Pair, client_ca: Pair | None = None) -> TlsFiles:
    """Write what the server needs."""
    (folder / "server.crt").write_bytes(server.certificate)
    (folder / "server.key").write_bytes(server.key)
    if client_ca is not None:
        (folder / "ca.crt").write_bytes(client_ca.certificate)
    return TlsFiles(
        folder / "server.crt",
        folder / "server.key",
        None if client_ca is None else folder / "ca.crt",
    )


@asynccontextmanager
async def serving(given: TlsFiles, service: FakeHealth) -> AsyncIterator[str]:
    """Serve over TLS on loopback; yield the address."""
    server = grpc.aio.server(options=server_options())
    health_pb2_grpc.add_HealthServicer_to_server(service, server)
    port = server.add_secure_port("127.0.0.1:0", server_credentials(given))
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def check(address: str, authority: Pair, client: Pair | None = None) -> None:
    """Make one call on a connection of its own."""
    credentials = grpc.ssl_channel_credentials(
        authority.certificate,
        private_key=client.key if client else None,
        certificate_chain=client.certificate if client else None,
    )
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.secure_channel(address, credentials, options) as channel:
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)


async def test_a_client_that_trusts_the_authority_gets_in(tmp_path: Path) -> None:
    """Without a client CA nobody is asked for a certificate."""
    authority, service = make_authority("rock", NOW), FakeHealth()
    async with serving(files(tmp_path, make_server(authority, HERE, NOW)), service) as address:
        await check(address, authority)

    assert service.peers[0].is_loopback
    assert service.peers[0].certificate_role is None


async def test_a_client_certificate_is_demanded_and_named(tmp_path: Path) -> None:
    """With a client CA its holder gets in under name and role; nobody and strangers do not."""
    authority, service = make_authority("rock", NOW), FakeHealth()
    other = make_authority("other", NOW)
    given = files(tmp_path, make_server(authority, HERE, NOW), authority)
    async with serving(given, service) as address:
        await check(address, authority, make_client(authority, "laptop", Role.MANAGE, NOW))
        for bad in (None, make_client(other, "laptop", Role.ADMIN, NOW)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await check(address, authority, bad)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    assert [(one.certificate, one.certificate_role) for one in service.peers] == [
        ("laptop", Role.MANAGE)
    ]


async def test_a_renewed_certificate_serves_the_next_connection(tmp_path: Path) -> None:
    """Nothing is restarted; a renewal that cannot be read leaves the old one in force."""
    first, second, service = make_authority("a", NOW), make_authority("b", NOW), FakeHealth()
    given = files(tmp_path, make_server(first, HERE, NOW))
    async with serving(given, service) as address:
        await check(address, first)
        files(tmp_path, make_server(second, HERE, NOW))
        await check(address, second)
        (tmp_path / "server.crt").write_text("oops")
        await check(address, second)

    assert len(service.peers) == 3


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("server.crt", None, "server.crt cannot be read: No such file"),
        ("server.key", b"", "server.key holds no private key"),
        ("ca.crt", b"garbage", "ca.crt holds no certificate"),
    ],
)
def test_bad_files_are_named_at_start(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    """The error says which file and what is wrong."""
    authority = make_authority("rock", NOW)
    given = files(tmp_path, make_server(authority, HERE, NOW), authority)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(InvalidInputError, match=words):
        server_credentials(given)
