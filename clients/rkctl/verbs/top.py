"""`rkctl top`: models, streams, loads, temperatures and memory, live."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import click
from rkd_client import quantity
from rkd_client.verbs import pool as ask_pool
from rkd_client.verbs import system as ask

from rkctl.screen import clocks, layout, render
from rkctl.screen.live import Region, Screen
from rkctl.session import CommandSession
from rkctl.verb import verb
from rkd.v1 import pool_pb2
from rkd.v1 import system_pb2 as pb
from rkd.v1 import types_pb2 as types

_BAR = 20
_HOT_C = 75.0


@verb("top")
@click.option("--interval", type=click.FloatRange(min=0.2), default=1.0, show_default=True)
@click.option("--count", type=click.IntRange(min=1), help="So many times, then end.")
def top(session: CommandSession, *, interval: float, count: int | None) -> None:
    """Show what goes on, again and again; q or Ctrl-C ends it. Off a terminal one plain picture."""
    if session.json:
        for _ in range(count or 1):
            render.out(render.to_json(_status(session)))
        return
    if not sys.stdout.isatty():
        _plain(session)
        return
    screen = Screen() if count is None else Region(sys.stdout)
    # Ctrl-C is how people leave it: no failure, and so no 130.
    with contextlib.suppress(KeyboardInterrupt), keys() as pressed, screen as live:
        live.draw(_fitting(session))
        shown = 1
        while count is None or shown < count:
            if pressed(interval) in {"q", "Q"}:
                return
            live.draw(_fitting(session))
            shown += 1


def _fitting(session: CommandSession) -> list[str]:
    """A picture no line of which is longer than the terminal, the first one bold."""
    size = shutil.get_terminal_size()
    head, *rest = (layout.cut(line, size.columns) for line in picture(*_look(session)))
    return [render.styled(head, bold=True), *rest][: size.lines - 1]


def _slept(wait_s: float) -> str:
    time.sleep(wait_s)
    return ""


@contextlib.contextmanager
def keys() -> Iterator[Callable[[float], str]]:
    """Yield what waits so many seconds for a key and returns it, "" when none was pressed."""
    if not sys.stdin.isatty():
        yield _slept
        return
    import select  # noqa: PLC0415 - only for terminals
    import termios  # noqa: PLC0415 - the same
    import tty  # noqa: PLC0415 - the same

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed(wait_s: float) -> str:
        ready, _, _ = select.select([descriptor], [], [], wait_s)
        return os.read(descriptor, 1).decode("ascii", "replace") if ready else ""

    tty.setcbreak(descriptor)
    try:
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _status(session: CommandSession) -> pb.GetStatusResponse:
    return session.call(ask.status())


def _look(session: CommandSession) -> tuple[pb.GetStatusResponse, pool_pb2.ListResidentResponse]:
    return _status(session), session.call(ask_pool.residents())


def _plain(session: CommandSession) -> None:
    for line in picture(*_look(session)):
        render.out(line)


def picture(status: pb.GetStatusResponse, pool: pool_pb2.ListResidentResponse) -> list[str]:
    """Draw one picture of *status* and *pool*, in lines."""
    rate = sum(stream.tokens_per_s for stream in status.streams)
    head = (
        f"rkd {status.version} on {status.board or status.kernel}, "
        f"started {render.ago(status.started)}  {len(status.streams)} streams  "
        f"{rate:.1f} tokens/s  {status.queued} waiting"
    )
    gauges = [(name, bar(part), words) for name, part, words in _gauges(status)]
    residents = [
        (
            one.model,
            render.word(pool_pb2.ResidentState.Name(one.state), "RESIDENT_STATE_"),
            render.word(types.Backend.Name(one.backend), "BACKEND_"),
            quantity.size(one.size_bytes),
            f"{one.slots_used}/{one.slots}",
            str(one.queued),
        )
        for one in pool.residents
    ]
    streams = [
        (
            stream.request_id,
            stream.model,
            str(stream.tokens),
            f"{stream.tokens_per_s:.1f}",
            render.duration(stream.age),
        )
        for stream in status.streams
    ]
    return [
        render.clean(head),
        "",
        *_lines(("", "", ""), gauges)[1:],
        "",
        *_lines(("MODEL", "STATE", "ON", ">SIZE", ">SLOTS", ">QUEUE"), residents),
        "",
        *_lines(("REQUEST", "MODEL", ">TOKENS", ">TOKENS/S", ">AGE"), streams),
    ]


def _lines(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    plain = [[render.clean(cell) for cell in row] for row in rows]
    head, lines = layout.table(columns, plain, None)
    return [*head, *lines]


def _gauges(status: pb.GetStatusResponse) -> list[tuple[str, float | None, str]]:
    memory, npu = status.memory, status.npu
    used = memory.total_bytes - memory.available_bytes
    load = f"load {status.load_average:.2f} on {status.cores} cores"
    cpu = ", ".join(filter(None, (load, clocks.now(status.clocks, pb.CLOCK_KIND_CPU))))
    rows: list[tuple[str, float | None, str]] = [
        ("CPU", status.load_average / status.cores if status.cores else None, cpu)
    ]
    if npu.available or npu.core_load:
        mhz = clocks.now(status.clocks, pb.CLOCK_KIND_NPU) or (
            f"{clocks.mhz(npu.frequency_hz)} MHz" if npu.frequency_hz else ""
        )
        cores = " ".join(f"{load:.0%}" for load in npu.core_load)
        mean = sum(npu.core_load) / len(npu.core_load) if npu.core_load else None
        rows.append(("NPU", mean, ", ".join(filter(None, (cores or "no load to see", mhz)))))
    if ddr := clocks.now(status.clocks, pb.CLOCK_KIND_DDR):
        rows.append(("DDR", clocks.part(status.clocks, pb.CLOCK_KIND_DDR), ddr))
    part = used / memory.total_bytes if memory.total_bytes else None
    taken = f"{quantity.size(used)} of {quantity.size(memory.total_bytes)}"
    rows.append(("memory", part, f"{taken}, models {quantity.size(memory.resident_bytes)}"))
    if status.temperatures:
        warmest = max(status.temperatures, key=lambda one: one.celsius)
        hot = " (hot)" if warmest.celsius >= _HOT_C else ""
        words = f"{warmest.zone} {warmest.celsius:.0f} °C{hot}"
        rows.append(("warmest", warmest.celsius / 100, words))
    return rows


def bar(part: float | None) -> str:
    """Draw *part* of a whole as a bar; None as an empty one."""
    full = round(max(0.0, min(1.0, part or 0.0)) * _BAR)
    mark, rest = "█·" if render.shows("█·", sys.stdout) else "#-"
    return mark * full + rest * (_BAR - full)
