"""Pages of a sorted listing; a token is the key after which the next page begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from rkd.errors import bad_field

DEFAULT_SIZE = 100
MAX_SIZE = 1000

T = TypeVar("T")


def page(
    items: Sequence[T], key: Callable[[T], str], size: int, token: str
) -> tuple[Sequence[T], str]:
    """
    Cut one page out of *items* and make the token of the next, "" after the last.

    What comes or goes between two pages moves no other item: the token is a place, not a count.

    Args:
        items: sorted by *key*.
        key: unique among them.
        size: wanted; 0 means DEFAULT_SIZE, more than MAX_SIZE is clamped.
        token: from the page before, "" for the first.

    Raises:
        InvalidInputError: INVALID_FIELD, for a negative size or a token of somebody else's.
    """
    if size < 0:
        raise bad_field("page_size", "should not be negative")
    start = 0
    if token:
        after = _after(token)
        start = next((at for at, one in enumerate(items) if key(one) > after), len(items))
    end = start + min(size or DEFAULT_SIZE, MAX_SIZE)
    shown = items[start:end]
    return shown, _token(key(shown[-1])) if end < len(items) else ""


def _token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode(errors="surrogatepass")).decode()


def _after(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode(errors="surrogatepass")
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise bad_field("page_token", "is none that this daemon gave out") from error
