"""How to sample: the one table of `rkd.modelfile.sampling`, read under the names of a dialect."""

from __future__ import annotations

from typing import Any

from rkd.modelfile.sampling import MAX_STOPS, SAMPLING, SamplingParameter, ValueKind
from rkd_gateway.fields import Fields
from rkd_gateway.problems import bad_field


def ollama_name(row: SamplingParameter) -> str:
    """Return what Ollama's options call *row*; "" for nothing."""
    return row.key


def openai_names(row: SamplingParameter) -> tuple[str, ...]:
    """Return what OpenAI's requests call *row*: its name, then vLLM's and ours."""
    if row.name == "logprobs":  # a yes or no there, and a number beside it: read by hand
        return ()
    return tuple(dict.fromkeys(name for name in (row.openai, row.vllm, row.name) if name))


def sampling(fields: Fields, dialect: str) -> dict[str, Any]:
    """
    Take every sampling parameter out of *fields*; ranges are the daemon's to judge.

    Args:
        fields: of `options` (Ollama) or of the request (OpenAI).
        dialect: `ollama` or `openai`.

    Raises:
        InvalidInputError: INVALID_FIELD, a value of another type.
    """
    found: dict[str, Any] = {}
    for row in SAMPLING:
        names = (ollama_name(row),) if dialect == "ollama" else openai_names(row)
        values = [
            value for name in names if name and (value := _value(fields, row, name)) is not None
        ]
        if values:
            found[row.name] = values[0]
    stop = stops(fields)
    return found if stop is None else {**found, "stop": stop}


def stops(fields: Fields) -> list[str] | None:
    """Return the texts that end the answer."""
    found = fields.take("stop")
    if found is None:
        return None
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        raise bad_field(fields.path("stop"), "a text or a list of texts")
    if len(texts) > MAX_STOPS:
        raise bad_field(fields.path("stop"), f"at most {MAX_STOPS} texts")
    return [one for one in texts if one]


def _value(fields: Fields, row: SamplingParameter, name: str) -> float | None:
    value: float | None
    value = fields.whole(name) if row.domain.kind is ValueKind.INT else fields.number(name)
    if value is not None and not row.domain.admits(value):
        raise bad_field(fields.path(name), row.domain.allowed)
    return value
