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
    answer = pb.OperationServiceListResponse
    return Ask("OperationService.List", request, answer, repeatable=True, paged=True)


def operation(id: str) -> Ask[pb.OperationServiceGetResponse, v1.OperationServiceGetResponse]:  # noqa: A002 - the contract's word
    """Tell how operation *id* stands."""
    request = pb.OperationServiceGetRequest(id=id)
    return Ask("OperationService.Get", request, pb.OperationServiceGetResponse, repeatable=True)


def attach(
    id: str,  # noqa: A002 - the contract's word
) -> StreamAsk[pb.OperationServiceWatchResponse, v1.OperationServiceWatchResponse]:
    """Follow operation *id* to its end; leaving the stream leaves it running."""
    request = pb.OperationServiceWatchRequest(id=id)
    answer = pb.OperationServiceWatchResponse
    return StreamAsk(
        "OperationService.Watch", request, answer, follow=FollowOperation, repeatable=True
    )


def watch_operations(
    *, since: int | None = None
) -> StreamAsk[pb.OperationServiceWatchResponse, v1.OperationServiceWatchResponse]:
    """Tell every change of every operation, for ever."""
    request = fill(pb.OperationServiceWatchRequest(), start_revision=since)
    answer = pb.OperationServiceWatchResponse
    return StreamAsk("OperationService.Watch", request, answer, repeatable=True)


def cancel_operation(
    id: str,  # noqa: A002 - the contract's word
) -> Ask[pb.OperationServiceCancelResponse, v1.OperationServiceCancelResponse]:
    """Stop operation *id* and give back the space; no error when it has ended."""
    request = pb.OperationServiceCancelRequest(id=id)
    answer = pb.OperationServiceCancelResponse
    return Ask("OperationService.Cancel", request, answer, repeatable=True)


def pause_operation(
    id: str,  # noqa: A002 - the contract's word
) -> Ask[pb.OperationServicePauseResponse, v1.OperationServicePauseResponse]:
    """Stop operation *id* and keep what is there."""
    request = pb.OperationServicePauseRequest(id=id)
    return Ask("OperationService.Pause", request, pb.OperationServicePauseResponse)


def resume_operation(
    id: str,  # noqa: A002 - the contract's word
) -> Ask[pb.OperationServiceResumeResponse, v1.OperationServiceResumeResponse]:
    """Go on with operation *id*, also after a failure."""
    request = pb.OperationServiceResumeRequest(id=id)
    return Ask("OperationService.Resume", request, pb.OperationServiceResumeResponse)
