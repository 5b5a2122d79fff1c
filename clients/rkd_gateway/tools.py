"""Functions offered to a model, as every dialect writes them."""

from __future__ import annotations

from typing import Any

from rkd_gateway.fields import Fields
from rkd_gateway.problems import bad_field


def tools(fields: Fields, *, kind: str = "", beside: str = "") -> list[dict[str, Any]]:
    """
    Take `tools` out of *fields* and return the functions offered, as `rkd_client` takes them.

    Args:
        fields: of a request.
        kind: what a tool is that does not say its type.
        beside: a field of a tool that means nothing.
    """
    return [_tool(one, kind, beside) for one in fields.objects("tools")]


def _tool(fields: Fields, kind: str, beside: str) -> dict[str, Any]:
    if (fields.text("type") or kind) != "function":
        raise bad_field(fields.path("type"), '"function"')
    made = described(fields.needed("function"))
    fields.skip(beside)
    fields.end()
    return made


def described(fields: Fields) -> dict[str, Any]:
    """Read all of *fields*: a function's name, what it does, the schema of its arguments."""
    parameters = fields.take("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise bad_field(fields.path("parameters"), "a JSON Schema object")
    made = {
        "name": fields.text("name") or "",
        "description": fields.text("description") or "",
        "parameters": parameters or "",
    }
    fields.skip("strict")
    fields.end()
    return made
