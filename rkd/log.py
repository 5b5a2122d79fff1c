"""
How the daemon logs: native journal fields, a console, or JSON lines; chosen once at start.

Never imported by a child: workers write to pipes the daemon reads. Rooms say
`structlog.get_logger()` and log short constant events with facts as keys.
"""

from __future__ import annotations

import enum
import logging
import os
import re
import secrets
import sys
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from rkd.journal import JOURNAL_SOCKET, JournalSender

SECRET_KEYS: Final = frozenset({"prompt", "text", "messages", "content", "token", "authorization"})
"""Words of users and secrets: removed from every event above debug."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Output(enum.Enum):
    """Where and in which shape lines go."""

    JOURNAL = "journal"
    CONSOLE = "console"
    JSON = "json"


def choose_output(journal_stream: str, stream: TextIO) -> Output:
    """
    Choose the journal when *stream* is connected to it, a console on a terminal, else JSON.

    Args:
        journal_stream: JOURNAL_STREAM as systemd sets it, `device:inode`; empty without.
        stream: where console and JSON lines would go.
    """
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return Output.JSON
    if journal_stream == f"{found.st_dev}:{found.st_ino}":
        return Output.JOURNAL
    return Output.CONSOLE if stream.isatty() else Output.JSON


def configure(level: str, output: Output, stream: TextIO = sys.stderr) -> None:
    """Set up structlog, and the standard library's logging through it; call once, at start."""
    minimum = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        without_secrets,
    ]
    if output is Output.JOURNAL:
        shared.append(JournalSender(JOURNAL_SOCKET))
    else:
        shared.append(structlog.processors.TimeStamper(fmt="iso", utc=True))
    if output is Output.CONSOLE:
        shared.append(structlog.dev.ConsoleRenderer(colors=stream.isatty()))
    else:
        shared.append(structlog.processors.JSONRenderer(default=str))
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(minimum),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    # Libraries (grpc, huggingface_hub, watchdog) are heard from their warnings up.
    logging.basicConfig(handlers=[_Forward()], level=max(minimum, logging.WARNING), force=True)


def bind_request(offered: str = "", **facts: str) -> str:
    """
    Bind a request id to every line of the current task, and return it.

    Args:
        offered: the client's own id; used when it is 1 to 64 of `A-Za-z0-9._-`, else replaced.
        facts: more keys for each line, such as `method` and `peer`.
    """
    request_id = offered if _REQUEST_ID.fullmatch(offered) else secrets.token_hex(8)
    structlog.contextvars.bind_contextvars(request_id=request_id, **facts)
    return request_id


def request_id() -> str:
    """Return the id bound to the current task; empty outside a request."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def without_secrets(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Remove what users wrote and what must stay secret, except at debug."""
    if method != "debug":
        for key in SECRET_KEYS & event.keys():
            del event[key]
    return event


class _Forward(logging.Handler):
    """Lines of the standard library's logging, as events of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            min(record.levelno, logging.CRITICAL),
            "library.log",
            logger=record.name,
            message=record.getMessage(),
            exc_info=record.exc_info,
        )
