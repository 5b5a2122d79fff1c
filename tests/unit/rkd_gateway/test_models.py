"""The list of models, of a daemon that cannot tell about one of them."""

from __future__ import annotations

import asyncio
from typing import Any

from rkd_client.errors import InternalError
from rkd_client.v1.models import ListResponse, ShowResponse
from rkd_client.v1.pool import ListResidentResponse
from rkd_client.v1.types import ModelSummary
from rkd_gateway.endpoint import Call
from rkd_gateway.fields import Fields
from rkd_gateway.openai.models import models


class Daemon:
    """Two models; showing `broken` fails."""

    async def list(self) -> ListResponse:
        """List both."""
        names = ("broken", "good")
        return ListResponse(models=tuple(ModelSummary(name=one, state="ready") for one in names))

    async def residents(self) -> ListResidentResponse:
        """List none."""
        return ListResidentResponse()

    async def show(self, name: str) -> ShowResponse:
        """Show the good one."""
        if name == "broken":
            raise InternalError("INTERNAL", "it cannot be read")
        return ShowResponse(capabilities=("vision",))


def test_one_that_cannot_be_shown_hides_no_other() -> None:
    """It is listed without what it can."""
    client: Any = Daemon()
    answer: Any = asyncio.run(models(Call(client, Fields({}), {})))

    assert [one["id"] for one in answer["data"]] == ["broken", "good"]
    assert "architecture" not in answer["data"][0]
    assert answer["data"][1]["architecture"]["input_modalities"] == ["text", "image"]
