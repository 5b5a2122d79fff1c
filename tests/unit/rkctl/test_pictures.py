"""Pictures from the command line: named, dropped, piped; and what only looks like one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from rkctl.chat.pictures import dropped, is_picture, told, with_pictures

from tests.pictures import png
from tests.unit.rkctl import canned
from tests.unit.rkctl.fake_board import FakeBoard, Rkctl

GENERATE, CHAT = "InferenceService.Generate", "InferenceService.Chat"
PICTURE = png()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture's file."""
    path = tmp_path / "my photo.JPG"
    path.write_bytes(PICTURE)
    return path


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """One without a space in its path."""
    path = tmp_path / "photo.png"
    path.write_bytes(PICTURE)
    return path


def parts(given: Any) -> list[Any]:
    """Texts, and the bytes of pictures."""
    return [one.text if one.HasField("text") else one.media.data for one in given]


def test_a_word_that_names_a_picture_is_it(rkctl: Rkctl, board: FakeBoard, plain: Path) -> None:
    """In its place among the words; both verbs."""
    board.answers[GENERATE] = canned.answer("a cat")

    assert rkctl("run", "tiny", "What is this?", str(plain)).stdout == "a cat\n"
    rkctl("generate", "tiny", "compare", str(plain), "with", "that:", str(plain))

    first, second = board.requests(GENERATE)
    assert (first.prompt, parts(first.parts)) == ("", ["What is this?", PICTURE])
    assert parts(second.parts) == ["compare", PICTURE, "with that:", PICTURE]


def test_a_picture_that_is_not_there_is_said(rkctl: Rkctl) -> None:
    """Before anything is asked; its name among other words is text."""
    result = rkctl("run", "tiny", "What is this?", "nowhere.jpg")
    assert (result.exit_code, "nowhere.jpg: there is no such picture" in result.stderr) == (2, True)
    assert with_pictures(["what", "makes a.jpg a picture?"]) == "what makes a.jpg a picture?"


def test_a_picture_may_be_piped(rkctl: Rkctl, board: FakeBoard) -> None:
    """As `-` among words, or alone."""
    board.answers[GENERATE] = canned.answer("x")

    rkctl("run", "tiny", "What is this?", "-", stdin=PICTURE)
    rkctl("run", "tiny", stdin=PICTURE)

    first, second = board.requests(GENERATE)
    assert (parts(first.parts), parts(second.parts)) == (["What is this?", PICTURE], [PICTURE])


def test_a_chat_takes_them_too(rkctl: Rkctl, board: FakeBoard, plain: Path) -> None:
    """As the last turn; raw, the turns' pieces in a row."""
    board.answers[CHAT] = board.answers[GENERATE] = canned.answer("x")

    rkctl("chat", "tiny", "look", str(plain))
    (turn,) = board.requests(CHAT)[0].messages
    assert (turn.role, turn.content, parts(turn.parts)) == ("user", "", ["look", PICTURE])

    rkctl("chat", "tiny", "--raw", "look", str(plain))
    assert parts(board.requests(GENERATE)[0].parts) == ["look", PICTURE]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("'{spaced}' what?", ["P", "what?"]),
        ('what is "{spaced}"', ["what is", "P"]),
        ("what is {escaped} now", ["what is", "P", "now"]),
        ("{plain}", ["P"]),
        ("{plain} {plain} compare", ["P", "P", "compare"]),
        ("it's {plain}, isn't it", "it's {plain}, isn't it"),
        ("file://{plain} what?", ["P", "what?"]),
        ("what is nowhere.png?", "what is nowhere.png?"),
        ("the ending .png", "the ending .png"),
        ("don't say 'no", "don't say 'no"),
    ],
)
def test_a_path_dropped_into_the_chat(
    line: str, wanted: list[str] | str, photo: Path, plain: Path
) -> None:
    """As terminals write it; a path that leads to nothing is text."""
    names = {"spaced": photo, "escaped": str(photo).replace(" ", "\\ "), "plain": plain}
    said = dropped(line.format(**names))

    if isinstance(wanted, str):
        assert said == wanted.format(**names)
        return
    assert ["P" if isinstance(one, Path) else one for one in said] == wanted
    assert told(said).startswith("with ")


def test_a_long_line_of_backslashes_is_read_at_once() -> None:
    """Whatever is pasted."""
    for piece in ("\\ ", "'", '"x', "a.pn", "\\a", "a.png", "\\ a.png", "'a.png"):
        assert dropped(piece * 50_000) == piece * 50_000
    assert dropped("look at ~nobody-of-this-name/x.png") == "look at ~nobody-of-this-name/x.png"


def test_what_begins_as_a_picture() -> None:
    """A text does not."""
    assert is_picture(PICTURE)
    assert not is_picture(b"What is this?")
    with pytest.raises(click.UsageError):
        with_pictures(["/nowhere/x.webp"])
    assert with_pictures([]) == ""
