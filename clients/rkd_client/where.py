"""Which daemon is meant and who asks: flags over environment over the chosen context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rkd_client import contexts, endpoint
from rkd_client.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Flags:
    """The shared flags as given, None where not; those after the verb win over those before it."""

    endpoint: str | None = None
    token: str | None = None
    context: str | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    timeout_s: float | None = None

    def over(self, other: Flags) -> Flags:
        """Return these flags, with *other*'s where these are silent."""
        return Flags(
            endpoint=_first(self.endpoint, other.endpoint),
            token=_first(self.token, other.token),
            context=_first(self.context, other.context),
            ca=_first(self.ca, other.ca),
            cert=_first(self.cert, other.cert),
            key=_first(self.key, other.key),
            timeout_s=self.timeout_s if self.timeout_s is not None else other.timeout_s,
        )


@dataclass(frozen=True, slots=True)
class Where:
    """
    Everything needed to open a channel.

    Args:
        endpoints: to try in order.
        token: bearer token, or "".
        ca: file of the authority to trust; "" means the usual ones.
        cert: file of our certificate for mutual TLS, or "".
        key: its key, or "".
        several: the endpoints are boards to choose among; else places where one daemon may be.
    """

    endpoints: tuple[endpoint.Endpoint, ...]
    token: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    several: bool = False


def resolve(flags: Flags, environment: Mapping[str, str], store: contexts.Store) -> Where:
    """
    Decide which daemon is meant.

    1. `--endpoint`; 2. `--context`; 3. RKD_ENDPOINT; 4. RKD_CONTEXT, else the context in use;
    5. the default places. A context's token and certificates go only to that context's endpoint.

    Raises:
        RkdError: an endpoint that cannot be read, a context that does not exist.
    """
    chosen = contexts.Context("")
    text = flags.endpoint
    if text is None and flags.context is not None:
        chosen = _named(store, flags.context)
    elif text is None:
        text = environment.get("RKD_ENDPOINT") or None
        name = environment.get("RKD_CONTEXT") or store.current
        if text is None and name:
            chosen = _named(store, name)
    text = text or chosen.endpoint
    named = endpoint.parse(text) if text else ()
    return Where(
        endpoints=named or endpoint.defaults(environment),
        several=len(named) > 1,
        token=_first(flags.token, environment.get("RKD_TOKEN"), chosen.token) or "",
        ca=_first(flags.ca, environment.get("RKD_CA"), chosen.ca) or "",
        cert=_first(flags.cert, environment.get("RKD_CERT"), chosen.cert) or "",
        key=_first(flags.key, environment.get("RKD_KEY"), chosen.key) or "",
    )


def _named(store: contexts.Store, name: str) -> contexts.Context:
    for context in store.contexts:
        if context.name == name:
            return context
    known = ", ".join(context.name for context in store.contexts) or "none"
    raise NotFoundError(
        "CONTEXT_NOT_FOUND",
        f"there is no context named {name!r}",
        remedy=f"known: {known}; add it: rkctl context add {name} --endpoint HOST:PORT",
    )


def _first(*values: str | None) -> str | None:
    return next((value for value in values if value is not None), None)
