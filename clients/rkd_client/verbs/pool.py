"""Models in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rkd.v1 import pool_pb2 as pb
from rkd_client.ask import SLOW_S, Ask, StreamAsk
from rkd_client.options import WantedBackend
from rkd_client.values import fill
from rkd_client.verbs.models import PAGE_SIZE

if TYPE_CHECKING:
    from rkd_client.v1 import pool as v1


def residents() -> Ask[pb.ListResidentResponse, v1.ListResidentResponse]:
    """List the models in memory; looking keeps none of them there."""
    return Ask(pb.ListResidentRequest(page_size=PAGE_SIZE), repeatable=True, paged=True)


def load(
    model: str,
    *,
    backend: WantedBackend | None = None,
    context_tokens: int | None = None,
    keep_alive_s: float | None = None,
) -> StreamAsk[pb.LoadResponse, v1.LoadResponse]:
    """Make *model* resident and tell each step; the last one says where and how large it is."""
    request = fill(
        pb.LoadRequest(model=model),
        backend=backend,
        context_tokens=context_tokens,
        keep_alive_s=keep_alive_s,
    )
    return StreamAsk(request, repeatable=True)


def unload(
    model: str, *, grace_s: float | None = None
) -> Ask[pb.UnloadResponse, v1.UnloadResponse]:
    """Let *model* leave memory; running answers end first, or after *grace_s* are stopped."""
    return Ask(fill(pb.UnloadRequest(model=model), grace_s=grace_s), bound_s=SLOW_S)


def pin(model: str) -> Ask[pb.PinResponse, v1.PinResponse]:
    """Keep *model* in memory until unpin, unload or shutdown; loads it first."""
    return Ask(pb.PinRequest(model=model), bound_s=SLOW_S)


def unpin(model: str) -> Ask[pb.UnpinResponse, v1.UnpinResponse]:
    """Take the pin of *model* away; its keep-alive counts from now."""
    return Ask(pb.UnpinRequest(model=model))


def sessions() -> Ask[pb.ListSessionsResponse, v1.ListSessionsResponse]:
    """List the caller's own conversations of which something is kept."""
    return Ask(pb.ListSessionsRequest(page_size=PAGE_SIZE), repeatable=True, paged=True)


def forget(
    session: str, *, model: str = ""
) -> Ask[pb.DeleteSessionResponse, v1.DeleteSessionResponse]:
    """Remove what is kept of *session*, with *model* or with whichever."""
    return Ask(pb.DeleteSessionRequest(session=session, model=model), repeatable=True)


def plan(
    model: str, *, backend: WantedBackend | None = None, context_tokens: int | None = None
) -> Ask[pb.PlanResponse, v1.PlanResponse]:
    """Say whether *model* would fit and who would leave, without doing it."""
    request = fill(pb.PlanRequest(model=model), backend=backend, context_tokens=context_tokens)
    return Ask(request, bound_s=60.0, repeatable=True)
