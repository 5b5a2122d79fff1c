"""A conversation as a tree with one chosen way through it."""

from __future__ import annotations

from rkd_console.chat.conversation import Attachment, Conversation, Figures, Lane, Turn


def lane(*turns: tuple[str, str, str]) -> Lane:
    """Return a lane of (name, parent, role)."""
    made = Lane("m")
    for name, parent, role in turns:
        made = made.put(Turn(name, parent, role, text=name))  # type: ignore[arg-type]
    return made


def names(turns: list[Turn]) -> list[str]:
    """Return what *turns* are called."""
    return [one.id for one in turns]


TWO = (("q", "", "user"), ("a", "q", "assistant"), ("r", "a", "user"))


class TestWays:
    """Which turns are looked at."""

    def test_what_is_new_is_chosen(self) -> None:
        """An answer made again stands in the way, the old one beside it."""
        made = lane(*TWO, ("b", "q", "assistant"))

        assert names(made.path()) == ["q", "b"]
        assert made.tip == "b"

    def test_a_branch_is_chosen_with_all_behind_it(self) -> None:
        """Looking at the first answer shows what was said after it."""
        made = lane(*TWO, ("b", "q", "assistant")).beside("b", -1)

        assert names(made.path()) == ["q", "a", "r"]

    def test_there_is_nothing_beyond_the_last_branch(self) -> None:
        """A step too far stays where it is."""
        made = lane(*TWO).beside("q", -1).beside("q", 1).beside("nobody", 1)

        assert names(made.path()) == ["q", "a", "r"]

    def test_a_turn_has_one_way_up(self) -> None:
        """What was said before it is found, whatever is chosen."""
        made = lane(*TWO, ("b", "q", "assistant"))

        assert names(made.path("r")) == ["q", "a", "r"]

    def test_a_turn_goes_with_all_behind_it(self) -> None:
        """And what was chosen of it is chosen no more."""
        made = lane(*TWO, ("b", "q", "assistant")).beside("b", -1).without("a")

        assert names(made.path()) == ["q", "b"]
        assert names(list(made.turns)) == ["q", "b"]

    def test_a_turn_that_changes_stays_in_its_place(self) -> None:
        """Putting it again is no branch."""
        made = lane(*TWO).put(Turn("a", "q", "assistant", text="more"))

        assert [one.text for one in made.path()] == ["q", "more", "r"]


class TestWords:
    """What is read and shown of it."""

    def test_a_conversation_is_called_as_it_begins(self) -> None:
        """Unless it has a title; a long beginning is cut."""
        begun = Conversation("c", lanes=(lane(("q", "", "user")),))
        long = Conversation("c", lanes=(Lane("m", (Turn("q", "", "user", text="word " * 99),)),))

        assert begun.name == "q"
        assert Conversation("c", title="t", lanes=begun.lanes).name == "t"
        assert len(long.name) == 80
        assert long.name.endswith("…")
        assert Conversation("c").name == ""

    def test_files_are_read_before_what_was_typed(self) -> None:
        """Each with its name."""
        turn = Turn("q", "", "user", text="Sum up.", attachments=(Attachment("a.txt", "one"),))

        assert turn.told == "File a.txt:\n\none\n\nSum up."

    def test_the_rate_is_the_engines(self) -> None:
        """Tokens by the time of writing; 0 where it was not measured."""
        assert Figures(completion_tokens=50, decode_ms=2000).tokens_per_second == 25.0
        assert Figures(completion_tokens=50).tokens_per_second == 0.0
