"""What the daemon refuses to open, and the scrapers' door."""

from __future__ import annotations

import asyncio
import resource
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rkd import config as configuration
from rkd import openfiles
from rkd.access.role import Role
from rkd.access.tokens import new_token, write_tokens
from rkd.config import Config
from rkd.daemon.doors import check_doors, open_metrics
from rkd.daemon.rooms import Rooms
from rkd.errors import InvalidInputError
from rkd.service.gate.server import AddressTakenError


def configured(folder: Path, *lines: str) -> Config:
    """The configuration of a file with *lines*, everything else inside *folder*."""
    file = folder / "rkd.toml"
    file.write_text("\n".join(lines) + "\n")
    return configuration.read(
        {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "RKD_CONFIG": str(file),
            "RKD_STATE_DIR": str(folder / "state"),
        },
        user_id=1000,
    )


class TestOpenDoors:
    """Other machines need TLS and a token that exists."""

    def test_an_empty_token_file_is_no_token(self, tmp_path: Path) -> None:
        """A file without tokens opens nothing; with one it does; broken it is an error."""
        tokens = tmp_path / "tokens"
        write_tokens(tokens, ())
        lines = [
            'listen = "0.0.0.0:0"',
            f'token_file = "{tokens}"',
            f'tls_cert = "{tmp_path}/c"',
            f'tls_key = "{tmp_path}/k"',
        ]
        config = configured(tmp_path, *lines)
        with pytest.raises(InvalidInputError, match="without a token"):
            check_doors(config, Rooms(config))
        write_tokens(tokens, (new_token("a", Role.READ, datetime.now(UTC))[0],))
        check_doors(config, Rooms(config))
        tokens.write_text("oops")
        with pytest.raises(InvalidInputError, match="token file"):
            check_doors(config, Rooms(config))

    def test_insecure_is_said_in_the_file(self, tmp_path: Path) -> None:
        """Then everything is open."""
        config = configured(tmp_path, 'listen = "0.0.0.0:0"', "insecure = true")

        check_doors(config, Rooms(config))


class TestMetrics:
    """Scrapers have a door of their own, on loopback alone."""

    async def test_it_answers_where_configured(self, tmp_path: Path) -> None:
        """And the address is known with the port the kernel gave."""
        config = configured(tmp_path, 'metrics_listen = "127.0.0.1:0"')
        rooms = Rooms(config)
        listener = await open_metrics(config, rooms)
        assert listener is not None
        async with listener:
            port = int(rooms.metrics_address.rpartition(":")[2].partition("/")[0])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()

        assert b"rkd_models 0.0" in answer

    async def test_without_configuration_there_is_none(self, tmp_path: Path) -> None:
        """Nothing listens."""
        config = configured(tmp_path)

        assert await open_metrics(config, Rooms(config)) is None

    async def test_a_taken_port_is_told(self, tmp_path: Path) -> None:
        """As a taken address, which ends the start with 78."""
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            config = configured(tmp_path, f'metrics_listen = "127.0.0.1:{port}"')
            with pytest.raises(AddressTakenError, match=str(port)):
                await open_metrics(config, Rooms(config))

    @pytest.mark.parametrize("where", ["0.0.0.0:9588", "/run/metrics.sock", "9588"])
    def test_elsewhere_is_refused(self, tmp_path: Path, where: str) -> None:
        """The listener asks for no token, so it is for this machine only."""
        with pytest.raises(InvalidInputError, match="metrics_listen"):
            configured(tmp_path, f'metrics_listen = "{where}"')


def test_the_file_limit_is_raised_to_what_is_allowed() -> None:
    """The soft limit becomes the hard one."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[1]), before[1]))
        openfiles.raise_limit()

        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
