"""Lists longer than a page, asked for page by page and joined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Response = TypeVar("Response", bound=Any)

PAGE_SIZE = 1000
"""The longest page of the contract."""


def whole(fetch: Callable[[str], Response]) -> Response:
    """Return one response holding every page; *fetch* gets the page token, first ""."""
    joined = fetch("")
    token = joined.next_page_token
    while token:
        page = fetch(token)
        token = page.next_page_token
        joined.MergeFrom(page)
    joined.next_page_token = ""
    return joined
