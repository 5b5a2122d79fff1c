"""
Schemas of public generators on a model with sense: each answer is valid, cut and told, or refused.

With greedy and with drawn tokens; the tiny model of the contract tests says nonsense, this one
what people write.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.errors import Reason, RkdError
from rkd.inference import Chunk, FinishReason, LoadSpec, Outcome, Run, Sampling, Tool
from rkd.model import BackendKind, Message
from rkd.worker.handle import Handle
from tests.models import schemas

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
MOST_TOKENS = 80
OPENED = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}<|im_start|>assistant\n<think>\n"
)
CALLED = "{% if tools %}{{ tools | tojson }}<tool_call>{% endif %}" + OPENED
REFUSED = {Reason.CAPABILITY_UNSUPPORTED, Reason.INVALID_FIELD}
ALL = {**dict(schemas.kept()), **schemas.generated()}
TEN = (
    "pydantic Tree", "pydantic Opt", "pydantic Inv", "pydantic Disc", "pydantic DiscDef",
    "pydantic Uk", "pydantic SetLit", "zod draft-2020-12 object", "zod openapi-3.0 disc",
    "typebox composite",
)  # fmt: skip


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[LlamaCppBackend]:
    """SmolLM2 in this process."""
    backend = LlamaCppBackend(lambda: None, tmp_path_factory.mktemp("engine"))
    spec = LoadSpec(BackendKind.CPU, str(smollm2), context_tokens=2048, threads=1)
    backend.load(spec, lambda _: None)
    yield backend
    backend.close()


def asked(engine: LlamaCppBackend, run: Run) -> tuple[Chunk, Outcome]:
    """The whole answer, and how it ended."""
    heard: list[object] = []
    outcome = engine.run(run, Handle(), heard.append)
    return Chunk.join([one for one in heard if isinstance(one, Chunk)] or [Chunk()]), outcome


def broken(schema: Any, text: str) -> str:
    """Where *text* breaks *schema*, by the caller's own reading of it."""
    reader = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    if "$schema" not in schema and isinstance(schema.get("items"), list):
        reader = jsonschema.Draft7Validator  # TypeBox's, which does not say so
    if '"exclusiveMaximum": true' in json.dumps(schema):
        reader = jsonschema.Draft4Validator  # as OpenAPI 3.0 has it
    schema = json.loads(json.dumps(schema), parse_float=Decimal)
    checked = reader(schema, format_checker=reader.FORMAT_CHECKER)
    # As decimals: of floats, 1.11 is no multiple of 0.01.
    error = next(checked.iter_errors(json.loads(text, parse_float=Decimal)), None)
    return "" if error is None else f"{error.json_path}: {error.message[:200]}"


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_each_is_kept_or_refused(engine: LlamaCppBackend, temperature: float) -> None:
    """Hundreds of them; what is refused names its place before a token, and it is a few."""
    wrong: list[str] = []
    ended = refused = 0
    for name, schema in ALL.items():
        held = Sampling(
            temperature=temperature,
            seed=7,
            max_tokens=MOST_TOKENS,
            json_schema=json.dumps(schema),
        )
        question = Message("user", f"Give me an example of {name} as JSON.")
        try:
            said, outcome = asked(engine, Run(held, messages=(question,)))
        except RkdError as error:
            refused += 1
            if error.reason not in REFUSED or not error.metadata["path"].startswith("#"):
                wrong.append(f"{name}: {error}")
            continue
        assert outcome.reason in {FinishReason.STOP_EOS, FinishReason.LENGTH}, name
        ended += outcome.reason is FinishReason.STOP_EOS
        if outcome.reason is FinishReason.LENGTH and outcome.warnings:
            continue  # cut, and told; without a word it was whole with its last token
        where = broken(schema, said.text)
        wrong += [f"{name}: {said.text}: {where}"] if where else []

    assert wrong == [], "\n".join(wrong)
    assert len(ALL) > 300
    assert refused < len(ALL) // 20
    assert ended > len(ALL) // 2


@pytest.mark.parametrize("name", TEN)
def test_with_tools_and_thinking(engine: LlamaCppBackend, name: str) -> None:
    """Behind reasoning: as the answer where tools are offered, and as the arguments of a call."""
    schema = ALL[name]
    if schema.get("type") != "object":
        inner = {word: one for word, one in schema.items() if word != "$defs"}
        schema = {**schemas.obj(it=inner), "$defs": schema.get("$defs", {})}
    tools = (Tool("give", "Gives an example.", json.dumps(schema)),)
    question = (Message("user", "Give me an example."),)
    for held, choice in ((json.dumps(schema), ""), (None, "give")):
        sampling = Sampling(temperature=0.0, max_tokens=400, json_schema=held)
        run = Run(sampling, messages=question, template=CALLED, tools=tools, tool_choice=choice)
        said, outcome = asked(engine, run)
        assert said.reasoning
        if outcome.reason is FinishReason.LENGTH:
            assert outcome.warnings
            continue
        assert outcome.reason in {FinishReason.STOP_EOS, FinishReason.TOOL_CALL}
        made = "".join(one.arguments for one in said.tool_calls) if choice else said.text
        assert broken(schema, made) == ""
