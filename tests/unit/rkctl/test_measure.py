"""What is published, of which family a model is, and what may explain a gap."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rkctl.measure.conditions import Held, Run, examine
from rkctl.measure.families import FAMILIES, family_in
from rkctl.measure.looking import Seen
from rkctl.measure.published import Published, Unpublished, find, rows

from rkd.v1 import pool_pb2
from rkd.v1 import system_pb2 as pb
from rkd.v1 import types_pb2 as types

ROOT = Path(__file__).resolve().parents[3]
MHZ = 1_000_000
ROW = next(row for row in rows() if str(row) == "Qwen2.5 1.5B w8a8 on rk3588")


def test_the_page_has_the_table() -> None:
    """Row by row."""
    text = (ROOT / "docs" / "published.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- published -->(.*?)<!-- /published -->", text, re.DOTALL)
    assert found
    listed = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in found[1].strip().splitlines()[2:]
    ]
    ours = [
        (
            *(row.chip, row.family, row.size, row.quantization),
            "" if row.first_token_ms is None else f"{row.first_token_ms:g}",
            *(f"{row.tokens_per_s:g}", row.release),
        )
        for row in rows()
    ]

    assert listed == ours


def test_every_row_is_one_that_can_be_found() -> None:
    """By its own family, size and type; none stands twice, and every family has its pattern."""
    for row in rows():
        assert find(row.chip, row.family, round(row.parameters), row.quantization) == row
        assert row.family in {name for name, _ in FAMILIES}
        assert 0 < row.tokens_per_s < 1000

    keys = [(row.chip, row.family, row.size, row.quantization) for row in rows()]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Qwen2.5-1.5B-Instruct-rk3588-w8a8_g128-opt-1-hybrid-ratio-0.5.rkllm", "Qwen2.5"),
        ("qwen2_5-1.5b-w8a8.rkllm", "Qwen2.5"),
        ("Pelochus/qwen2-1_5B-rk3588", "Qwen2"),
        ("DeepSeek-R1-Distill-Qwen-1.5B-rk3588", "Qwen2.5"),
        ("qwen2.5-coder-1.5b", "Qwen2.5"),
        ("qwen2.5-vl-3b-w8a8_level1_rk3588.rkllm", "Qwen2.5-VL"),
        ("Qwen2-VL-2B-rkllm", "Qwen2-VL"),
        ("Qwen3_0.6B", "Qwen3"),
        ("Qwen3-5x", "Qwen3"),
        ("Qwen3-4B-Instruct-2507-rk3588-w8a8-opt-1-hybrid-ratio-0.5.rkllm", "Qwen3"),
        ("qwen3-vl-2b-instruct_w8a8_rk3588.rkllm", "Qwen3-VL"),
        ("Qwen3.5-0.8B_w8a8_RK3588.rkllm", "Qwen3.5"),
        ("internlm2_5-1_8b-chat-rk3588-w8a8-opt-0-hybrid-ratio-0.0.rkllm", "InternLM2"),
        ("punchnox/Tinnyllama-1.1B-rk3588-rkllm-1.1.4", "TinyLlama"),
        ("gemma-2-2b-it-rk3588-w8a8-opt-0-hybrid-ratio-0.0.rkllm", "Gemma2"),
        ("gemma-3n-E4B-it-rk3588-1.2.2", "Gemma3n"),
        ("Mojo24x7/gemma-4-E2B-it-rkllm-rk3588", "Gemma4"),
        ("MiniCPM-V-2_6-rk3588-w8a8_g256-opt-0-hybrid-ratio-0.0.rkllm", "MiniCPM-V-2.6"),
        ("MiniCPM5-2B-RK3588-rkllm-w8a8", ""),
        ("Phi-4-mini-instruct-rk3588-1.2.0", ""),
        ("Llama-3.2-1B-Instruct-rk3588-1.1.1", ""),
        ("gemma-2b", ""),
        ("Qwen3-Embedding-0.6B", ""),
        ("Qwen2-Audio-rkllm", ""),
        ("Qwen2.5-Omni-3B", ""),
        ("SmolVLM2-500M", ""),
        ("notaqwen", ""),
        ("q" * 100_000, ""),
    ],
)
def test_families_by_the_names_people_use(name: str, family: str) -> None:
    """And none where a name only looks like one."""
    assert family_in([name]) == family


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Qwen25-1.5B-w8a8", "Qwen2.5"),
        ("qwen2-5-1.5b", "Qwen2.5"),
        ("qwen2p5_0.5b", "Qwen2.5"),
        ("Qwen2-5B", "Qwen2"),
        ("qwen2-57b-a14b", "Qwen2"),
        ("Qwen3.5-2B", "Qwen3.5"),
        ("qwen3-5b", "Qwen3"),
        ("deepseek-r1:1.5b", "Qwen2.5"),
        ("Phi-3.5-mini-instruct", "Phi3"),
        ("phi-3-medium-14b", ""),
        ("Phi-3-vision", ""),
    ],
)
def test_spellings_of_half_a_version(name: str, family: str) -> None:
    """A dot, a dash, a p, or nothing; a size behind it is a size."""
    assert family_in([name]) == family


@pytest.mark.parametrize("chip", ["rk3588", "rk3588s", "rk3588s2", "rk3588j"])
def test_grades_of_a_chip_have_its_rows(chip: str) -> None:
    """Phi-3 mini has one size, which no name of it tells."""
    found = find(chip, "Phi3", 0, "w8a8")

    assert isinstance(found, Published)
    assert found.size == "3.8B"


def test_the_first_name_that_tells_one_counts() -> None:
    """A file's name goes before that of its model."""
    assert family_in(["m.rkllm", "user/Qwen3-0.6B", "qwen2.5"]) == "Qwen3"
    assert family_in([]) == ""


def why(chip: str, family: str, parameters: float, kind: str) -> str:
    """Why there is no row."""
    found = find(chip, family, round(parameters), kind)
    assert isinstance(found, Unpublished)
    return found.why


def test_a_row_is_found_by_all_it_is_of() -> None:
    """The S of a chip's name is no other chip; shapes are shared; one size needs no size."""
    assert find("rk3588s", "Qwen2.5", 1_500_000_000, "w8a8") == ROW
    assert find("rk3588", "Qwen2", 1_540_000_000, "w8a8") == ROW
    found = find("rk3588", "MiniCPM-V-2.6", 0, "w8a8")
    assert isinstance(found, Published)
    assert found.tokens_per_s == 4.18


def test_what_is_not_published_is_told_apart() -> None:
    """Chip, family, size, type: what is there instead."""
    assert "nothing for rk3399" in why("rk3399", "Qwen3", 6e8, "w8a8")
    assert "board without NPU" in why("", "Qwen3", 6e8, "w8a8")
    assert "nothing of this model" in why("rk3588", "", 6e8, "w8a8")
    assert "publishes 0.6B alone" in why("rk3588", "Qwen3", 4e9, "w8a8")
    assert "as w8a8_g128; Qwen3 0.6B is as w8a8 32.91" in why("rk3588", "Qwen3", 6e8, "w8a8_g128")
    assert "how many parameters" in why("rk3588", "Qwen3", 0, "w8a8")
    assert "how it is quantized" in why("rk3588", "Qwen3", 6e8, "")


def board(**facts: Any) -> pb.GetStatusResponse:
    """A board at rest."""
    clocks = [
        pb.Clock(name="npu", kind=pb.CLOCK_KIND_NPU, highest_hz=1000 * MHZ),
        pb.Clock(name="cpu0-3", kind=pb.CLOCK_KIND_CPU, highest_hz=1800 * MHZ),
        pb.Clock(name="cpu4-7", kind=pb.CLOCK_KIND_CPU, highest_hz=2400 * MHZ),
        pb.Clock(
            name="ddr", kind=pb.CLOCK_KIND_DDR, highest_hz=2112 * MHZ, governor="dmc_ondemand"
        ),
    ]
    plain: dict[str, Any] = {"cores": 8, "load_average": 0.3, "clocks": clocks}
    return pb.GetStatusResponse(**(plain | facts))


def look(**facts: Any) -> pb.GetStatusResponse:
    """A board while it answers, all clocks up."""
    now = board(**facts)
    if "clocks" not in facts:
        for clock in now.clocks:
            clock.frequency_hz = 600 * MHZ if clock.name == "cpu0-3" else clock.highest_hz
    now.streams.add(request_id="r")
    now.temperatures.add(zone="npu", celsius=55)
    return now


def seen(*looks: pb.GetStatusResponse, before: pb.GetStatusResponse | None = None) -> Seen:
    """What was seen in *looks*."""
    one = Seen(before or board())
    for now in looks or (look(),):
        one.add(now)
    return one


def resident(name: str = "qwen", runtime: str = "rkllm 1.3.1") -> pool_pb2.Resident:
    """A model on the NPU."""
    return pool_pb2.Resident(model=name, backend=types.BACKEND_NPU, runtime=runtime)


GOOD = Run(
    "qwen", ("Qwen2.5-1.5B-w8a8-opt-0-hybrid-ratio-0.0.rkllm",), (resident(),), seen(), 1, 148
)
DDR, NPU, CPU, HEAT, RUNTIME, CONVERSION, ALONE, CONTEXT, ONE, LOAD = range(10)


def states(run: Run) -> list[Held]:
    """Of every condition, in order."""
    return [one.state for one in examine(run, ROW)]


def test_under_the_same_conditions_all_of_them_hold() -> None:
    """Small cores may be slow."""
    assert states(GOOD) == [Held.HOLDS] * 10


def low(name: str) -> Seen:
    """One clock never went up."""
    now = look()
    for clock in now.clocks:
        if clock.name == name:
            clock.frequency_hz = 528 * MHZ
    return seen(now, now)


def hot() -> Seen:
    """The NPU is held back."""
    now = look()
    now.clocks[0].cooled = True
    return seen(look(), now)


def crowded() -> Seen:
    """Somebody else asks as well."""
    now = look()
    now.streams.add(request_id="other")
    return seen(look(), now)


@pytest.mark.parametrize(
    ("run", "which", "words"),
    [
        (replace(GOOD, seen=low("ddr")), DDR, "ddr 528 of 2112 MHz, dmc_ondemand"),
        (replace(GOOD, seen=low("npu")), NPU, "npu 528 of 1000 MHz"),
        (replace(GOOD, seen=low("cpu4-7")), CPU, "cpu4-7 528 of 2400 MHz"),
        (replace(GOOD, seen=hot()), HEAT, "npu held back; at most 55"),
        (replace(GOOD, residents=(resident(runtime="rkllm 1.2.3"),)), RUNTIME, "1.2.3"),
        (replace(GOOD, names=("q-opt-1-hybrid-ratio-0.0",)), CONVERSION, "opt-1 hybrid-ratio-0.0"),
        (replace(GOOD, names=("q-opt-0-hybrid-ratio-0.5",)), CONVERSION, "opt-0 hybrid-ratio-0.5"),
        (replace(GOOD, names=("q_w8a8_level1_rk3588",)), CONVERSION, "level1"),
        (replace(GOOD, residents=(resident(), resident("other"))), ALONE, "1 more: other"),
        (replace(GOOD, tokens=4000), CONTEXT, "4000 tokens"),
        (replace(GOOD, parallel=4), ONE, "--parallel 4"),
        (replace(GOOD, seen=crowded()), ONE, "2 at once"),
        (replace(GOOD, seen=seen(before=board(load_average=3.0))), LOAD, "load 3.0 on 8 cores"),
    ],
)
def test_each_condition_alone_can_differ(run: Run, which: int, words: str) -> None:
    """With what was seen and what to do; no other one does."""
    told = examine(run, ROW)

    assert [at for at, one in enumerate(told) if one.state is not Held.HOLDS] == [which]
    assert told[which].state is Held.DIFFERS
    assert words in told[which].seen
    assert told[which].remedy


def test_a_clock_that_went_up_once_can() -> None:
    """The highest of all looks counts: the first is often too early."""
    slow = look()
    slow.clocks[-1].frequency_hz = 528 * MHZ

    assert states(replace(GOOD, seen=seen(slow, look(), slow)))[DDR] is Held.HOLDS


def test_what_is_not_known_is_unknown() -> None:
    """Nothing may be asked, or the board tells nothing: no condition is made up."""
    blind = Run("qwen", ("m.rkllm",), None, Seen(), 1, 100)
    bare = replace(GOOD, seen=seen(pb.GetStatusResponse(), before=pb.GetStatusResponse()))
    known = [CONTEXT]

    assert [at for at, one in enumerate(states(blind)) if one is not Held.UNKNOWN] == known
    assert [states(bare)[at] for at in (DDR, NPU, CPU, HEAT, LOAD)] == [Held.UNKNOWN] * 5


def test_a_hot_board_differs_without_a_cooling_device() -> None:
    """By its temperature."""
    now = look()
    now.temperatures.add(zone="soc", celsius=91)

    assert states(replace(GOOD, seen=seen(now)))[HEAT] is Held.DIFFERS


def test_other_engines_and_cpu_models_are_no_neighbours() -> None:
    """They compute elsewhere."""
    cpu = pool_pb2.Resident(model="other", backend=types.BACKEND_CPU)

    assert states(replace(GOOD, residents=(resident(), cpu)))[ALONE] is Held.HOLDS
    odd = (resident(runtime="llama.cpp b1"),)
    assert states(replace(GOOD, residents=odd))[RUNTIME] is Held.UNKNOWN
