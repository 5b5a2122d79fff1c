"""
The way to the hub: one endpoint, its token, its time limits, and every failure in our words.

Blocking; call from threads. The only place that makes `HfApi` and sessions of huggingface_hub,
which is imported at first use (33 MB, 0.3 s).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import rkd
from rkd import shape
from rkd.errors import ForbiddenError, PreconditionError, Reason, UnavailableError
from rkd.hub.address import followed, origin
from rkd.hub.answers import LARGEST_BYTES, body_of, bound
from rkd.hub.environment import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, settle_environment
from rkd.hub.failure import (
    RefusedError,
    answer_of,
    judged,
    raised_by_the_library,
    unusable_proxy,
)
from rkd.outside import quoted, shown_address

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub import HfApi

DEFAULT_ENDPOINT = "https://huggingface.co"

LONGEST_WAIT_S = 600.0
"""Bound of every time limit, also of one that was set to for ever."""

UNBOUNDED = "rkd.unbounded"
"""Extension of a request whose answer its asker bounds: a file, or a document read in pieces."""

_REDIRECTS = 5
_ASKED_CHARACTERS = 200

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
        self.shown = shown_address(self.endpoint)
        self._token = token
        self._offline = offline
        self._home = home
        self._limits = limits
        self._ready = False

    @property
    def limits(self) -> Limits:
        """The time limits as of now, each with an end."""
        wanted = self._limits()
        return Limits(
            _bounded(wanted.connect_s, CONNECT_TIMEOUT_S),
            _bounded(wanted.read_s, READ_TIMEOUT_S),
            wanted.api_waits_s,
        )

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
        """
        The token as of now; None when there is none.

        Raises:
            ForbiddenError: HUB_GATED: what was given is no token.
        """
        token = self._token() or None
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ForbiddenError(
                Reason.HUB_GATED,
                "the hub's token holds characters that no token has",
                remedy="Copy it anew (HF_TOKEN or hf_token_file).",
                metadata={"kind": "token"},
            )
        return token

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
        """
        Give the library's session: it knows proxies, certificates and our time limits.

        Raises:
            UnavailableError: HUB_UNREACHABLE: a proxy that cannot be used.
        """
        self._prepare()
        from huggingface_hub import get_session  # noqa: PLC0415 - 33 MB

        try:
            return get_session()
        except (ImportError, ValueError) as error:
            raise unusable_proxy() from error

    def headers_for(self, url: str) -> dict[str, str]:
        """Give the headers for *url*: the token only where its origin is the endpoint's."""
        self._prepare()
        # Exported by a table the type checker does not read.
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # noqa: PLC0415 - 33 MB

        own = origin(url) == origin(self.endpoint)
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
        what = quoted(what[:_ASKED_CHARACTERS])[1:-1]
        self.require_online(what)
        self.session()
        api = self.api()
        waits = (*self.limits.api_waits_s, None)
        for wait_s in waits:
            try:
                return question(api)
            except raised_by_the_library() as error:
                failure, again = judged(
                    error, endpoint=self.shown, what=what, repository=repository
                )
                if wait_s is None or not again:
                    raise failure from error
                time.sleep(wait_s)
        raise AssertionError("the last wait is None")

    def document(
        self, path: str, parameters: Mapping[str, Any], *, what: str, repository: str = ""
    ) -> object:
        """
        Ask for a JSON document, again after a pause when the answer is "later".

        Args:
            path: at the endpoint, beginning with a slash.
            parameters: of the query; lists are repeated.
            what: what is asked for, for people.
            repository: `user/repo`, for the page to visit.

        Raises:
            PreconditionError: OFFLINE.
            RkdError: what `refusal` makes of a final answer; HUB_UNREACHABLE.
        """

        def question(_: HfApi) -> object:
            url, given = self.endpoint + path, dict(parameters)
            for _hop in range(_REDIRECTS + 1):
                headers = self.headers_for(url) | {"Accept-Encoding": "gzip"}
                with self.session().stream(
                    "GET",
                    url,
                    params=given or None,
                    headers=headers,
                    follow_redirects=False,
                    timeout=self.timeout(),
                    extensions={UNBOUNDED: True},
                ) as response:
                    if not response.has_redirect_location:
                        return _parsed(response)
                    url, given = followed(str(response.url), response.headers["Location"]), {}
            raise shape.UnlikeError("it redirects again and again")

        return self.ask(question, what=what, repository=repository)

    def _prepare(self) -> None:
        if self._ready:
            return
        try:
            scheme, host, _ = origin(self.endpoint)
        except ValueError:
            scheme = host = ""
        if scheme not in {"http", "https"} or not host:
            raise UnavailableError(
                Reason.HUB_UNREACHABLE,
                f"{self.shown} is no address of a hub",
                remedy="Set HF_ENDPOINT to one that begins with https://, or unset it.",
                metadata={"endpoint": self.shown},
            )
        with _once:
            settle_environment(self._home)
            import httpx2  # noqa: PLC0415 - comes with huggingface_hub, as late as it
            from huggingface_hub import set_client_factory  # noqa: PLC0415 - 33 MB

            set_client_factory(
                lambda: httpx2.Client(
                    event_hooks={"request": [self._bound], "response": [_bound_answer]},
                    follow_redirects=True,
                    timeout=None,
                )
            )
            self._ready = True

    def _bound(self, request: httpx2.Request) -> None:
        # Most API calls pass timeout=None, which no client default can override.
        timeout = request.extensions.get("timeout") or {}
        if not any(timeout.values()):
            request.extensions["timeout"] = self.timeout().as_dict()
        if not request.extensions.get(UNBOUNDED):
            request.headers["Accept-Encoding"] = "identity"


def _bound_answer(response: httpx2.Response) -> None:
    if not response.request.extensions.get(UNBOUNDED):
        bound(response)


def _parsed(response: httpx2.Response) -> object:
    """Read a document, or say what came instead."""
    if response.status_code != HTTPStatus.OK:
        raise RefusedError(answer_of(response))
    return shape.parse(body_of(response), most_bytes=LARGEST_BYTES)


def _bounded(seconds: float, otherwise_s: float) -> float:
    """Give *seconds* an end; what is no time (not a number, nothing) is the default."""
    return min(seconds, LONGEST_WAIT_S) if seconds > 0 else otherwise_s
