"""
Which templates are those of a reranker that answers yes or no; pure, and without Jinja.

Two kinds are in use. llama.cpp's has `{query}` and `{document}` in plain text; the other is Jinja
and reads the turns of three roles, `system` (the instruction), `query` and `document`, or
variables of these names and `instruction`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rkd.capability.jinja_names import names_read

NAMES = ("rerank", "reranker")
"""What such templates are called beside a model's others."""
PLAIN = re.compile(r"(?<!\{)\{(query|document)\}(?!\})")

_ROLES = re.compile(r"""['"](query|document|system)['"]""")
_BOTH = {"query", "document"}


def is_plain(source: str) -> bool:
    """Whether *source* has places for both texts that are no Jinja."""
    return set(PLAIN.findall(source)) == _BOTH


def is_rerank(source: str) -> bool:
    """Whether *source*, whatever it is called, puts a query and a document together."""
    return is_plain(source) or _roles(source) >= _BOTH or names_read(source) >= _BOTH


def reads_instruction(source: str) -> bool:
    """Whether the template of a reranker has a place for what makes a document relevant."""
    return not is_plain(source) and (
        "system" in _roles(source) or "instruction" in names_read(source)
    )


def first_of(sources: Iterable[str | None]) -> str:
    """Return the first of *sources* that puts a query and a document together, or ""."""
    return next((source for source in sources if source and is_rerank(source)), "")


def _roles(source: str) -> set[str]:
    return set(_ROLES.findall(source))
