"""The unmodified `ollama` client against a gateway before a real daemon."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import httpx
import ollama
import pytest

from tests.gateway.conftest import MODELS
from tests.models import tiny


@pytest.fixture
def client(url: str) -> Iterator[ollama.Client]:
    """The client as people make it."""
    made = ollama.Client(host=url)
    yield made
    made.close()


def test_a_model_is_listed_shown_copied_and_deleted(client: ollama.Client) -> None:
    """With `:latest` or without; a second deletion is a 404."""
    assert [one.model for one in client.list().models] == MODELS
    shown = client.show("tiny:latest")
    assert shown.details is not None
    assert (shown.details.format, shown.details.family) == ("gguf", "llama")
    assert "completion" in (shown.capabilities or [])
    client.copy("tiny", "second:latest")
    assert {str(one.model) for one in client.list().models} == {*MODELS, "second"}
    client.delete("second")
    with pytest.raises(ollama.ResponseError) as missing:
        client.delete("second")

    assert missing.value.status_code == 404
    assert "second" in missing.value.error


def test_a_chat_comes_whole_and_in_lines(client: ollama.Client) -> None:
    """Both say the same, and their durations add up."""
    turns = [{"role": "user", "content": "Hi"}]
    options = {"temperature": 0, "num_predict": 8, "seed": 1, "num_gpu": 1}
    whole = client.chat("tiny:latest", turns, options=options)
    lines = list(client.chat("tiny:latest", turns, options=options, stream=True, keep_alive=-1))
    last = lines[-1]

    assert "".join(one.message.content or "" for one in lines) == whole.message.content
    assert (last.done, last.done_reason, last.eval_count) == (True, "length", 8)
    assert last.model == "tiny:latest"
    parts = (last.load_duration or 0, last.prompt_eval_duration or 0, last.eval_duration or 0)
    assert 0 < sum(parts) <= (last.total_duration or 0)


def test_a_prompt_is_continued_with_probabilities(client: ollama.Client) -> None:
    """Raw, with logprobs and a format."""
    options = {"num_predict": 4, "temperature": 0}
    said = client.generate("tiny", "Hi", raw=True, options=options, logprobs=True, top_logprobs=2)

    assert said.done_reason == "length"
    assert len(said.logprobs or ()) == 4
    assert all(len(one.top_logprobs or ()) == 2 for one in said.logprobs or ())


def test_a_conversation_goes_on_by_its_context(client: ollama.Client) -> None:
    """Two prompts of it are longer than one; somebody else's numbers are refused."""
    options = {"num_predict": 3, "temperature": 0}
    first = client.generate("tiny", "Hi", options=options)
    second = client.generate("tiny", "Hi", context=first.context, options=options)
    streamed = list(
        client.generate("tiny", "Hi", context=first.context, options=options, stream=True)
    )

    assert (second.prompt_eval_count or 0) > (first.prompt_eval_count or 0)
    assert streamed[-1].context == second.context
    assert client.generate("tiny", "Hi", raw=True, options=options).context is None
    with pytest.raises(ollama.ResponseError, match="context"):
        client.generate("tiny", "Hi", context=[1, 2, 3])


def test_keep_alive_loads_keeps_and_unloads(client: ollama.Client) -> None:
    """Without a prompt: -1 stays, a duration tells when it leaves, 0 leaves."""
    assert client.generate("tiny", keep_alive="10m").done_reason == "load"
    (resident,) = client.ps().models
    assert resident.expires_at is not None
    left = resident.expires_at - dt.datetime.now(dt.UTC)
    assert 500 < left.total_seconds() < 601
    client.generate("tiny", keep_alive=-1)
    assert client.ps().models[0].expires_at.year > 2300  # type: ignore[union-attr]
    assert client.generate("tiny", keep_alive=0).done_reason == "unload"
    assert list(client.ps().models) == []


def test_vectors_of_both_kinds(client: ollama.Client) -> None:
    """`embed` gives length 1, one for each text; `embeddings` one as it is."""
    found = client.embed("tiny", ["one", "two"]).embeddings
    assert [round(sum(value * value for value in one), 3) for one in found] == [1, 1]
    assert len(client.embeddings("tiny", "one").embedding) == len(found[0])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"options": {"temprature": 1}}, "options.temprature"),
        ({"options": {"temperature": "hot"}}, "options.temperature should be a number"),
        ({"options": {"top_k": True}}, "options.top_k should be a whole number"),
        ({"think": "high"}, "knows no reasoning_effort"),
        ({"think": "much"}, "think should be true, false"),
        ({"keep_alive": "soon"}, "keep_alive should be seconds"),
        ({"suffix": "end"}, "fim cannot be used with this model"),
        ({"suffix": "end", "raw": True}, "suffix has no meaning with `raw`"),
        ({"images": ["aGk="]}, "picture"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    client: ollama.Client, more: dict[str, object], said: str
) -> None:
    """Never ignored; the field is named."""
    with pytest.raises(ollama.ResponseError) as refused:
        client.generate("tiny", "Hi", **more)  # type: ignore[call-overload]

    assert refused.value.status_code == 400
    assert said in refused.value.error


def test_a_gap_is_filled_in(client: ollama.Client) -> None:
    """Three tokens of the model's stand around both texts; the beginning may be empty."""
    few = {"num_predict": 4, "temperature": 0}
    said = client.generate("filler", "abc", suffix="de", options=few)
    bare = client.generate("filler", "", suffix="de", options=few)

    assert (said.prompt_eval_count, said.eval_count) == (3 + 3 + 2, 4)
    assert bare.prompt_eval_count == 3 + 2


def test_an_unknown_model_is_a_404_also_of_a_stream(client: ollama.Client) -> None:
    """Before the first line an error has its status."""
    for streamed in (False, True):
        with pytest.raises(ollama.ResponseError) as missing:
            list(client.chat("nobody", [{"role": "user", "content": "Hi"}], stream=streamed))  # type: ignore[call-overload]
        assert missing.value.status_code == 404


def test_a_model_is_made_of_files_that_were_sent(client: ollama.Client, tmp_path: Path) -> None:
    """A file is sent once; system, parameters and messages are in its Modelfile."""
    weights = tiny.write(tmp_path / "sent.gguf", seed=7)
    digest = client.create_blob(weights)
    assert client.create_blob(weights) == digest
    steps = list(
        client.create(
            "made",
            files={"sent.gguf": digest},
            system='Say "hi"\nand be kind',
            parameters={"temperature": 0, "stop": ["a", "b c"]},
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
        )
    )
    shown = client.show("made")

    assert steps[-1].status == "success"
    assert 'Say "hi"' in (shown.modelfile or "")
    assert shown.parameters is not None
    assert '"b c"' in shown.parameters
    assert client.generate("made", "Hi", options={"num_predict": 2}).eval_count == 2
    assert client.create("child", from_="made", system="Other").status == "success"
    assert "Other" in (client.show("child").modelfile or "")
    for name in ("child", "made"):
        client.delete(name)


def test_a_file_comes_without_its_size_as_well(url: str, tmp_path: Path) -> None:
    """As the asynchronous client sends it; bytes that are others' digest are refused."""
    weights = tiny.write(tmp_path / "async.gguf", seed=8)

    async def bring() -> str:
        async with ollama.AsyncClient(host=url) as client:
            return await client.create_blob(weights)

    digest = asyncio.run(bring())
    assert httpx.head(f"{url}/api/blobs/{digest}").status_code == 200
    other = "sha256:" + "0" * 64
    assert httpx.head(f"{url}/api/blobs/{other}").status_code == 404
    wrong = httpx.post(f"{url}/api/blobs/{other}", content=b"something else")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "DIGEST_MISMATCH")
    assert httpx.post(f"{url}/api/blobs/nonsense", content=b"x").status_code == 400


def test_a_push_names_its_repository(client: ollama.Client) -> None:
    """A name alone is no repository of the Hub."""
    with pytest.raises(ollama.ResponseError) as refused:
        client.push("tiny")

    assert "user/repo" in refused.value.error
