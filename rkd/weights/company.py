"""
What lies beside weights under their ending and is no model of its own, told by its name. Pure.

Once a file is here its header decides; before that the name is all there is.
**Source**: names of the repositories people pull from, 2026.
"""

from __future__ import annotations

import re

from rkd.weights.quantization import in_file_name

_TOKEN = r"(?<![a-z0-9]){}(?![a-z0-9])"  # noqa: S105 - a piece of a name
_KINDS = (
    (re.compile(_TOKEN.format("mmproj")), "a projector"),
    (re.compile(r"(?<![a-z])(?:vision|audio|image)[-_ ]?encoder(?![a-z])"), "a projector"),
    (re.compile(_TOKEN.format("(?:mtp|draft|eagle3?)")), "a draft"),
    (re.compile(_TOKEN.format("(?:lora|adapter)")), "an adapter"),
    (re.compile(r"^ggml-vocab(?![a-z0-9])"), "a vocabulary"),
)
_IMATRIX = re.compile(_TOKEN.format("imatrix"))


def companion(path: str) -> str:
    """
    Say what the file at *path* is besides a model (`a projector`, `an imatrix` …), or "".

    Args:
        path: within its repository or folder; a folder called MTP counts as well.
    """
    folder, _, name = path.lower().rpartition("/")
    for pattern, kind in _KINDS:
        if pattern.search(name) and not (kind == "an adapter" and _is_quantized(name)):
            return kind
    # A model made with the help of an imatrix often says so, after its quantization.
    if _IMATRIX.search(name) and not in_file_name(name):
        return "an imatrix"
    return "a draft" if folder.rpartition("/")[2] in {"mtp", "draft", "drafts"} else ""


def _is_quantized(name: str) -> bool:
    """Whether *name* tells of a type adapters do not have: then the adapter was merged in."""
    return in_file_name(name) not in {"", "F32", "F16", "BF16", "Q8_0"}
