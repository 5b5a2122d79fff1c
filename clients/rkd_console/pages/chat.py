"""Chat with a model, or with two side by side; conversations are kept in the browser alone."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from nicegui import app, ui
from nicegui.events import ValueChangeEventArguments
from rkd_client.errors import RkdError, UnavailableError
from rkd_client.v1.types import ModelSummary

from rkd_console.chat.collecting import Collector
from rkd_console.chat.desk import Desk
from rkd_console.chat.doors import Doors
from rkd_console.chat.panel import Panel
from rkd_console.chat.room import Room
from rkd_console.chat.screen import ChatBoard
from rkd_console.elements import named
from rkd_console.feed import Change
from rkd_console.safe import shown as plainly
from rkd_console.signin import SignedIn
from rkd_console.texts.chat import BROWSER
from rkd_console.visit import Visit

TIDY_EVERY_S = 15.0
MAX_MODELS = 5_000


class ChatPage:
    """
    One page of it.

    Args:
        visit: whose.
        doors: where its requests come in.
        desk: where answers are made.
    """

    def __init__(self, visit: Visit, doors: Doors, desk: Desk) -> None:
        self._visit = visit
        name = secrets.token_urlsafe(24)
        texts = {one: visit.text(f"chat.browser.{one}") for one in BROWSER}
        self._board = ChatBoard(texts, name)
        self._room = Room(
            client=visit.client,
            owner=visit.session,
            desk=desk,
            screen=self,
            say=visit.text,
            now_ms=lambda: time.time_ns() // 1_000_000,
            new_id=lambda: secrets.token_urlsafe(12),
        )
        self._panel = Panel(visit, self._room.settings)
        self._names: list[str] = []
        self._wanted = visit.page.request.query_params.get("model", "")
        with self._board:
            self._selects = self._controls()
        doors.put(name, visit.session, self._room)
        visit.page.on_delete(lambda: doors.close(name))
        visit.task(self._room.follower.draw())
        visit.task(Collector(desk, visit.session, self).watch())
        visit.task(self._models())
        visit.listen(self._told)

    def show(self, drawn: dict[str, Any]) -> None:
        """Draw the conversation anew, and its models in the controls."""
        for select, lane in itertools.zip_longest(self._selects, self._room.conversation.lanes):
            select.set_visibility(lane is not None)
            if lane is not None and select.value != (lane.model or None):
                self._choices(select, lane.model)
        several = len(self._room.conversation.lanes) > 1
        self._beside.props["aria-pressed"] = str(several).lower()
        self._board.show(drawn)

    async def grow(self, step: dict[str, Any]) -> bool:
        """Draw what is new of an answer."""
        return await self._board.grow(step)

    async def keep(self, changed: dict[str, Any]) -> bool:
        """Have the browser keep what changed."""
        return await self._board.keep(changed)

    def works(self, conversations: Sequence[str]) -> None:
        """Mark the conversations in which an answer is being made."""
        self._board.works(conversations)

    def _controls(self) -> list[ui.select]:
        text = self._visit.text
        _button("menu_book", text("chat.shelf"), lambda: self._board.run_method("list"))
        selects = [self._select(0, text("chat.model")), self._select(1, text("chat.model.second"))]
        selects[1].set_visibility(False)
        ui.space()
        self._beside = _button("vertical_split", text("chat.beside"), self._toggle)
        self._beside.props["aria-pressed"] = "false"
        _button("tune", text("chat.settings"), self._set)
        _button("keyboard", text("chat.shortcuts"), lambda: self._board.run_method("help"))
        return selects

    def _select(self, at: int, label: str) -> ui.select:
        async def chosen(event: ValueChangeEventArguments[Any]) -> None:
            name = str(event.value or "")
            lanes = self._room.conversation.lanes
            if at < len(lanes) and name and lanes[at].model != name:
                await self._look_at(name)
                await self._room.model(at, name)

        select = ui.select([], label=label, on_change=chosen, with_input=True)
        return select.props("outlined dense options-dense stack-label").classes("chat-select")

    def _choices(self, select: ui.select, value: str) -> None:
        # A model that is gone stays named where it answered.
        names = self._names if not value or value in self._names else [value, *self._names]
        select.set_options({one: plainly(one) for one in names}, value=value or None)

    async def _models(self) -> None:
        """Look up what there is to ask, and choose what is in memory where nothing is chosen."""
        try:
            found = (await self._visit.client.list()).models
        except UnavailableError:  # the frame says so, and when it is back
            return
        ready = [one for one in found[:MAX_MODELS] if one.state == "ready"]
        self._names = sorted(one.name for one in ready)
        lanes = self._room.conversation.lanes
        wanted = self._wanted if self._wanted in self._names else ""
        if wanted or (not lanes[0].model and ready):
            await self._room.model(0, wanted or _first(ready))
        self._wanted = ""
        for select, lane in itertools.zip_longest(self._selects, self._room.conversation.lanes):
            self._choices(select, lane.model if lane is not None else "")
        for lane in self._room.conversation.lanes:
            await self._look_at(lane.model)

    async def _look_at(self, name: str) -> None:
        """Learn what the model *name* can do; what cannot be looked at is judged when asked."""
        if name and name in self._names:
            with contextlib.suppress(RkdError):
                self._room.knows(name, await self._visit.client.show(name))

    async def _toggle(self) -> None:
        lanes = self._room.conversation.lanes
        if len(lanes) > 1:
            await self._room.alone()
            return
        other = next((one for one in self._names if one != lanes[0].model), lanes[0].model)
        await self._look_at(other)
        await self._room.beside(other)

    async def _set(self) -> None:
        name = self._room.conversation.lanes[0].model
        await self._look_at(name)
        self._panel.open(self._room.conversation.settings, self._room.models.get(name))

    def _told(self, change: Change) -> None:
        if change in {"models", "back"}:
            self._visit.task(self._models())


def _first(ready: list[ModelSummary]) -> str:
    return next((one.name for one in ready if one.resident), ready[0].name)


def _button(icon: str, name: str, pressed: Callable[[], Any]) -> ui.button:
    button = ui.button(icon=icon, on_click=pressed, color=None).props("flat round dense")
    named(button, name)
    button.props["title"] = name
    return button


def build(visit: Visit) -> None:
    """Build the page."""
    ui.add_head_html('<link rel="stylesheet" href="/console/chat.css">')
    doors, desk = _rooms()
    ChatPage(visit, doors, desk)


def _is_over(owner: object) -> bool:
    return isinstance(owner, SignedIn) and owner.ended.is_set()


def _rooms() -> tuple[Doors, Desk]:
    """Return what all pages of this process share, made with the first of them."""
    held = getattr(app.state, "chat", None)
    if held is None:
        held = Doors(lambda: secrets.token_urlsafe(12)), Desk(time.monotonic, _is_over)
        app.state.chat = held
        app.add_route("/chat/{what}/{desk}", held[0].answer, methods=["POST"])
        app.timer(TIDY_EVERY_S, held[1].tidy)
        app.on_shutdown(held[1].close)
    doors, desk = held
    return doors, desk
