"""Listeners: bound before anything is promised, and gone afterwards."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rkd.errors import InvalidInputError
from rkd.service.gate.health import Health
from rkd.service.gate.server import AddressTakenError, Server
from rkd.setting import Listen

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def server(health: Health | None = None) -> Server:
    """One without services of ours."""
    return Server((), health or Health(()), ())


def names(folder: Path) -> list[str]:
    """What lies in *folder*."""
    return [one.name for one in folder.iterdir()]


async def test_a_socket_is_for_owner_and_group(tmp_path: Path) -> None:
    """In a folder made for it; it is gone after the stop. Port 0 becomes a real one."""
    path, made = tmp_path / "run/s", server()
    addresses = made.bind([Listen(str(path)), Listen(host="127.0.0.1")], None)
    await made.start()
    mode = path.stat().st_mode
    await made.stop(0)

    assert addresses[0] == f"unix:{path}"
    assert int(addresses[1].removeprefix("127.0.0.1:")) > 0
    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o660)
    assert not path.exists()


async def test_a_socket_somebody_answers_is_left_alone(tmp_path: Path) -> None:
    """A second daemon finds out before it touches anything."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(AddressTakenError, match="listens"):
            server().bind([Listen(str(path))], None)

        assert path.exists()


async def test_a_socket_of_the_dead_is_taken(tmp_path: Path) -> None:
    """What a killed daemon left does not stop the next."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    made = server()
    made.bind([Listen(str(path))], None)
    await made.start()
    await made.stop(0)

    assert not path.exists()


async def test_a_file_in_the_sockets_place_is_kept(tmp_path: Path) -> None:
    """It is somebody's; the sockets made before it are taken away, and the field is named."""
    path = tmp_path / "s"
    path.write_text("mine")
    with pytest.raises(InvalidInputError, match="is no socket") as caught:
        server().bind([Listen(str(tmp_path / "first")), Listen(str(path))], None)

    assert path.read_text() == "mine"
    assert [one.field for one in caught.value.violations] == ["listen"]
    assert names(tmp_path) == ["s"]


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """As an address that cannot be had."""
    (tmp_path / "file").touch()
    with pytest.raises((AddressTakenError, NotADirectoryError)):
        server().bind([Listen(str(tmp_path / "file/s"))], None)


async def test_a_taken_port_is_said() -> None:
    """By its address."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AddressTakenError, match=f"127.0.0.1:{port} cannot be bound"):
            server().bind([Listen(host="127.0.0.1", port=port)], None)


async def test_nothing_is_left_of_a_bind_that_failed(tmp_path: Path) -> None:
    """A socket made before the address that cannot be had is taken away."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AddressTakenError):
            server().bind([Listen(str(tmp_path / "s")), Listen(host="127.0.0.1", port=port)], None)

    assert not (tmp_path / "s").exists()


async def test_health_follows_the_daemon(tmp_path: Path) -> None:
    """Services, NPU, models; those gone since, and everything at the stop, are NOT_SERVING."""
    health = Health(("rkd.v1.X",))
    made = server(health)
    made.bind([Listen(str(tmp_path / "s"))], None)
    await made.start()
    await health.serving(npu=False)
    await health.models({"a": True, "b": False, "c": True})
    await health.models({"a": True, "b": True})
    names = ("", "rkd.v1.X", "rkd.npu", "rkd.model.a", "rkd.model.b", "rkd.model.c")
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/s") as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        async def asked() -> list[int]:
            requests = [health_pb2.HealthCheckRequest(service=name) for name in names]
            return [(await stub.Check(one)).status for one in requests]

        up = await asked()
        await health.stopping()
        down = await asked()
    await made.stop(0)

    assert up == [SERVING, SERVING, NOT_SERVING, SERVING, SERVING, NOT_SERVING]
    assert set(down) == {NOT_SERVING}
