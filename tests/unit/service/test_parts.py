"""Text and pictures of a request: their order, and every refusal by its place."""

from __future__ import annotations

from typing import Any

import pytest

from rkd.errors import ExhaustedError, InvalidInputError, Reason
from rkd.inference import Run
from rkd.model import Media, Message, Recipe
from rkd.service.conversation import MAX_TEXT_BYTES, chat_run, generate_run
from rkd.service.options import read_options
from rkd.service.parts import MOST_HELD_BYTES, HeldPictures, PictureLimits
from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2 as types
from tests.pictures import BLUE, plain, png, with_chunks

PICTURE = png()
SEEN = Media(PICTURE, 56, 56)
RECIPE = Recipe()


def part(one: str | bytes, mime_type: str = "") -> types.Part:
    """A text, or a picture."""
    if isinstance(one, str):
        return types.Part(text=one)
    return types.Part(media=types.Media(data=one, mime_type=mime_type))


def turn(*parts: str | bytes | types.Part, role: str = "user", content: str = "") -> types.Message:
    """A turn of these."""
    made = [one if isinstance(one, types.Part) else part(one) for one in parts]
    return types.Message(role=role, content=content, parts=made)


def chat(*turns: types.Message, limits: PictureLimits | None = None) -> Run:
    """The run of a Chat."""
    options = read_options(types.InferenceOptions(), RECIPE)
    return chat_run(pb.ChatRequest(messages=turns), RECIPE, options, limits)


def generate(*parts: str | bytes, limits: PictureLimits | None = None, **fields: Any) -> Run:
    """The run of a Generate."""
    options = read_options(types.InferenceOptions(), RECIPE)
    request = pb.GenerateRequest(parts=map(part, parts), **fields)
    return generate_run(request, RECIPE, options, limits)


def places(error: pytest.ExceptionInfo[InvalidInputError]) -> list[str]:
    """The fields that are wrong."""
    assert error.value.reason is Reason.INVALID_FIELD
    return [one.field for one in error.value.violations]


def test_the_order_of_a_turn_is_kept() -> None:
    """Text, picture, text: as sent; its text alone is content."""
    blue = png(colour=BLUE)
    (message,) = chat(turn("a", PICTURE, "b", blue)).messages

    assert message.parts == ("a", SEEN, "b", Media(blue, 56, 56))
    assert message.content == "a\nb"


def test_texts_in_a_row_are_lines() -> None:
    """Empty ones are none; without a picture there is only content."""
    (message,) = chat(turn("a", "", "b")).messages
    assert message == Message("user", "a\nb")

    (message,) = chat(turn("a", "b", PICTURE)).messages
    assert message.parts == ("a\nb", SEEN)


def test_a_prompt_has_parts_too() -> None:
    """As a turn of the user, or raw as it stands."""
    assert generate("what?", PICTURE).messages == (Message("user", "what?", parts=("what?", SEEN)),)
    raw = generate(PICTURE, "what?", raw=True)
    assert (raw.prompt, raw.prompt_parts, raw.media) == ("", (SEEN, "what?"), (SEEN,))
    assert generate("only", "text", raw=True) == Run(prompt="only\ntext")


def test_content_and_parts_are_not_both() -> None:
    """Nor prompt and parts; nothing at all is no prompt."""
    with pytest.raises(InvalidInputError) as error:
        chat(turn("a"), turn(PICTURE, content="b"))
    assert places(error) == ["messages[1].parts"]

    with pytest.raises(InvalidInputError) as error:
        generate("a", prompt="b")
    assert places(error) == ["parts"]

    with pytest.raises(InvalidInputError) as error:
        generate("")
    assert places(error) == ["parts"]


def test_pictures_stand_in_turns_of_the_user() -> None:
    """Everywhere else they are refused by place; text parts are taken everywhere."""
    with pytest.raises(InvalidInputError) as error:
        chat(
            turn(PICTURE, role="system"), turn("a", PICTURE, role="assistant"),
            turn(PICTURE, role="tool"), turn("q", PICTURE),
        )  # fmt: skip

    assert places(error) == ["messages[0].parts[0]", "messages[1].parts[1]", "messages[2].parts[0]"]
    assert chat(turn("s", role="system"), turn("q")).messages[0].content == "s"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"file:///etc/passwd", "no picture"),
        (b"https://x/y.png", "no picture"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "sound"),
        (png()[:20], "cut short"),
    ],
)
def test_what_is_no_picture_is_named_by_place(data: bytes, said: str) -> None:
    """Its first bytes decide."""
    with pytest.raises(InvalidInputError, match=said) as error:
        chat(turn("a"), turn("b"), turn("c", data))

    assert places(error) == ["messages[2].parts[1]"]


def test_a_part_without_anything_is_refused() -> None:
    """A newer client's kind of part, for instance."""
    with pytest.raises(InvalidInputError, match="a text or a picture") as error:
        chat(turn("a", types.Part()))

    assert places(error) == ["messages[0].parts[1]"]


@pytest.mark.parametrize(
    ("form", "mime_type"),
    [
        ("PNG", ""), ("PNG", "image/png"), ("PNG", "IMAGE/PNG; q=1"), ("JPEG", "image/jpg"),
        ("BMP", "image/x-ms-bmp"), ("WEBP", "application/octet-stream"), ("GIF", "image/gif"),
    ],
)  # fmt: skip
def test_a_mime_type_that_fits_is_taken(form: str, mime_type: str) -> None:
    """Common names of each kind, and none."""
    assert chat(turn(part(plain(form), mime_type))).media[0].width == 60


@pytest.mark.parametrize("mime_type", ["image/jpeg", "text/html", "video/mp4", "x" * 5000])
def test_a_mime_type_that_does_not_fit_is_refused(mime_type: str) -> None:
    """The bytes win, and the difference is told, in short."""
    with pytest.raises(InvalidInputError, match="is image/png by its first bytes") as error:
        chat(turn(part(PICTURE, mime_type)))

    assert places(error) == ["messages[0].parts[0]"]
    assert len(error.value.message) < 500


def test_the_limits_count_over_the_whole_request() -> None:
    """How many, how long together, how large each; the first too much is named."""
    two = PictureLimits(most=2)
    assert len(chat(turn(PICTURE), turn(PICTURE), limits=two).media) == 2
    with pytest.raises(InvalidInputError, match="max_pictures") as error:
        chat(turn(PICTURE), turn("a", PICTURE), turn("b", "c", PICTURE), limits=two)
    assert places(error) == ["messages[2].parts[2]"]

    short = PictureLimits(total_bytes=2 * len(PICTURE))
    assert len(generate(PICTURE, PICTURE, limits=short).media) == 2
    with pytest.raises(InvalidInputError, match="max_picture_bytes") as error:
        generate(PICTURE, PICTURE, PICTURE, limits=short)
    assert places(error) == ["parts[2]"]


def test_a_bomb_is_refused_by_what_it_says() -> None:
    """8000 x 8000 pixels in a few bytes: nothing is decoded; 40 million are taken."""
    with pytest.raises(InvalidInputError, match="8000 x 8000 pixels") as error:
        generate("a", with_chunks(8000, 8000))
    assert places(error) == ["parts[1]"]

    assert generate("a", with_chunks(8000, 5000)).media[0].height == 5000
    with pytest.raises(InvalidInputError):
        generate("a", with_chunks(8000, 5001))


def test_none_are_taken_where_none_are_wanted() -> None:
    """`max_pictures = 0` turns them off."""
    with pytest.raises(InvalidInputError, match="takes 0"):
        generate(PICTURE, limits=PictureLimits(most=0))


def test_text_has_its_own_bound_beside_pictures() -> None:
    """Four megabytes as before; pictures do not count, and are no place to hide text."""
    long = "x" * (MAX_TEXT_BYTES - 1000)
    big = with_chunks(9, 9, (b"tEXt", bytes(2 << 20)))

    assert generate(long, big).media
    assert chat(turn(long, big)).media
    for run in (generate, lambda *parts: chat(turn(*parts))):
        with pytest.raises(InvalidInputError, match="beside its pictures"):
            run(long, "y" * 2000, big)
    with pytest.raises(InvalidInputError, match="beside its pictures"):
        chat(turn(part(PICTURE, "image/png"), types.Part(text="x" * MAX_TEXT_BYTES)))


def test_ten_things_are_named_and_the_rest_counted() -> None:
    """As everywhere."""
    with pytest.raises(InvalidInputError, match="and 2 more"):
        chat(turn(*[b"no"] * 12), limits=PictureLimits(most=20))


def test_pictures_that_wait_are_counted() -> None:
    """What all requests hold together is bounded; what has ended is free again."""
    half = Run(prompt_parts=(Media(bytes(MOST_HELD_BYTES // 2), 1, 1),))
    held = HeldPictures()

    with (
        held.entered(half), held.entered(half), held.entered(Run(prompt="text")),
        pytest.raises(ExhaustedError) as error, held.entered(half),
    ):  # fmt: skip
        pass
    with held.entered(half):
        pass
    assert error.value.reason is Reason.QUEUE_FULL
    assert error.value.retry_after_s
