"""What people attach."""

from __future__ import annotations

import asyncio

import pytest
from rkd_client.errors import InvalidInputError
from rkd_console.chat import attached, pdftext
from rkd_console.chat.attached import MAX_CHARACTERS, PictureFile, take
from rkd_console.chat.conversation import Attachment

from tests.console.chat.pdfs import pdf

PNG = b"\x89PNG\r\n\x1a\n123"


async def taken(name: str, data: bytes) -> Attachment | PictureFile:
    """Take one file."""
    return await take(name, data, asyncio.Semaphore(1))


async def refused(name: str, data: bytes) -> str:
    """Return why it is not taken."""
    with pytest.raises(InvalidInputError) as caught:
        await taken(name, data)
    assert caught.value.reason == "ATTACHMENT_INVALID"
    return caught.value.message


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("é\r\n".encode(), "é\n"),
        ("\ufeffé".encode(), "é"),
        ("é".encode("utf-16"), "é"),
        (b"plain", "plain"),
    ],
)
async def test_text_is_text_however_it_is_coded(data: bytes, text: str) -> None:
    """In UTF-8, or as its first bytes say."""
    assert await taken("a.txt", data) == Attachment("a.txt", text)


@pytest.mark.parametrize("data", [b"\xff\x00\x01\x80", b"a\0b", b"\xc3", b""])
async def test_what_is_neither_is_refused(data: bytes) -> None:
    """With its name."""
    assert "x.bin" in await refused("x.bin", data)


async def test_a_name_is_a_name() -> None:
    """No folder of the sender's comes with it."""
    found = await taken("C:\\secret/../a.txt", b"x")

    assert isinstance(found, Attachment)
    assert found.name == "a.txt"


async def test_long_text_is_cut_and_says_so() -> None:
    """At a million characters."""
    found = await taken("a.txt", b"x" * (MAX_CHARACTERS + 5))

    assert isinstance(found, Attachment)
    assert len(found.text) == MAX_CHARACTERS
    assert found.note == f"{MAX_CHARACTERS}/{MAX_CHARACTERS + 5}"


async def test_a_picture_is_known_by_its_bytes() -> None:
    """Whatever it is called."""
    found = await taken("a.txt", PNG)

    assert isinstance(found, PictureFile)
    assert (found.picture.mime_type, found.picture.size_bytes) == ("image/png", len(PNG))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
        (b"RIFF\0\0\0\0WAVE", ""),
        (b"GIF89a", "image/gif"),
        (b"BM", "image/bmp"),
        (b"MZ", ""),
    ],
)
def test_kinds_of_pictures(data: bytes, kind: str) -> None:
    """Those the daemon reads."""
    assert attached.picture_type(data) == kind


async def test_too_much_is_refused() -> None:
    """A file, and a picture by its own bound."""
    assert "32 MiB" in await refused("a", b"x" * (attached.MAX_FILE_BYTES + 1))
    assert "12 MiB" in await refused("a", PNG + b"x" * attached.MAX_PICTURE_BYTES)


async def test_a_pdf_is_the_text_in_it() -> None:
    """Read by a child, page by page."""
    assert await taken("a.pdf", pdf(["Hello", "World"])) == Attachment("a.pdf", "Hello\n\nWorld")


@pytest.mark.parametrize("data", [b"%PDF-1.4 broken", pdf([""]), pdf(["x"])[:300], b"%PDF-"])
async def test_a_pdf_that_says_nothing_is_refused(data: bytes) -> None:
    """Broken, or pictures alone."""
    assert "a.pdf cannot be attached" in await refused("a.pdf", data)


def test_a_pdf_has_a_most_of_pages() -> None:
    """What is behind them is left out, and counted."""
    read = pdftext.text_of(pdf(["x"] * (pdftext.MAX_PAGES + 3)))

    assert (read["read"], read["pages"]) == (pdftext.MAX_PAGES, pdftext.MAX_PAGES + 3)
