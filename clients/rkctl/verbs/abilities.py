"""What a model can be asked for on each backend, as `rkctl show` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rkd.v1 import types_pb2 as types

_ABOUT = frozenset({"backend", "available", "reason", "remedy", "runtime", "sampling"})
"""Fields of `Capabilities` that are no capability."""


def lines(told: types.Capabilities) -> Iterator[str]:
    """What *told* says: where it runs, what it can do, then what it cannot and why."""
    name = types.Backend.Name(told.backend).removeprefix("BACKEND_").lower()
    runtime = f" ({told.runtime})" if told.runtime else ""
    if told.available:
        yield f"{name}{runtime}"
    else:
        yield f"{name}{runtime}: no: {told.reason}"
    judged = dict(_judged(told))
    able = [f"{one}{_details(said.details)}" for one, said in judged.items() if said.supported]
    if able:
        yield f"  can: {', '.join(able)}"
    groups: dict[tuple[str, str], list[str]] = {}
    for one, said in judged.items():
        if not said.supported:
            groups.setdefault((said.reason, said.remedy), []).append(one)
    for (reason, remedy), names in groups.items():
        shown = "generate and what belongs to it" if "generate" in names else ", ".join(names)
        yield f"  not {shown}: {reason}"
        yield f"      {remedy}"


def _judged(told: types.Capabilities) -> Iterator[tuple[str, types.Capability]]:
    for field in told.DESCRIPTOR.fields:
        if field.name not in _ABOUT and told.HasField(field.name):
            yield field.name, getattr(told, field.name)
    for name in sorted(told.sampling):
        if not told.sampling[name].supported:
            yield name, told.sampling[name]


def _details(details: Mapping[str, str]) -> str:
    said = ", ".join(f"{name} {value}" for name, value in sorted(details.items()))
    return f" ({said})" if said else ""
