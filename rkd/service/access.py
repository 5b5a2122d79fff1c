"""AccessService: who calls, and the tokens there are."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rkd.access.role import Role
from rkd.access.tokens import Token, TokenFile, new_token
from rkd.errors import NotFoundError, Reason, bad_field
from rkd.events import Event, Publish, Topic
from rkd.service.gate.caller import CALLER
from rkd.service.paging import page
from rkd.v1 import access_pb2 as pb
from rkd.v1.access_pb2_grpc import AccessServiceServicer

LONGEST_S: Final = 10 * 366 * 86_400


class AccessService(AccessServiceServicer):
    """
    The service.

    Args:
        tokens: all of them; those made here are kept in the daemon's state.
        publish: tells Watch what was made and revoked, and by whom.
    """

    def __init__(self, tokens: TokenFile, publish: Publish) -> None:
        self._tokens = tokens
        self._publish = publish
        self._writing = asyncio.Lock()

    async def WhoAmI(self, request: pb.WhoAmIRequest, context: Any) -> pb.WhoAmIResponse:
        """Tell who calls."""
        caller = CALLER.get()
        if caller is None:
            return pb.WhoAmIResponse()
        return pb.WhoAmIResponse(name=caller.name, role=_ROLES.get(caller.role))

    async def ListTokens(
        self, request: pb.ListTokensRequest, context: Any
    ) -> pb.ListTokensResponse:
        """List the tokens by their ids."""
        known = sorted(self._tokens.current(), key=lambda one: one.id)
        shown, following = page(known, lambda one: one.id, request.page_size, request.page_token)
        return pb.ListTokensResponse(
            tokens=[_encode(one) for one in shown], next_page_token=following
        )

    async def CreateToken(
        self, request: pb.CreateTokenRequest, context: Any
    ) -> pb.CreateTokenResponse:
        """Make a token."""
        now = datetime.now(UTC)
        role = _ASKED.get(request.role)
        if role is None:
            raise bad_field("role", "should be one of read, generate, manage, admin")
        expires = None
        if request.HasField("lifetime"):
            seconds = request.lifetime.seconds
            if not 1 <= seconds <= LONGEST_S:
                raise bad_field("lifetime", "should be from one second to ten years")
            expires = now + timedelta(seconds=seconds)
        kept, text = new_token(request.name, role, now, expires)
        async with self._writing:
            await asyncio.to_thread(self._tokens.keep, kept)
        self._tell("added", kept.id, (("name", kept.name), ("role", kept.role.word)))
        return pb.CreateTokenResponse(token=_encode(kept), text=text)

    async def RevokeToken(
        self, request: pb.RevokeTokenRequest, context: Any
    ) -> pb.RevokeTokenResponse:
        """Revoke a token."""
        async with self._writing:
            known = await asyncio.to_thread(self._tokens.revoke, request.id)
        if not known:
            raise NotFoundError(
                Reason.TOKEN_NOT_FOUND,
                f"no token has the id {request.id[:80]!r}",
                remedy="ListTokens, or `rkctl token list` on the board, tells those there are.",
            )
        self._tell("removed", request.id, ())
        return pb.RevokeTokenResponse()

    def _tell(self, action: str, token_id: str, facts: tuple[tuple[str, str], ...]) -> None:
        caller = CALLER.get()
        by = ("by", caller.name if caller else "")
        self._publish(Event(Topic.SYSTEM, action, f"token {token_id}", (*facts, by)))


_ROLES: Final = {
    Role.READ: pb.ACCESS_ROLE_READ,
    Role.GENERATE: pb.ACCESS_ROLE_GENERATE,
    Role.MANAGE: pb.ACCESS_ROLE_MANAGE,
    Role.ADMIN: pb.ACCESS_ROLE_ADMIN,
}
_ASKED: Final = {pb.ACCESS_ROLE_UNSPECIFIED: Role.GENERATE, **{v: k for k, v in _ROLES.items()}}


def _encode(token: Token) -> pb.AccessToken:
    told = pb.AccessToken(id=token.id, name=token.name, role=_ROLES.get(token.role))
    told.created.FromDatetime(token.created)
    if token.expires is not None:
        told.expires.FromDatetime(token.expires)
    return told
