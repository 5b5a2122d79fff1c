"""The unmodified `openai` client against a gateway before a real daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import httpx
import openai
import pytest

from tests.gateway.conftest import MODELS

HI: Any = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    """The client as people make it: some key has to be given."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    """By the names the daemon has for them."""
    assert [one.id for one in client.models.list()] == MODELS
    assert client.models.retrieve("tiny").owned_by == "rkd"
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("nobody")
    assert missing.value.code == "MODEL_NOT_FOUND"


def test_a_gap_is_filled_in(client: openai.OpenAI) -> None:
    """A suffix stands behind it, and the model's own tokens around both texts; "" is none."""
    asked: dict[str, Any] = {"model": "filler", "prompt": "abc", "max_tokens": 4}
    said = client.completions.create(**asked, suffix="de")
    plain = client.completions.create(**asked, suffix="")

    assert said.usage is not None
    assert plain.usage is not None
    assert (said.usage.prompt_tokens, plain.usage.prompt_tokens) == (3 + 3 + 2, 3)


def test_a_chat_comes_whole_and_in_events(client: openai.OpenAI) -> None:
    """Both say the same; a stream ends with its usage when that is asked for."""
    asked: Any = {"model": "tiny", "messages": HI, "max_tokens": 8, "temperature": 0, "seed": 3}
    whole = client.chat.completions.create(**asked)
    events = list(
        client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(one.choices[0].delta.content or "" for one in events if one.choices)

    assert text == whole.choices[0].message.content
    assert whole.choices[0].finish_reason == "length"
    assert events[0].choices[0].delta.role == "assistant"
    assert events[-1].usage == whole.usage or events[-1].usage.completion_tokens == 8
    assert whole.usage.completion_tokens == 8


def test_an_answer_keeps_to_its_schema(client: openai.OpenAI) -> None:
    """`response_format` of a JSON Schema constrains the answer."""
    schema = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}
    schema["additionalProperties"] = False
    shape: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    said = client.chat.completions.create(
        model="tiny", messages=HI, response_format=shape, max_tokens=200
    )

    assert json.loads(said.choices[0].message.content or "")["a"] in {"x", "y"}


def test_the_constraints_of_vllm_hold(client: openai.OpenAI) -> None:
    """In chats and in completions, by its names of today and of old."""
    asked: dict[str, Any] = {"model": "tiny", "max_tokens": 20}
    said = client.chat.completions.create(
        **asked, messages=HI, extra_body={"structured_outputs": {"choice": ["abc", "xyz"]}}
    )
    plain = client.completions.create(**asked, prompt="Hi", extra_body={"guided_regex": "[0-3]{5}"})

    assert said.choices[0].message.content in {"abc", "xyz"}
    assert set(plain.choices[0].text) <= set("0123")
    assert len(plain.choices[0].text) == 5


def test_probabilities_and_biases(client: openai.OpenAI) -> None:
    """A token that is forced is the one that comes."""
    said = client.chat.completions.create(
        model="tiny",
        messages=HI,
        max_tokens=3,
        temperature=0,
        logprobs=True,
        top_logprobs=2,
        logit_bias={"70": 100},
    )
    tokens = said.choices[0].logprobs.content or []  # type: ignore[union-attr]

    assert len({one.token for one in tokens}) == 1
    assert [len(one.top_logprobs) for one in tokens] == [2, 2, 2]


def test_several_answers_are_choices(client: openai.OpenAI) -> None:
    """Each with its own text and end, whole and streamed; the counts are together."""
    asked: Any = {"model": "tiny", "messages": HI, "max_tokens": 6, "n": 3, "seed": 5}
    whole = client.chat.completions.create(**asked)
    texts = ["", "", ""]
    ends = {}
    for event in client.chat.completions.create(**asked, stream=True):
        choice = event.choices[0]
        texts[choice.index] += choice.delta.content or ""
        ends[choice.index] = choice.finish_reason

    assert [one.index for one in whole.choices] == [0, 1, 2]
    assert [one.message.content for one in whole.choices] == texts
    assert len(set(texts)) > 1
    assert set(ends) == {0, 1, 2}
    assert whole.usage.completion_tokens > 6
    prompts = client.completions.create(model="tiny", prompt="Hi", max_tokens=3, n=2)
    assert [one.index for one in prompts.choices] == [0, 1]


def test_several_prompts_are_answered_in_order(client: openai.OpenAI) -> None:
    """Each as it is alone, `n` choices of each side by side; tokens are counted together."""
    asked: Any = {"model": "tiny", "max_tokens": 4, "temperature": 0}
    alone = [client.completions.create(**asked, prompt=one) for one in ("Hi", "Well then")]
    both = client.completions.create(**asked, prompt=["Hi", "Well then"], n=2)
    texts = ["", ""]
    *events, last = client.completions.create(
        **asked, prompt=["Hi", "Well then"], stream=True, stream_options={"include_usage": True}
    )
    for one in events:
        texts[one.choices[0].index] += one.choices[0].text

    own = [one.choices[0].text for one in alone]
    assert [one.text for one in both.choices] == [own[0], own[0], own[1], own[1]]
    assert [one.index for one in both.choices] == [0, 1, 2, 3]
    assert texts == own
    assert last.usage.prompt_tokens == sum(one.usage.prompt_tokens for one in alone)
    assert last.usage.completion_tokens == 8
    for wrong in ([], ["a"] * 65, ["a", 1], [[1, 2]], 3):
        with pytest.raises(openai.BadRequestError):
            client.completions.create(**asked, prompt=wrong)


def test_documents_are_ranked(url: str) -> None:
    """In Jina's and Cohere's shape: best first, with the index they were sent at."""
    asked = {"model": "ranker", "query": "a", "documents": ["a b", {"text": "c"}, "d e f"]}
    for path in ("/v1/rerank", "/v2/rerank"):
        answer = httpx.post(url + path, json={**asked, "top_n": 2, "return_documents": True})
        told = answer.json()
        scores = [one["relevance_score"] for one in told["results"]]
        assert len(scores) == 2
        assert scores == sorted(scores, reverse=True)
        assert told["results"][0]["document"]["text"] in {"a b", "c", "d e f"}
        assert told["usage"]["total_tokens"] > 0


def test_apps_of_llama_cpp_find_what_they_ask(url: str) -> None:
    """The context, whether it sees; tokens there and back."""
    assert httpx.get(f"{url}/health").json() == {"status": "ok"}
    props = httpx.get(f"{url}/props", params={"model": "tiny"}).json()
    assert props["default_generation_settings"]["n_ctx"] == 4096
    assert props["modalities"] == {"vision": False, "audio": False}
    tokens = httpx.post(f"{url}/tokenize", json={"model": "tiny", "content": "Hi"}).json()
    back = httpx.post(f"{url}/detokenize", json={"model": "tiny", **tokens}).json()
    assert back["content"] == "Hi"
    (entry,) = [one for one in httpx.get(f"{url}/v1/models").json()["data"] if one["id"] == "tiny"]
    assert entry["meta"]["n_ctx"] == entry["max_model_len"] == 4096


def test_a_prompt_is_continued(client: openai.OpenAI) -> None:
    """Whole and streamed alike."""
    asked: Any = {"model": "tiny:latest", "prompt": "Hi", "max_tokens": 5, "temperature": 0}
    whole = client.completions.create(**asked).choices[0].text
    events = client.completions.create(**asked, stream=True)

    assert "".join(one.choices[0].text for one in events) == whole


def test_vectors_are_the_same_as_numbers_and_in_base64(client: openai.OpenAI) -> None:
    """The client asks for base64 by itself."""
    packed = client.embeddings.create(model="tiny", input=["one", "two"])
    plain = client.embeddings.create(model="tiny", input="one", encoding_format="float")

    assert [one.index for one in packed.data] == [0, 1]
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding)


SCHEMA: Any = {
    "type": "object",
    "properties": {"unit": {"enum": ["C", "F"]}},
    "required": ["unit"],
    "additionalProperties": False,
}
WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
NAMED: Any = {"type": "function", "function": {"name": "weather"}}


@pytest.mark.parametrize("choice", ["required", NAMED])
def test_a_forced_call_comes_whole_and_in_pieces(client: openai.OpenAI, choice: Any) -> None:
    """Its arguments keep to the schema, and the result goes back into the conversation."""
    asked: Any = {"model": "caller", "messages": HI, "tools": [WEATHER], "tool_choice": choice}
    said = client.chat.completions.create(**asked, max_tokens=300).choices[0]
    name = text = ""
    for event in client.chat.completions.create(**asked, max_tokens=300, stream=True):
        for call in event.choices[0].delta.tool_calls or ():
            name += call.function.name or ""
            text += call.function.arguments or ""

    assert said.finish_reason == "tool_calls"
    call = said.message.tool_calls[0]
    assert (call.function.name, name) == ("weather", "weather")
    assert {json.loads(one)["unit"] for one in (call.function.arguments, text)} <= {"C", "F"}
    result = {"role": "tool", "tool_call_id": call.id, "content": "20"}
    asked["messages"] = [*HI, said.message.model_dump(exclude_none=True), result]
    asked["tool_choice"] = "none"
    again = client.chat.completions.create(**asked, max_tokens=3)
    assert again.choices[0].finish_reason in {"length", "stop"}
    assert not again.choices[0].message.tool_calls


def test_an_answer_becomes_a_model_of_pydantic(client: openai.OpenAI) -> None:
    """`parse()` sends the schema of the class and reads what comes."""
    from pydantic import BaseModel  # noqa: PLC0415 - comes with the client

    class Colour(BaseModel):
        name: Literal["red", "blue"]
        light: bool

    said = client.chat.completions.parse(
        model="tiny", messages=HI, response_format=Colour, max_tokens=200
    )

    assert said.choices[0].message.parsed.name in {"red", "blue"}


@pytest.mark.parametrize(
    ("more", "code", "param"),
    [
        ({"extra_body": {"best_of": 2}}, "CAPABILITY_UNSUPPORTED", "best_of"),
        ({"tool_choice": {"type": "function"}}, "INVALID_FIELD", "tool_choice"),
        ({"reasoning_effort": "high"}, "CAPABILITY_UNSUPPORTED", "reasoning_effort"),
        ({"temperature": 9}, "INVALID_FIELD", "temperature"),
        ({"extra_body": {"nonsense": 1}}, "INVALID_FIELD", "nonsense"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    client: openai.OpenAI, more: dict[str, Any], code: str, param: str
) -> None:
    """As a bad request, with the daemon's reason and the field."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="tiny", messages=HI, **more)

    assert (refused.value.code, refused.value.param) == (code, param)


def test_a_prompt_too_long_is_an_error_with_both_numbers(client: openai.OpenAI) -> None:
    """Never cut."""
    long: Any = [{"role": "user", "content": "x" * 9000}]
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="tiny", messages=long)

    assert refused.value.code == "CONTEXT_LENGTH_EXCEEDED"
    assert "4096" in refused.value.message
