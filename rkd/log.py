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
from typing import Any, Final, TextIO, cast

import structlog
from structlog.processors import NAME_TO_LEVEL
from structlog.typing import EventDict, Processor, WrappedLogger

from rkd.journal import JOURNAL_SOCKET, JournalSender
from rkd.loglines import LineWriter, Repeats

SECRET_KEYS: Final = frozenset({"prompt", "text", "messages", "content", "token", "authorization"})
"""Words of users and secrets: removed from every event above debug."""

REPEATED_ABOUT: Final = ("network", "caller", "model", "logger")
"""Facts that make two lines of one event different ones."""

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class LogOutput(enum.Enum):
    """Where and in which shape lines go."""

    JOURNAL = "journal"
    CONSOLE = "console"
    JSON = "json"


def choose_output(journal_stream: str, stream: TextIO) -> LogOutput:
    """
    Choose the journal when *stream* is connected to it, a console on a terminal, else JSON.

    Args:
        journal_stream: JOURNAL_STREAM as systemd sets it, `device:inode`; empty without.
        stream: where console and JSON lines would go.
    """
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return LogOutput.JSON
    if journal_stream == f"{found.st_dev}:{found.st_ino}":
        return LogOutput.JOURNAL
    return LogOutput.CONSOLE if stream.isatty() else LogOutput.JSON


def configure(level: str, output: LogOutput, stream: TextIO = sys.stderr) -> None:
    """
    Set up structlog, and the standard library's logging through it; call once, at start.

    Whatever becomes of *stream* or of an event, who logs never waits and never fails.
    """
    shared: list[Processor] = [
        _LEVEL,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        without_repeats(Repeats()),
        structlog.processors.format_exc_info,
        without_secrets,
    ]
    if output is LogOutput.JOURNAL:
        shared.append(JournalSender(JOURNAL_SOCKET))
    else:
        shared.append(structlog.processors.TimeStamper(fmt="iso", utc=True))
    if output is LogOutput.CONSOLE:
        shared.append(structlog.dev.ConsoleRenderer(colors=stream.isatty()))
    else:
        shared.append(structlog.processors.JSONRenderer(default=str))
    structlog.configure(
        processors=shared,
        wrapper_class=_CarefulLogger,
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", LineWriter(stream))),
        cache_logger_on_first_use=True,
    )
    # Libraries (grpc, huggingface_hub) are heard from their warnings up.
    logging.basicConfig(handlers=[_Forward()], force=True)
    set_level(level)


def set_level(level: str) -> None:
    """Say nothing below *level* from now on, `debug` to `error`."""
    _LEVEL.minimum = logging.getLevelNamesMapping()[level.upper()]
    logging.getLogger().setLevel(max(_LEVEL.minimum, logging.WARNING))


class _Level:
    """The least level that is said; what is below ends here, before anything was made of it."""

    def __init__(self) -> None:
        self.minimum = logging.INFO

    def __call__(self, _: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if NAME_TO_LEVEL[method] < self.minimum:
            raise structlog.DropEvent
        return event


_LEVEL: Final = _Level()
"""As global as structlog's own configuration: loggers are made once and kept."""


class _CarefulLogger(structlog.make_filtering_bound_logger(logging.DEBUG)):  # type: ignore[misc] # a class made by a call
    """Logs, and is never the reason why something else fails."""

    def _proxy_to_logger(self, method_name: str, event: str | None = None, **facts: Any) -> Any:
        try:
            return super()._proxy_to_logger(method_name, event, **facts)
        except Exception as error:  # noqa: BLE001 - third and last: no line is worth a request
            why = type(error).__name__
            return self._logger.msg(f'{{"event": "log.unsayable", "error": "{why}"}}')


def without_repeats(repeats: Repeats) -> Processor:
    """Make a processor that bounds how often the same warning or error is said."""

    def bounded(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if NAME_TO_LEVEL[method] < logging.WARNING:
            return event
        about = (str(event.get(key, ""))[:200] for key in REPEATED_ABOUT)
        unsaid = repeats.count((str(event.get("event")), *about))
        if unsaid is None:
            raise structlog.DropEvent
        if unsaid:
            event["unsaid"] = unsaid
        return event

    return bounded


def bind_request(offered: str = "", **facts: str) -> str:
    """
    Bind a request id to every line of the current task, and return it.

    Args:
        offered: the client's own id; used when it is 1 to 64 of `A-Za-z0-9._-`, else replaced.
        facts: more keys for each line, such as `method` and `peer`.
    """
    request_id = offered if REQUEST_ID.fullmatch(offered) else secrets.token_hex(8)
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
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):  # arguments that do not fit
            message = str(record.msg)
        structlog.get_logger().log(
            max(logging.DEBUG, min(record.levelno // 10 * 10, logging.CRITICAL)),
            "library.log",
            logger=record.name,
            message=message,
            exc_info=record.exc_info,
        )
