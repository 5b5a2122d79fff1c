"""`rkctl status` and `reload`: the daemon and its board."""

from __future__ import annotations

from rkd_client import quantity
from rkd_client.verbs import system as ask

from rkctl.screen import clocks, render
from rkctl.session import CommandSession
from rkctl.verb import verb
from rkd.v1 import system_pb2 as pb


@verb("status")
def status(session: CommandSession) -> None:
    """Show versions, board, NPU, memory, temperatures and what runs."""
    answer = session.shown(ask.status())
    if answer is None:
        return
    render.pairs(_daemon(answer, session.client.endpoint))
    if answer.streams:
        render.out("")
        columns = ("REQUEST", "MODEL", ">TOKENS", ">TOKENS/S", ">AGE")
        render.table(columns, (_stream(one) for one in answer.streams))


def _daemon(one: pb.GetStatusResponse, endpoint: str) -> tuple[tuple[str, str], ...]:
    npu = one.npu
    cores = " ".join(f"{load:.0%}" for load in npu.core_load)
    clock = f"{clocks.mhz(npu.frequency_hz)} MHz" if npu.frequency_hz else ""
    state = "available" if npu.available else f"not available: {npu.reason}"
    board = " ".join(filter(None, (one.board, f"({one.soc})" if one.soc else "")))
    return (
        ("rkd", f"{one.version}, started {render.ago(one.started)}"),
        ("asked at", endpoint),
        ("listens on", ", ".join(one.addresses)),
        ("board", board),
        ("kernel", one.kernel),
        ("CPU", f"{one.cores} cores, load {one.load_average:.2f}"),
        ("CPU engine", one.cpu_engine),
        ("NPU", "; ".join(filter(None, (state, clock, cores)))),
        ("", npu.remedy),
        ("clocks", "\n".join(map(clocks.in_words, one.clocks))),
        ("NPU driver", npu.driver_version),
        ("NPU runtimes", "\n".join(npu.runtimes)),
        ("memory", _memory(one.memory)),
        ("daemon", quantity.size(one.memory.daemon_bytes)),
        ("temperatures", ", ".join(f"{t.zone} {t.celsius:.0f} °C" for t in one.temperatures)),
        ("models", f"{one.models} on disk, {one.residents} in memory; {one.models_folder}"),
        ("disk free", quantity.size(one.models_free_bytes)),
        ("waiting", f"{one.queued} requests; {one.operations} operations under way"),
        ("so far", f"{one.requests_total} requests, {one.tokens_total} tokens"),
    )


def _memory(memory: pb.MemoryStatus) -> str:
    numbers = (
        ("in all", memory.total_bytes),
        ("available", memory.available_bytes),
        ("for models", memory.budget_bytes),
        ("taken by them", memory.resident_bytes),
    )
    return ", ".join(f"{quantity.size(number)} {what}" for what, number in numbers if number)


def _stream(one: pb.StreamStatus) -> tuple[str, ...]:
    return (
        one.request_id,
        one.model,
        str(one.tokens),
        f"{one.tokens_per_s:.1f}",
        render.duration(one.age),
    )


@verb("reload")
def reload(session: CommandSession) -> None:
    """Let the daemon read its configuration anew; nothing changes when any of it is wrong."""
    answer = session.shown(ask.reload())
    if answer is None:
        return
    for change in answer.applied:
        render.out(change)
    for change in answer.needs_restart:
        render.note(f"needs a restart: {change}")
    if not answer.applied and not answer.needs_restart:
        render.note("nothing has changed")
