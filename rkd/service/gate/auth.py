"""
Who may call what: the table of roles, and the check before every call.

Three ways in, each with its proof: the unix socket (its file mode; admin), a token, a client
certificate. `StatusInterceptor` calls `Guard.identify`; nothing here costs anything per token of an
answer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import structlog

from rkd.access.role import Role
from rkd.access.tokens import Token, TokenFile, find_token
from rkd.errors import (
    ExhaustedError,
    ForbiddenError,
    InternalError,
    InvalidInputError,
    Reason,
    UnauthenticatedError,
)
from rkd.service.gate.caller import Caller
from rkd.service.gate.peer import Peer, read_peer
from rkd.setting import Listen

_BY_ROLE: Final = {
    Role.READ: {
        "rkd.v1.ModelService": "List Show Watch",
        "rkd.v1.HubService": "Search ListFiles GetCard",
        "rkd.v1.PoolService": "ListResident Plan",
        "rkd.v1.OperationService": "List Get Watch",
        "rkd.v1.SystemService": "GetStatus",
        "rkd.v1.AccessService": "WhoAmI",
        "grpc.reflection.v1alpha.ServerReflection": "ServerReflectionInfo",
        "grpc.reflection.v1.ServerReflection": "ServerReflectionInfo",
        "grpc.health.v1.Health": "List",
    },
    Role.GENERATE: {
        "rkd.v1.InferenceService": "Generate Chat Embed Rerank Tokenize Detokenize Cancel",
        "rkd.v1.PoolService": "Load ListSessions DeleteSession",
    },
    Role.MANAGE: {
        "rkd.v1.ModelService": "Pull Create Push Copy Delete Upload Migrate",
        "rkd.v1.PoolService": "Unload Pin Unpin",
        "rkd.v1.OperationService": "Cancel Pause Resume",
        "rkd.v1.SystemService": "Doctor",
    },
    Role.ADMIN: {
        "rkd.v1.SystemService": "Reload",
        "rkd.v1.AccessService": "ListTokens CreateToken RevokeToken",
    },
}

METHOD_ROLES: Final = MappingProxyType(
    {
        f"/{service}/{method}": role
        for role, services in _BY_ROLE.items()
        for service, methods in services.items()
        for method in methods.split()
    }
)
"""The least role of every method; a method that is not here is ADMIN's."""

OPEN_METHODS: Final = frozenset({"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"})
"""Asked by load balancers and probes, which have no tokens."""

NOBODY: Final = "x-rkd-nobody"
"""Metadata of a proxy that passes on a call of this machine without a token: the rights of the
proxy's own socket are not the caller's, who is judged as over TCP. It only ever takes rights."""

FAILURES_ALLOWED: Final = 10
FAILURES_WINDOW_S: Final = 60.0
NETWORKS_REMEMBERED: Final = 4096
"""An address that offered FAILURES_ALLOWED wrong tokens within the window is told to wait."""


class Failures:
    """
    How many wrong tokens each network offered lately; bounded, forgets the oldest first.

    A good token always passes, also from a network with many failures: the secret cannot be
    guessed, while refusing good ones would let one stranger lock out everybody behind his address.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def add(self, network: str) -> float:
        """Count a failure of *network*; return how many seconds it should wait, or 0."""
        now = self._clock()
        since, count = self._windows.pop(network, (now, 0))
        if now - since >= FAILURES_WINDOW_S:
            since, count = now, 0
        self._windows[network] = (since, count + 1)
        if len(self._windows) > NETWORKS_REMEMBERED:
            self._windows.popitem(last=False)
        return since + FAILURES_WINDOW_S - now if count >= FAILURES_ALLOWED else 0.0


class Guard:
    """
    Check every call before it begins; on the event loop's thread only.

    Args:
        tokens: the token file, also one without a path.
        insecure: open non-loopback listeners are wanted.
        clock: seconds, monotonic.
    """

    def __init__(self, tokens: TokenFile, *, insecure: bool, clock: Callable[[], float]) -> None:
        self._tokens = tokens
        self._insecure = insecure
        self._failures = Failures(clock)
        self._log = structlog.get_logger("rkd.service")

    def identify(self, method: str, context: Any) -> Caller:
        """
        Return who calls *method*, and may.

        Args:
            method: `/package.Service/Method`; "" for one that does not exist.
            context: the call's `grpc.aio.ServicerContext`.

        Raises:
            UnauthenticatedError: TOKEN_MISSING, TOKEN_INVALID.
            ForbiddenError: ROLE_FORBIDS.
            ExhaustedError: AUTH_RATE_LIMITED.
        """
        peer = read_peer(context.peer(), context.auth_context())
        metadata = tuple(context.invocation_metadata() or ())
        nobody = any(key == NOBODY for key, _ in metadata)
        # An edge's certificate proves that it is ours, and lends those behind it nothing.
        edge = peer.certificate_role is Role.NONE
        caller = self._caller(peer, _offered(metadata), nobody=nobody, edge=edge)
        needed = METHOD_ROLES.get(method, Role.ADMIN) if method else Role.READ
        if caller.role < needed:
            raise ForbiddenError(
                Reason.ROLE_FORBIDS,
                f"{caller.name} has the role {caller.role.word}; "
                f"{method.rpartition('/')[2]} needs {needed.word}",
                remedy=f"Use a token made with `rkctl token create --role {needed.word}`.",
                metadata={"role": caller.role.word, "needed": needed.word, "method": method},
            )
        return caller

    def _caller(self, peer: Peer, offered: str | None, *, nobody: bool, edge: bool) -> Caller:
        # 1. A token that is sent along decides alone, whatever else would let its bearer in: a
        #    proxy of ours that passes it on from the socket lends nobody its rights.
        if offered is not None:
            return self._of_token(peer, offered, edge=edge)
        # 2. The socket's file mode has judged already, unless it is a proxy's and not the caller's.
        if peer.is_socket and not nobody:
            return Caller("socket", Role.ADMIN, peer.network)
        # 3. A certificate of the client CA, the same.
        if peer.certificate_role is not None and not nobody and not edge:
            name = f"certificate {peer.certificate}"
            return Caller(name, peer.certificate_role, name)
        # 4. Where no tokens were ever made, this machine; others where the configuration says so.
        #    Behind an edge is whoever reaches it.
        if not edge and self._is_open(peer, nobody=nobody):
            return Caller("open listener", Role.ADMIN, peer.network)
        raise UnauthenticatedError(
            Reason.TOKEN_MISSING,
            "this listener wants a token and the call has none",
            remedy="Give one with --token or RKD_TOKEN (on the board: `rkctl token create`).",
        )

    def _is_open(self, peer: Peer, *, nobody: bool = False) -> bool:
        """Whether *peer* needs no token: as over TCP, and only while there is no token file."""
        local = peer.is_loopback or self._insecure
        self._current_tokens()  # one that cannot be read may hold tokens
        return local and (nobody or not peer.is_socket) and not self._tokens.exists

    def _current_tokens(self) -> tuple[Token, ...]:
        try:
            return self._tokens.current()
        except InvalidInputError as error:
            # what cannot be read may hold tokens: nobody gets in over TCP until it is mended
            self._log.error("auth.token-file-unusable", message=error.message)
            raise InternalError(
                Reason.INTERNAL, "the daemon cannot read its tokens", remedy=error.remedy
            ) from error

    def _of_token(self, peer: Peer, offered: str, *, edge: bool) -> Caller:
        found = find_token(self._current_tokens(), offered, datetime.now(UTC))
        if found is not None:
            return Caller(f"token {found.name}", found.role, f"token {found.id}")
        if not edge and self._is_open(peer):
            # no tokens exist, so none is wanted: one left in a client's settings does no harm
            return Caller("open listener", Role.ADMIN, peer.network)
        self._log.warning("auth.refused", network=peer.network)
        if wait_s := self._failures.add(peer.network):
            raise ExhaustedError(
                Reason.AUTH_RATE_LIMITED,
                f"too many wrong tokens from {peer.network}",
                remedy="Wait, and use a token `rkctl token list` on the board shows.",
                retry_after_s=wait_s,
            )
        raise UnauthenticatedError(
            Reason.TOKEN_INVALID,
            "the token is wrong, expired or revoked",
            remedy="Make a new one with `rkctl token create` on the board.",
        )


def _offered(metadata: Iterable[tuple[str, str | bytes]] | None) -> str | None:
    """Return what the call offers as its token, "" for what cannot be one; None for nothing."""
    said = [value for key, value in metadata or () if key == "authorization"]
    if not said:
        return None
    if len(said) > 1 or not isinstance(said[0], str):
        return ""  # a second one, added by whoever passed the call on: whose rights would count?
    scheme, _, token = said[0].partition(" ")
    return token.strip() if scheme.casefold() == "bearer" else said[0]


def refuse_open_doors(
    listen: Iterable[Listen], tokens: tuple[Token, ...], *, has_tls: bool, has_client_ca: bool
) -> None:
    """
    Refuse to listen for other machines without TLS and a token or client CA.

    Called at start unless the configuration file says `insecure = true`.

    Raises:
        InvalidInputError: INVALID_FIELD, naming the addresses and what is missing.
    """
    exposed = ", ".join(str(one) for one in listen if not one.is_local)
    missing = [] if has_tls else ["TLS (tls_cert and tls_key; `rkctl cert init` makes them)"]
    if not tokens and not has_client_ca:
        missing.append("a token (`rkctl token create`) or a client CA (tls_client_ca)")
    if exposed and missing:
        raise InvalidInputError(
            Reason.INVALID_FIELD,
            f"{exposed} can be reached by other machines without {' and without '.join(missing)}",
            remedy="Set what is missing, listen on loopback, or write `insecure = true` in the "
            "configuration file.",
            metadata={"addresses": exposed},
        )
