"""Pulls, creates and pushes that run on the board, or ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rkd.v1 import operations_pb2 as pb
from rkd_client.ask import Ask, StreamAsk
from rkd_client.follow import FollowOperation
from rkd_client.values import fill
from rkd_client.verbs.models import PAGE_SIZE

if TYPE_CHECKING:
    from rkd_client.v1 import operations as v1


def operations(
    *, active: bool = False
) -> Ask[pb.OperationServiceListResponse, v1.OperationServiceListResponse]:
    """List operations, the newest first; *active* leaves out those that have ended."""
    request = pb.OperationServiceListRequest(page_size=PAGE_SIZE, active=active)
    return Ask(request, repeatable=True, paged=True)


def operation(id: str) -> Ask[pb.OperationServiceGetResponse, v1.OperationServiceGetResponse]:  # noqa: A002 - the contract's word
    """Tell how operation *id* stands."""
    return Ask(pb.OperationServiceGetRequest(id=id), repeatable=True)


def attach(
    id: str,  # noqa: A002 - the contract's word
) -> StreamAsk[pb.OperationServiceWatchResponse, v1.OperationServiceWatchResponse]:
    """Follow operation *id* to its end; leaving the stream leaves it running."""
    request = pb.OperationServiceWatchRequest(id=id)
    return StreamAsk(request, follow=FollowOperation, repeatable=True)


def watch_operations(
    *, since: int | None = None
) -> StreamAsk[pb.OperationServiceWatchResponse, v1.OperationServiceWatchResponse]:
    """Tell every change of every operation, for ever."""
    return StreamAsk(fill(pb.OperationServiceWatchRequest(), start_revision=since), repeatable=True)


def cancel_operation(
    id: str,  # noqa: A002 - the contract's word
) -> Ask[pb.OperationServiceCancelResponse, v1.OperationServiceCancelResponse]:
    """Stop operation *id* and give back the space; no error when it has ended."""
    return Ask(pb.OperationServiceCancelRequest(id=id), repeatable=True)


def pause_operation(
    id: str,  # noqa: A002 - the contract's word
) -> Ask[pb.OperationServicePauseResponse, v1.OperationServicePauseResponse]:
    """Stop operation *id* and keep what is there."""
    return Ask(pb.OperationServicePauseRequest(id=id))


def resume_operation(
    id: str,  # noqa: A002 - the contract's word
) -> Ask[pb.OperationServiceResumeResponse, v1.OperationServiceResumeResponse]:
    """Go on with operation *id*, also after a failure."""
    return Ask(pb.OperationServiceResumeRequest(id=id))
