"""The last minutes as lines: tokens a second, the NPU's cores, memory, the hottest zone."""

from __future__ import annotations

from nicegui import ui
from rkd_client import quantity

from rkd_console.elements import card
from rkd_console.feed import Sample
from rkd_console.plot import Plot, Point
from rkd_console.visit import Visit


class Minutes:
    """Four plots beside each other."""

    def __init__(self, visit: Visit) -> None:
        whole = card(visit.text("board.minutes")).classes("rkd-wide")
        with whole, ui.element("div").classes("rkd-plots"):
            self._tokens = Plot(visit.text("board.minutes.tokens"), least_top=10.0)
            self._npu = Plot(visit.text("board.minutes.npu"), top=1.0)
            self._memory = Plot(visit.text("board.minutes.memory"), top=1.0)
            self._heat = Plot(visit.text("board.minutes.heat"), top=110.0)
        samples = tuple(visit.feed.samples)
        self._tokens.begin([_tokens(one) for one in samples])
        self._npu.begin([_npu(one) for one in samples])
        self._memory.begin([_memory(one) for one in samples])
        self._heat.begin([_heat(one) for one in samples])
        if samples:
            self.say(samples[-1])

    def add(self, sample: Sample) -> None:
        """Draw one more status."""
        self._tokens.add(_tokens(sample))
        self._npu.add(_npu(sample))
        self._memory.add(_memory(sample))
        self._heat.add(_heat(sample))
        self.say(sample)

    def say(self, sample: Sample) -> None:
        """Say what *sample* tells."""
        npu, heat = _npu(sample)[1], _heat(sample)[1]
        memory = sample.status.memory
        self._tokens.say(f"{_tokens(sample)[1][0]:.1f}")
        self._npu.say(" / ".join(f"{100 * one:.0f} %" for one in npu))
        self._memory.say(quantity.size(memory.total_bytes - memory.available_bytes))
        self._heat.say(f"{heat[0]:.0f} °C" if heat else "")


def _tokens(sample: Sample) -> Point:
    return sample.epoch_s, [sum(one.tokens_per_s for one in sample.status.streams)]


def _npu(sample: Sample) -> Point:
    return sample.epoch_s, sample.status.npu.core_load


def _memory(sample: Sample) -> Point:
    memory = sample.status.memory
    total = max(memory.total_bytes, 1)
    return sample.epoch_s, [1 - memory.available_bytes / total, memory.resident_bytes / total]


def _heat(sample: Sample) -> Point:
    zones = sample.status.temperatures
    return sample.epoch_s, [max(one.celsius for one in zones)] if zones else []
