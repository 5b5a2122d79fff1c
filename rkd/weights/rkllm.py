"""
What can be told of a .rkllm without Rockchip's runtime: its first bytes, its tail, its name.

The format is not documented; an unknown magic is a warning, never a refusal: the runtime decides.
Only what is plainly something else (a GGUF, a web page …) is named as a problem.

**Source**: containers of toolkit 1.3.1 recovered by third parties: the masked magic at the start,
`rkllm-toolkit version: 1.3.1` in clear at the end; strings of runtime 1.2.1b1.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from rkd.model import Details
from rkd.outside import open_regular, shown
from rkd.weights import magic
from rkd.weights.named import LONGEST_NPU_CONTEXT, context_in, parameters_in, platform_in
from rkd.weights.quantization import in_file_name

_TAIL_BYTES = 4096
_TOOLKIT = re.compile(rb"rkllm-toolkit version:\s*([0-9][0-9A-Za-z.]{0,15})")
SAMPLES = 16
"""Pieces of a file, its beginning and its end among them, that its fingerprint is made of."""
_SAMPLE_BYTES = 4096
_SMALLEST_BYTES = 1024 * 1024
"""The smallest real model is hundreds of megabytes; less is a stand-in or a stump."""


@dataclass(frozen=True, slots=True)
class RkllmFacts:
    """
    What a look at a .rkllm gave.

    Args:
        problem: what the file plainly is instead, or "".
        remedy: what to do about it.
        warnings: what is odd about it, one sentence each.
        toolkit: version of the toolkit that wrote it, or "".
        platform: the chip its name speaks of (`rk3588`), or "".
        fingerprint: the same for the same bytes, whatever the file is called; "" where not asked.
    """

    details: Details
    problem: str = ""
    remedy: str = ""
    warnings: tuple[str, ...] = ()
    toolkit: str = ""
    platform: str = ""
    fingerprint: str = ""
    magic: str = ""
    """Its first four bytes in hex."""


def look(path: Path) -> RkllmFacts:
    """
    Look at the file *path*; reads 64 KiB of it.

    Raises:
        OSError: the file cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        descriptor = file.fileno()
        size_bytes = os.fstat(descriptor).st_size
        first = os.pread(descriptor, 64, 0)
        tail = os.pread(descriptor, _TAIL_BYTES, max(0, size_bytes - _TAIL_BYTES))
        fingerprint = _fingerprint(descriptor, size_bytes)
    facts = judge(path.name, size_bytes, first, tail)
    return replace(facts, fingerprint=fingerprint, magic=first[:4].hex())


def _fingerprint(descriptor: int, size_bytes: int) -> str:
    """
    Hash the size and `SAMPLES` pieces from all over the file; all of it when it is small.

    Reading every byte of a large model takes longer than loading it. Two conversions of one size
    differ everywhere: in the weights, not in a place of their own.
    """
    digest = hashlib.sha256(str(size_bytes).encode())
    last = max(0, size_bytes - _SAMPLE_BYTES)
    for at in sorted({last * part // (SAMPLES - 1) for part in range(SAMPLES)}):
        digest.update(os.pread(descriptor, _SAMPLE_BYTES, at))
    return digest.hexdigest()[:32]


def judge(name: str, size_bytes: int, first: bytes, tail: bytes) -> RkllmFacts:
    """Say what a file of that name, size, beginning and end is; pure."""
    name = shown(name)
    kind = magic.name(first)
    toolkit = _TOOLKIT.search(tail)
    facts = RkllmFacts(
        details=details_in(name),
        toolkit=toolkit.group(1).decode("ascii") if toolkit else "",
        platform=platform_in(name),
    )
    if not size_bytes:
        return RkllmFacts(facts.details, f"{name} is empty", "Fetch or copy it again.")
    if kind == "GGUF":
        remedy = f"Rename it to {name.removesuffix('.rkllm')}.gguf: it runs on the CPU."
        return RkllmFacts(facts.details, f"{name} is a GGUF, not a .rkllm", remedy)
    if kind and kind != ".rkllm":
        return RkllmFacts(facts.details, f"{name} is {kind}, not a .rkllm", magic.way_out(kind))
    warnings = []
    if not kind:
        warnings.append(
            f"{name} begins with {first[:4].hex() or 'nothing'}, a magic rkd has not seen"
        )
    if size_bytes < _SMALLEST_BYTES:
        warnings.append(f"{name} has {size_bytes} bytes; no model is that small")
    return RkllmFacts(
        facts.details, warnings=tuple(warnings), toolkit=facts.toolkit, platform=facts.platform
    )


def details_in(name: str) -> Details:
    """Read what names of .rkllm files customarily tell, of files, folders and repositories."""
    tokens = context_in(name)
    return Details(
        parameters=parameters_in(name),
        quantization=in_file_name(name),
        context_tokens=tokens if tokens <= LONGEST_NPU_CONTEXT else 0,
    )
