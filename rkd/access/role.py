"""What a caller may do, from least to most; each role includes those before it."""

from __future__ import annotations

import enum
from typing import Final

from rkd.outside import quoted

ROLE_URI: Final = "rkd:role:"
"""A client certificate carries its role as a subject alternative name, URI `rkd:role:manage`."""


class Role(enum.IntEnum):
    """A level of trust; compare with `>=`."""

    NONE = 0
    """Nothing by itself: a certificate of an edge that passes other people's calls on."""
    READ = 1
    """See models, residents, operations and status."""
    GENERATE = 2
    """And use models: generate, chat, embed, load."""
    MANAGE = 3
    """And change models: pull, create, push, copy, delete, unload, pin."""
    ADMIN = 4
    """And change the daemon itself: reload."""

    @classmethod
    def parse(cls, text: str) -> Role:
        """
        Return the role called *text*, in any case.

        Raises:
            ValueError: naming the roles there are.
        """
        try:
            return cls[text.upper()]
        except KeyError as error:
            names = ", ".join(role.word for role in cls)
            raise ValueError(f"{quoted(text)} is no role; roles are {names}") from error

    @property
    def word(self) -> str:
        """The role as people write it."""
        return self.name.lower()
