"""The paths of responses, and what answers them."""

from __future__ import annotations

from rkd_gateway.endpoint import Handler
from rkd_gateway.responses.create import Creation
from rkd_gateway.responses.kept import Keeping
from rkd_gateway.responses.store import Store


def responses() -> tuple[tuple[str, str, Handler], ...]:
    """Return the routes around one new store."""
    store = Store()
    creation, keeping = Creation(store), Keeping(store)
    one = "/v1/responses/{response}"
    return (
        ("POST", "/v1/responses", creation.create),
        ("GET", one, keeping.get),
        ("DELETE", one, keeping.delete),
        ("POST", f"{one}/cancel", keeping.cancel),
        ("GET", f"{one}/input_items", keeping.input_items),
    )
