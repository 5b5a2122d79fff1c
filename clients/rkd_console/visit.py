"""What a page receives: who looks, in which language, and what the daemon tells him."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from nicegui import Client, ui
from rkd_client import AsyncClient
from rkd_client.errors import RkdError

from rkd.access.role import Role
from rkd_console.asked import PageRequest
from rkd_console.feed import Change, Feed
from rkd_console.safe import shown
from rkd_console.signin import SignedIn
from rkd_console.texts import Language, say


@dataclass(slots=True, eq=False)
class Visit:
    """
    One page in one browser, from its building to its end.

    Args:
        asked: what its request asked for.
        session: whose page it is.
        feed: what the daemon tells, shared by all pages of the session.
        page: NiceGUI's client, the page in the browser.
    """

    asked: PageRequest
    session: SignedIn
    feed: Feed
    page: Client
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def client(self) -> AsyncClient:
        """The daemon, asked with the rights of who looks."""
        return self.session.client

    @property
    def role(self) -> Role:
        """What he may do; the daemon judges each call all the same."""
        return self.session.role

    @property
    def language(self) -> Language:
        """The language of the page."""
        return self.asked.language

    def may(self, role: Role) -> bool:
        """Tell whether it makes sense to offer what needs *role*."""
        return self.role >= role

    def text(self, key: str, **values: object) -> str:
        """Return the text of *key* in the page's language."""
        return say(self.language, key, **values)

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Call *listener* at each change of the feed, as an event of this page, to its end."""

        def told(change: Change) -> None:
            # What fails in one page is logged, and ends neither the feed nor another page.
            self.page.safe_invoke(lambda: listener(change))

        self.page.on_delete(self.feed.listen(told))

    def task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run *work* beside the page; it is cancelled when the page is gone."""

        async def here() -> None:
            with self.page:
                try:
                    await work
                except RkdError as error:
                    self.tell(error)

        doing = asyncio.create_task(here())
        if not self._tasks:
            self.page.on_delete(self._cancel)
        self._tasks.add(doing)
        doing.add_done_callback(self._tasks.discard)
        return doing

    async def adopt(self, token: str) -> None:
        """Go on with *token*, which who looks has just been given, as if signed in with it."""
        client = self.client.using(token=token, metadata={})
        role = Role.parse((await client.whoami()).role)
        self.session.client, self.session.role, self.session.has_token = client, role, True
        self.feed.use(client)

    def tell(self, error: RkdError) -> None:
        """Show what went wrong and what to do."""
        said = shown(error.message)
        if error.remedy:
            said = f"{said}\n{shown(error.remedy)}"
        ui.notify(said, type="negative", multi_line=True, close_button=True, timeout=10_000)

    def _cancel(self) -> None:
        for one in tuple(self._tasks):
            one.cancel()
