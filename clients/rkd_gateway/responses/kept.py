"""Responses looked at afterwards: get, delete, cancel, their input."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from rkd_client.errors import InvalidInputError

from rkd_gateway.endpoint import Call, HttpAnswer
from rkd_gateway.problems import bad_field
from rkd_gateway.responses.store import ResponseStore

PAGE: Final = 20
MOST_A_PAGE: Final = 100


class Keeping:
    """
    Tells callers of their own responses.

    Args:
        store: where they are remembered.
    """

    def __init__(self, store: ResponseStore) -> None:
        self._store = store

    async def get(self, call: Call) -> HttpAnswer:
        """Return a response as it is now."""
        if call.query.get("stream") == "true":
            raise bad_field("stream", "left out: a response is told whole afterwards")
        return self._store.get(call.caller, call.path["response"]).response

    async def delete(self, call: Call) -> HttpAnswer:
        """Forget a response."""
        identity = call.path["response"]
        self._store.delete(call.caller, identity)
        return {"id": identity, "object": "response", "deleted": True}

    async def cancel(self, call: Call) -> HttpAnswer:
        """End the making of one in the background."""
        kept = self._store.get(call.caller, call.path["response"])
        if not kept.response["background"]:
            said = "only a response made in the background can be cancelled"
            raise InvalidInputError("INVALID_FIELD", said, remedy="hang up instead")
        if kept.making is not None:
            kept.making.cancel()
            await asyncio.wait({kept.making})
        return kept.response

    async def input_items(self, call: Call) -> HttpAnswer:
        """List what a response was asked with, its own input and what it went on from."""
        kept = self._store.get(call.caller, call.path["response"])
        items = [
            {**one, "id": one.get("id") or f"in_{at}", "type": one.get("type", "message")}
            for at, one in enumerate(kept.items)
        ]
        if call.query.get("order", "desc") == "desc":
            items.reverse()
        after = call.query.get("after", "")
        begin = next((at + 1 for at, one in enumerate(items) if one["id"] == after), 0)
        given = call.query.get("limit", str(PAGE))
        if not given.isdecimal() or not 1 <= int(given[:9]) <= MOST_A_PAGE:
            raise bad_field("limit", f"1 to {MOST_A_PAGE}")
        page = items[begin : begin + int(given)]
        ends: dict[str, Any] = {"first_id": None, "last_id": None}
        if page:
            ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]}
        more = begin + len(page) < len(items)
        return {"object": "list", "data": page, "has_more": more, **ends}
