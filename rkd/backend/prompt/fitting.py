"""
A conversation longer than the context, made to fit by leaving out its oldest turns. Pure.

It lives in the child because only the child can count: a prompt's length is what the model's
template and tokenizer make of it. Never left out: system turns, tools, the model's own examples,
and the last turn of the user with the last answer to it. Calls and their results go together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from rkd.errors import BeyondRangeError, Reason
from rkd.inference import ContextOverflow, Run
from rkd.model import Message

ANSWER_SHARE = 4
"""An answer is given at most this part of the context before turns are left out for it."""
STEP_SHARE = 8
"""
A conversation is cut where what is left out passes a multiple of this part of the context. So the
cut stays while it grows by less: what is sent begins the same, and its cache is used again.
"""

SHORTER = (
    "Shorten the prompt; let a conversation's oldest turns be left out (`context_overflow`, rkctl "
    "--overflow=trim-oldest); or raise num_ctx in the Modelfile (or RKD_MAX_CONTEXT)."
)
"""What helps a prompt that is too long for its engine."""

Count = Callable[[Run], int]
"""Tokens of a run's prompt."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A run whose prompt fits, and what to say about what was left out."""

    run: Run
    warnings: tuple[str, ...] = ()


def fitted(run: Run, context_tokens: int, count: Count) -> Fitted:
    """
    Return *run* as it fits into *context_tokens*.

    *count* is called some thirty times at most, and not at all for a run that is to be refused
    when it is too long: the engine does that.

    Raises:
        BeyondRangeError: CONTEXT_LENGTH_EXCEEDED, what may not be left out is too long.
    """
    if run.context_overflow is not ContextOverflow.TRIM_OLDEST or not run.messages:
        return Fitted(run)
    wanted = run.sampling.max_tokens
    share = context_tokens // ANSWER_SHARE
    limit = context_tokens - max(1, share if wanted is None else min(wanted, share))
    cuts = _Cuts(run, count)
    if cuts.tokens(0) <= limit:
        return Fitted(run)
    fewest = _first(cuts.most, lambda some: cuts.tokens(some) <= limit)
    if cuts.tokens(fewest) <= limit:
        fewest = cuts.settled(fewest, max(1, context_tokens // STEP_SHARE))
    elif cuts.tokens(fewest) >= context_tokens:
        raise _too_long(cuts.tokens(fewest), context_tokens)
    if not fewest:
        return Fitted(run)  # nothing can go, and the answer has less room than it might have
    warning = (
        f"left out to fit the context of {context_tokens} tokens, oldest first: "
        f"{cuts.gone(fewest)}; the prompt has {cuts.tokens(fewest)} tokens instead of "
        f"{cuts.tokens(0)}"
    )
    return Fitted(cuts.without(fewest), (warning,))


class _Cuts:
    """A run without some of what may be left out, and how long that is."""

    def __init__(self, run: Run, count: Count) -> None:
        self._run = run
        self._count = count
        self._groups = _groups(run.messages, run.own_turns)
        self._known: dict[int, int] = {}
        self.most = len(self._groups)

    def without(self, some: int) -> Run:
        """The run without the first *some* groups."""
        gone = {at for group in self._groups[:some] for at in group}
        kept = tuple(one for at, one in enumerate(self._run.messages) if at not in gone)
        return replace(self._run, messages=kept)

    def tokens(self, some: int) -> int:
        """How long that is."""
        if some not in self._known:
            self._known[some] = self._count(self.without(some))
        return self._known[some]

    def settled(self, fewest: int, step: int) -> int:
        """The first cut from *fewest* on that passes a multiple of *step*, or *fewest*."""

        def steps(some: int) -> int:
            return (self.tokens(0) - self.tokens(some)) // step

        passed = steps(fewest)
        if not fewest or passed > steps(fewest - 1):
            return fewest
        further = _first(self.most, lambda some: steps(some) > passed)
        return further if steps(further) > passed else fewest

    def gone(self, some: int) -> str:
        """Say what is left out: `3 user, 2 assistant messages`."""
        messages = self._run.messages
        roles = Counter(messages[at].role for group in self._groups[:some] for at in group)
        listed = ", ".join(f"{number} {role}" for role, number in roles.items())
        return f"{listed} message{'' if roles.total() == 1 else 's'}"


def _first(most: int, holds: Callable[[int], bool]) -> int:
    """The first number up to *most* for which *holds*, if it does from some number on; or most."""
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _groups(messages: Sequence[Message], own_turns: int) -> list[list[int]]:
    """
    What may be left out, in this order, as places in *messages*.

    Whole rounds first, a user's turn with everything up to the next one; then, of the last round,
    the steps between its question and its last step: an answer with the results of its calls.
    """
    places = [at for at, one in enumerate(messages) if one.role != "system"][own_turns:]
    tied = _tied(messages)
    rounds = _cut(places, lambda at: messages[at].role == "user" and not tied[at])
    if not rounds:
        return []
    steps = _cut(rounds[-1], lambda at: messages[at].role == "assistant" and not tied[at])
    return [*rounds[:-1], *steps[1:-1]]


def _cut(places: Iterable[int], begins: Callable[[int], bool]) -> list[list[int]]:
    """Cut *places* before each one that *begins* a group; turns of a user in a row are one."""
    groups: list[list[int]] = []
    before = False
    for at in places:
        begun = begins(at)
        if not groups or (begun and not before):
            groups.append([])
        before = begun
        groups[-1].append(at)
    return groups


def _tied(messages: Sequence[Message]) -> list[bool]:
    """Whether a turn stands between a call and its result, and so cannot begin anything."""
    until = [-1] * len(messages)
    calls: dict[str, int] = {}
    last = -1
    for at, one in enumerate(messages):
        if one.tool_calls:
            last = at
            calls.update((call.id, at) for call in one.tool_calls if call.id)
        if one.role == "tool":
            caller = calls.get(one.tool_call_id, last)
            if caller >= 0:
                until[caller] = at
    tied: list[bool] = []
    end = -1
    for at in range(len(messages)):
        tied.append(at <= end)
        end = max(end, until[at])
    return tied


def _too_long(tokens: int, context_tokens: int) -> BeyondRangeError:
    return BeyondRangeError(
        Reason.CONTEXT_LENGTH_EXCEEDED,
        f"What may not be left out of the conversation - system, tools, the last turn - has "
        f"{tokens} tokens, the context holds {context_tokens}.",
        remedy="Shorten the last turn, or raise num_ctx in the Modelfile (or RKD_MAX_CONTEXT).",
        metadata={"prompt_tokens": str(tokens), "limit": str(context_tokens)},
    )
