"""The schema of a tool's arguments, as text: they are an object, whatever else it says."""

from __future__ import annotations

import json

from rkd.inference import Tool


def parameters_of(tool: Tool) -> str:
    """Return the schema that the arguments of a call of *tool* are held to."""
    text = tool.parameters_json.strip() or "{}"
    try:
        root = json.loads(text)
    except (ValueError, RecursionError):
        return text  # whoever reads it says so
    kind = root.get("type") if isinstance(root, dict) else ""
    if kind is None or (isinstance(kind, list) and "object" in kind):
        return json.dumps({**root, "type": "object"}, ensure_ascii=False)
    return text
