"""
One page of the chat: the conversation that is open, and what is done with it.

The room holds what the page shows; the browser keeps it. Whatever changes is shown and handed to
the browser to keep in the same breath; the console's own copy goes with the page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from rkd_client import AsyncClient
from rkd_client.errors import InvalidInputError
from rkd_client.v1.models import ShowResponse

from rkd_console.chat import asking, drawing, kept
from rkd_console.chat.conversation import (
    MAX_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    MAX_TURNS,
    Attachment,
    Conversation,
    Lane,
    Picture,
    Turn,
    Wishes,
)
from rkd_console.chat.desk import Desk
from rkd_console.chat.files import Files
from rkd_console.chat.follower import Follower
from rkd_console.chat.offered import tools_in
from rkd_console.chat.parameters import capabilities_of
from rkd_console.chat.running import Running

TURNS_AT_ONCE = 40
MAX_MODELS = 8


class BrowserPage(Protocol):
    """The page in the browser."""

    def show(self, drawn: dict[str, Any]) -> None:
        """Draw the conversation anew."""

    async def grow(self, step: dict[str, Any]) -> bool:
        """Draw what is new of an answer; False when the browser does not say that it did."""

    async def keep(self, changed: dict[str, Any]) -> bool:
        """Have the browser keep what changed; False when it does not say that it did."""


class Room:
    """
    What one page does.

    Args:
        client: the daemon, with the rights of who looks.
        owner: who looks, for the desk.
        desk: answers in the making.
        screen: the page in the browser.
        say: texts in its language.
        now_ms: since 1970.
        new_id: makes names of turns and conversations.
    """

    def __init__(
        self,
        *,
        client: AsyncClient,
        owner: object,
        desk: Desk,
        screen: BrowserPage,
        say: drawing.Say,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._client, self._owner, self._desk = client, owner, desk
        self._screen, self._say, self._now_ms, self._new_id = screen, say, now_ms, new_id
        self.follower = Follower(screen, say, self._settle)
        self.conversation = Conversation(new_id())
        self.models: dict[str, ShowResponse] = {}
        self.files = Files(new_id, self._judge_sight)
        self._most = TURNS_AT_ONCE

    def knows(self, model: str, shown: ShowResponse) -> None:
        """Remember what *model* can do; of few, the latest."""
        self.models.pop(model, None)
        self.models[model] = shown
        while len(self.models) > MAX_MODELS:
            self.models.pop(next(iter(self.models)))

    def close(self) -> None:
        """Look away; answers in the making go on without this page."""
        self.follower.close()

    def working(self) -> list[str]:
        """Return the conversations of who looks in which an answer is being made."""
        return sorted(self._desk.working(self._owner))

    # What the browser asks for, each a method that `act` names.

    async def open(self, document: bytes) -> None:
        """Show the conversation that the browser kept."""
        read = await asyncio.to_thread(kept.read, document)
        if len(read.conversations) != 1:
            raise InvalidInputError("INVALID_FIELD", "one conversation is opened at a time")
        (opened,) = read.conversations
        going = self._desk.of(self._owner, opened.id)
        for at, lane in enumerate(opened.lanes):
            for one in lane.turns:
                if one.id in going:
                    opened = opened.with_lane(at, opened.lanes[at].put(going[one.id].turn()))
        if opened.id != self.conversation.id:
            self.files.drop()
            self._most = TURNS_AT_ONCE
        self.conversation = kept.settled(opened, going)
        await self.show()
        self.follower.leave()
        for at, lane in enumerate(self.conversation.lanes):
            for one in lane.turns:
                if one.id in going:
                    self.follower.follow(at, going[one.id])

    async def new(self) -> None:
        """Begin a conversation, with the models and settings of this one."""
        self.follower.leave()
        self.files.drop()
        old = self.conversation
        lanes = tuple(Lane(one.model) for one in old.lanes)
        self.conversation = Conversation(self._new_id(), lanes=lanes, settings=old.settings)
        await self.show()

    async def send(self, text: str, files: Sequence[str]) -> None:
        """Ask every lane what was typed and attached."""
        taken = self.files.named(files)
        if not (text.strip() or taken):
            return
        _judge_text(text)
        turns = [
            Turn(
                self._new_id(),
                lane.tip,
                "user",
                text=text,
                attachments=tuple(one for one in taken if isinstance(one, Attachment)),
                pictures=tuple(one for one in taken if isinstance(one, Picture)),
            )
            for lane in self.conversation.lanes
        ]
        await self._ask_all([*enumerate(turns)])
        self.files.drop(files)

    async def edit(self, lane: int, turn: str, text: str) -> None:
        """Put another text beside the turn: what is asked is asked anew."""
        old = self._turn(lane, turn)
        _judge_text(text)
        changed = replace(old, id=self._new_id(), text=text, state="done", failure=None)
        if old.role == "assistant":
            changed = replace(changed, figures=None, reasoning="")
            self._put(lane, changed)
            await self._changed([changed])
            return
        await self._ask_all([(lane, changed)])

    async def again(self, lane: int, turn: str) -> None:
        """Have the turn answered once more, beside what was answered."""
        one = self._turn(lane, turn)
        parent = one.parent if one.role == "assistant" else one.id
        self._judge_idle(lane)
        await self._ask(lane, parent)

    async def go_on(self, lane: int, turn: str) -> None:
        """Have an answer that was stopped or lost go on from where it ends."""
        one = self._turn(lane, turn)
        if one.role != "assistant" or one.calls or one.state == "running":
            raise InvalidInputError("INVALID_FIELD", "only an answer that stopped can go on")
        self._judge_idle(lane)
        await self._ask(lane, one.parent, one)

    async def results(self, lane: int, turn: str, results: Sequence[str]) -> None:
        """Give the results of the calls of an answer, and have the model go on."""
        calls = self._turn(lane, turn).calls
        if not calls or len(results) != len(calls):
            raise InvalidInputError("INVALID_FIELD", f"there are {len(calls)} calls to answer")
        put, parent = [], turn
        for call, text in zip(calls, results, strict=True):
            _judge_text(text)
            one = Turn(
                self._new_id(),
                parent,
                "tool",
                text=text,
                tool_name=call.name,
                tool_call_id=call.id,
            )
            put.append(one)
            parent = one.id
        await self._ask_all([(lane, one) for one in put])

    async def choose(self, lane: int, turn: str, step: int) -> None:
        """Look at the branch beside the turn."""
        self._turn(lane, turn)
        self._lane(lane, self.conversation.lanes[lane].beside(turn, max(-1, min(step, 1))))
        await self._changed([])

    async def remove(self, lane: int, turn: str) -> None:
        """Remove the turn and all behind it."""
        one = self._turn(lane, turn)
        behind = self.conversation.lanes[lane].without(turn)
        left = {each.id for each in behind.turns}
        for each in self.conversation.lanes[lane].turns:
            if each.id not in left and (running := self._running(each.id)) is not None:
                await running.stop()
        if one.id not in left:
            self._lane(lane, behind)
        await self._changed([])

    async def stop(self) -> None:
        """Stop every answer of this conversation."""
        going = self._desk.of(self._owner, self.conversation.id).values()
        await asyncio.gather(*(one.stop() for one in going))

    async def forget(self, conversation: str) -> None:
        """Have nothing of a conversation go on: the browser removed it."""
        for running in self._desk.of(self._owner, conversation).values():
            await running.stop()
            self._desk.drop(self._owner, conversation, running.id)

    async def rename(self, title: str) -> None:
        """Call the conversation so."""
        short = " ".join(title.split())[:MAX_TITLE_CHARACTERS]
        self.conversation = replace(self.conversation, title=short)
        await self._changed([])

    async def earlier(self) -> None:
        """Show more of the turns before."""
        self._most += TURNS_AT_ONCE
        await self.show()

    # What the page's own controls ask for.

    async def model(self, lane: int, name: str) -> None:
        """Have the lane answered by the model *name* from now on."""
        one = self.conversation.lanes[lane]
        if one.model != name:
            self._lane(lane, replace(one, model=name))
            await self._changed([])

    async def settings(self, settings: Wishes) -> None:
        """
        Ask so from now on.

        Raises:
            InvalidInputError: the functions in them are none.
        """
        tools_in(settings.tools_json)
        self.conversation = replace(self.conversation, settings=settings)
        await self._changed([])

    async def beside(self, model: str) -> None:
        """Put a second lane beside the first: the same turns, for another model."""
        first = self.conversation.lanes[0]
        names = {one.id: self._new_id() for one in first.turns}
        turns = tuple(
            replace(one, id=names[one.id], parent=names.get(one.parent, ""))
            for one in kept.settled(self.conversation).lanes[0].turns
        )
        chosen = {names.get(at, ""): names[to] for at, to in first.chosen.items()}
        self.conversation = replace(self.conversation, lanes=(first, Lane(model, turns, chosen)))
        await self._changed(turns)

    async def alone(self) -> None:
        """Take the second lane away."""
        await self.stop()
        self.conversation = replace(self.conversation, lanes=self.conversation.lanes[:1])
        await self._changed([])

    # Files.

    async def file(self, name: str, data: bytes) -> dict[str, str]:
        """
        Take a file for the next turn, and tell what the browser lists.

        Raises:
            InvalidInputError: it is nothing that can be attached.
            RkdError: a model here does not see pictures.
        """
        key, taken = await self.files.take(name, data)
        if isinstance(taken, Picture):
            return {**drawing.picture(taken), "type": taken.mime_type, "key": key}
        return {**drawing.file(taken, self._say), "key": key}

    def missing(self) -> list[str]:
        """Return the digests of pictures that the browser has to bring before anything is asked."""
        found = [
            asking.missing(lane.path(), self.files.pictures) for lane in self.conversation.lanes
        ]
        return list(dict.fromkeys(digest for one in found for digest in one))

    async def show(self) -> None:
        """Draw everything anew."""
        whole, most, say = self.conversation, self._most, self._say
        self._screen.show(await asyncio.to_thread(drawing.whole, whole, most, say))

    # Asking.

    async def _ask_all(self, turns: Sequence[tuple[int, Turn]]) -> None:
        """Put *turns*, then have each lane's last one answered."""
        for lane, _ in turns:
            self._judge_idle(lane)
        for lane, one in turns:
            self._put(lane, one)
        last = {lane: one.id for lane, one in turns}
        await self._changed([one for _, one in turns])
        for lane, parent in last.items():
            await self._ask(lane, parent)

    async def _ask(self, at: int, parent: str, begun: Turn | None = None) -> None:
        lane, settings = self.conversation.lanes[at], self.conversation.settings
        if not lane.model:
            raise InvalidInputError("INVALID_FIELD", self._say("chat.model.none"))
        if len(lane.turns) >= MAX_TURNS or self.conversation.characters > MAX_CHARACTERS:
            said = f"a conversation has at most {MAX_TURNS} turns and {MAX_CHARACTERS} characters"
            raise InvalidInputError("CHAT_TOO_LONG", said, remedy="begin a new one")
        path = lane.path(parent) if parent else []
        turn = begun or Turn(self._new_id(), parent, "assistant", model=lane.model)
        turn = replace(turn, state="running", failure=None, figures=None)
        answer = self._client.chat(
            lane.model,
            asking.messages(
                [*path, *([turn] if begun else [])], settings.system, self.files.pictures
            ),
            tools=tools_in(settings.tools_json),
            **asking.options(settings),
        )
        running = Running(turn, answer, self._client.cancel)
        self._desk.begin(self._owner, self.conversation.id, running)
        self._put(at, turn)
        await self._changed([turn])
        self.follower.follow(at, running)

    async def _settle(self, at: int, running: Running, *, ended: bool) -> None:
        """Have the browser keep an answer; once it ended, this page needs the desk no more."""
        name, turn = self.conversation.id, running.turn()
        if at < len(self.conversation.lanes) and self.conversation.lanes[at].turn(turn.id):
            self._put(at, turn)
            if await self._keep([turn], quiet=True) and ended:
                self._desk.drop(self._owner, name, turn.id)

    async def _changed(self, turns: Sequence[Turn]) -> None:
        self.conversation = replace(self.conversation, changed_ms=self._now_ms())
        await self.show()
        self.follower.anew()
        await self._keep(turns)

    async def _keep(self, turns: Sequence[Turn], *, quiet: bool = False) -> bool:
        if not any(lane.turns for lane in self.conversation.lanes):
            return True
        return await self._screen.keep(kept.change(self.conversation, turns, quiet=quiet))

    def _put(self, at: int, turn: Turn) -> None:
        self._lane(at, self.conversation.lanes[at].put(turn))

    def _lane(self, at: int, lane: Lane) -> None:
        self.conversation = self.conversation.with_lane(at, lane)

    def _turn(self, lane: int, name: str) -> Turn:
        lanes = self.conversation.lanes
        found = lanes[lane].turn(name) if 0 <= lane < len(lanes) else None
        if found is None:
            raise InvalidInputError("INVALID_FIELD", "this turn is not in the conversation")
        return found

    def _running(self, name: str) -> Running | None:
        return self._desk.of(self._owner, self.conversation.id).get(name)

    def _judge_idle(self, lane: int) -> None:
        going = self._desk.of(self._owner, self.conversation.id)
        here = (going.get(one.id) for one in self.conversation.lanes[lane].turns)
        if any(one is not None and not one.ended for one in here):
            raise InvalidInputError("CHAT_BUSY", self._say("chat.busy"))

    def _judge_sight(self) -> None:
        """Refuse a picture where a model here does not see, with the daemon's own reason."""
        for lane in self.conversation.lanes:
            able = capabilities_of(self.models.get(lane.model), self.conversation.settings.backend)
            if able is not None and not able.vision.supported:
                said = self._say("chat.picture.blind", model=lane.model, reason=able.vision.reason)
                raise InvalidInputError("CAPABILITY_UNSUPPORTED", said, remedy=able.vision.remedy)


def _judge_text(text: str) -> None:
    if len(text) > MAX_TEXT_CHARACTERS:
        said = f"a turn has at most {MAX_TEXT_CHARACTERS} characters"
        raise InvalidInputError("INVALID_FIELD", said)
