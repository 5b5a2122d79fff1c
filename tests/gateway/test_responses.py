"""OpenAI's Responses by the unmodified `openai` client, against a gateway before a real daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.integration.daemon_process import wait_for

SCHEMA: Any = {
    "type": "object",
    "properties": {"unit": {"enum": ["C", "F"]}},
    "required": ["unit"],
    "additionalProperties": False,
}
WEATHER: Any = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}
SHORT: Any = {"model": "tiny", "input": "Hi", "max_output_tokens": 8, "temperature": 0}


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    """The client as people make it: some key has to be given."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_a_response_comes_whole_and_in_events(client: openai.OpenAI) -> None:
    """Both say the same; events are numbered, the last holds all of it."""
    whole = client.responses.create(**SHORT)
    events = list(client.responses.create(**SHORT, stream=True, store=False))
    text = "".join(one.delta for one in events if one.type == "response.output_text.delta")

    assert [one.sequence_number for one in events] == list(range(len(events)))
    assert [events[0].type, events[-1].type] == ["response.created", "response.incomplete"]
    assert text == whole.output_text == events[-1].response.output_text
    assert whole.status == "incomplete"
    assert whole.incomplete_details.reason == "max_output_tokens"
    assert whole.usage.output_tokens == 8


def test_the_clients_own_stream_builds_the_response(client: openai.OpenAI) -> None:
    """Which takes every event in its order."""
    asked: Any = {"model": "caller", "input": "Hi", "tools": [WEATHER], "max_output_tokens": 300}
    with client.responses.stream(**asked, tool_choice="required") as stream:
        for _ in stream:
            pass
        last = stream.get_final_response()
    call = last.output[-1]

    assert (last.status, call.type, call.name) == ("completed", "function_call", "weather")
    assert json.loads(call.arguments)["unit"] in {"C", "F"}


def test_a_conversation_goes_on_from_a_response(client: openai.OpenAI) -> None:
    """Its call and the result are part of it; each looks after its own input."""
    asked: Any = {"model": "caller", "tools": [WEATHER], "max_output_tokens": 300}
    first = client.responses.create(input="Hi", tool_choice="required", **asked)
    call = first.output[-1]
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "20"}
    second = client.responses.create(
        input=[result], previous_response_id=first.id, tool_choice="auto", **asked
    )
    items = list(client.responses.input_items.list(second.id, order="asc"))

    assert [one.type for one in items] == ["message", "function_call", "function_call_output"]
    assert second.usage.input_tokens > first.usage.input_tokens
    assert second.previous_response_id == first.id


def test_a_response_is_found_and_forgotten(client: openai.OpenAI) -> None:
    """Unless it was not to be stored."""
    kept = client.responses.create(**SHORT)
    assert client.responses.retrieve(kept.id).output_text == kept.output_text
    client.responses.delete(kept.id)
    unkept = client.responses.create(**SHORT, store=False)
    for one in (kept, unkept):
        with pytest.raises(openai.NotFoundError) as gone:
            client.responses.retrieve(one.id)
        assert gone.value.code == "RESPONSE_NOT_FOUND"


def test_nobody_finds_anothers_response(url: str, client: openai.OpenAI) -> None:
    """Not even who knows its id."""
    kept = client.responses.create(**SHORT)
    other = {"authorization": "Bearer somebody-else"}

    assert httpx.get(f"{url}/v1/responses/{kept.id}", headers=other).status_code == 404


def test_a_response_is_made_in_the_background_and_cancelled(client: openai.OpenAI) -> None:
    """One ends by itself, one when it is told to."""
    short = client.responses.create(**SHORT, background=True)
    assert short.status == "in_progress"
    wait_for(lambda: client.responses.retrieve(short.id).status == "incomplete", "its end")
    long = client.responses.create(**{**SHORT, "max_output_tokens": 3000}, background=True)

    assert client.responses.cancel(long.id).status == "cancelled"
    assert client.responses.retrieve(long.id).status == "cancelled"


def test_an_answer_keeps_to_its_schema(client: openai.OpenAI) -> None:
    """`parse()` sends the schema of a class."""
    from pydantic import BaseModel  # noqa: PLC0415 - comes with the client

    class Light(BaseModel):
        on: bool

    said = client.responses.parse(model="tiny", input="Hi", text_format=Light)
    assert said.output_parsed.on in {True, False}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        ({"previous_response_id": "resp_none"}, "resp_none"),
        ({"temperature": 9}, "temperature"),
        ({"extra_body": {"nonsense": 1}}, "nonsense"),
        ({"input": []}, "input"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    client: openai.OpenAI, more: dict[str, Any], field: str
) -> None:
    """Naming it."""
    with pytest.raises(openai.APIStatusError) as refused:
        client.responses.create(**{**SHORT, **more})

    assert refused.value.status_code in {400, 404}
    assert field in refused.value.message
