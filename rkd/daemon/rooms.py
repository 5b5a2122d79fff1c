"""
Every room of the daemon, built bottom-up from the configuration; nothing runs yet.

What the rooms need of each other is handed to them here, as plain callables where a whole room
would be too much.
"""

from __future__ import annotations

import os
import time
from contextvars import Context
from functools import partial
from pathlib import Path

import structlog

from rkd.access.tokens import TokenFile
from rkd.board.clocks import read_clocks
from rkd.board.memory import total_and_available
from rkd.board.npu import SUPPORTED_SOCS, npu_obstacle
from rkd.board.read import read_board
from rkd.board.runtime import find_libraries
from rkd.config import MADE_TOKENS, Config
from rkd.daemon.settings import llama_device, pool_settings, worker_environment
from rkd.daemon.transfers import HubRooms
from rkd.errors import PreconditionError, Reason
from rkd.events import Event, EventLog, Topic
from rkd.hub.headroom import Headroom
from rkd.library.library import Library
from rkd.library.uploads import Uploads
from rkd.library.watch import Watch, is_network
from rkd.model import BackendKind, ModelName
from rkd.operations.operation import OperationKind
from rkd.pool.calibration import Calibration
from rkd.pool.pairings import Pairings
from rkd.pool.pool import Pool
from rkd.pool.sessions import SessionShelf
from rkd.pool.workers.job import Jobs
from rkd.pool.workers.launcher import Launcher
from rkd.pool.workers.process import WorkerProcess
from rkd.pool.workers.spare import Spare
from rkd.service.gate.auth import Guard
from rkd.service.gate.calls import Observe, StatusInterceptor
from rkd.service.running import RunningRequests
from rkd.telemetry.activity import Activity
from rkd.telemetry.answering import RAISER, Answering
from rkd.telemetry.meters import Meters

_workers = structlog.get_logger("rkd.worker")


class Rooms:
    """
    The rooms, each made once; `services.py` puts the gRPC faces before them.

    Args:
        config: the effective configuration.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.in_force = config
        """The configuration as of the last reload; `config` is the one rooms were built from."""
        self.events = EventLog()
        self.meters = Meters(time.monotonic)
        self.running = RunningRequests()
        self.metrics_address = ""
        self.observers: list[Observe] = [self.meters.call_ended]
        self.tokens = TokenFile(config.token_file, config.state_dir / MADE_TOKENS)
        libraries = find_libraries(config.rkllm_library, version_override=config.rkllm_version)
        self.board = read_board(config.sysroot, libraries)
        self.obstacle = npu_obstacle(self.board)
        self.llama_device = llama_device(config, self.board)
        self.library = Library(
            config.models, publish=self.publish, reserve_bytes=config.disk_reserve
        )
        environment = worker_environment(config, os.environ)
        self.launcher = Launcher(
            config.state_dir / "workers", environment, _worker_said, confined=config.confine
        )
        self.spare = self._spare() if config.spare_worker else None
        self.pool = Pool(
            pool_settings(config, self.board, self.llama_device),
            obstacle=self.obstacle,
            launch=self.spare or self.launcher,
            memory=lambda: total_and_available(config.sysroot),
            calibration=Calibration(config.state_dir / "memory.json"),
            pairings=Pairings(
                config.state_dir / "runtimes.json", f"{self.board.kernel} {self.board.npu_driver}"
            ),
            publish=self.publish,
            sessions=SessionShelf(
                config.state_dir / "sessions",
                config.session_disk,
                reserve_bytes=config.disk_reserve,
            ),
        )
        self.answering = Answering(
            self.meters,
            partial(read_clocks, config.sysroot),
            npu_runs=self._npu_runs,
            raiser=config.sysroot / RAISER,
        )
        self.uploads = Uploads(self.library.blobs)
        self.watch = Watch(
            config.models, self.library.changed, poll=is_network(config.models, _mounts())
        )
        self.hub = HubRooms(
            lambda: self.in_force,
            library=self.library,
            capacity=self.capacity,
            publish=self.publish,
            run_job=Jobs(self.launcher.start, self.pool.job),
        )

    async def release(self, name: ModelName, drain: bool) -> None:  # noqa: FBT001 - `service.models.Release`
        """Make a model leave memory; with *drain*, after what runs has ended."""
        if not drain and self.pool.in_use(name.key):
            raise PreconditionError(
                Reason.MODEL_BUSY,
                f"{name} is answering or being waited for.",
                remedy="Try again when it is done, or ask to drain it first.",
                metadata={"model": name.text},
            )
        await self.pool.unload(name.key)

    def _spare(self) -> Spare[WorkerProcess]:
        kind = BackendKind.CPU if self.obstacle else BackendKind.NPU
        sysroot = self.config.sysroot
        return Spare(self.launcher, lambda: total_and_available(sysroot)[1], kind)

    def resident_keys(self) -> frozenset[str]:
        """Keys of the models in memory."""
        return frozenset(one.key for one in self.pool.residents())

    def capacity(self) -> Headroom:
        """What the board has for one more model."""
        taken = sum(one.size_bytes for one in self.pool.residents())
        free = self.pool.free_bytes
        platform = self.board.platform if self.obstacle is None else ""
        now = self.in_force
        return Headroom(
            free,
            free + taken,
            platform,
            now.max_context,
            now.parallel,
            now.kv_cache_type,
            now.prompt_cache,
            chip=self.board.platform if self.board.platform in SUPPORTED_SOCS else "",
            obstacle="" if self.obstacle is None else self.obstacle.message,
        )

    def _npu_runs(self) -> bool:
        return any(
            one.backend is BackendKind.NPU and one.slots_used for one in self.pool.residents()
        )

    def interceptor(self) -> StatusInterceptor:
        """What stands around every call."""
        guard = Guard(self.tokens, insecure=self.config.insecure, clock=time.monotonic)

        def observe(method: str, code: str, seconds: float) -> None:
            for told in self.observers:
                told(method, code, seconds)

        return StatusInterceptor(guard.identify, observe, self.config.board_name)

    def publish(self, event: Event) -> None:
        """Take what a room announces: into the log, and to the rooms it concerns."""
        self.events.publish(event)
        if event.topic is Topic.MODEL and event.action in {"changed", "removed", "migrated"}:
            self.pool.forget(event.subject.casefold())
        if event.topic is Topic.MODEL and event.action == "removed":
            self.meters.forget(event.subject)
            self.pool.forget_sessions(event.subject.casefold())
        if event.topic is Topic.OPERATION and event.action in {"finished", "cancelled"}:
            self._count_operation(dict(event.detail))
        if event.topic is Topic.RESIDENT and event.action == "failed":
            told = dict(event.detail)
            if told.get("reason") == Reason.WORKER_CRASHED:
                self.meters.worker_died(event.subject, told.get("signal") or "exit")

    def _count_operation(self, told: dict[str, str]) -> None:
        self.meters.operation_ended(told["kind"], told["state"])
        if told["kind"] == OperationKind.PULL:
            self.meters.downloaded(int(told["moved_bytes"]))

    def activity(self) -> Activity:
        """What goes on now."""
        residents = self.pool.residents()
        taken = sum(one.size_bytes for one in residents)
        return Activity(
            models=len(self.library.models()),
            residents=sum(1 for one in residents if one.ready_s is not None),
            queued=self.pool.queued,
            operations=sum(1 for one in self.hub.operations.list() if not one.state.final),
            budget_bytes=self.pool.free_bytes + taken,
            resident_bytes=taken,
        )


def _mounts() -> str:
    try:
        return Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _worker_said(model: str, pid: int, line: str) -> None:
    """
    Log a worker's line at the level it deserves; an engine's chatter may quote prompts.

    In no call's context: the one that started the worker may be long over.
    """
    say = _workers.debug
    if line.startswith(("FROM: ", "HuggingFace Path: ")):
        say = _workers.info
    elif line.lstrip().startswith(("E rkllm", "E RKNN", "W rkllm", "W RKNN")):
        say = _workers.warning
    Context().run(say, "worker.said", model=model, pid=pid, line=line)
