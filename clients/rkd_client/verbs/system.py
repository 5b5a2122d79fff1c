"""The daemon and its board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rkd.v1 import system_pb2 as pb
from rkd_client.ask import Ask

if TYPE_CHECKING:
    from rkd_client.v1 import system as v1


def status() -> Ask[pb.GetStatusResponse, v1.GetStatusResponse]:
    """Tell versions, board, NPU, memory, temperatures and what runs."""
    return Ask(pb.GetStatusRequest(), repeatable=True)


def doctor() -> Ask[pb.DoctorResponse, v1.DoctorResponse]:
    """Check everything that commonly goes wrong; each finding has one remedy."""
    return Ask(pb.DoctorRequest(), bound_s=60.0, repeatable=True)


def reload() -> Ask[pb.ReloadResponse, v1.ReloadResponse]:
    """Let the daemon read its configuration anew."""
    return Ask(pb.ReloadRequest())
