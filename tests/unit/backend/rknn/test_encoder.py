"""Pictures through the stand-in encoder: sizes, order, deepstack, cache, and every failure."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from rkd.backend.rknn.encoder import Embedded, Encoder, Sizes, interleaved
from rkd.errors import InternalError, InvalidInputError, PreconditionError, Reason
from rkd.model import Media
from tests.native import rknn
from tests.pictures import BLUE, RED, png

LIBRARY = rknn.build()


def encoder(path: Path, core_mask: int = 0, **settings: object) -> Encoder:
    """One that behaves so."""
    return Encoder(LIBRARY, rknn.encoder(path, **settings), core_mask)


def picture(colour: tuple[int, int, int] = RED, width: int = 56, height: int = 56) -> Media:
    """One of one colour."""
    return Media(png(width, height, colour), width, height, "messages[0].parts[1]")


def numbers(made: Embedded) -> list[float]:
    """The floats."""
    return list(struct.unpack(f"<{len(made.floats) // 4}f", made.floats))


@pytest.mark.parametrize("settings", [{"fmt": 1}, {"fmt": 0}, {"dims3": 1}])
def test_sizes_are_asked_of_the_encoder(tmp_path: Path, settings: dict[str, int]) -> None:
    """Both layouts of its input, a batch of one around its output."""
    one = encoder(tmp_path / "v.rknn", width=28, height=42, tokens=6, embd=16, **settings)

    assert one.sizes == Sizes(28, 42, 6, 16, 1)
    assert one.version.startswith("2.3.2")
    assert one.memory_bytes == 123456
    one.close()
    one.close()


def test_colours_and_order_show(tmp_path: Path) -> None:
    """Red is not blue; two pictures stand behind each other as they were sent."""
    one = encoder(tmp_path / "v.rknn")
    red, blue = one.encode([picture()]), one.encode([picture(BLUE)])
    both = one.encode([picture(BLUE), picture()])

    assert (red.count, both.count) == (1, 2)
    assert red.floats != blue.floats
    assert both.floats == blue.floats + red.floats
    base = numbers(red)[0]
    assert numbers(red) == [base + 1000 * token + at for token in range(4) for at in range(8)]
    one.close()


def test_a_picture_seen_twice_is_encoded_once(tmp_path: Path) -> None:
    """On the cores asked for; all outputs are given back."""
    log = tmp_path / "log"
    one = encoder(tmp_path / "v.rknn", core_mask=7, log=log, outputs=3)
    for _ in range(3):
        one.encode([picture(), picture(BLUE)])
    one.close()

    assert len(rknn.noted(log, "run")) == 2
    assert rknn.noted(log, "cores") == [("cores", 7)]
    assert rknn.noted(log, "destroy") == [("destroy", 0)]


def test_deepstack_is_interleaved_token_by_token(tmp_path: Path) -> None:
    """Output after output for each token, as the model's runtime reads it."""
    one = encoder(tmp_path / "v.rknn", outputs=4, tokens=3, embd=2)
    made = one.encode([picture()])
    base = numbers(made)[0]

    assert made.sizes.outputs == 4
    assert numbers(made) == [
        base + 100000 * output + 1000 * token + at
        for token in range(3)
        for output in range(4)
        for at in range(2)
    ]
    one.close()


def test_padding_stands_around_what_is_not_square(tmp_path: Path) -> None:
    """A wide picture is not stretched: the same colour as a square one gives other numbers."""
    one = encoder(tmp_path / "v.rknn")
    wide, square = one.encode([picture(RED, 100, 50)]), one.encode([picture(RED, 80, 80)])
    large = one.encode([picture(RED, 2000, 2000)])

    assert wide.floats != square.floats == large.floats
    one.close()


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        (-6, Reason.LOAD_FAILED, "made for another version"),
        (-13, Reason.PLATFORM_MISMATCH, "another chip"),
        (-4, Reason.LOAD_FAILED, "no memory"),
        (-3, Reason.LOAD_FAILED, "not available"),
        (-99, Reason.LOAD_FAILED, "returned -99"),
    ],
)
def test_a_refused_encoder_says_why(tmp_path: Path, status: int, reason: Reason, said: str) -> None:
    """In words, with what to do."""
    with pytest.raises(PreconditionError, match=said) as error:
        encoder(tmp_path / "v.rknn", init_rc=status)

    assert (error.value.reason, bool(error.value.remedy)) == (reason, True)


@pytest.mark.parametrize(
    "settings",
    [
        {"outputs": 0}, {"outputs": 99}, {"tokens": 0}, {"tokens": 99_999}, {"embd": 0},
        {"embd": 999_999}, {"width": 0}, {"width": 99_999},
    ],
)  # fmt: skip
def test_what_is_no_encoder_is_refused(tmp_path: Path, settings: dict[str, int]) -> None:
    """Shapes nobody could use."""
    with pytest.raises(PreconditionError) as error:
        encoder(tmp_path / "v.rknn", **settings)

    assert error.value.reason is Reason.LOAD_FAILED


def test_a_run_that_fails_is_told_and_the_next_one_goes(tmp_path: Path) -> None:
    """Whatever failed; nothing is kept of it."""
    for failing in ({"run_rc": -2}, {"get_rc": -9}):
        one = encoder(tmp_path / "v.rknn", **failing)
        with pytest.raises(InternalError, match="vision encoder failed"):
            one.encode([picture()])
        assert not one._kept
        one.close()


def test_a_damaged_picture_does_not_reach_the_npu(tmp_path: Path) -> None:
    """Refused by its place."""
    log = tmp_path / "log"
    one = encoder(tmp_path / "v.rknn", log=log)
    with pytest.raises(InvalidInputError) as error:
        one.encode([Media(png()[:70], 56, 56, "messages[0].parts[1]")])
    one.close()

    assert error.value.violations[0].field == "messages[0].parts[1]"
    assert not rknn.noted(log, "run")


def test_a_library_that_is_none_is_refused(tmp_path: Path) -> None:
    """Not there, no library, or another one."""
    junk = tmp_path / "librknnrt.so"
    junk.write_bytes(b"no library")
    for path in (tmp_path / "nowhere.so", junk, Path("libm.so.6")):
        with pytest.raises(PreconditionError) as error:
            Encoder(path, rknn.encoder(tmp_path / "v.rknn"), 0)
        assert error.value.reason is Reason.RUNTIME_MISMATCH


def test_an_output_of_another_length_is_a_failure() -> None:
    """Never passed on to be read past its end."""
    with pytest.raises(InternalError):
        interleaved([bytes(32), bytes(28)], Sizes(1, 1, 1, 8, 2))
