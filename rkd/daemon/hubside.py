"""
The way to the hub and what carries operations out: connection, cache, mover, runners; built once.

An idle daemon has not imported it (`late.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog

from rkd.config import Config
from rkd.hub.browse import Browser
from rkd.hub.cache import AnswerCache
from rkd.hub.connection import Connection, Limits
from rkd.hub.fetching import Fetching
from rkd.hub.headroom import Headroom
from rkd.hub.mover import Mover
from rkd.library.library import Library
from rkd.operations.create import CreateRunner, RunJob
from rkd.operations.operation import OperationKind
from rkd.operations.pull import PullRunner
from rkd.operations.push import PushRunner
from rkd.operations.runner import Runner
from rkd.operations.tokenizer import TokenizerSource
from rkd.outside import read_regular

MAX_TOKEN_BYTES = 64 << 10

_log = structlog.get_logger("rkd.daemon")


class HubSide:
    """
    The hub's rooms, and who carries operations out.

    Args:
        current: the configuration in force; offline, time limits and reserve change live.
        library: where models are.
        capacity: what the board has for one more model.
        run_job: starts conversions and quantizations in a child.
    """

    def __init__(
        self,
        current: Callable[[], Config],
        *,
        library: Library,
        capacity: Callable[[], Headroom],
        run_job: RunJob,
    ) -> None:
        config = current()
        self.connection = Connection(
            endpoint=config.hf_endpoint,
            token=lambda: token_of(current()),
            offline=lambda: current().offline,
            home=config.state_dir / "hf",
            limits=lambda: Limits(current().hub_connect_timeout, current().hub_read_timeout),
        )
        self.cache = AnswerCache(config.state_dir / "hub", self.connection)
        mover = Mover(self.connection)
        self.browser = Browser(self.connection, self.cache, mover)
        fetching = Fetching(mover)
        self.runners: dict[OperationKind, Runner] = {
            OperationKind.PULL: PullRunner(
                connection=self.connection,
                fetching=fetching,
                library=library,
                capacity=capacity,
                reserve_bytes=lambda: current().disk_reserve,
                read_card=self.browser.card_of,
            ),
            OperationKind.PUSH: PushRunner(connection=self.connection, library=library),
            OperationKind.CREATE: CreateRunner(
                library=library,
                run_job=run_job,
                fetch_tokenizer=TokenizerSource(self.connection, fetching),
                reserve_bytes=lambda: current().disk_reserve,
                tool=quantize_tool(config),
            ),
        }


def quantize_tool(config: Config) -> str:
    """Find the native `llama-quantize` beside a native llama-server; "" where there is none."""
    if config.llama_server is None:
        return ""
    tool = config.llama_server.with_name("llama-quantize")
    return str(tool) if tool.is_file() else ""


def token_of(config: Config) -> str | None:
    """Read the hub's token as of now: the environment's, else the file's."""
    if config.hf_token:
        return config.hf_token
    return _read(config.hf_token_file) if config.hf_token_file else None


def _read(path: Path) -> str | None:
    try:
        return read_regular(path, most_bytes=MAX_TOKEN_BYTES).decode().strip() or None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        _log.warning("hub.token_unreadable", path=str(path), error=why)
        return None
