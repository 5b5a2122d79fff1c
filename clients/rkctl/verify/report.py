"""
The one file a verification leaves: a table for people and the same as JSON, to attach to an issue.

Nothing in it tells whose board it is: no model's name, prompt, path, address or host.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rkctl.verify.probe import Probe
from rkctl.verify.row import Found, Row
from rkd.v1 import models_pb2, system_pb2

MOST_SEEN_CHARACTERS = 300
_QUOTED = re.compile(r"(['\"`])~?/[^'\"`\n]*\1")
_PATH = re.compile(r"~?(?<![\w.])/[^\s'\"`:;,()\[\]|]+")
_FILE = re.compile(
    r"[^\s'\"`:;,()\[\]|]+\.(?:rkllm|gguf|rknn|safetensors|json|jinja)\b", re.IGNORECASE
)
_SECRET = re.compile(r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{40,}\b")
_ADDRESS = re.compile(
    r"[\w.+-]+@[\w.-]+"  # a person, or a user at a host
    r"|\b(?:https?|unix|ssh):/{1,3}[^\s'\"]+"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b"
    r"|(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])"
    r"|\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b"
    r"|\b[\w-]+(?:\.[\w-]+)*\.(?:local|localdomain|lan|home|internal|arpa)\b(?::\d+)?"
    r"|\b[\w-]*[a-z][\w-]*(?:\.[\w-]+)*:\d{2,5}\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A row and what was found."""

    row: Row
    found: Found


def scrubbed(text: str, names: Iterable[str] = (), people: Iterable[str] = ()) -> str:
    """
    Take out of *text* whose it is, and shorten it.

    Args:
        text: what was seen.
        names: of models; each becomes a number.
        people: names of users and machines.
    """
    for at, name in sorted(enumerate(names, 1), key=lambda one: -len(one[1])):
        text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", f"model {at}", text)
    text = _QUOTED.sub(r"\1(path)\1", _ADDRESS.sub("(address)", text))
    for one in sorted(people, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(one)}(?![\w-])", "(name)", text, flags=re.IGNORECASE)
    text = _SECRET.sub("(secret)", _FILE.sub("(file)", _PATH.sub("(path)", text)))
    return " ".join(text.split())[:MOST_SEEN_CHARACTERS]


def as_json(judged: Sequence[Judged], board: Probe, when: datetime, *, whole: bool) -> str:
    """Return the report as one JSON object."""
    counts: dict[str, int] = {}
    for one in judged:
        counts[str(one.found.result)] = counts.get(str(one.found.result), 0) + 1
    return json.dumps(
        {
            "rkd": board.status.version,
            "date": when.strftime("%Y-%m-%d"),
            "whole": whole,
            "board": _board(board.status),
            "models": [_model(one) for one in board.seen()],
            "counts": counts,
            "rows": [
                {
                    "row": one.row.number,
                    "assumed": one.row.assumed,
                    "result": str(one.found.result),
                    "seen": one.found.seen,
                }
                for one in judged
            ],
        },
        indent=1,
        ensure_ascii=False,
    )


def as_text(judged: Sequence[Judged], board: Probe, when: datetime, *, whole: bool) -> str:
    """Return the whole report: a table, then the JSON."""
    facts = _board(board.status)
    head = [
        f"# rkctl verify, rkd {board.status.version}, {when:%Y-%m-%d}",
        "",
        *(f"- {key}: {value}" for key, value in facts.items() if value),
    ]
    if not whole:
        head.append("- stopped before the end")
    if "instead" in board.notes:
        head.append(f"- {board.notes['instead']}")
    rows = ["", "| # | result | assumed | seen |", "|---|---|---|---|"]
    rows += [
        f"| {one.row.number} | {one.found.result} | {_cell(one.row.assumed)} | "
        f"{_cell(one.found.seen)} |"
        for one in judged
    ]
    data = as_json(judged, board, when, whole=whole)
    return "\n".join((*head, *rows, "", "```json", data, "```")) + "\n"


def _board(status: system_pb2.GetStatusResponse) -> dict[str, str]:
    libraries = [one.partition(" ")[0] for one in status.npu.runtimes]
    return {
        "board": scrubbed(status.board),
        "soc": status.soc,
        "kernel": scrubbed(status.kernel),
        "driver": status.npu.driver_version,
        "libraries": ", ".join(libraries),
        "cores": str(status.cores),
        "memory": f"{status.memory.total_bytes / 1e9:.0f} GB",
    }


def _model(shown: models_pb2.ShowResponse) -> dict[str, str | int]:
    one = shown.summary
    return {
        "quantization": one.quantization,
        "parameters": one.parameters,
        "size_bytes": one.size_bytes,
        "toolkit": shown.metadata.get("rkllm.toolkit", ""),
        "platform": shown.metadata.get("rkllm.platform", ""),
    }


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
