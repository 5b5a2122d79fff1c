"""
A native llama-server with a backend for Rockchip's NPU: how it is known, and what it wants. Pure.

**Source**: forks of llama.cpp with ggml-rknpu2: their device is called RKNPU, and they take F16,
Q8_0 and Q4_0 weights to the NPU, all others stay on the CPU.
"""

from __future__ import annotations

import re

TAKES = ("F16", "Q8_0", "Q4_0")
_DEVICE = re.compile(r"(?:\s+|(?=.* MiB))(?:[-*]\s+)?([A-Za-z][\w.-]{0,31}):\s")
"""Indented, or with its memory behind it: what is logged meanwhile is neither."""
_NPU = re.compile(r"rknpu|rockchip|\brk\d{4}\w{0,2}\b.*\bnpu|\bnpu.*\brk\d{4}", re.IGNORECASE)
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,16}m")
MOST_LISTED = 65_536
MOST_DEVICES = 8


def npu_in(listing: str) -> str:
    """
    Return the NPU among the devices of `llama-server --list-devices`, or "".

    Where it is several devices, one for each of its cores, all of them, with commas between.
    """
    lines = [one[:512] for one in _COLOUR.sub("", listing[:MOST_LISTED]).splitlines()]
    found = (_DEVICE.match(line) for line in lines if _NPU.search(line))
    names = dict.fromkeys(match.group(1) for match in found if match)
    return ",".join(list(names)[:MOST_DEVICES])


def advice(quantization: str) -> tuple[str, ...]:
    """Warn of weights the NPU leaves to the CPU."""
    if not quantization or quantization.upper() in TAKES:
        return ()
    takes = ", ".join(TAKES)
    return (f"the NPU backend of llama-server takes {takes}: {quantization} stays on the CPU",)
