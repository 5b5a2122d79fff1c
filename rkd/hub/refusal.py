"""
What the hub's refusals and the network's failures mean, in the words of the taxonomy.

Messages are written here and never taken from the library's: those quote signed addresses.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from http import HTTPStatus

from rkd.errors import (
    ForbiddenError,
    NotFoundError,
    Reason,
    RkdError,
    UnavailableError,
    bad_field,
)

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 522, 524})
"""Answers that say "later", not "no"; 52x are those of a CDN that lost its origin."""

_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_CLOSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_REFUSED = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.REQUEST_URI_TOO_LONG,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Answers that say "the question is wrong"."""

_LONGEST_RETRY_AFTER_S = 300.0


@dataclass(frozen=True, slots=True)
class HubAnswer:
    """
    What is left of an HTTP answer that was not the wanted one.

    Args:
        code: the hub's `X-Error-Code`; empty when something else answered.
        retry_after_s: from `Retry-After`, or None.
        authenticated: a token was sent.
    """

    status: int
    code: str = ""
    message: str = ""
    retry_after_s: float | None = None
    authenticated: bool = False


def retry_after_s(header: str | None) -> float | None:
    """Read a `Retry-After` of seconds; dates and nonsense count as not given."""
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_S) if math.isfinite(seconds) else None


def refusal(answer: HubAnswer, *, endpoint: str, repository: str, what: str) -> RkdError:
    """
    Say what a final answer of the hub means.

    Args:
        answer: what came.
        endpoint: address of the hub, for the page to visit.
        repository: `user/repo`.
        what: what was asked for, for people (`user/repo`, a file, a search).
    """
    page = f"{endpoint}/{repository}" if repository else endpoint
    metadata = {"repository": repository, "page": page, "status": str(answer.status)}
    if answer.code == "GatedRepo":
        return ForbiddenError(
            Reason.HUB_GATED,
            f"{repository} is gated: its terms have to be accepted first",
            remedy=f"Accept them at {page} and give rkd the token of that account (HF_TOKEN).",
            metadata=metadata | {"kind": "gated"},
        )
    if answer.code in {"RevisionNotFound", "EntryNotFound"} or answer.status in _GONE:
        return _missing(answer, repository=repository, what=what, metadata=metadata)
    if answer.status in _CLOSED:
        return _closed(answer, page=page, what=what, metadata=metadata)
    if answer.status in _REFUSED:
        words = f": {answer.message}" if answer.message else ""
        return bad_field(
            "request",
            f"the hub refuses {what} ({answer.status}){words}",
            f"the hub refuses {what}{words}",
            remedy="Ask for something else; what the hub takes is its own to say.",
        )
    return UnavailableError(
        Reason.HUB_UNREACHABLE,
        f"{endpoint} answered {answer.status} when asked for {what}",
        remedy="Try again later." if answer.status in RETRIED_STATUSES else "",
        metadata=metadata,
        retry_after_s=answer.retry_after_s,
    )


def _missing(
    answer: HubAnswer, *, repository: str, what: str, metadata: dict[str, str]
) -> NotFoundError:
    if answer.code in {"RevisionNotFound", "EntryNotFound"}:
        return NotFoundError(
            Reason.HUB_NOT_FOUND,
            f"{repository} is on the hub, but has no {what}",
            remedy=f"See what it has: rkctl files {repository}",
            metadata=metadata,
        )
    return NotFoundError(
        Reason.HUB_NOT_FOUND,
        f"the hub has no {what}" + (" that this token may see" if answer.authenticated else ""),
        remedy="Look for it: rkctl search WORDS",
        metadata=metadata,
    )


def _closed(answer: HubAnswer, *, page: str, what: str, metadata: dict[str, str]) -> ForbiddenError:
    if answer.authenticated and (answer.status == HTTPStatus.UNAUTHORIZED or answer.code == ""):
        return ForbiddenError(
            Reason.HUB_GATED,
            f"the hub refuses the token it was given when asked for {what}",
            remedy="Give rkd a valid token with read access (HF_TOKEN or hf_token_file); writing "
            "needs one with write access.",
            metadata=metadata | {"kind": "token"},
        )
    return ForbiddenError(
        Reason.HUB_GATED,
        f"the hub does not show {what} to everybody: it is private, or it does not exist",
        remedy=f"If {page} is yours to see, give rkd a token of that account (HF_TOKEN).",
        metadata=metadata | {"kind": "private"},
    )


def proxies_set() -> list[str]:
    """Name the variables that send requests through a proxy; their values may hold a password."""
    names = ("ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
    return [name for name in names if os.environ.get(name)]


def unreachable(endpoint: str, cause: str, *, what: str) -> UnavailableError:
    """Say that the hub could not be asked; *cause* is a few words without addresses."""
    scheme = endpoint.partition(":")[0].lower()
    proxies = [one for one in proxies_set() if one.lower() in {"all_proxy", f"{scheme}_proxy"}]
    through = f" and the proxy in {' or '.join(proxies)}" if proxies else ""
    return UnavailableError(
        Reason.HUB_UNREACHABLE,
        f"{endpoint} cannot be reached for {what}: {cause}",
        remedy=f"Check the network and HF_ENDPOINT{through}; what is here already stays usable.",
        metadata={"endpoint": endpoint},
        retry_after_s=30,
    )


def unlike(endpoint: str, why: str, *, what: str) -> UnavailableError:
    """Say that what answered is no hub; *why* is a few words without addresses."""
    return UnavailableError(
        Reason.HUB_UNREACHABLE,
        f"{endpoint} does not speak like a hub when asked for {what}: {why}",
        remedy="Check HF_ENDPOINT; a login page or a proxy may answer in its place.",
        metadata={"endpoint": endpoint},
    )
