"""Generated from rkd/v1/access.proto by tests/value_types.py; never edited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


AccessRole = Literal["", "read", "generate", "manage", "admin"]
"""What a caller may do; each includes those before it."""


@dataclass(frozen=True, slots=True)
class WhoAmIResponse:
    """Who calls."""

    name: str = ""
    """For people: `token laptop`, `socket`, `open listener`."""

    role: AccessRole = ""
    """What the caller may do."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token, without its secret."""

    id: str = ""
    """Eight hexadecimal digits; stands in logs."""

    name: str = ""
    """Whose it is."""

    role: AccessRole = ""
    """What its bearer may do."""

    created: datetime | None = None
    """When it was made."""

    expires: datetime | None = None
    """When it ends; absent: never."""


@dataclass(frozen=True, slots=True)
class ListTokensResponse:
    """Some tokens."""

    tokens: tuple[AccessToken, ...] = ()
    """By their ids."""

    next_page_token: str = ""
    """Asks for the next page; empty when this was the last."""


@dataclass(frozen=True, slots=True)
class CreateTokenResponse:
    """A token."""

    token: AccessToken = AccessToken()
    """What is kept of it."""

    text: str = ""
    """Its text, to hand out."""


@dataclass(frozen=True, slots=True)
class RevokeTokenResponse:
    """It is revoked."""
