"""What the request that is being answered asks for: whose session, in which language, how dark."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final

from rkd_console.signin import SignedIn
from rkd_console.texts import LANGUAGES, Language

SESSION: Final = "rkd_console"
LANGUAGE: Final = "rkd_language"
DARK: Final = "rkd_dark"
"""Names of cookies; the last two are the page's own, and nothing depends on them."""

MOST_COOKIES_BYTES: Final = 8 << 10


@dataclass(frozen=True, slots=True)
class PageRequest:
    """
    What a request asks for.

    Args:
        session: whose; None before signing in.
        name: the session's, or "".
        language: to answer in.
        dark: None for what the browser's system says.
        nonce: that scripts of the answer carry.
    """

    session: SignedIn | None
    name: str
    language: Language
    dark: bool | None
    nonce: str = ""


NOW: ContextVar[PageRequest] = ContextVar("rkd_console_asked")
"""Of the request being answered."""


def cookies_in(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the cookies of a request; of a broken header, none."""
    text = headers.get("cookie", "")
    if len(text) > MOST_COOKIES_BYTES:
        return {}
    try:
        found: SimpleCookie = SimpleCookie(text)
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in found.items()}


def language_of(cookies: Mapping[str, str], headers: Mapping[str, str]) -> Language:
    """Return the language chosen, else the first the browser names that we have."""
    wanted = [cookies.get(LANGUAGE, "")]
    wanted += headers.get("accept-language", "")[:200].split(",")
    for one in wanted:
        for language in LANGUAGES:
            if one.strip().lower().partition(";")[0].partition("-")[0] == language:
                return language
    return "en"


def dark_of(cookies: Mapping[str, str]) -> bool | None:
    """Return whether pages are dark; None for what the system says."""
    return {"dark": True, "light": False}.get(cookies.get(DARK, ""))
