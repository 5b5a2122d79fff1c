"""Every schema is kept or refused before a token: two hundred of them, on a real engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.backend.llamacpp.schemas import Schemas
from rkd.errors import InternalError, PreconditionError, Reason, RkdError
from rkd.inference import (
    Chunk,
    FinishReason,
    Loaded,
    LoadProgress,
    LoadSpec,
    PrefillProgress,
    Run,
    Sampling,
    Tool,
)
from rkd.model import BackendKind, Message
from rkd.tokens import ToolCallDelta
from rkd.worker.handle import Handle
from tests.models import schemas, tiny

KEPT = dict(schemas.kept())
REFUSED = schemas.BEYOND | schemas.WRONG
LIKED = '"}],:0'
"""Said more often, so that nonsense comes to an end."""
FIRST_BYTE = len(tiny.SPECIAL)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCppBackend]:
    """A tiny model, loaded."""
    folder = tmp_path_factory.mktemp("engine")
    backend = LlamaCppBackend(lambda: None, folder)
    weights = tiny.write(folder / "tiny.gguf")
    backend.load(LoadSpec(BackendKind.CPU, str(weights), context_tokens=1024), lambda _: None)
    yield backend
    backend.close()


def answer(
    engine: LlamaCppBackend, schema: object, seed: int = 1, **sampling: Any
) -> tuple[FinishReason, str]:
    """What comes when an answer to *schema* is asked for."""
    texts: list[str] = []

    def emit(piece: Chunk | PrefillProgress) -> None:
        if isinstance(piece, Chunk):
            texts.append(piece.text)

    names = tiny.byte_characters()
    bias = tuple((FIRST_BYTE + names.index(one), 4.0) for one in LIKED)
    asked: dict[str, Any] = {"max_tokens": 300, "logit_bias": bias} | sampling
    run = Run(
        Sampling(seed=seed, json_schema=json.dumps(schema), **asked),
        prompt="Answer:",
    )
    return engine.run(run, Handle(), emit).reason, "".join(texts)


def test_there_are_two_hundred() -> None:
    """Kinds multiplied, not one kind often."""
    assert len(KEPT) + len(REFUSED) >= 200


def test_what_is_kept_is_kept(engine: LlamaCppBackend) -> None:
    """Each answer that ends is valid by the caller's own schema, and most of them end."""
    ended = 0
    for name, schema in KEPT.items():
        for seed in (1, 2):
            reason, text = answer(engine, schema, seed)
            if reason is FinishReason.LENGTH:
                continue
            assert reason is FinishReason.STOP_EOS, name
            ended += 1
            reader = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
            checker = reader.FORMAT_CHECKER
            error = next(reader(schema, format_checker=checker).iter_errors(json.loads(text)), None)
            assert error is None, f"{name}: {text}: {error}"

    assert ended > len(KEPT)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_kept_is_refused_by_its_place(engine: LlamaCppBackend, name: str) -> None:
    """Before a token, as what it is: wrong, or beyond every grammar."""
    schema, place = REFUSED[name]
    with pytest.raises(RkdError) as caught:
        answer(engine, schema)

    beyond = name in schemas.BEYOND and schemas.BEYOND[name][0] is schema
    reason = Reason.CAPABILITY_UNSUPPORTED if beyond else Reason.INVALID_FIELD
    assert (caught.value.reason, caught.value.metadata["path"]) == (reason, place)
    assert caught.value.violations[0].field == "options.sampling.json_schema"
    assert isinstance(caught.value, PreconditionError) is beyond


class DeafBackend(LlamaCppBackend):
    """One whose compiler of schemas is not asked, so that the engine drops them."""

    def load(self, spec: LoadSpec, progress: Callable[[LoadProgress], None]) -> Loaded:
        """As ever."""
        loaded = super().load(spec, progress)
        self._schemas = Schemas()
        return loaded


def test_a_hole_in_the_engine_shows(tmp_path: Path) -> None:
    """What it ends without the schema is a failure with the place, never a silent answer."""
    backend = DeafBackend(lambda: None, tmp_path)
    spec = LoadSpec(BackendKind.CPU, str(tiny.write(tmp_path / "t.gguf")), context_tokens=1024)
    backend.load(spec, lambda _: None)
    try:
        with pytest.raises(InternalError, match="does not keep the JSON schema"):
            answer(backend, obj_of(r"(?=a)b"), logit_bias=((2, 9.0),))
    finally:
        backend.close()


def obj_of(pattern: str) -> schemas.Schema:
    """An object with a text of *pattern*."""
    return schemas.obj(a={"type": "string", "pattern": pattern})


TEN = [name for name in KEPT if name.startswith(("required", "list"))][:10]
OPENED = (
    "{% if tools %}{{ tools | tojson }}{% endif %}"
    "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<think>\n{% endif %}"
)
SPOKEN = Run(messages=(Message("user", "Answer:"),), template=OPENED)


def spoken(engine: LlamaCppBackend, run: Run, schema: schemas.Schema) -> tuple[Chunk, FinishReason]:
    """The whole answer to *run* held to *schema*, its own reasoning or none before it."""
    pieces: list[Chunk] = []

    def emit(piece: Chunk | PrefillProgress) -> None:
        if isinstance(piece, Chunk):
            pieces.append(piece)

    names = tiny.byte_characters()
    bias = tuple((FIRST_BYTE + names.index(one), 4.0) for one in LIKED)
    held = None if run.tools else json.dumps(schema)
    sampling = Sampling(seed=3, json_schema=held, max_tokens=600, logit_bias=bias)
    reason = engine.run(replace(run, sampling=sampling), Handle(), emit).reason
    return Chunk.join(pieces), reason


@pytest.mark.parametrize("name", TEN)
def test_behind_reasoning_too(engine: LlamaCppBackend, name: str) -> None:
    """The schema holds the answer, not the reasoning before it."""
    said, reason = spoken(engine, replace(SPOKEN, thinking_budget=8), KEPT[name])

    assert said.reasoning
    if reason is FinishReason.STOP_EOS:
        jsonschema.validate(json.loads(said.text), KEPT[name])
    else:
        assert reason is FinishReason.LENGTH


@pytest.mark.parametrize("name", TEN)
def test_and_in_the_arguments_of_a_call(engine: LlamaCppBackend, name: str) -> None:
    """A call that is asked for has arguments by its tool's schema."""
    schema = schemas.obj(it=KEPT[name])
    tool = Tool("act", "", json.dumps(schema))
    said, reason = spoken(
        engine, replace(SPOKEN, tools=(tool,), tool_choice="act", thinking_budget=8), schema
    )

    if reason is FinishReason.TOOL_CALL:
        calls: tuple[ToolCallDelta, ...] = said.tool_calls
        jsonschema.validate(json.loads("".join(one.arguments for one in calls)), schema)
    else:
        assert reason is FinishReason.LENGTH


def test_an_answer_that_is_all_reasoning_is_gone_on_with(engine: LlamaCppBackend) -> None:
    """The model ended its turn before the schema could hold: the reasoning is closed for it."""
    texts: list[str] = []

    def emit(piece: Chunk | PrefillProgress) -> None:
        if isinstance(piece, Chunk):
            texts.append(piece.text)

    held = json.dumps({"enum": ["Ulm"]})
    ends = Sampling(seed=3, json_schema=held, max_tokens=64, logit_bias=((4, 99.0),))
    outcome = engine.run(replace(SPOKEN, sampling=ends), Handle(), emit)

    assert ("".join(texts), outcome.reason) == ('"Ulm"', FinishReason.STOP_EOS)


def test_nothing_is_said_before_a_schema_is_refused(engine: LlamaCppBackend) -> None:
    """Neither reasoning nor the beginning of a call, and the tool is named by its place."""
    with pytest.raises(PreconditionError) as caught:
        spoken(engine, replace(SPOKEN, thinking_budget=8), obj_of("(?=a)b"))
    assert caught.value.metadata["path"] == "#/properties/a"

    tools = (Tool("a", "", "{}"), Tool("b", "", json.dumps(obj_of("(?=a)b"))))
    with pytest.raises(PreconditionError) as caught:
        spoken(engine, replace(SPOKEN, tools=tools, tool_choice="required"), {})
    assert caught.value.violations[0].field == "tools[1].parameters_json"
    assert "tools[1].parameters_json: at #/properties/a" in caught.value.message
