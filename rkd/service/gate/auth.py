"""
Who may call what: the table of roles, and the check before every call.

Three ways in, each with its proof: the unix socket (its file mode; admin), a token, a client
certificate. `StatusInterceptor` calls `Guard.admit`; nothing here costs anything per token of an
answer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
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
from rkd.service.gate.peer import Peer, read_peer
from rkd.setting import Listen

_BY_ROLE: Final = {
    Role.READ: {
        "rkd.v1.ModelService": "List Show Watch",
        "rkd.v1.HubService": "Search ListFiles GetCard",
        "rkd.v1.PoolService": "ListResident Plan",
        "rkd.v1.OperationService": "List Get Watch",
        "rkd.v1.SystemService": "GetStatus",
        "grpc.reflection.v1alpha.ServerReflection": "ServerReflectionInfo",
        "grpc.reflection.v1.ServerReflection": "ServerReflectionInfo",
        "grpc.health.v1.Health": "List",
    },
    Role.GENERATE: {
        "rkd.v1.InferenceService": "Generate Chat Embed Tokenize Detokenize Cancel",
        "rkd.v1.PoolService": "Load",
    },
    Role.MANAGE: {
        "rkd.v1.ModelService": "Pull Create Push Copy Delete Upload Migrate",
        "rkd.v1.PoolService": "Unload Pin Unpin",
        "rkd.v1.OperationService": "Cancel Pause Resume",
        "rkd.v1.SystemService": "Doctor",
    },
    Role.ADMIN: {"rkd.v1.SystemService": "Reload"},
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

FAILURES_ALLOWED: Final = 10
FAILURES_WINDOW_S: Final = 60.0
NETWORKS_REMEMBERED: Final = 4096
"""An address that offered FAILURES_ALLOWED wrong tokens within the window is told to wait."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a name for the log, and what it may do."""

    name: str
    role: Role


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

    def admit(self, method: str, context: Any) -> str:
        """Return the name of who calls *method*; raises as `identify`."""
        return self.identify(method, context).name

    def identify(self, method: str, context: Any) -> Caller:
        """
        Return who calls *method*, and may.

        Args:
            method: `/package.Service/Method`.
            context: the call's `grpc.aio.ServicerContext`.

        Raises:
            UnauthenticatedError: TOKEN_MISSING, TOKEN_INVALID.
            ForbiddenError: ROLE_FORBIDS.
            ExhaustedError: AUTH_RATE_LIMITED.
        """
        peer = read_peer(context.peer(), context.auth_context())
        offered = _offered(context.invocation_metadata())
        caller = self._caller(peer, offered)
        needed = METHOD_ROLES.get(method, Role.ADMIN)
        if caller.role < needed:
            raise ForbiddenError(
                Reason.ROLE_FORBIDS,
                f"{caller.name} has the role {caller.role.word}; "
                f"{method.rpartition('/')[2]} needs {needed.word}",
                remedy=f"Use a token made with `rkctl token create --role {needed.word}`.",
                metadata={"role": caller.role.word, "needed": needed.word, "method": method},
            )
        return caller

    def _caller(self, peer: Peer, offered: str) -> Caller:
        # 1. The socket's file mode has judged already.
        if peer.is_socket:
            return Caller("socket", Role.ADMIN)
        tokens = self._current_tokens()
        # 2. A token that is offered must be good, whatever else would let its bearer in.
        if offered:
            return self._of_token(tokens, peer, offered)
        # 3. A certificate of the client CA.
        if peer.certificate_role is not None:
            return Caller(f"certificate {peer.certificate}", peer.certificate_role)
        # 4. Without tokens, this machine; and others where the configuration says so.
        if not tokens and (peer.is_loopback or self._insecure):
            return Caller("open listener", Role.ADMIN)
        raise UnauthenticatedError(
            Reason.TOKEN_MISSING,
            "this listener wants a token and the call has none",
            remedy="Give one with --token or RKD_TOKEN (on the board: `rkctl token create`).",
        )

    def _current_tokens(self) -> tuple[Token, ...]:
        try:
            return self._tokens.current()
        except InvalidInputError as error:
            # what cannot be read may hold tokens: nobody gets in over TCP until it is mended
            self._log.error("auth.token-file-unusable", message=error.message)
            raise InternalError(
                Reason.INTERNAL, "the daemon cannot read its tokens", remedy=error.remedy
            ) from error

    def _of_token(self, tokens: tuple[Token, ...], peer: Peer, offered: str) -> Caller:
        if not tokens and (peer.is_loopback or self._insecure):
            # no tokens exist, so none is wanted: one left in a client's settings does no harm
            return Caller("open listener", Role.ADMIN)
        found = find_token(tokens, offered, datetime.now(UTC))
        if found is not None:
            return Caller(f"token {found.name}", found.role)
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


def _offered(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """Return the bearer token of the call's metadata; empty without one."""
    for key, value in metadata or ():
        if key == "authorization" and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            return token.strip() if scheme.casefold() == "bearer" else value
    return ""


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
