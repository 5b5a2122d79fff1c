"""The unmodified `anthropic` client against a gateway before a real daemon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.gateway.conftest import MODELS

HI: Any = [{"role": "user", "content": "Hi"}]
COLD = {"temperature": 0}
"""The newest client has no argument for it."""


@pytest.fixture
def client(url: str) -> Iterator[anthropic.Anthropic]:
    """The client as people make it: some key has to be given."""
    with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as made:
        yield made


def test_a_message_comes_whole_and_in_events(client: anthropic.Anthropic) -> None:
    """Both say the same, with the same counts."""
    asked: Any = {"model": "tiny", "messages": HI, "max_tokens": 8, "extra_body": COLD}
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        last = stream.get_final_message()

    assert text == whole.content[0].text
    assert (whole.stop_reason, last.stop_reason) == ("max_tokens", "max_tokens")
    assert (whole.usage.output_tokens, last.usage.output_tokens) == (8, 8)
    counted = whole.usage.input_tokens + (whole.usage.cache_read_input_tokens or 0)
    assert counted == last.usage.input_tokens + (last.usage.cache_read_input_tokens or 0) > 0


def test_tokens_are_counted_as_they_will_be(client: anthropic.Anthropic) -> None:
    """With the template, the system prompt and the tools."""
    tools: Any = [{"name": "add", "description": "Adds", "input_schema": {"type": "object"}}]
    asked: Any = {"model": "caller", "messages": HI, "system": "Be kind", "tools": tools}
    counted = client.messages.count_tokens(**asked).input_tokens
    said = client.messages.create(**asked, max_tokens=1).usage

    assert counted == said.input_tokens + (said.cache_read_input_tokens or 0)
    assert counted > client.messages.count_tokens(model="caller", messages=HI).input_tokens


def test_a_stop_sequence_is_told(client: anthropic.Anthropic) -> None:
    """The one that matched."""
    said = client.messages.create(
        model="tiny",
        messages=HI,
        max_tokens=20,
        output_config={"format": {"type": "json_schema", "schema": {"const": "abcdef"}}},
        stop_sequences=["cd", "never said"],
    )

    assert (said.stop_reason, said.stop_sequence) == ("stop_sequence", "cd")
    assert [block.text for block in said.content] == ['"ab']


def test_results_of_tools_are_part_of_a_conversation(client: anthropic.Anthropic) -> None:
    """Blocks of every kind that is text are read; what the model is shown of them counts."""
    tools: Any = [{"name": "add", "description": "Adds", "input_schema": {"type": "object"}}]
    call = {"type": "tool_use", "id": "abcdefghi", "name": "add", "input": {"a": 1}}
    result = {"type": "tool_result", "tool_use_id": "abcdefghi", "content": "2"}
    messages: Any = [
        *HI,
        {"role": "assistant", "content": [{"type": "text", "text": "I add."}, call]},
        {"role": "user", "content": [result, {"type": "text", "text": "So?"}]},
    ]
    long = client.messages.create(model="caller", messages=messages, tools=tools, max_tokens=2)
    short = client.messages.create(model="caller", messages=HI, system="Be kind", max_tokens=2)

    assert long.usage.input_tokens > short.usage.input_tokens


def test_a_forced_call_is_a_block_with_an_object(client: anthropic.Anthropic) -> None:
    """Whole and streamed."""
    schema = {
        "type": "object",
        "properties": {"unit": {"enum": ["C", "F"]}},
        "required": ["unit"],
        "additionalProperties": False,
    }
    tools: Any = [{"name": "weather", "description": "Looks", "input_schema": schema}]
    asked: Any = {"model": "caller", "messages": HI, "max_tokens": 300, "tools": tools}
    asked["tool_choice"] = {"type": "tool", "name": "weather"}
    said = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()

    for one in (said, streamed):
        call = one.content[-1]
        assert (one.stop_reason, call.type, call.name) == ("tool_use", "tool_use", "weather")
        assert call.input["unit"] in {"C", "F"}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"extra_body": {"temperature": 9}}, "temperature"),
        ({"extra_body": {"nonsense": 1}}, "nonsense"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"messages": []}, "messages"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    client: anthropic.Anthropic, more: dict[str, Any], field: str
) -> None:
    """As a bad request of the dialect, naming the field."""
    with pytest.raises(anthropic.BadRequestError) as refused:
        client.messages.create(**{"model": "tiny", "messages": HI, "max_tokens": 4, **more})

    told: Any = refused.value.body
    assert told["type"] == "error"
    assert told["error"]["type"] == "invalid_request_error"
    assert field in told["error"]["message"]


def test_models_are_listed(client: anthropic.Anthropic) -> None:
    """By the same path as OpenAI's."""
    assert [one.id for one in client.models.list()] == MODELS


def test_a_model_nobody_has_is_not_found(client: anthropic.Anthropic) -> None:
    """With the daemon's reason."""
    with pytest.raises(anthropic.NotFoundError) as missing:
        client.messages.create(model="nobody", messages=HI, max_tokens=4)

    assert missing.value.body["error"]["code"] == "MODEL_NOT_FOUND"  # type: ignore[index, call-overload]
