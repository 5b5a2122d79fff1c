"""The daemon and its board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rkd.v1 import system_pb2 as pb
from rkd_client.ask import Ask

if TYPE_CHECKING:
    from rkd_client.v1 import system as v1


def status() -> Ask[pb.GetStatusResponse, v1.GetStatusResponse]:
    """Tell versions, board, NPU, memory, temperatures and what runs."""
    request = pb.GetStatusRequest()
    return Ask("SystemService.GetStatus", request, pb.GetStatusResponse, repeatable=True)


def doctor() -> Ask[pb.DoctorResponse, v1.DoctorResponse]:
    """Check everything that commonly goes wrong; each finding has one remedy."""
    request = pb.DoctorRequest()
    answer = pb.DoctorResponse
    return Ask("SystemService.Doctor", request, answer, bound_s=60.0, repeatable=True)


def reload() -> Ask[pb.ReloadResponse, v1.ReloadResponse]:
    """Let the daemon read its configuration anew."""
    return Ask("SystemService.Reload", pb.ReloadRequest(), pb.ReloadResponse)
