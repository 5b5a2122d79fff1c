"""The requests of Ollama's and rkllama's own pages, and the shape each of them promises."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.pictures import png

DURATIONS = {
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
}
LAST = {"model", "created_at", "done", "done_reason", *DURATIONS}
WHY = "why is the sky blue?"
ASK = [{"role": "user", "content": WHY}]
SHORT = {"num_predict": 4}
AGE = {
    "type": "object",
    "properties": {"age": {"type": "integer", "maximum": 99}, "available": {"type": "boolean"}},
    "required": ["age", "available"],
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Get the current weather for a location",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string"}, "format": {"enum": ["celsius"]}},
            "required": ["location", "format"],
        },
    },
}


@dataclass(frozen=True, slots=True)
class Row:
    """
    One example.

    Args:
        says: what the page calls it.
        path: where it goes.
        asked: its body; None for a GET.
        fields: of the answer, of its last line where it is streamed.
    """

    says: str
    path: str
    asked: dict[str, Any] | None
    fields: frozenset[str]


def row(says: str, path: str, asked: dict[str, Any] | None, *fields: str) -> Row:
    """Return one example."""
    return Row(says, path, asked, frozenset(fields))


ROWS = [
    row("generate", "generate", {"prompt": WHY, "options": SHORT}, "response", "context", *LAST),
    row(
        "generate, whole",
        "generate",
        {"prompt": WHY, "stream": False, "options": SHORT},
        *("response", "context", *LAST),
    ),
    row(
        "structured",
        "generate",
        {"prompt": "Ollama is 22 years old.", "stream": False, "format": AGE},
        *("response", *LAST),
    ),
    row(
        "JSON mode",
        "generate",
        {"prompt": "Respond using JSON", "format": "json", "stream": False, "options": SHORT},
        *("response", *LAST),
    ),
    row(
        "pictures",
        "generate",
        {
            "model": "seer",
            "prompt": "What is in this picture?",
            "stream": False,
            "images": [base64.b64encode(png()).decode()],
            "options": SHORT,
        },
        *("response", *LAST),
    ),
    row(
        "raw",
        "generate",
        {"prompt": "[INST] why? [/INST]", "raw": True, "stream": False, "options": SHORT},
        *("response", *LAST),
    ),
    row(
        "reproducible",
        "generate",
        {"prompt": WHY, "stream": False, "options": {**SHORT, "seed": 123}},
        *("response", *LAST),
    ),
    row(
        "all options",
        "generate",
        {
            "prompt": WHY,
            "stream": False,
            "options": {
                "num_keep": 5,
                "seed": 42,
                "num_predict": 4,
                "top_k": 20,
                "top_p": 0.9,
                "min_p": 0.0,
                "typical_p": 0.7,
                "repeat_last_n": 33,
                "temperature": 0.8,
                "repeat_penalty": 1.2,
                "presence_penalty": 1.5,
                "frequency_penalty": 1.0,
                "penalize_newline": True,
                "stop": ["\n", "user:"],
                "numa": False,
                "num_ctx": 1024,
                "num_batch": 2,
                "num_gpu": 1,
                "main_gpu": 0,
                "use_mmap": True,
                "num_thread": 8,
            },
        },
        *("response", *LAST),
    ),
    row("load", "generate", {}, "response", "done", "model", "created_at", "done_reason"),
    row("unload", "generate", {"keep_alive": 0}, "response", "done", "model", "done_reason"),
    row("chat", "chat", {"messages": ASK, "options": SHORT}, "message", *LAST),
    row(
        "chat, whole",
        "chat",
        {"messages": ASK, "stream": False, "options": SHORT},
        *("message", *LAST),
    ),
    row(
        "chat, structured",
        "chat",
        {"messages": ASK, "stream": False, "format": AGE, "options": {"temperature": 0}},
        *("message", *LAST),
    ),
    row(
        "chat with history",
        "chat",
        {
            "messages": [
                *ASK,
                {"role": "assistant", "content": "due to rayleigh scattering."},
                {"role": "user", "content": "how is that different than mie scattering?"},
            ],
            "options": SHORT,
        },
        *("message", *LAST),
    ),
    row(
        "chat with tools",
        "chat",
        {
            "model": "caller",
            "messages": ASK,
            "stream": False,
            "tools": [WEATHER],
            "options": SHORT,
        },
        *("message", *LAST),
    ),
    row("chat, load", "chat", {"messages": []}, "message", "done", "done_reason", "created_at"),
    row(
        "chat, unload",
        "chat",
        {"messages": [], "keep_alive": 0},
        *("message", "done", "done_reason", "created_at"),
    ),
    row("version", "version", None, "version"),
    row("tags", "tags", None, "models"),
    row("ps", "ps", None, "models"),
    row(
        "show",
        "show",
        {},
        *("modelfile", "parameters", "template", "details", "model_info", "capabilities"),
    ),
    row(
        "embed",
        "embed",
        {"input": WHY},
        *("model", "embeddings", "total_duration", "load_duration", "prompt_eval_count"),
    ),
    row("embed several", "embed", {"input": [WHY, "why is the grass green?"]}, "embeddings"),
    row("embeddings", "embeddings", {"prompt": "Here is an article about llamas"}, "embedding"),
]


@pytest.mark.parametrize("example", ROWS, ids=lambda one: one.says)
def test_an_example_is_answered_as_its_page_says(url: str, example: Row) -> None:
    """With every field of the page, in its last line where it is streamed."""
    if example.asked is None:
        answer = httpx.get(f"{url}/api/{example.path}")
    else:
        asked = {"model": "tiny", **example.asked}
        answer = httpx.post(f"{url}/api/{example.path}", json=asked, timeout=60)
    assert answer.status_code == 200, answer.text
    last = json.loads(answer.text.splitlines()[-1])

    assert example.fields <= last.keys()
    if "total_duration" in last and "eval_duration" in last:
        parts = ("load_duration", "prompt_eval_duration", "eval_duration")
        assert last["total_duration"] >= sum(last[part] for part in parts)


def test_models_are_copied_made_and_deleted_as_the_page_says(url: str) -> None:
    """Statuses are what scripts look at."""
    made = {"model": "mario", "from": "tiny", "system": "You are Mario.", "stream": False}
    assert httpx.post(f"{url}/api/create", json=made, timeout=60).json() == {"status": "success"}
    copied = {"source": "mario", "destination": "mario-backup"}
    assert httpx.post(f"{url}/api/copy", json=copied).status_code == 200
    for name in ("mario", "mario-backup"):
        gone = httpx.request("DELETE", f"{url}/api/delete", json={"model": name})
        assert gone.status_code == 200
    again = httpx.request("DELETE", f"{url}/api/delete", json={"model": "mario"})
    assert again.status_code == 404
    assert httpx.head(url).status_code == 200
    digest = "sha256:29fdb92e57cf0827ded04ae6461b5931d01fa595843f55d36f5b275a52087dd2"
    assert httpx.head(f"{url}/api/blobs/{digest}").status_code == 404


def test_openais_ways_that_rkllama_has(url: str) -> None:
    """Chat, completions and vectors at the paths its page lists."""
    asked: dict[str, Any] = {"model": "tiny", "max_tokens": 4}
    chat = httpx.post(f"{url}/v1/chat/completions", json={**asked, "messages": ASK}, timeout=60)
    assert chat.json()["choices"][0]["message"]["content"] is not None
    text = httpx.post(f"{url}/v1/completions", json={**asked, "prompt": WHY}, timeout=60)
    assert isinstance(text.json()["choices"][0]["text"], str)
    found = httpx.post(f"{url}/v1/embeddings", json={"model": "tiny", "input": WHY}, timeout=60)
    assert found.json()["data"][0]["embedding"]
