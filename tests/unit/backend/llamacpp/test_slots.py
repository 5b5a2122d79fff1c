"""Which slot a run takes, and who waits."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkd.backend.llamacpp.slots import Prompt, Slot, Slots, shared
from rkd.worker.handle import Handle


def taken(slots: Slots, prompt: Prompt, session: str = "") -> Slot:
    """The slot a run of *prompt* takes."""
    slot = slots.take(prompt, session, Handle())
    assert slot is not None
    return slot


def test_a_conversation_goes_on_where_it_was() -> None:
    """By its name first, then by its beginning; else the slot used longest ago."""
    slots = Slots(3)
    for prompt, session in (("aaaa", ""), ("bbbb", "s"), ("cccc", "")):
        slot = taken(slots, prompt, session)
        slots.give_back(slot, prompt, session)
        taken_first = slots.take("", "", Handle())  # the next one gets another
        assert taken_first is not None
        slots.give_back(taken_first, taken_first.prompt, taken_first.session)

    held = {slot.prompt: slot.number for slot in slots._free if slot.prompt}
    assert len(held) == len({*held.values()})
    for prompt, number in held.items():
        slot = taken(slots, f"{prompt}!")
        assert slot.number == number
        slots.give_back(slot, prompt, slot.session)


def test_the_name_counts_more_than_the_words() -> None:
    """What is kept of a conversation is all of it, whatever its last prompt was."""
    slots = Slots(2)
    one, two = taken(slots, "same"), taken(slots, "same")
    slots.give_back(one, "same words", "mine")
    slots.give_back(two, "same words and more", "")

    assert taken(slots, "same words and more!", "mine") is one


def test_who_finds_none_waits_for_one() -> None:
    """And gets it as soon as it is given back."""
    slots = Slots(1)
    first = taken(slots, "a")
    found: list[Slot] = []
    waiting = threading.Thread(target=lambda: found.append(taken(slots, "b")))
    waiting.start()
    assert found == []
    slots.give_back(first, "a", "")
    waiting.join()

    assert found == [first]


@pytest.mark.parametrize("early", [True, False])
def test_who_is_cancelled_waits_no_more(*, early: bool) -> None:
    """Nor takes one that is free."""
    slots = Slots(1)
    handle = Handle()
    found: list[Slot | None] = []
    if early:
        handle.cancel()
        found.append(slots.take("a", "", handle))
    else:
        taken(slots, "a")
        waiting = threading.Thread(target=lambda: found.append(slots.take("b", "", handle)))
        waiting.start()
        handle.cancel()
        waiting.join()

    assert found == [None]


def test_what_else_used_the_slots_is_not_believed_to_be_there() -> None:
    """After vectors, say."""
    slots = Slots(1)
    slots.give_back(taken(slots, "a", "s"), "a", "s")
    slots.forget()

    assert taken(slots, "a", "s").session == ""


@given(st.text("ab"), st.text("ab"), st.text("ab"))
def test_the_beginning_in_common(common: str, one: str, other: str) -> None:
    """As counting finds it; text and tokens have none."""
    first, second = common + one, common + other
    same = 0
    while same < min(len(first), len(second)) and first[same] == second[same]:
        same += 1

    assert shared(first, second) == same
    assert shared([*map(ord, first)], [*map(ord, second)]) == same
    assert shared(first, [*map(ord, second)]) == 0
