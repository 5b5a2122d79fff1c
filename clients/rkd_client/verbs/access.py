"""Who calls, and the tokens there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rkd.v1 import access_pb2 as pb
from rkd_client.ask import Ask
from rkd_client.values import fill
from rkd_client.verbs.models import PAGE_SIZE

if TYPE_CHECKING:
    from rkd_client.v1 import access as v1


def whoami() -> Ask[pb.WhoAmIResponse, v1.WhoAmIResponse]:
    """Tell who calls and what he may do."""
    return Ask(pb.WhoAmIRequest(), repeatable=True)


def tokens() -> Ask[pb.ListTokensResponse, v1.ListTokensResponse]:
    """List the tokens there are, without their secrets."""
    return Ask(pb.ListTokensRequest(page_size=PAGE_SIZE), repeatable=True, paged=True)


def create_token(
    name: str,
    *,
    role: Literal["read", "generate", "manage", "admin"] | None = None,
    lifetime_s: float | None = None,
) -> Ask[pb.CreateTokenResponse, v1.CreateTokenResponse]:
    """Make a token for *name*: `.text`, which is never seen again."""
    request = fill(pb.CreateTokenRequest(name=name), role=role, lifetime_s=lifetime_s)
    return Ask(request)


def revoke_token(id: str) -> Ask[pb.RevokeTokenResponse, v1.RevokeTokenResponse]:  # noqa: A002 - the contract's word
    """Let the token *id* be good no more."""
    return Ask(pb.RevokeTokenRequest(id=id))
