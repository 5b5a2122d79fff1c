"""How Ollama writes things: errors, names, times, durations."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from rkd_client.errors import RkdError
from rkd_client.v1.types import ModelSummary

from rkd_gateway.calls import compact
from rkd_gateway.fields import number
from rkd_gateway.problems import bad_field, sentence

NDJSON: Final = "application/x-ndjson"
FOREVER: Final = "2318-01-01T00:00:00Z"
"""Of a model that stays: a moment every parser knows."""

_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PLAIN = re.compile(r"[+-]?[0-9]{1,9}(?:\.[0-9]{0,9})?")
MOST_TEXT: Final = 40
MOST_SECONDS: Final = 366 * 24 * 3600.0
"""Longer is for ever, as for the daemon."""


class OllamaDialect:
    """Errors are one text; the daemon's reason stands beside it."""

    def error(self, error: RkdError) -> dict[str, Any]:
        """Return the body that tells *error*."""
        return {"error": sentence(error), "code": error.reason}


def line(value: dict[str, Any]) -> bytes:
    """Return one line of a stream."""
    return compact(value).encode() + b"\n"


def failed(error: RkdError) -> bytes:
    """Return the last line of a stream that broke."""
    return line(OllamaDialect().error(error))


def seconds(path: str, value: object) -> float | None:
    """
    Return a duration in any of Ollama's forms, in seconds; negative is for ever.

    A number is seconds; a text is Go's (`5m`, `1h30m`, `-1s`) or a number as text.

    Raises:
        InvalidInputError: INVALID_FIELD, it is none.
    """
    if value is None:
        return None
    found = _text_seconds(path, value) if isinstance(value, str) else number(path, value)
    return found if 0 <= found <= MOST_SECONDS else -1.0


def _text_seconds(path: str, text: str) -> float:
    given = text.strip()
    if len(given) <= MOST_TEXT:
        if _PLAIN.fullmatch(given):
            return float(given)
        sign = -1 if given.startswith("-") else 1
        rest = given.removeprefix("-").removeprefix("+")
        parts = list(_PART.finditer(rest))
        if parts and "".join(part[0] for part in parts) == rest:
            return sign * sum(float(part[1]) * _SECONDS[part[2]] for part in parts)
    raise bad_field(path, "seconds, or a duration such as 5m, 1h30m, 0 or -1")


def moment(value: datetime | None) -> str:
    """Return *value* as RFC 3339 in UTC; the epoch when it is not known."""
    known = value or datetime.fromtimestamp(0, UTC)
    return known.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def now() -> str:
    """Return the time."""
    return moment(datetime.now(UTC))


def details(model: ModelSummary) -> dict[str, Any]:
    """Return what Ollama tells of a model's make."""
    family = model.architecture
    return {
        "parent_model": "",
        "format": model.formats[0] if model.formats else "",
        "family": family,
        "families": [family] if family else [],
        "parameter_size": size_of(model.parameters),
        "quantization_level": model.quantization,
    }


def size_of(parameters: int) -> str:
    """Return a number of parameters as Ollama writes it: `1.5B`, `135M`; "" where unknown."""
    for unit, word in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if parameters >= unit:
            return f"{parameters / unit:.4g}{word}"
    return str(parameters) if parameters else ""


def digest(model: ModelSummary) -> str:
    """Return the digest in hex alone."""
    return model.digest.removeprefix("sha256:")
