"""The paths of responses, and what answers them."""

from __future__ import annotations

from typing import Final

from rkd_gateway.responses.create import Creation
from rkd_gateway.responses.kept import Keeping
from rkd_gateway.responses.store import ResponseStore

ONE: Final = "/v1/responses/{response}"


class Responses:
    """The routes around one new store."""

    def __init__(self) -> None:
        store = ResponseStore()
        self._creation, keeping = Creation(store), Keeping(store)
        self.routes = (
            ("POST", "/v1/responses", self._creation.create),
            ("GET", ONE, keeping.get),
            ("DELETE", ONE, keeping.delete),
            ("POST", f"{ONE}/cancel", keeping.cancel),
            ("GET", f"{ONE}/input_items", keeping.input_items),
        )

    @property
    def is_working(self) -> bool:
        """Whether a response is being made in the background."""
        return self._creation.is_working
