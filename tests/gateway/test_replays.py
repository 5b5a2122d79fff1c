"""
Apps that are no library: what they really send, request by request, and what they read of it.

Taken from the apps' own sources; where an app stops when an answer has another shape, so do these.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import MODELS

TITLE = "### Task:\nGenerate a concise title summarizing the chat history.\n### Output:\nJSON"
AUTOMATION = {
    "type": "object",
    "properties": {"area": {"enum": ["kitchen", "hall"]}},
    "required": ["area"],
    "additionalProperties": False,
}


class App:
    """An app that calls *url*, as its own name."""

    def __init__(self, url: str, agent: str) -> None:
        self._url, self._headers = url, {"user-agent": agent}

    def get(self, path: str, **query: str) -> Any:
        """Return what a GET is answered."""
        answer = httpx.get(self._url + path, params=query, headers=self._headers, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def send(self, path: str, asked: dict[str, Any]) -> httpx.Response:
        """Return the answer to a POST."""
        answer = httpx.post(self._url + path, json=asked, headers=self._headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer

    def post(self, path: str, **asked: Any) -> Any:
        """Return what a POST is answered."""
        return self.send(path, asked).json()

    def lines(self, path: str, **asked: Any) -> list[Any]:
        """Return the lines of a stream of JSON."""
        answer = self.send(path, asked)
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        return [json.loads(line) for line in answer.text.splitlines()]

    def events(self, path: str, **asked: Any) -> list[Any]:
        """Return the events of a stream, as browsers part them: by an empty line."""
        answer = self.send(path, {**asked, "stream": True})
        assert answer.headers["content-type"].startswith("text/event-stream")
        blocks = [one for one in answer.text.split("\n\n") if one and not one.startswith(":")]
        data = [re.sub(r"^(event: .*\n)?data: ", "", one) for one in blocks]
        return [json.loads(one) for one in data if one != "[DONE]"]


def test_open_webui_by_ollamas_way(url: str) -> None:
    """Verify, models, who is loaded, a chat with its tag, and the title after it."""
    app = App(url, "open-webui")
    assert re.fullmatch(r"\d+\.\d+.*", app.get("/api/version")["version"])
    tags = app.get("/api/tags")["models"]
    assert [one["name"] for one in tags] == [one["model"] for one in tags] == MODELS
    assert all(datetime.fromisoformat(one["modified_at"]) for one in tags)
    turns = [{"role": "user", "content": "Hi"}]
    options = {"temperature": 0, "num_predict": 5, "num_ctx": 512}
    said = app.lines("/api/chat", model="tiny:latest", messages=turns, stream=True, options=options)
    assert [one["done"] for one in said] == [False] * (len(said) - 1) + [True]
    (loaded,) = [one for one in app.get("/api/ps")["models"] if one["name"] == "tiny"]
    assert datetime.fromisoformat(loaded["expires_at"]) > datetime.now().astimezone()
    title = app.post(
        "/v1/chat/completions",
        model="tiny",
        messages=[{"role": "user", "content": TITLE}],
        stream=False,
        max_completion_tokens=5,
        metadata={"task": "title_generation"},
    )
    assert title["choices"][0]["message"]["role"] == "assistant"


def test_home_assistant_by_ollamas_way(url: str) -> None:
    """List, a chat that stays, with the schema of an action, tools and their results."""
    app = App(url, "HomeAssistant")
    tool = {"name": "turn_on", "description": "On", "parameters": AUTOMATION}
    asked: dict[str, Any] = {
        "model": "caller",
        "stream": True,
        "think": False,
        "keep_alive": -1,
        "options": {"num_ctx": 2048, "num_predict": 4},
        "tools": [{"type": "function", "function": tool}],
    }
    call = {"function": {"name": "turn_on", "arguments": {"area": "hall"}}}
    turns: list[dict[str, Any]] = [
        {"role": "system", "content": "You are a voice."},
        {"role": "user", "content": "Light!", "images": None},
    ]
    assert app.lines("/api/chat", messages=turns, **asked)[-1]["done"]
    turns += [
        {"role": "assistant", "content": "", "thinking": None, "tool_calls": [call]},
        {"role": "tool", "content": '{"success": true}'},  # without name and without id
    ]
    said = app.lines("/api/chat", messages=turns, **asked)
    assert said[-1]["done_reason"] in {"stop", "length"}
    shaped = app.lines(
        "/api/chat", model="tiny", messages=turns[:2], format=AUTOMATION, keep_alive="300s"
    )
    text = "".join(one["message"]["content"] for one in shaped)
    assert json.loads(text)["area"] in {"kitchen", "hall"}
    for _ in range(3):  # every 30 s, for ever
        assert app.get("/api/ps")
        assert app.get("/api/tags")


def test_home_assistant_by_openais_way(url: str) -> None:
    """Models, then Responses alone, streamed and not stored, with a result sent back."""
    app = App(url, "HomeAssistant")
    assert app.get("/v1/models")["data"]
    tool = {"type": "function", "name": "turn_on", "parameters": AUTOMATION, "strict": False}
    asked: dict[str, Any] = {
        "model": "caller",
        "instructions": None,
        "tools": [tool],
        "max_output_tokens": 200,
        "top_p": 1.0,
        "temperature": 1.0,
        "user": "conversation-1",
        "store": False,
        "tool_choice": {"type": "function", "name": "turn_on"},
    }
    first: list[dict[str, Any]] = [
        {"type": "message", "role": "developer", "content": "You are a voice."},
        {"type": "message", "role": "user", "content": "Light!"},
    ]
    events = app.events("/v1/responses", input=first, **asked)
    kinds = [one["type"] for one in events]
    assert kinds[0] == "response.created"
    assert "response.function_call_arguments.delta" in kinds
    assert kinds[-1] == "response.completed"
    (done,) = [one for one in events if one["type"] == "response.output_item.done"]
    call = done["item"]
    assert json.loads(call["arguments"])["area"] in {"kitchen", "hall"}
    sent = {key: call[key] for key in ("type", "name", "arguments", "call_id")}
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "{}"}
    asked.update(tool_choice="auto", max_output_tokens=4)
    again = app.events("/v1/responses", input=[*first, sent, result], **asked)
    assert again[-1]["response"]["usage"]["output_tokens"] > 0


def test_frigate_by_ollamas_way(url: str, picture: str) -> None:
    """Show at the start, for what it can; a picture with a schema; counts."""
    app = App(url, "Frigate")
    shown = app.post("/api/show", model="seer")
    assert "vision" in shown["capabilities"]
    assert [one for one in shown["model_info"] if one.endswith(".context_length")]
    said = app.post(
        "/api/generate",
        model="seer",
        prompt="What?",
        images=[picture],
        stream=False,
        format=AUTOMATION,
        think=False,
        options={"num_ctx": 1024, "temperature": 0.5},
    )
    assert json.loads(said["response"])["area"] in {"kitchen", "hall"}
    assert all(said[key] > 0 for key in ("eval_count", "eval_duration", "prompt_eval_count"))


def test_frigate_by_openais_way(url: str, picture: str) -> None:
    """Its context from the list, a picture of low detail, a strict schema."""
    app = App(url, "Frigate")
    image = {"url": f"data:image/png;base64,{picture}", "detail": "low"}
    content = [{"type": "image_url", "image_url": image}, {"type": "text", "text": "What?"}]
    shape = {"name": "r", "strict": True, "schema": AUTOMATION}
    said = app.post(
        "/v1/chat/completions",
        model="seer",
        messages=[{"role": "user", "content": content}],
        response_format={"type": "json_schema", "json_schema": shape},
        max_tokens=300,
    )
    assert json.loads(said["choices"][0]["message"]["content"])["area"] in {"kitchen", "hall"}
    (entry,) = [one for one in app.get("/v1/models")["data"] if one["id"] == "seer"]
    assert entry["max_model_len"] > 0


def test_frigate_by_llama_cpps_way(url: str) -> None:
    """What the model takes, and how long it may be."""
    app = App(url, "Frigate")
    entries = {one["id"]: one for one in app.get("/v1/models")["data"]}
    assert "image" in entries["seer"]["architecture"]["input_modalities"]
    props = app.get("/props", model="seer")
    assert props["modalities"]["vision"] is True
    assert "supports_tools" in props["chat_template_caps"]
    said = app.post(
        "/v1/chat/completions",
        model="tiny",
        messages=[{"role": "user", "content": "Hi"}],
        max_tokens=3,
        chat_template_kwargs={"enable_thinking": False},
        timings_per_token=True,
    )
    assert said["usage"]["completion_tokens"] == 3


def test_continue(url: str) -> None:
    """Show by `name`; a chat with tools that is not streamed; vectors, many at once."""
    app = App(url, "continue")
    shown = app.post("/api/show", name="caller")
    assert isinstance(shown["parameters"], str)
    assert isinstance(shown["template"], str)
    tool = {"name": "read_file", "description": "Reads", "parameters": AUTOMATION}
    said = app.post(
        "/api/chat",
        model="caller",
        messages=[{"role": "user", "content": "Hi"}],
        options={"num_predict": 3, "num_ctx": 2048, "stop": ["never"]},
        tools=[{"type": "function", "function": tool}],
        keep_alive=1800,
        stream=False,
    )
    assert said["message"]["role"] == "assistant"
    raw = app.lines("/api/generate", model="tiny", prompt="def f", raw=True, keep_alive=1800)
    assert raw[-1]["done"]
    assert len(app.post("/api/embed", model="tiny", input=["a"] * 64)["embeddings"]) == 64


def test_n8n(url: str) -> None:
    """Tags try the credential; Responses are its OpenAI node's way; JSON its format."""
    app = App(url, "n8n")
    assert app.get("/api/tags")["models"]
    options = {"num_predict": 60, "num_gpu": -1, "num_thread": 0, "num_ctx": 2048, "top_p": 1}
    turns = [{"role": "user", "content": "Hi"}]
    said = app.lines(
        "/api/chat",
        model="tiny",
        messages=turns,
        stream=True,
        format="json",
        keep_alive="5m",
        options={**options, "use_mlock": False, "penalize_newline": True, "low_vram": False},
    )
    assert said[-1]["done"]
    response = app.post(
        "/v1/responses",
        model="tiny",
        input=[{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        max_output_tokens=3,
        background=False,
        parallel_tool_calls=True,
        store=True,
        text={"format": {"type": "text"}},
        truncation="disabled",
    )
    assert response["output"][0]["content"][0]["type"] == "output_text"


@pytest.fixture
def picture() -> str:
    """A picture as base64."""
    import base64  # noqa: PLC0415 - here alone

    from tests.pictures import png  # noqa: PLC0415 - here alone

    return base64.b64encode(png()).decode()
