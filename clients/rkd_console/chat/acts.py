"""What a page asks for, as plain values: each is judged whole before the room does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from rkd_console.chat.conversation import Id, Short, Text
from rkd_console.chat.room import Room

At = Annotated[int, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Plain:
    """Something with nothing to say beside it."""

    do: Literal["show", "new", "stop", "earlier"]

    async def carry_out(self, room: Room) -> None:
        """Do it in *room*."""
        match self.do:
            case "show":
                await room.show()
            case "new":
                await room.new()
            case "stop":
                await room.stop()
            case "earlier":
                await room.earlier()


@dataclass(frozen=True, slots=True)
class Sending:
    """Ask what was typed; *brought* is said when the missing pictures were brought."""

    do: Literal["send"]
    text: Text
    files: Annotated[tuple[Id, ...], Field(max_length=64)] = ()
    brought: bool = False

    async def carry_out(self, room: Room) -> None:
        """Do it in *room*."""
        await room.send(self.text, self.files)


@dataclass(frozen=True, slots=True)
class OfTurn:
    """Something done with one turn."""

    do: Literal["again", "go_on"]
    lane: At
    turn: Id
    brought: bool = False

    async def carry_out(self, room: Room) -> None:
        """Do it in *room*."""
        if self.do == "again":
            await room.again(self.lane, self.turn)
        else:
            await room.go_on(self.lane, self.turn)


@dataclass(frozen=True, slots=True)
class Edit:
    """Another text for a turn."""

    do: Literal["edit"]
    lane: At
    turn: Id
    text: Text
    brought: bool = False

    async def carry_out(self, room: Room) -> None:
        """Do it in *room*."""
        await room.edit(self.lane, self.turn, self.text)


@dataclass(frozen=True, slots=True)
class Results:
    """Results of the calls of an answer."""

    do: Literal["results"]
    lane: At
    turn: Id
    results: Annotated[tuple[Text, ...], Field(max_length=64)]
    brought: bool = False

    async def carry_out(self, room: Room) -> None:
        """Do it in *room*."""
        await room.results(self.lane, self.turn, self.results)


@dataclass(frozen=True, slots=True)
class Choose:
    """The branch beside a turn."""

    do: Literal["choose"]
    lane: At
    turn: Id
    step: Literal[-1, 1]

    async def carry_out(self, room: Room) -> None:
        """Do it in *room*."""
        await room.choose(self.lane, self.turn, self.step)


@dataclass(frozen=True, slots=True)
class Remove:
    """A turn and all behind it."""

    do: Literal["remove"]
    lane: At
    turn: Id

    async def carry_out(self, room: Room) -> None:
        """Do it in *room*."""
        await room.remove(self.lane, self.turn)


@dataclass(frozen=True, slots=True)
class Rename:
    """Another title."""

    do: Literal["rename"]
    title: Short

    async def carry_out(self, room: Room) -> None:
        """Do it in *room*."""
        await room.rename(self.title)


@dataclass(frozen=True, slots=True)
class Drop:
    """A file that is not to be sent after all."""

    do: Literal["drop"]
    key: Id

    async def carry_out(self, room: Room) -> None:
        """Do it in *room*."""
        room.files.drop([self.key])


@dataclass(frozen=True, slots=True)
class Forget:
    """A conversation that the browser no longer keeps: nothing of it is to go on."""

    do: Literal["forget"]
    conversation: Id

    async def carry_out(self, room: Room) -> None:
        """Do it in *room*."""
        await room.forget(self.conversation)


Act = Plain | Sending | OfTurn | Edit | Results | Choose | Remove | Rename | Drop | Forget
ACT: TypeAdapter[Act] = TypeAdapter(Annotated[Act, Field(discriminator="do")])


async def carry_out(room: Room, act: Act) -> dict[str, Any]:
    """
    Do *act* in *room*, and return what the page is told beside what is drawn.

    Raises:
        RkdError: why not.
    """
    if isinstance(act, Sending | OfTurn | Edit | Results) and not act.brought:
        missing = room.missing()
        if missing:
            return {"want": missing}
    await act.carry_out(room)
    return {"working": room.working()}
