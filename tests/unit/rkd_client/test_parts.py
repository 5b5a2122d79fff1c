"""Turns and prompts with pictures, however a program writes them."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from rkd_client import InvalidInputError
from rkd_client.parts import MAX_PICTURE_BYTES, parts_of
from rkd_client.turns import turns_of
from rkd_client.v1.types import Media, Message, Part
from rkd_client.values import value_of
from rkd_client.verbs.inference import chat, generate

from rkd.v1 import types_pb2 as types
from tests.pictures import png

PICTURE = png()
DATA = "data:image/png;base64," + b64encode(PICTURE).decode()


def told(parts: Any) -> list[Any]:
    """Texts as they are, pictures as (bytes, mime type)."""
    return [
        one.text if one.WhichOneof("kind") == "text" else (one.media.data, one.media.mime_type)
        for one in parts
    ]


def test_a_prompt_is_a_text_or_a_list(tmp_path: Path) -> None:
    """A picture is bytes, a path, a value of ours or of the proto."""
    file = tmp_path / "a.png"
    file.write_bytes(PICTURE)
    values = (Media(PICTURE, "image/png"), Part(text="x"), Part(media=Media(PICTURE)))
    pieces = ["what?", PICTURE, file, *values, types.Media(data=PICTURE), types.Part(text="y")]

    assert generate("m", "what?").request.prompt == "what?"
    request = generate("m", pieces).request
    plain = (PICTURE, "")
    assert request.prompt == ""
    assert told(request.parts) == [
        "what?", plain, plain, (PICTURE, "image/png"), "x", plain, plain, "y",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": DATA}}],
        [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": DATA}],
        ["a", Media(PICTURE, "image/png")],
    ],
)
def test_a_turn_is_written_as_openai_has_it(content: list[Any]) -> None:
    """A list as content; the address holds the picture."""
    (turn,) = turns_of([{"role": "user", "content": content}])

    assert turn.content == ""
    assert told(turn.parts) == ["a", (PICTURE, "image/png")]


def test_a_turn_is_written_as_ollama_has_it() -> None:
    """Pictures beside the text stand in front of it."""
    images = [b64encode(PICTURE).decode(), PICTURE]
    (turn,) = turns_of([{"role": "user", "content": "a", "images": images}])

    assert turn.content == ""
    assert told(turn.parts) == [(PICTURE, ""), (PICTURE, ""), "a"]


def test_a_message_comes_back_as_it_went() -> None:
    """The dataclass of a turn holds parts as well."""
    message = Message("user", parts=(Part(text="a"), Part(media=Media(PICTURE, "image/png"))))
    (turn,) = chat("m", [message]).request.messages

    assert value_of(turn) == message
    assert turns_of([{"role": "user", "content": "plain"}])[0].content == "plain"


@pytest.mark.parametrize(
    ("piece", "said"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x/y.png"}}, "not fetched"),
        ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "not fetched"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64"}}, "no content"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,*"}}, "no base64"),
        ({"type": "input_audio", "input_audio": {}}, "no parts of type 'input_audio'"),
        ({"type": "text", "text": 7}, "no parts of type"),
        ({}, "neither a text nor a picture"),
        (7, "neither a text nor a picture"),
        (Path("/nowhere/at/all.png"), "cannot be read"),
        (Path("/dev/zero"), "no regular file"),
    ],
)
def test_what_is_no_part_is_refused(piece: Any, said: str) -> None:
    """An address is never fetched; what is wrong is said with its number."""
    with pytest.raises(InvalidInputError, match=said) as error:
        parts_of(["a", piece])

    assert error.value.reason == "INVALID_FIELD"


def test_a_file_is_bounded_and_waits_for_nobody(tmp_path: Path) -> None:
    """A FIFO has no end to wait for, a huge file is not read whole."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "huge").touch()
    os.truncate(tmp_path / "huge", MAX_PICTURE_BYTES + 1)

    with pytest.raises(InvalidInputError, match="no regular file"):
        parts_of([tmp_path / "fifo"])
    with pytest.raises(InvalidInputError, match="longer than 15 MiB"):
        parts_of([tmp_path / "huge"])
