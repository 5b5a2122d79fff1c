"""
A native llama-server with a backend for Rockchip's NPU: how it is known, and what it wants. Pure.

**Source**: forks of llama.cpp with ggml-rknpu2: their device is called RKNPU, and they take F16,
Q8_0 and Q4_0 weights to the NPU, all others stay on the CPU.
"""

from __future__ import annotations

import re

TAKES = ("F16", "Q8_0", "Q4_0")
_DEVICE = re.compile(r"^\s+([A-Za-z][\w.-]{0,31}):\s", re.MULTILINE)
_NPU = re.compile(r"rknpu|rockchip", re.IGNORECASE)


def npu_in(listing: str) -> str:
    """Return the NPU among the devices of `llama-server --list-devices`, or ""."""
    lines = listing[:65_536].splitlines()
    found = (_DEVICE.match(line) for line in lines if _NPU.search(line))
    return next((match.group(1) for match in found if match), "")


def advice(quantization: str) -> tuple[str, ...]:
    """Warn of weights the NPU leaves to the CPU."""
    if not quantization or quantization.upper() in TAKES:
        return ()
    takes = ", ".join(TAKES)
    return (f"the NPU backend of llama-server takes {takes}: {quantization} stays on the CPU",)
