"""
Requests that nobody waits for: titles, tags, queries that a chat app asks beside a conversation.

They wait behind people (priority BACKGROUND), and a model that thinks does not for a title.
Open WebUI's begin with a heading, in one turn: that is all there is to know them by. Any client
may say it of its own request with the header `x-rkd-priority: background`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

OPEN_WEBUI: Final = "### Task:\n"
PRIORITIES: Final = ("interactive", "normal", "background")
HEADER: Final = "x-rkd-priority"


def errand(turns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the options of a conversation of *turns* that is an errand; none of another."""
    asked = [one for one in turns if one["role"] != "system"]
    alone = len(asked) == 1 and asked[0]["role"] == "user"
    if alone and str(asked[0].get("content")).startswith(OPEN_WEBUI):
        return {"priority": "background", "thinking": False}
    return {}


def priority(header: str | None) -> dict[str, Any]:
    """Return the option a header `x-rkd-priority` asks for; what is none asks for nothing."""
    said = (header or "").strip().lower()
    return {"priority": said} if said in PRIORITIES else {}
