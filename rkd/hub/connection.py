"""
The way to the hub: one endpoint, its token, its time limits, and every failure in our words.

Blocking; call from threads. The only place that makes `HfApi` and sessions of huggingface_hub,
which is imported at first use (33 MB, 0.3 s).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import rkd
from rkd.errors import InvalidInputError, PreconditionError, Reason, RkdError, Violation
from rkd.hub.environment import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, settle_environment
from rkd.hub.refusal import RETRIED_STATUSES, Answer, refusal, retry_after_s, unreachable

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub import HfApi

DEFAULT_ENDPOINT = "https://huggingface.co"

_Result = TypeVar("_Result")

_once = threading.Lock()


@dataclass(frozen=True, slots=True)
class Limits:
    """
    How long the hub may take.

    Args:
        connect_s: for a connection.
        read_s: longest silence inside an answer.
        api_waits_s: pauses between tries of a question; their number bounds the tries.
    """

    connect_s: float = CONNECT_TIMEOUT_S
    read_s: float = READ_TIMEOUT_S
    api_waits_s: tuple[float, ...] = (0.5, 2.0)


class Connection:
    """
    Asks the hub.

    Args:
        endpoint: address of the hub or a mirror; "" means the public one.
        token: read at each call, so that a rotated one is taken up; None or "" for none.
        offline: read at each call; while true nothing is contacted.
        home: where the library keeps its own small files.
        limits: how long things may take.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        token: Callable[[], str | None],
        offline: Callable[[], bool],
        home: Path,
        limits: Callable[[], Limits] = Limits,
    ) -> None:
        self.endpoint = (endpoint or DEFAULT_ENDPOINT).rstrip("/")
        self._token = token
        self._offline = offline
        self._home = home
        self._limits = limits
        self._ready = False

    @property
    def limits(self) -> Limits:
        """The time limits as of now."""
        return self._limits()

    @property
    def offline(self) -> bool:
        """True while nothing may be contacted."""
        return self._offline()

    def require_online(self, what: str) -> None:
        """
        Go on only if the hub may be asked.

        Raises:
            PreconditionError: OFFLINE.
        """
        if self._offline():
            raise PreconditionError(
                Reason.OFFLINE,
                f"rkd is offline and does not ask the hub for {what}",
                remedy="Unset RKD_OFFLINE (or `offline` in rkd.toml) and reload; local models "
                "work as they are.",
            )

    @property
    def token(self) -> str | None:
        """The token as of now; None when there is none."""
        return self._token() or None

    def timeout(self) -> httpx2.Timeout:
        """Give the time limits in the session's form."""
        import httpx2  # noqa: PLC0415 - comes with huggingface_hub, as late as it

        limits = self.limits
        return httpx2.Timeout(limits.read_s, connect=limits.connect_s)

    def api(self) -> HfApi:
        """Make the library's client for this endpoint; the token is given, never looked up."""
        self._prepare()
        from huggingface_hub import HfApi  # noqa: PLC0415 - 33 MB, only when the hub is used

        return HfApi(
            endpoint=self.endpoint,
            token=self.token or False,
            library_name="rkd",
            library_version=rkd.__version__,
        )

    def session(self) -> httpx2.Client:
        """Give the library's session: it knows proxies, certificates and our time limits."""
        self._prepare()
        from huggingface_hub import get_session  # noqa: PLC0415 - 33 MB

        return get_session()

    def headers_for(self, url: str) -> dict[str, str]:
        """Give the headers for *url*: the token only where its origin is the endpoint's."""
        self._prepare()
        # Exported by a table the type checker does not read.
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # noqa: PLC0415 - 33 MB

        own = _origin(url) == _origin(self.endpoint)
        token = (self.token or False) if own else False
        return build_hf_headers(token=token, library_name="rkd", library_version=rkd.__version__)

    def resolve_url(self, repository: str, revision: str, path: str) -> str:
        """Give the address of a file at a commit."""
        self._prepare()
        from huggingface_hub import hf_hub_url  # noqa: PLC0415 - 33 MB

        return hf_hub_url(repository, path, revision=revision, endpoint=self.endpoint)

    def ask(
        self, question: Callable[[HfApi], _Result], *, what: str, repository: str = ""
    ) -> _Result:
        """
        Put *question* to the hub, again after a pause when the answer is "later".

        Args:
            question: may raise what the library raises; called once per try.
            what: what is asked for, for people.
            repository: `user/repo`, for the page to visit.

        Raises:
            PreconditionError: OFFLINE.
            RkdError: what `refusal` makes of a final answer; HUB_UNREACHABLE.
        """
        self.require_online(what)
        api = self.api()
        waits = (*self.limits.api_waits_s, None)
        for wait_s in waits:
            try:
                return question(api)
            except _raised_by_the_library() as error:
                failure, again = self._judge(error, what=what, repository=repository)
                if wait_s is None or not again:
                    raise failure from error
                time.sleep(wait_s)
        raise AssertionError("the last wait is None")

    def _judge(self, error: BaseException, *, what: str, repository: str) -> tuple[RkdError, bool]:
        """Turn what the library raised into ours, and say whether asking again may help."""
        import httpx2  # noqa: PLC0415 - comes with huggingface_hub, as late as it
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError  # noqa: PLC0415

        seen: BaseException | None = error
        # The library wraps: a RuntimeError around an LFS failure, a FileNotFoundError around a 5xx.
        while seen is not None:
            if isinstance(seen, HFValidationError):
                return _malformed(what), False
            if isinstance(seen, HfHubHTTPError) and seen.response is not None:
                answer = answer_of(seen.response)
                failure = refusal(answer, endpoint=self.endpoint, repository=repository, what=what)
                return failure, answer.status in RETRIED_STATUSES
            if isinstance(seen, httpx2.TransportError):
                return unreachable(self.endpoint, cause_of(seen), what=what), True
            seen = seen.__cause__ or seen.__context__
        if isinstance(error, OSError):
            return unreachable(self.endpoint, cause_of(error), what=what), False
        raise error

    def _prepare(self) -> None:
        if self._ready:
            return
        with _once:
            settle_environment(self._home)
            import httpx2  # noqa: PLC0415 - comes with huggingface_hub, as late as it
            from huggingface_hub import set_client_factory  # noqa: PLC0415 - 33 MB

            set_client_factory(
                lambda: httpx2.Client(
                    event_hooks={"request": [self._bound]}, follow_redirects=True, timeout=None
                )
            )
            self._ready = True

    def _bound(self, request: httpx2.Request) -> None:
        # Most API calls pass timeout=None, which no client default can override.
        timeout = request.extensions.get("timeout") or {}
        if not any(timeout.values()):
            request.extensions["timeout"] = self.timeout().as_dict()


def answer_of(response: httpx2.Response) -> Answer:
    """Keep of *response* what may be told."""
    return Answer(
        status=response.status_code,
        code=response.headers.get("X-Error-Code", ""),
        message=response.headers.get("X-Error-Message", ""),
        retry_after_s=retry_after_s(response.headers.get("Retry-After")),
        authenticated="authorization" in response.request.headers,
    )


def _raised_by_the_library() -> tuple[type[Exception], ...]:
    import httpx2  # noqa: PLC0415 - comes with huggingface_hub, as late as it

    return (OSError, RuntimeError, ValueError, httpx2.TransportError)


def cause_of(error: BaseException) -> str:
    """Name the trouble without its text, which may quote an address."""
    words = {
        "ConnectError": "no connection",
        "ConnectTimeout": "no connection in time",
        "ReadTimeout": "no answer in time",
        "ReadError": "the connection broke",
        "RemoteProtocolError": "the connection broke",
        "ProxyError": "the proxy refused",
    }
    name = type(error).__name__
    return words.get(name, name)


def _malformed(what: str) -> InvalidInputError:
    message = f"{what!r} is not the name of a repository"
    return InvalidInputError(
        Reason.INVALID_FIELD,
        message,
        remedy="Write it as user/repo.",
        violations=(Violation("repository", message),),
    )


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or default
