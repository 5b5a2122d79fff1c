"""Sampling parameters as a form: the daemon's one table, a model's own values, what was typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rkd_client.errors import InvalidInputError
from rkd_client.v1.models import ShowResponse
from rkd_client.v1.types import Capabilities

from rkd.modelfile.sampling import SAMPLING, SamplingParameter, ValueKind, plain

HIDDEN = frozenset({"logprobs"})
"""What changes nothing that this page shows."""
FIRST = ("temperature", "top_p", "top_k", "min_p", "max_tokens", "repeat_penalty", "seed")
"""What people look for, in this order; the others follow as the table has them."""


@dataclass(frozen=True, slots=True)
class Field:
    """
    One parameter as it is asked for.

    Args:
        low, high: inclusive.
        default: what holds where nothing is typed; "" where nothing is limited or fixed.
        whole: it has no fraction.
        refusal: why this model does not take it where it runs; "" where it does.
    """

    name: str
    low: float
    high: float
    default: str
    whole: bool
    refusal: str = ""

    @property
    def span(self) -> str:
        """What it may be, for people."""
        return f"{plain(self.low)} … {plain(self.high)}"


def fields(shown: ShowResponse | None, backend: str = "") -> list[Field]:
    """Return every parameter, for the model *shown* on *backend* or where it would run."""
    able = capabilities_of(shown, backend)
    own = {one.key: one.value for one in shown.parameters} if shown else {}
    by_name = {row.name: row for row in SAMPLING if row.name not in HIDDEN}
    order = [*FIRST, *(name for name in by_name if name not in FIRST)]
    return [_field(by_name[name], able, own) for name in order]


def capabilities_of(shown: ShowResponse | None, backend: str = "") -> Capabilities | None:
    """Return what the model can do on *backend*, else where it would run: the first that can."""
    found = shown.backend_capabilities if shown else ()
    if backend in {"npu", "cpu"}:
        return next((one for one in found if one.backend == backend), None)
    return next((one for one in found if one.available), None)


def value_of(name: str, typed: str) -> float | None:
    """
    Return what *typed* says of the parameter *name*; None for an empty text.

    Raises:
        InvalidInputError: INVALID_FIELD, no number or out of its range.
    """
    row = next((one for one in SAMPLING if one.name == name), None)
    text = typed.strip().replace(",", ".")
    if row is None or not text:
        return None
    try:
        value = float(text) if len(text) <= 32 else float("nan")  # noqa: PLR2004 - no number is longer
    except ValueError:
        value = float("nan")
    whole = row.domain.kind is ValueKind.INT
    if not row.domain.admits(value) or (whole and value % 1):
        said = f"{name} is {row.domain.allowed}"
        raise InvalidInputError("INVALID_FIELD", said, metadata={"field": name})
    return value


def asked(parameters: Mapping[str, float]) -> dict[str, float | int]:
    """Return *parameters* as the call takes them; what the table does not know is left out."""
    known = {row.name: row for row in SAMPLING}
    return {
        name: int(value) if known[name].domain.kind is ValueKind.INT else value
        for name, value in parameters.items()
        if name in known and known[name].domain.admits(value)
    }


def _field(row: SamplingParameter, able: Capabilities | None, own: Mapping[str, str]) -> Field:
    engine = row.npu if able is not None and able.backend == "npu" else row.cpu
    default = own.get(row.key) or ("" if engine is None else plain(engine))
    can = able.sampling.get(row.name) if able is not None else None
    return Field(
        row.name,
        row.domain.low,
        row.domain.high,
        default,
        row.domain.kind is ValueKind.INT,
        "" if can is None or can.supported else can.reason,
    )
