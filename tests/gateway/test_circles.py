"""What a client of each dialect sees of an answer that ran in a circle and was ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import gateway
from tests.integration.daemon_process import ROOT, DaemonProcess
from tests.integration.npu_daemon import add_model, make_board
from tests.native import standin

MODELFILE = "FROM ./m.rkllm\nPARAMETER num_ctx 2048\nPARAMETER loop_guard 40\n"
BOUND_S = 120
MOST = 1000
"""Tokens a caller lets it have; the guard is long before."""

TURNS = [{"role": "user", "content": "Hi"}]
DIALECTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "OpenAI chat": (
        "/v1/chat/completions",
        {"messages": TURNS, "max_tokens": MOST},
        "finish_reason: length",
    ),
    "OpenAI completions": (
        "/v1/completions",
        {"prompt": "Hi", "max_tokens": MOST},
        "finish_reason: length",
    ),
    "OpenAI responses": (
        "/v1/responses",
        {"input": "Hi", "max_output_tokens": MOST},
        "status: incomplete",
    ),
    "Anthropic messages": (
        "/v1/messages",
        {"messages": TURNS, "max_tokens": MOST},
        "stop_reason: max_tokens",
    ),
    "Ollama chat": (
        "/api/chat",
        {"messages": TURNS, "options": {"num_predict": MOST}},
        "done_reason: length",
    ),
    "Ollama generate": (
        "/api/generate",
        {"prompt": "Hi", "options": {"num_predict": MOST}},
        "done_reason: length",
    ),
    "llama.cpp chat": (
        "/chat/completions",
        {"messages": TURNS, "max_tokens": MOST},
        "finish_reason: length",
    ),
    "llama.cpp completions": (
        "/completions",
        {"prompt": "Hi", "max_tokens": MOST},
        "finish_reason: length",
    ),
}
"""By the words of docs/gateway.md: where, what is asked, and how the end is told."""


@pytest.fixture(scope="module")
def circling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway before a daemon whose NPU says three tokens over and over."""
    folder = tmp_path_factory.mktemp("circles")
    circle = {"answer?Hi": "count", "tokens?Hi": 900, "token_ids?Hi": 3}
    add_model(folder, "tiny", MODELFILE, answer="A sensible answer.", **circle)
    settings = {
        "RKD_RKLLM_LIBRARY": str(standin.build("1.3.1")),
        "RKD_SYSROOT": str(make_board(folder / "root")),
        "RKD_CONFINE": "false",  # the stand-in writes what it was called with
        "RKD_OFFLINE": "1",
    }
    with DaemonProcess(folder, settings) as daemon, gateway(daemon) as addresses:
        yield addresses[0]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_end_by_the_guard_is_told(circling: str, dialect: str, *, streamed: bool) -> None:
    """As one of too many tokens, which every client knows, and in words beside it."""
    path, asked, end = DIALECTS[dialect]
    body = {"model": "tiny", "stream": streamed, **asked}
    said = httpx.post(f"{circling}{path}", json=body, timeout=BOUND_S)
    found = _fields(said.text, streamed=streamed)
    name, _, value = end.partition(": ")

    assert said.status_code == 200, said.text
    assert [one for one in found.get(name, ()) if one not in {None, "in_progress"}][-1] == value
    assert found["warnings"]
    for warnings in found["warnings"]:
        assert [one for one in warnings if "a circle of 3 tokens" in one and "loop_guard" in one]


def test_the_page_says_the_same() -> None:
    """The table of docs/gateway.md, row by row."""
    page = (ROOT / "docs" / "gateway.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `/") and "`warnings`" in line]
    told = {path: end for path, end, _ in (row.strip("| ").split(" | ") for row in rows)}

    assert told == {
        f"`{path}`": "`" + end.replace(": ", "` `") + "`" for path, _, end in DIALECTS.values()
    }


def _fields(text: str, *, streamed: bool) -> dict[str, list[Any]]:
    """Every field of an answer or of its events by name, in their order."""
    lines = [one.removeprefix("data: ") for one in text.splitlines()] if streamed else [text]
    found: dict[str, list[Any]] = {}

    def look(value: object) -> None:
        if isinstance(value, list):
            for one in value:
                look(one)
        if isinstance(value, dict):
            for name, one in value.items():
                found.setdefault(name, []).append(one)
                look(one)

    for line in lines:
        if line.startswith("{"):
            look(json.loads(line))
    return found
