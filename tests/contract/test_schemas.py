"""Every schema is kept or refused before a token: two hundred of them, on a real engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.errors import PreconditionError, Reason, RkdError
from rkd.inference import Chunk, FinishReason, LoadSpec, PrefillProgress, Run, Sampling
from rkd.model import BackendKind
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
