"""Where log lines go and what they never carry."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from rkd import log
from rkd.log import LogOutput


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Give structlog and logging back as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """Return the JSON lines written to *stream*."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_carry_event_level_time_and_facts() -> None:
    """A line is one object: the event, its level, when, and the facts as keys."""
    stream = io.StringIO()
    log.configure("info", LogOutput.JSON, stream)

    structlog.get_logger().info("model.loaded", model="tiny", load_ms=12)
    (line,) = lines(stream)

    assert line.pop("timestamp")
    assert line == {"event": "model.loaded", "level": "info", "model": "tiny", "load_ms": 12}


def test_prompts_are_removed_above_debug() -> None:
    """What users wrote shows at debug alone."""
    stream = io.StringIO()
    log.configure("debug", LogOutput.JSON, stream)

    structlog.get_logger().info("run", prompt="my diary")
    structlog.get_logger().debug("run", prompt="my diary")

    assert [line.get("prompt") for line in lines(stream)] == [None, "my diary"]


def test_levels_below_the_minimum_are_silent() -> None:
    """At warning, info says nothing."""
    stream = io.StringIO()
    log.configure("warning", LogOutput.JSON, stream)

    structlog.get_logger().info("quiet")

    assert stream.getvalue() == ""


def test_the_request_id_is_on_every_line_of_the_task() -> None:
    """A good id of the client is kept, a bad one replaced, and lines carry it."""
    stream = io.StringIO()
    log.configure("info", LogOutput.JSON, stream)

    kept = log.bind_request("client-7", method="Generate")
    structlog.get_logger().info("run.started")
    replaced = log.bind_request("bad id\n")

    assert kept == "client-7"
    assert replaced != "bad id\n"
    assert lines(stream)[0]["request_id"] == "client-7"
    assert lines(stream)[0]["method"] == "Generate"


def test_warnings_of_libraries_are_events_of_ours() -> None:
    """The standard library's logging arrives with its logger's name; its chatter does not."""
    stream = io.StringIO()
    log.configure("info", LogOutput.JSON, stream)

    logging.getLogger("watchdog").info("chatter")
    logging.getLogger("watchdog").warning("slow %s", "mirror")
    (line,) = lines(stream)

    assert (line["event"], line["level"]) == ("library.log", "warning")
    assert (line["logger"], line["message"]) == ("watchdog", "slow mirror")


def test_output_follows_the_stream(tmp_path: Path) -> None:
    """The journal's own stream, a terminal, and anything else each get their shape."""
    leader, follower = pty.openpty()
    with (tmp_path / "log").open("w") as file, os.fdopen(follower, "w") as terminal:
        found = os.fstat(file.fileno())
        journal = f"{found.st_dev}:{found.st_ino}"

        assert log.choose_output(journal, file) is LogOutput.JOURNAL
        assert log.choose_output("1:2", file) is LogOutput.JSON
        assert log.choose_output("", terminal) is LogOutput.CONSOLE
    os.close(leader)
    assert log.choose_output("", io.StringIO()) is LogOutput.JSON


def test_the_console_names_event_and_facts() -> None:
    """On a console a line reads event first, then key=value."""
    stream = io.StringIO()
    log.configure("info", LogOutput.CONSOLE, stream)

    structlog.get_logger().info("rkd.ready", models=3)

    assert "rkd.ready" in stream.getvalue()
    assert "models=3" in stream.getvalue()


class Unsayable:
    """A fact nobody can write down."""

    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


def test_a_fact_that_cannot_be_said_fails_nobody() -> None:
    """The line says that much; the next is as always."""
    stream = io.StringIO()
    log.configure("info", LogOutput.JSON, stream)

    structlog.get_logger().info("odd", fact=Unsayable())
    logging.getLogger("grpc").warning("%d", "no number")
    logging.getLogger("grpc").log(35, "between two levels")
    structlog.get_logger().info("fine", fact="\ud83d")

    events = [(line["event"], line.get("error"), line.get("message")) for line in lines(stream)]
    assert events == [
        ("log.unsayable", "ZeroDivisionError", None),
        ("library.log", None, "%d"),
        ("library.log", None, "between two levels"),
        ("fine", None, None),
    ]


def test_the_level_changes_while_it_runs() -> None:
    """For loggers made before, and for libraries."""
    stream = io.StringIO()
    log.configure("info", LogOutput.JSON, stream)
    logger = structlog.get_logger()
    logger.debug("before")
    log.set_level("debug")
    logger.debug("fine")
    log.set_level("error")
    logger.warning("late")
    logging.getLogger("grpc").warning("late")

    assert [line["event"] for line in lines(stream)] == ["fine"]


def test_a_flood_of_one_warning_is_bounded() -> None:
    """By event and by whom it is about; what is no warning is always said."""
    stream = io.StringIO()
    log.configure("info", LogOutput.JSON, stream)
    for _ in range(800):
        structlog.get_logger().warning("auth.refused", network="192.0.2.7")
        structlog.get_logger().info("model.ready")
    structlog.get_logger().warning("auth.refused", network="192.0.2.8")

    said = [line.get("network") for line in lines(stream) if line["event"] == "auth.refused"]
    assert said == ["192.0.2.7"] * 10 + ["192.0.2.8"]
    assert len(lines(stream)) == 811
