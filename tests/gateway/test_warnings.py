"""What the daemon warns of is told at the end of an answer, in every dialect."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

TURNS = [{"role": "user", "content": "Hi"}]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
SHAPE = {"type": "json_schema", "schema": SCHEMA}
ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": TURNS, "max_tokens": 2, "json_schema": SCHEMA},
    "/v1/completions": {"prompt": "Hi", "max_tokens": 2, "guided_json": SCHEMA},
    "/v1/messages": {"messages": TURNS, "max_tokens": 2, "output_config": {"format": SHAPE}},
    "/v1/responses": {
        "input": "Hi",
        "max_output_tokens": 2,
        "text": {"format": {**SHAPE, "name": "a"}},
    },
    "/api/chat": {"messages": TURNS, "format": SCHEMA, "options": {"num_predict": 2}},
    "/api/generate": {"prompt": "Hi", "format": SCHEMA, "options": {"num_predict": 2}},
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("path", ASKED)
def test_a_warning_is_told(url: str, path: str, *, streamed: bool) -> None:
    """Whole or in events: this one is of an answer cut before it could keep to its schema."""
    asked = {"model": "tiny", "stream": streamed, **ASKED[path]}
    said = httpx.post(f"{url}{path}", json=asked, timeout=60)

    assert said.status_code == 200, said.text
    assert "before its JSON was whole" in json.dumps(_warnings(said.text, streamed=streamed))


def _warnings(text: str, *, streamed: bool) -> list[str]:
    lines = [one.removeprefix("data: ") for one in text.splitlines()] if streamed else [text]
    read = [json.loads(one) for one in lines if one.startswith("{")]
    inner = [one["response"] for one in read if isinstance(one.get("response"), dict)]
    return [said for one in (*read, *inner) for said in one.get("warnings", [])]
