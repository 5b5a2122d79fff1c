"""What the doctor is told of this machine and daemon; an idle daemon has not imported it."""

from __future__ import annotations

import grp
import os
import resource
from contextlib import suppress
from datetime import UTC, datetime

from rkd.board.facts import Board, Telemetry
from rkd.board.telemetry import read_telemetry
from rkd.config import Config
from rkd.daemon.rooms import Rooms
from rkd.daemon.settings import worker_environment
from rkd.durable import free_bytes
from rkd.errors import InvalidInputError
from rkd.pool.deciding.runtimes import failures
from rkd.telemetry import engine
from rkd.telemetry.answering import RAISER, AnsweringClocks
from rkd.telemetry.doctor import Condition, examine
from rkd.telemetry.finding import Finding


def diagnose(rooms: Rooms, config: Config) -> tuple[Finding, ...]:
    """Examine the machine as *config* wants it; blocks."""
    tokens: int | None
    try:
        tokens = len(rooms.tokens.current())
    except InvalidInputError:
        tokens = None
    told = [
        failures(model.name.text, rooms.pool.libraries(model)) for model in rooms.library.models()
    ]
    return examine(
        doctor_facts(
            config,
            rooms.board,
            read_telemetry(rooms.config.sysroot),
            tokens,
            wants_tokens=rooms.tokens.exists,
            unfit=tuple(line for line, all_ in told if line and not all_),
            stuck=tuple(line for line, all_ in told if all_),
            seen=rooms.answering.seen,
        )
    )


def doctor_facts(
    config: Config,
    board: Board,
    telemetry: Telemetry,
    tokens: int | None,
    *,
    wants_tokens: bool = False,
    unfit: tuple[str, ...] = (),
    stuck: tuple[str, ...] = (),
    seen: AnsweringClocks | None = None,
) -> Condition:
    """What the doctor looks at; loads the CPU engine in a child, so call it off the loop."""
    groups = []
    for number in os.getgroups():
        with suppress(KeyError):
            groups.append(grp.getgrgid(number).gr_name)
    return Condition(
        board=board,
        telemetry=telemetry,
        backend=config.backend,
        groups=tuple(groups),
        models=config.models,
        models_writable=os.access(config.models, os.W_OK | os.X_OK),
        models_free_bytes=free_bytes(config.models),
        disk_reserve_bytes=config.disk_reserve,
        listen=config.listen,
        tokens=tokens,
        wants_tokens=wants_tokens,
        unfit=unfit,
        stuck=stuck,
        seen=seen,
        clocks_raised=(config.sysroot / RAISER).exists(),
        has_tls=config.tls_cert is not None,
        has_client_ca=config.tls_client_ca is not None,
        insecure=config.insecure,
        native_engine=config.llama_server is not None,
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        now=datetime.now(UTC),
        engine_trouble=engine.probe(worker_environment(config, os.environ), config.llama_server),
    )
