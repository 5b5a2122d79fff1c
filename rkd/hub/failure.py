"""
What huggingface_hub and the network raise, as errors of ours; whether asking again may help.

The library reads answers with little care: whatever it stumbles over is an answer no hub gives.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rkd.errors import InvalidInputError, Reason, RkdError, UnavailableError, bad_field
from rkd.hub.answers import explanation_of
from rkd.hub.refusal import (
    RETRIED_STATUSES,
    HubAnswer,
    proxies_set,
    refusal,
    retry_after_s,
    unlike,
    unreachable,
)
from rkd.hub.stop import StoppedError
from rkd.outside import quoted

if TYPE_CHECKING:
    import httpx2


class RefusedError(Exception):
    """An answer that is not the document asked for."""

    def __init__(self, answer: HubAnswer) -> None:
        super().__init__(f"status {answer.status}")
        self.answer = answer


def judged(
    error: BaseException, *, endpoint: str, what: str, repository: str
) -> tuple[RkdError, bool]:
    """
    Turn what a question raised into ours, and say whether asking again may help.

    Args:
        error: caught where the question was put.
        endpoint: of the hub, as it may be shown.
        what: what was asked for, for people.
        repository: `user/repo`, for the page to visit.

    Raises:
        StoppedError: that is what the library wrapped.
        OSError: a file of ours cannot be read; nothing the hub did.
    """
    seen: BaseException | None = error
    # The library wraps: a RuntimeError around an LFS failure, a FileNotFoundError around a 5xx.
    while seen is not None:
        if isinstance(seen, StoppedError):
            raise seen
        found = _known(seen, endpoint=endpoint, what=what, repository=repository)
        if found is not None:
            return found
        seen = seen.__cause__ or seen.__context__
    if isinstance(error, OSError):
        if error.filename is not None:
            raise error
        return unreachable(endpoint, cause_of(error), what=what), False
    why = str(error) if isinstance(error, ValueError) else type(error).__name__
    return unlike(endpoint, quoted(why)[1:-1], what=what), False


def _known(
    seen: BaseException, *, endpoint: str, what: str, repository: str
) -> tuple[RkdError, bool] | None:
    """Judge one error of a chain; None where the next may say more."""
    import httpx2  # noqa: PLC0415 - comes with huggingface_hub, as late as it
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError  # noqa: PLC0415

    if isinstance(seen, RkdError):
        return seen, False
    if isinstance(seen, HFValidationError):
        return _malformed(what), False
    answer = seen.answer if isinstance(seen, RefusedError) else None
    if isinstance(seen, HfHubHTTPError) and seen.response is not None:
        answer = answer_of(seen.response)
    if answer is not None:
        failure = refusal(answer, endpoint=endpoint, repository=repository, what=what)
        return failure, answer.status in RETRIED_STATUSES
    if isinstance(seen, httpx2.RequestError | httpx2.InvalidURL):
        again = isinstance(seen, httpx2.TransportError)
        return unreachable(endpoint, cause_of(seen), what=what), again
    return None


def answer_of(response: httpx2.Response) -> HubAnswer:
    """Keep of *response* what may be told."""
    return HubAnswer(
        status=response.status_code,
        code=response.headers.get("X-Error-Code", ""),
        message=explanation_of(response),
        retry_after_s=retry_after_s(response.headers.get("Retry-After")),
        authenticated="authorization" in response.request.headers,
    )


def raised_by_the_library() -> tuple[type[Exception], ...]:
    """Name what a question may raise for which an answer, or none, is to blame."""
    import httpx2  # noqa: PLC0415 - comes with huggingface_hub, as late as it

    # Besides its own, everything that reading an unexpected answer may come to in there.
    return (
        OSError,
        RuntimeError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        AssertionError,
        NameError,
        httpx2.RequestError,
        httpx2.InvalidURL,
        RefusedError,
    )


def cause_of(error: BaseException) -> str:
    """Name the trouble without its text, which may quote an address."""
    words = {
        "ConnectError": "no connection",
        "ConnectTimeout": "no connection in time",
        "ReadTimeout": "no answer in time",
        "ReadError": "the connection broke",
        "RemoteProtocolError": "the connection broke",
        "ProxyError": "the proxy refused",
        "DecodingError": "its answer cannot be read",
        "TooManyRedirects": "too many redirects",
        "UnsupportedProtocol": "it redirects to what is no address of the web",
        "InvalidURL": "it redirects to what is no address of the web",
    }
    name = type(error).__name__
    return words.get(name, name)


def _malformed(what: str) -> InvalidInputError:
    return bad_field(
        "repository",
        f"{quoted(what)} is not the name of a repository",
        remedy="Write it as user/repo.",
    )


def unusable_proxy() -> UnavailableError:
    """Name the variable whose proxy cannot be used; its value may hold a password."""
    given = proxies_set()
    odd = [name for name in given if not os.environ[name].lower().startswith(("http:", "https:"))]
    name = (odd or given or ["the proxy"])[0]
    kind = quoted(os.environ.get(name, "").partition("://")[0][:20])
    return UnavailableError(
        Reason.HUB_UNREACHABLE,
        f"{name} names a proxy of the kind {kind}, which this installation cannot use",
        remedy=f"Set {name} to an http:// proxy or unset it; for a SOCKS proxy, add the package "
        "socksio to rkd's environment.",
        metadata={"variable": name},
    )
