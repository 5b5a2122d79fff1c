"""A call that ends well and brings nothing, as a proxy cut off in the middle makes it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from rkd_client import AsyncClient, Client, UnavailableError


class FakeSilence(grpc.GenericRpcHandler):
    """Ends every call with OK and no message; *asked* counts them."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:  # type: ignore[type-arg]
        """Answer nothing."""
        self.asked.append(details.method)
        return grpc.stream_stream_rpc_method_handler(lambda _requests, _context: iter(()))


@pytest.fixture
def silence() -> Iterator[tuple[FakeSilence, str]]:
    """A server that says nothing, and its address."""
    handler = FakeSilence()
    server = grpc.server(ThreadPoolExecutor(2))
    port = server.add_insecure_port("127.0.0.1:0")
    server.add_generic_rpc_handlers((handler,))
    server.start()
    yield handler, f"127.0.0.1:{port}"
    server.stop(None).wait(5)


def test_it_is_an_error_and_asked_again_where_that_is_safe(
    silence: tuple[FakeSilence, str],
) -> None:
    """A look three times, a deletion once."""
    handler, address = silence
    with Client(address) as client:
        for call in (client.show, client.delete):
            with pytest.raises(UnavailableError, match="before it began"):
                call("x")

    assert handler.asked.count("/rkd.v1.ModelService/Show") == 3
    assert handler.asked.count("/rkd.v1.ModelService/Delete") == 1


async def test_awaited_as_well(silence: tuple[FakeSilence, str]) -> None:
    """The other half of gRPC hands out nothing in the same way."""
    _, address = silence
    async with AsyncClient(address) as client:
        with pytest.raises(UnavailableError, match="before it began"):
            await client.delete("x")
        with pytest.raises(UnavailableError, match="before it began"):
            await client.pull("x").result()
