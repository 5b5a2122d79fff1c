"""
A conversation as plain values: lanes, each a tree of turns with one chosen way through it.

A lane is what one model sees; two models side by side are two lanes of one conversation. Nothing
is ever overwritten: what is edited or asked again becomes a branch beside what was there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, Self

from pydantic import Field

MAX_TEXT_CHARACTERS = 4 << 20
"""Of one answer; a context of a million tokens is no longer."""
MAX_CHARACTERS = 12 << 20
"""Of a whole conversation: it is handed over at once when it is opened."""
MAX_TURNS = 2_000
"""Of one lane."""
MAX_TITLE_CHARACTERS = 80

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Parent = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,64}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Short = Annotated[str, Field(max_length=512)]
Paragraph = Annotated[str, Field(max_length=4_096)]
Text = Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Number = Annotated[float, Field(ge=-(2**53), le=2**53, allow_inf_nan=False)]

Role = Literal["user", "assistant", "tool"]
AnswerState = Literal["done", "running", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a turn; its bytes lie beside the conversation, under *digest* (sha256)."""

    digest: Digest
    mime_type: Short
    size_bytes: Count
    name: Short = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that became text; *note* says what of it was left out."""

    name: Short
    text: Text
    note: Paragraph = ""


@dataclass(frozen=True, slots=True)
class CalledFunction:
    """A function the model called."""

    id: Short
    name: Short
    arguments_json: Text


@dataclass(frozen=True, slots=True)
class Figures:
    """What an answer took: times in milliseconds, where it ran and why, how it ended."""

    backend: Short = ""
    backend_reason: Paragraph = ""
    runtime: Short = ""
    finish_reason: Short = ""
    queue_ms: Count = 0
    load_ms: Count = 0
    first_token_ms: Count = 0
    prefill_ms: Count = 0
    decode_ms: Count = 0
    prompt_tokens: Count = 0
    cached_tokens: Count = 0
    media_tokens: Count = 0
    completion_tokens: Count = 0
    reasoning_tokens: Count = 0
    seed: Annotated[int, Field(ge=-(2**53), le=2**53)] = 0
    warnings: Annotated[tuple[Paragraph, ...], Field(max_length=16)] = ()

    @property
    def tokens_per_second(self) -> float:
        """As the engine measured it; 0 where it did not."""
        return self.completion_tokens * 1000 / self.decode_ms if self.decode_ms else 0.0


@dataclass(frozen=True, slots=True)
class AnswerFailure:
    """Why an answer did not come to its end, and what to do."""

    reason: Short
    message: Paragraph
    remedy: Paragraph = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """
    One turn of a lane.

    Args:
        parent: the turn before it; "" for none.
        reasoning: what the model thought before this answer.
        tool_name, tool_call_id: of a tool's turn: whose result it is.
        model: of an answer: who gave it.
        failure: of an answer that ended in an error.
    """

    id: Id
    parent: Parent
    role: Role
    text: Text = ""
    reasoning: Text = ""
    calls: Annotated[tuple[CalledFunction, ...], Field(max_length=64)] = ()
    tool_name: Short = ""
    tool_call_id: Short = ""
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=16)] = ()
    pictures: Annotated[tuple[Picture, ...], Field(max_length=8)] = ()
    model: Short = ""
    state: AnswerState = "done"
    figures: Figures | None = None
    failure: AnswerFailure | None = None

    @property
    def characters(self) -> int:
        """How long it is."""
        texts = [self.text, self.reasoning, *(one.arguments_json for one in self.calls)]
        return sum(map(len, [*texts, *(one.text for one in self.attachments)]))

    @property
    def told(self) -> str:
        """The text the model reads: what was typed behind what was attached."""
        files = [f"File {one.name}:\n\n{one.text}" for one in self.attachments]
        return "\n\n".join([*files, *([self.text] if self.text or not files else [])])


@dataclass(frozen=True, slots=True)
class Lane:
    """
    What one model sees.

    Args:
        turns: every turn there is, each behind its parent.
        chosen: of turns with several behind them, which one is looked at; else the newest.
    """

    model: Short = ""
    turns: Annotated[tuple[Turn, ...], Field(max_length=MAX_TURNS)] = ()
    chosen: Mapping[Parent, Id] = field(default_factory=dict)

    def turn(self, name: str) -> Turn | None:
        """Return the turn called *name*."""
        return next((one for one in self.turns if one.id == name), None)

    def branches(self) -> dict[str, list[Turn]]:
        """Return the turns behind each one, oldest first; "" has those that begin."""
        behind: dict[str, list[Turn]] = {}
        for one in self.turns:
            behind.setdefault(one.parent, []).append(one)
        return behind

    def path(self, until: str | None = None) -> list[Turn]:
        """Return the chosen way, oldest first: the whole of it, or up to and with *until*."""
        if until is not None:
            return self._up_from(until)
        behind, way, at = self.branches(), [], ""
        while rest := behind.get(at):
            picked = next((one for one in rest if one.id == self.chosen.get(at)), rest[-1])
            way.append(picked)
            at = picked.id
        return way

    def _up_from(self, name: str) -> list[Turn]:
        by_id, way = {one.id: one for one in self.turns}, []
        while (one := by_id.get(name)) is not None:
            way.append(one)
            name = one.parent
        return way[::-1]

    @property
    def tip(self) -> str:
        """The last turn of the chosen way; "" where there is none."""
        way = self.path()
        return way[-1].id if way else ""

    def put(self, turn: Turn) -> Self:
        """Return the lane with *turn*, in place of its former self or new and chosen."""
        if self.turn(turn.id) is not None:
            kept = tuple(turn if one.id == turn.id else one for one in self.turns)
            return replace(self, turns=kept)
        chosen = {**self.chosen, turn.parent: turn.id}
        return replace(self, turns=(*self.turns, turn), chosen=chosen)

    def beside(self, name: str, step: int) -> Self:
        """Return the lane with the branch *step* places beside the turn *name* chosen."""
        turn = self.turn(name)
        if turn is None:
            return self
        rest = [one.id for one in self.turns if one.parent == turn.parent]
        at = min(max(rest.index(name) + step, 0), len(rest) - 1)
        return replace(self, chosen={**self.chosen, turn.parent: rest[at]})

    def without(self, name: str) -> Self:
        """Return the lane without the turn *name* and all that is behind it."""
        gone: set[str] = set()
        for one in self.turns:
            if one.id == name or one.parent in gone:
                gone.add(one.id)
        kept = tuple(one for one in self.turns if one.id not in gone)
        chosen = {at: to for at, to in self.chosen.items() if at not in gone and to not in gone}
        return replace(self, turns=kept, chosen=chosen)


@dataclass(frozen=True, slots=True)
class Wishes:
    """
    What a conversation asks beside its turns; None and "" are the model's own.

    Args:
        parameters: sampling parameters by name.
        tools_json: the functions offered, as they were pasted.
    """

    system: Text | None = None
    parameters: Annotated[Mapping[Short, Number], Field(max_length=64)] = field(
        default_factory=dict
    )
    stop: Annotated[tuple[Short, ...], Field(max_length=16)] = ()
    tools_json: Annotated[str, Field(max_length=262_144)] = ""
    backend: Literal["", "auto", "npu", "cpu"] = ""
    thinking: bool | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation: one lane, or two side by side."""

    id: Id
    title: Short = ""
    created_ms: Count = 0
    changed_ms: Count = 0
    lanes: Annotated[tuple[Lane, ...], Field(min_length=1, max_length=2)] = (Lane(),)
    settings: Wishes = field(default_factory=Wishes)

    @property
    def characters(self) -> int:
        """How long all of it is."""
        return sum(one.characters for lane in self.lanes for one in lane.turns)

    def with_lane(self, at: int, lane: Lane) -> Self:
        """Return the conversation with *lane* at its place."""
        lanes = (*self.lanes[:at], lane, *self.lanes[at + 1 :])
        return replace(self, lanes=lanes)

    @property
    def name(self) -> str:
        """What it is called: its title, else how it begins; "" for an empty one."""
        if self.title:
            return self.title
        first = next((turn for lane in self.lanes for turn in lane.turns), None)
        words = " ".join(first.text[: 4 * MAX_TITLE_CHARACTERS].split()) if first else ""
        if first and not words and first.attachments:
            words = first.attachments[0].name
        short = words[: MAX_TITLE_CHARACTERS - 1]
        return short + "…" if len(words) > len(short) else short
