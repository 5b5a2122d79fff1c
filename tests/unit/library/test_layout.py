"""The plan: listing in, moves and refusals out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkd.library.layout import Cause, EntryKind, FolderEntry, Move, name_for, plan
from rkd.model import ModelName


def file(name: str, **facts: object) -> FolderEntry:
    """A flat file."""
    return FolderEntry(name, EntryKind.FILE, **facts)  # type: ignore[arg-type]


def folder(name: str, *children: str, **facts: object) -> FolderEntry:
    """A folder with files in it."""
    return FolderEntry(name, EntryKind.FOLDER, children=children, **facts)  # type: ignore[arg-type]


def causes(*entries: FolderEntry) -> dict[str, Cause]:
    """What is left of *entries*, and why."""
    return {left.name: left.cause for left in plan(entries).left}


class TestMoves:
    """What moves, where, and in which order."""

    def test_each_weights_file_gets_a_folder_of_its_name(self) -> None:
        """Both formats move, whatever the case of their endings."""
        moves = plan([file("a.rkllm"), file("B.GGUF")]).moves

        assert moves == (Move("B.GGUF", "B"), Move("a.rkllm", "a"))

    def test_both_formats_of_one_stem_are_one_model(self) -> None:
        """An .rkllm and a .gguf of the same stem share a folder."""
        assert plan([file("x.rkllm"), file("x.gguf")]).moves == (
            Move("x.gguf", "x"),
            Move("x.rkllm", "x"),
        )

    def test_a_killed_migration_goes_on(self) -> None:
        """A folder made and not filled is joined."""
        assert plan([file("x.rkllm"), folder("x")]).moves == (Move("x.rkllm", "x"),)

    def test_a_folder_is_joined_whatever_its_case(self) -> None:
        """Names are unique ignoring case, so the folder that is there wins."""
        assert plan([file("x.rkllm"), folder("X", "x.gguf")]).moves == (Move("x.rkllm", "X"),)

    def test_characters_a_name_may_not_have_become_dashes(self) -> None:
        """The folder gets a valid name, the file keeps its own."""
        assert plan([file("My Model (1).gguf")]).moves == (Move("My Model (1).gguf", "My-Model-1"),)

    def test_a_split_file_moves_as_a_whole(self) -> None:
        """All parts go into one folder named without their numbers."""
        parts = [file(f"x-{n:05}-of-00002.gguf") for n in (1, 2)]

        assert {move.folder for move in plan(parts).moves} == {"x"}
        assert len(plan(parts).moves) == 2

    def test_a_split_migration_that_was_killed_goes_on(self) -> None:
        """Parts already moved count."""
        entries = [file("x-00002-of-00002.gguf"), folder("x", "x-00001-of-00002.gguf")]

        assert plan(entries).moves == (Move("x-00002-of-00002.gguf", "x"),)

    def test_the_flat_modelfile_follows_its_weights(self) -> None:
        """It goes first, so that the model is complete once the weights arrive."""
        entries = [file("x.rkllm"), file("Modelfile", from_file="x.rkllm")]

        assert plan(entries).moves == (Move("Modelfile", "x"), Move("x.rkllm", "x"))

    def test_the_flat_modelfile_follows_weights_that_moved_before(self) -> None:
        """A migration killed between both finds the folder."""
        entries = [folder("x", "x.rkllm"), file("Modelfile", from_file="x.rkllm")]

        assert plan(entries).moves == (Move("Modelfile", "x"),)


class TestLeft:
    """What stays, and why."""

    @pytest.mark.parametrize(
        ("entry", "cause"),
        [
            (file(".x.gguf.Ab12"), Cause.HIDDEN),
            (FolderEntry("x.gguf", EntryKind.LINK), Cause.LINK),
            (FolderEntry("x.gguf", EntryKind.OTHER), Cause.FOREIGN),
            (file("README.md"), Cause.FOREIGN),
            (file("mmproj-x.gguf"), Cause.FOREIGN),
            (file("x.gguf.part"), Cause.INCOMING),
            (file("x.gguf.crdownload"), Cause.INCOMING),
            (file("x.gguf", complete=False), Cause.INCOMING),
            (file("x.gguf", readable=False), Cause.UNREADABLE),
            (file("---.gguf"), Cause.NO_NAME),
            (file("x-00001-of-00002.gguf"), Cause.INCOMING),
            (file("Modelfile"), Cause.FOREIGN),
        ],
    )
    def test_what_is_no_flat_model_is_named(self, entry: FolderEntry, cause: Cause) -> None:
        """Every such entry stays and is told of."""
        planned = plan([entry])

        assert planned.moves == ()
        assert {left.name: left.cause for left in planned.left} == {entry.name: cause}

    def test_folders_and_our_own_entries_are_silent(self) -> None:
        """Models in folders and staging are nobody's news."""
        entries = [folder("x", "x.gguf"), folder(".git"), folder(".rkd-stage-1")]

        assert plan([*entries, file(".rkd-replace-1.json")]).left == ()

    def test_aria2_keeps_its_file(self) -> None:
        """A file aria2 has allocated in full is not whole while its control file is there."""
        found = causes(file("x.gguf"), file("x.gguf.aria2"))

        assert found == {"x.gguf": Cause.INCOMING, "x.gguf.aria2": Cause.INCOMING}

    def test_nothing_is_overwritten(self) -> None:
        """The same file in the folder already: a refusal, ignoring case."""
        assert causes(file("x.gguf"), folder("x", "X.gguf")) == {"x.gguf": Cause.NAME_TAKEN}

    def test_other_weights_of_the_format_keep_their_folder(self) -> None:
        """A second GGUF does not slip into somebody else's model."""
        assert causes(file("x.gguf"), folder("x", "y.gguf")) == {"x.gguf": Cause.NAME_TAKEN}

    def test_a_file_where_the_folder_should_be_is_a_clash(self) -> None:
        """A file of that name without ending blocks the folder."""
        assert causes(file("x.gguf"), file("x"))["x.gguf"] is Cause.NAME_TAKEN

    def test_a_linked_folder_is_left(self) -> None:
        """Nothing is moved through a link."""
        assert causes(file("x.gguf"), FolderEntry("x", EntryKind.LINK)) == {"x.gguf": Cause.LINK}

    def test_another_file_system_is_left(self) -> None:
        """A rename does not reach there."""
        found = causes(file("x.gguf"), folder("x", elsewhere=True))

        assert found == {"x.gguf": Cause.OTHER_FILESYSTEM}

    def test_the_second_of_two_names_equal_but_for_case_is_left(self) -> None:
        """The first in the order of names moves."""
        planned = plan([file("X.gguf"), file("x.gguf")])

        assert planned.moves == (Move("X.gguf", "X"),)
        assert [left.name for left in planned.left] == ["x.gguf"]

    def test_the_flat_modelfile_does_not_replace_one(self) -> None:
        """The one in the folder stays."""
        entries = [folder("x", "x.gguf", "Modelfile"), file("Modelfile", from_file="x.gguf")]

        assert causes(*entries) == {"Modelfile": Cause.NAME_TAKEN}


@given(st.text(max_size=200))
def test_every_name_made_is_a_model_name(stem: str) -> None:
    """Whatever a file is called, its model's name is valid or empty."""
    name = name_for(stem)

    assert name == "" or ModelName.parse(name).text == name


@given(
    st.lists(
        st.sampled_from(["a.gguf", "A.gguf", "a b.gguf", "a.rkllm", "b-00001-of-00002.gguf"]),
        unique=True,
    ),
    st.lists(st.sampled_from(["a.gguf", "b.gguf", "a.rkllm", "Modelfile"]), unique=True),
)
def test_a_plan_overwrites_nothing_and_forgets_nothing(flat: list[str], inside: list[str]) -> None:
    """Every flat file moves or is left; no two moves and no existing file share a target."""
    planned = plan([*(file(name) for name in flat), folder("a", *inside)])
    targets = [(move.folder.casefold(), move.name.casefold()) for move in planned.moves]

    assert {m.name for m in planned.moves} | {left.name for left in planned.left} == set(flat)
    assert len(set(targets)) == len(targets)
    assert not {name for where, name in targets if where == "a"} & set(inside)
