"""The pages: where each is, who it is for. A page is a module with `build(visit)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rkd.access.role import Role


@dataclass(frozen=True, slots=True)
class Page:
    """
    A page.

    Args:
        name: of its module, and of its texts.
        path: in the address.
        role: what it needs to be of any use.
    """

    name: str
    path: str
    role: Role = Role.READ


PAGES: Final = (
    Page("board", "/"),
    Page("models", "/models"),
    Page("hub", "/hub"),
    Page("chat", "/chat", Role.GENERATE),
    Page("operations", "/operations"),
    Page("access", "/access", Role.ADMIN),
)
