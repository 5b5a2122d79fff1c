"""SystemService: how the daemon and its board are, what is wrong, and reading settings anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rkd.board.facts import Board, Telemetry
from rkd.board.memory import own_bytes
from rkd.board.npu import npu_obstacle
from rkd.errors import PreconditionError
from rkd.service import onwire
from rkd.telemetry.activity import Collect
from rkd.telemetry.answering import AnsweringClocks
from rkd.telemetry.finding import Finding
from rkd.telemetry.meters import Meters
from rkd.v1 import system_pb2, system_pb2_grpc


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload changed: lines `key: old -> new` now in force, and those that wait."""

    applied: tuple[str, ...]
    needs_restart: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """
    What is fixed from the start of the daemon.

    Args:
        addresses: as bound.
        cpu_engine: tells name and version of the CPU engine.
    """

    version: str
    addresses: Sequence[str]
    models: Path
    cpu_engine: Callable[[], str]
    started: datetime = field(default_factory=lambda: datetime.now(UTC))


class SystemService(system_pb2_grpc.SystemServiceServicer):
    """
    The service; resets no idle timer and loads nothing.

    Args:
        identity: what is fixed.
        board: its facts, read at start.
        telemetry: reads the board; may block for milliseconds, so it runs on a thread.
        free_bytes: free space in the models folder; the same.
        collect: what goes on in the other rooms.
        meters: what was counted.
        diagnose: collects the doctor's facts and examines them; may block.
        reload: reads the configuration anew and applies it; raises InvalidInputError.
        seen: what the clocks did while models answered.
    """

    def __init__(
        self,
        identity: Identity,
        board: Board,
        *,
        telemetry: Callable[[], Telemetry],
        free_bytes: Callable[[], int],
        collect: Collect,
        meters: Meters,
        diagnose: Callable[[], tuple[Finding, ...]],
        reload: Callable[[], Awaitable[Reloaded]],
        seen: Callable[[], AnsweringClocks | None] = lambda: None,
    ) -> None:
        self._identity = identity
        self._board = board
        self._telemetry = telemetry
        self._free_bytes = free_bytes
        self._collect = collect
        self._meters = meters
        self._diagnose = diagnose
        self._reload = reload
        self._seen = seen

    async def GetStatus(
        self, request: system_pb2.GetStatusRequest, context: Any
    ) -> system_pb2.GetStatusResponse:
        """Tell how everything is now."""
        now, free = await asyncio.to_thread(lambda: (self._telemetry(), self._free_bytes()))
        activity, identity, board = self._collect(), self._identity, self._board
        response = onwire.message(
            system_pb2.GetStatusResponse,
            version=identity.version,
            addresses=identity.addresses,
            soc=board.soc,
            board=board.model,
            kernel=board.kernel,
            cores=len(board.cpu.cores),
            load_average=now.load_average,
            npu=npu_status(board, now, npu_obstacle(board)),
            memory=onwire.message(
                system_pb2.MemoryStatus,
                total_bytes=now.memory_total_bytes,
                available_bytes=now.memory_available_bytes,
                budget_bytes=activity.budget_bytes,
                resident_bytes=activity.resident_bytes,
                daemon_bytes=own_bytes(),
            ),
            temperatures=[
                onwire.message(
                    system_pb2.Temperature, zone=zone.removesuffix("-thermal"), celsius=degrees
                )
                for zone, degrees in now.temperatures_c
            ],
            cpu_engine=identity.cpu_engine(),
            models=activity.models,
            residents=activity.residents,
            queued=activity.queued,
            models_folder=str(identity.models),
            models_free_bytes=free,
            operations=activity.operations,
            clocks=clocks(now, self._seen()),
        )
        response.started.FromDatetime(identity.started)
        self._add_counts(response)
        return response

    def _add_counts(self, response: system_pb2.GetStatusResponse) -> None:
        meters = self._meters
        for stream in meters.streams.values():
            view = stream.view()
            told = onwire.like(system_pb2.StreamStatus, view)
            onwire.span(told.age, view.age_s)
            response.streams.append(told)
        completed = [n for (_, kind), n in meters.tokens.items() if kind == "completion"]
        response.tokens_total = sum(completed)
        response.requests_total = sum(meters.answers.values())

    async def Doctor(
        self, request: system_pb2.DoctorRequest, context: Any
    ) -> system_pb2.DoctorResponse:
        """Check everything that commonly goes wrong."""
        findings = await asyncio.to_thread(self._diagnose)
        return system_pb2.DoctorResponse(
            findings=[
                onwire.like(system_pb2.Finding, one, severity=one.severity) for one in findings
            ]
        )

    async def Reload(
        self, request: system_pb2.ReloadRequest, context: Any
    ) -> system_pb2.ReloadResponse:
        """Read the configuration anew; all or nothing."""
        done = await self._reload()
        return onwire.like(system_pb2.ReloadResponse, done)


def clocks(now: Telemetry, seen: AnsweringClocks | None) -> list[system_pb2.Clock]:
    """Tell of each clock, and what it was seen at while models answered."""
    highest = seen.highest_hz if seen is not None else {}
    return [
        onwire.like(system_pb2.Clock, one, answering_hz=highest.get(one.name)) for one in now.clocks
    ]


def npu_status(
    board: Board, now: Telemetry, obstacle: PreconditionError | None
) -> system_pb2.NpuStatus:
    """Tell whether the NPU can be used, and how it is."""
    return onwire.message(
        system_pb2.NpuStatus,
        available=obstacle is None,
        reason=obstacle.message if obstacle else "",
        remedy=obstacle.remedy if obstacle else "",
        driver_version=board.npu_driver,
        runtimes=[f"{one.version or 'unknown'} {one.path}" for one in board.runtimes],
        core_load=[percent / 100 for percent in now.npu_load_percent],
        frequency_hz=now.npu_frequency_hz or 0,
    )
