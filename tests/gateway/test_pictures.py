"""Pictures through every dialect: a red one and a blue one answer differently, and count."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.pictures import BLUE, RED, png


def _text(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def _address(picture: bytes) -> str:
    return f"data:image/png;base64,{_text(picture)}"


def ollama_chat(picture: bytes) -> tuple[str, dict[str, Any]]:
    """As Ollama's clients write it."""
    turn = {"role": "user", "content": "Colour?", "images": [_text(picture)]}
    return "/api/chat", {"messages": [turn], "stream": False, "options": OPTIONS}


def ollama_generate(picture: bytes) -> tuple[str, dict[str, Any]]:
    """As Frigate writes it."""
    asked = {"prompt": "Colour?", "images": [_text(picture)], "stream": False}
    return "/api/generate", {**asked, "options": OPTIONS}


def openai_chat(picture: bytes) -> tuple[str, dict[str, Any]]:
    """As OpenAI's clients write it."""
    image = {"type": "image_url", "image_url": {"url": _address(picture), "detail": "low"}}
    turn = {"role": "user", "content": [{"type": "text", "text": "Colour?"}, image]}
    return "/v1/chat/completions", {"messages": [turn], "max_tokens": 8, "temperature": 0}


def openai_response(picture: bytes) -> tuple[str, dict[str, Any]]:
    """As the newer ones do."""
    image = {"type": "input_image", "image_url": _address(picture), "detail": "auto"}
    turn = {"role": "user", "content": [image, {"type": "input_text", "text": "Colour?"}]}
    return "/v1/responses", {"input": [turn], "max_output_tokens": 8, "temperature": 0}


def anthropic_message(picture: bytes) -> tuple[str, dict[str, Any]]:
    """As Anthropic's clients write it."""
    source = {"type": "base64", "media_type": "image/png", "data": _text(picture)}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "Colour?"}]
    asked = {"messages": [{"role": "user", "content": content}], "max_tokens": 8}
    return "/v1/messages", {**asked, "temperature": 0}


ELSEWHERE = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}
OPTIONS = {"num_predict": 8, "temperature": 0}
WAYS = [ollama_chat, ollama_generate, openai_chat, openai_response, anthropic_message]
Way = Callable[[bytes], tuple[str, dict[str, Any]]]


def said(url: str, way: Way, picture: bytes) -> Any:
    """Return what a seeing model says to *picture*."""
    path, asked = way(picture)
    answer = httpx.post(url + path, json={"model": "seer", **asked}, timeout=60)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    for key in ("message", "response", "choices", "output", "content"):
        if key in told:
            return told[key]
    raise AssertionError(told)


def words(told: Any) -> str:
    """Return the text in what was said, without ids."""
    if isinstance(told, dict):
        return words(told.get("content", told.get("text", told.get("message", ""))))
    return told if isinstance(told, str) else "".join(words(one) for one in told)


@pytest.mark.parametrize("way", WAYS)
def test_what_a_picture_shows_is_what_is_answered(url: str, way: Way) -> None:
    """The same twice, another one differently."""
    red, again, blue = (
        words(said(url, way, one)) for one in (png(colour=RED), png(colour=RED), png(colour=BLUE))
    )

    assert red == again != blue


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": [ELSEWHERE]}]}),
        ("/api/generate", {"prompt": "Hi", "images": ["file:///etc/passwd"]}),
        ("/api/generate", {"prompt": "Hi", "images": ["/etc/passwd"]}),
        ("/api/generate", {"prompt": "Hi", "images": [{"data": "x"}]}),
        ("/api/generate", {"prompt": "Hi", "images": [_text(b"no picture at all")]}),
    ],
)
def test_what_is_no_picture_is_refused(url: str, path: str, asked: dict[str, Any]) -> None:
    """Addresses are not fetched, files of this machine are not read, bytes are looked at."""
    answer = httpx.post(url + path, json={"model": "seer", **asked}, timeout=60)

    assert answer.status_code == 400, answer.text
    assert "image" in answer.text or "parts[" in answer.text or "picture" in answer.text


def test_a_model_that_sees_says_so(url: str) -> None:
    """In the words of Ollama, OpenAI's list and llama.cpp."""
    shown = httpx.post(f"{url}/api/show", json={"model": "seer"}).json()
    listed = {one["id"]: one for one in httpx.get(f"{url}/v1/models").json()["data"]}
    props = httpx.get(f"{url}/props", params={"model": "seer"}).json()

    assert "vision" in shown["capabilities"]
    assert listed["seer"]["architecture"]["input_modalities"] == ["text", "image"]
    assert listed["tiny"]["architecture"]["input_modalities"] == ["text"]
    assert props["modalities"]["vision"] is True
