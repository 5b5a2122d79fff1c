"""What the gateway asks where one board is not the whole: models once, a version of any board."""

from __future__ import annotations

from rkd_client import AsyncClient
from rkd_client.errors import PreconditionError
from rkd_client.reach import boards_of
from rkd_client.v1.types import ModelSummary


async def ready_models(client: AsyncClient) -> list[ModelSummary]:
    """Return the models that can be used, each once, on however many boards it is."""
    found = (await client.list()).models
    return list({one.name: one for one in reversed(found) if one.state == "ready"}.values())[::-1]


async def version(client: AsyncClient) -> str:
    """Return the daemon's version, of several boards the first one's."""
    try:
        return (await client.status()).version
    except PreconditionError as error:
        boards = boards_of(error)
        if not boards:
            raise
    return (await client.using(board=boards[0]).status()).version
