"""
What a pull is asked for, as its operation keeps it.

Two orders with the same key are one download: the second joins the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rkd.hub.reference import Reference, parse, with_revision
from rkd.model import ModelName
from rkd.operations.operation import Operation, OperationKind, asked
from rkd.operations.operations import Operations


@dataclass(frozen=True, slots=True)
class PullOrder:
    """
    What a client asked for, as the operation keeps it.

    Args:
        name: the local name; "" to have one made.
        replace: a model of another origin may go.
    """

    reference: Reference
    name: str = ""
    replace: bool = False

    @classmethod
    def of(
        cls, source: str, *, name: str = "", revision: str = "", replace: bool, endpoint: str
    ) -> PullOrder:
        """
        Read a request.

        Raises:
            InvalidInputError: INVALID_FIELD, INVALID_NAME.
        """
        reference = with_revision(parse(source, endpoint=endpoint), revision)
        return cls(reference, ModelName.parse(name).text if name else "", replace)

    @property
    def source(self) -> str:
        """The reference as people write it."""
        selection = self.reference.selection
        return self.reference.repository + (f":{selection}" if selection else "")

    @property
    def key(self) -> str:
        """What makes two orders the same download."""
        return f"{self.source.casefold()}@{self.reference.revision}->{self.name.casefold()}"

    def request(self) -> dict[str, str]:
        """Write it down for the journal."""
        return {
            "repository": self.reference.repository,
            "selection": self.reference.selection,
            "revision": self.reference.revision,
            "name": self.name,
            "replace": "yes" if self.replace else "",
        }

    @classmethod
    def restored(cls, request: Mapping[str, str]) -> PullOrder:
        """
        Read it back.

        Raises:
            InvalidInputError: INVALID_FIELD, INVALID_NAME: the record was damaged or forged.
        """
        repository = parse(asked(request, "repository")).repository
        name = asked(request, "name")
        return cls(
            Reference(repository, asked(request, "selection"), asked(request, "revision")),
            ModelName.parse(name).text if name else "",
            bool(asked(request, "replace")),
        )


async def start_pull(operations: Operations, order: PullOrder) -> Operation:
    """Start the pull *order*, or join the one that brings the same."""
    return await operations.start(
        OperationKind.PULL,
        key=order.key,
        subject=order.name or order.source,
        request=order.request(),
    )
