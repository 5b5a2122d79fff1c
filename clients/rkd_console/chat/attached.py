"""
What people attach: pictures as they are, text as text, a PDF as the text in it.

What a file is, its bytes say, never its name. A PDF is read in a process of its own that may use
so much time and memory and no more: what is in one may be made to hang its reader.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import sys
from dataclasses import dataclass

from rkd_client.errors import InvalidInputError

from rkd_console.chat.conversation import Attachment, Picture

MAX_FILE_BYTES = 32 << 20
MAX_PICTURE_BYTES = 12 << 20
"""The daemon takes no more in one request (`max_picture_bytes`)."""
MAX_CHARACTERS = 1 << 20
"""Of one attachment; what is longer is cut, and says so."""
PDF_WITHIN_S = 30.0

_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
)
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture with its bytes."""

    picture: Picture
    data: bytes


def picture_type(data: bytes) -> str:
    """Return the type of the picture that *data* is, by its first bytes; "" for none."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), "")


async def take(name: str, data: bytes, pdf_turn: asyncio.Semaphore) -> PictureFile | Attachment:
    """
    Return what the file *name* of content *data* is for a conversation.

    Args:
        name: as its owner calls it.
        data: all of it.
        pdf_turn: how many PDFs are read at once.

    Raises:
        InvalidInputError: ATTACHMENT_INVALID, it is nothing that can be attached.
    """
    short = name.replace("\\", "/").rpartition("/")[2][:200] or "file"
    if not data:
        raise _wrong(short, "it is empty")
    if len(data) > MAX_FILE_BYTES:
        raise _wrong(short, f"it has more than {MAX_FILE_BYTES >> 20} MiB")
    kind = picture_type(data)
    if kind:
        if len(data) > MAX_PICTURE_BYTES:
            raise _wrong(short, f"a picture has at most {MAX_PICTURE_BYTES >> 20} MiB")
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        return PictureFile(Picture(digest, kind, len(data), short), data)
    if b"%PDF-" in data[:1024]:
        async with pdf_turn:
            return await _pdf(short, data)
    return await asyncio.to_thread(_text, short, data)


def _text(name: str, data: bytes) -> Attachment:
    coding = next((coding for bom, coding in _BOMS if data.startswith(bom)), "utf-8")
    try:
        text = data.decode(coding)
    except UnicodeDecodeError as error:
        raise _wrong(name, "it is neither a picture, nor a PDF, nor text in UTF-8") from error
    if "\0" in text:
        raise _wrong(name, "it is neither a picture, nor a PDF, nor text")
    return _bounded(name, text.replace("\r\n", "\n"), "")


async def _pdf(name: str, data: bytes) -> Attachment:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "rkd_console.chat.pdftext",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PDF_WITHIN_S):
            answer, _ = await child.communicate(data)
    except TimeoutError as error:
        raise _wrong(name, f"reading this PDF takes longer than {PDF_WITHIN_S:.0f} s") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    try:
        found = json.loads(answer)
        text, pages, read = str(found["text"]), int(found["pages"]), int(found["read"])
    except (ValueError, KeyError, TypeError) as error:
        raise _wrong(name, "this PDF cannot be read") from error
    if "why" in found:
        raise _wrong(name, f"this PDF cannot be read: {str(found['why'])[:200]}")
    if not text.strip():
        raise _wrong(name, "there is no text in this PDF, only pictures")
    return _bounded(name, text, f"{read}/{pages}" if read < pages else "")


def _bounded(name: str, text: str, note: str) -> Attachment:
    if len(text) > MAX_CHARACTERS:
        cut = f"{MAX_CHARACTERS}/{len(text)}"
        return Attachment(name, text[:MAX_CHARACTERS], f"{note} {cut}".strip())
    return Attachment(name, text, note)


def _wrong(name: str, why: str) -> InvalidInputError:
    said = f"{name[:80]} cannot be attached: {why}"
    return InvalidInputError("ATTACHMENT_INVALID", said, metadata={"file": name[:80]})
