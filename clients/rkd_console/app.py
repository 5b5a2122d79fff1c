"""The console as an ASGI app: NiceGUI's pages behind a guard."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from nicegui import ui
from rkd_client import AsyncClient
from rkd_client.errors import RkdError, UnauthenticatedError
from rkd_web.door import Door
from rkd_web.settings import Settings
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from rkd_console import frame
from rkd_console.asked import NOW
from rkd_console.feed import Feed
from rkd_console.guard import Guard, Nonced
from rkd_console.pages import PAGES, Page
from rkd_console.pages.stock import upload_route
from rkd_console.signin import Sessions, SignedIn
from rkd_console.signpage import SignPage
from rkd_console.texts import say
from rkd_console.visit import Visit

STATIC: Final = Path(__file__).parent / "static"
QUASAR: Final = {"en": "en-US", "fr": "fr", "zh": "zh-CN"}
RECONNECT_S: Final = 30.0
"""A page whose browser was away for so long starts anew."""
HEAD: Final = (
    '<link rel="stylesheet" href="/console/console.css"><script src="/console/console.js"></script>'
    '<link rel="stylesheet" href="/console/stock.css"><script src="/console/stock.js"></script>'
    '<script src="/console/plot.js"></script>'
)


class Console:
    """
    All of it.

    Args:
        settings: of the program.
        client: of the daemon; its own rights are never used.
    """

    def __init__(self, settings: Settings, client: AsyncClient) -> None:
        self._sessions = Sessions(client, client.link.where)
        self._feeds: dict[SignedIn, Feed] = {}
        self._client = client
        self._fast = self._made()
        # NiceGUI answers behind: the nonce has to be in the page before it is packed.
        packed = GZipMiddleware(Nonced(self._fast), minimum_size=800, compresslevel=4)
        secure = settings.tls_cert is not None
        self._app = Guard(packed, Door(settings), self._sessions, secure=secure)

    @property
    def is_working(self) -> bool:
        """Whether somebody is signed in."""
        return self._sessions.is_any

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Start and stop NiceGUI around the time in which requests come."""
        async with self._fast.router.lifespan_context(self._fast):
            yield
            for feed in self._feeds.values():
                feed.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    def _made(self) -> FastAPI:
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        sign = SignPage(self._sessions)
        app.add_route("/signin", sign.page, methods=["GET"])
        app.add_route("/signin", sign.sign_in, methods=["POST"])
        app.add_route("/signin/state", sign.state, methods=["GET"])
        app.add_route("/signout", sign.sign_out, methods=["POST"])
        app.add_route("/healthz", self._healthz, methods=["GET"])
        app.add_route(upload_route.ADDRESS, upload_route.answer, methods=["POST", "PUT"])
        app.mount("/console", StaticFiles(directory=STATIC))
        for page in PAGES:
            _Page(page)(self._builder(page))
        ui.add_head_html(HEAD, shared=True)
        ui.run_with(
            app,
            title="rkd",
            favicon=STATIC / "icon.svg",
            tailwind=False,
            gzip_middleware_factory=None,
            reconnect_timeout=RECONNECT_S,
            show_welcome_message=False,
        )
        return app

    def _builder(self, page: Page) -> Any:
        module = import_module(f"rkd_console.pages.{page.name}")

        def build() -> None:
            visit = self._visit()
            with frame.build(visit, page.name):
                module.build(visit)

        return build

    def _visit(self) -> Visit:
        asked = NOW.get()
        session = asked.session
        if session is None:
            raise RuntimeError("the guard lets nobody to a page who is not signed in")
        for one in [one for one in self._feeds if one.ended.is_set()]:
            self._feeds.pop(one).close()
        feed = self._feeds.get(session)
        if feed is None:
            feed = self._feeds[session] = Feed(
                session.client, refused=partial(self._sessions.end, asked.name)
            )
        page = ui.context.client
        visit = Visit(asked, session, feed, page)
        visit.task(_until_signed_out(visit))
        return visit

    async def _healthz(self, request: Request) -> Response:
        """Tell whether the daemon answers; wants no session, as probes have none."""
        del request
        try:
            await self._client.using(timeout=2.0).residents()
        except UnauthenticatedError:
            pass
        except RkdError as error:
            return JSONResponse({"status": "unavailable", "reason": error.reason}, 503)
        return JSONResponse({"status": "ok"})


async def _until_signed_out(visit: Visit) -> None:
    await visit.session.ended.wait()
    visit.page.open("/signin")


class _Page(ui.page):
    """A page of NiceGUI whose language and look follow the request."""

    def __init__(self, page: Page) -> None:
        super().__init__(page.path)
        self._name = page.name

    def resolve_title(self) -> str:
        """Return what stands on the tab."""
        language = NOW.get().language
        return f"{say(language, f'shell.nav.{self._name}')} · {say(language, 'shell.title')}"

    def resolve_language(self) -> Any:
        """Return the language of Quasar's own words."""
        return QUASAR[NOW.get().language]

    def resolve_dark(self) -> bool | None:
        """Return whether it is dark; None for what the system says."""
        return NOW.get().dark


def build(settings: Settings, client: AsyncClient) -> Console:
    """Return the console of the daemon of *client*; one a process, as NiceGUI has it."""
    return Console(settings, client)
