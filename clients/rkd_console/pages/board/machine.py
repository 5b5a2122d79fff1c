"""The machine: what it is, its NPU, its clocks, how hot it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

from nicegui import ui
from rkd_client import quantity
from rkd_client.v1.system import Clock, GetStatusResponse, Temperature

from rkd_console.elements import Facts, Meter, Rows, card, words
from rkd_console.safe import shown
from rkd_console.visit import Visit

Item = TypeVar("Item")
_Show: TypeAlias = Callable[[Item], None]

HOT_CELSIUS = 85.0
"""From about there on the kernel slows RK3588 down (its trip points, 85 and 95)."""


class Machine:
    """What the board is, and the daemon on it."""

    def __init__(self, visit: Visit) -> None:
        keys = ("name", "soc", "kernel", "load", "engine", "disk", "version", "uptime", "addresses")
        with card(visit.text("board.machine")):
            self._facts = Facts(visit.text(f"board.machine.{key}") for key in keys)

    def show(self, status: GetStatusResponse) -> None:
        """Show it."""
        started = status.started
        up = (datetime.now(UTC) - started).total_seconds() if started else 0.0
        self._facts.show(
            (
                shown(status.board),
                shown(status.soc),
                shown(status.kernel),
                f"{status.load_average:.2f} / {status.cores}",
                shown(status.cpu_engine),
                f"{quantity.size(status.models_free_bytes)} {shown(status.models_folder)}",
                shown(status.version),
                quantity.seconds(max(up, 1.0)),
                shown(" ".join(status.addresses)),
            )
        )


class Npu:
    """Each core's load, or why there is none."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        with card(visit.text("board.npu")):
            self._why = words("p", "", "rkd-foreign")
            self._remedy = words("p", "", "rkd-soft rkd-foreign")
            self._cores = Rows(ui.element("div"), self._core, most=8)
            self._facts = Facts((visit.text("board.npu.driver"), visit.text("board.npu.runtimes")))

    def show(self, status: GetStatusResponse) -> None:
        """Show it."""
        npu = status.npu
        self._why.text = "" if npu.available else shown(npu.reason)
        self._remedy.text = "" if npu.available else shown(npu.remedy)
        self._cores.show((str(core), (core, load)) for core, load in enumerate(npu.core_load))
        self._facts.show((shown(npu.driver_version), shown("\n".join(npu.runtimes))))

    def _core(self) -> _Show[tuple[int, float]]:
        meter = Meter("")

        def show(one: tuple[int, float]) -> None:
            meter.call(self._visit.text("board.npu.core", number=one[0]))
            meter.show(one[1], f"{100 * one[1]:.0f} %")

        return show


class Clocks:
    """Every clock the kernel tells of: now, within its limits, and who chooses."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._card = card(visit.text("board.clocks"))
        with self._card:
            self._rows = Rows(ui.element("div"), self._clock)

    def show(self, status: GetStatusResponse) -> None:
        """Show them."""
        self._card.set_visibility(bool(status.clocks))
        self._rows.show((one.name, one) for one in status.clocks)

    def _clock(self) -> _Show[Clock]:
        meter = Meter("")
        detail = words("div", "", "rkd-soft rkd-small rkd-foreign")

        def show(one: Clock) -> None:
            meter.call(shown(one.name, 40))
            highest = max(one.highest_hz, one.limit_hz, 1)
            meter.show(one.frequency_hz / highest, hertz(one.frequency_hz))
            said = [shown(one.governor, 40)]
            if one.highest_hz:
                limits = {"low": hertz(one.lowest_hz), "high": hertz(one.highest_hz)}
                said.append(self._visit.text("board.clocks.range", **limits))
            if one.cooled:
                limit = hertz(one.limit_hz)
                said.append(self._visit.text("board.clocks.cooled", limit=limit))
            if one.answering_hz:
                seen = hertz(one.answering_hz)
                said.append(self._visit.text("board.clocks.answering", seen=seen))
            detail.text = " · ".join(filter(None, said))

        return show


class Temperatures:
    """How hot each zone is."""

    def __init__(self, visit: Visit) -> None:
        self._card = card(visit.text("board.temperatures"))
        with self._card:
            self._rows = Rows(ui.element("div"), self._zone)

    def show(self, status: GetStatusResponse) -> None:
        """Show them."""
        self._card.set_visibility(bool(status.temperatures))
        self._rows.show(
            (f"{place} {one.zone}", one) for place, one in enumerate(status.temperatures)
        )

    def _zone(self) -> _Show[Temperature]:
        meter = Meter("")

        def show(one: Temperature) -> None:
            meter.call(shown(one.zone, 40))
            meter.show(one.celsius / 100.0, f"{one.celsius:.0f} °C")
            meter.warn(on=one.celsius >= HOT_CELSIUS)

        return show


def hertz(frequency_hz: int) -> str:
    """Return a clock's rate: `408 MHz`, `2.4 GHz`; `-` for none known."""
    if frequency_hz <= 0:
        return "-"
    if frequency_hz >= 1e9:  # noqa: PLR2004 - a gigahertz
        return f"{frequency_hz / 1e9:.3g} GHz"
    return f"{frequency_hz / 1e6:.0f} MHz"
