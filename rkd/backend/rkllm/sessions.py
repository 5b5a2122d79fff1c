"""
Named conversations on the NPU: the runtime's prompt cache, saved by one run and read by a later.

What the library does with a cache that is not the beginning of the prompt is not documented, so
none is offered whose prompt is not: each is kept with the length and digest of what it is of.
"""

from __future__ import annotations

import hashlib
from array import array
from contextlib import suppress
from pathlib import Path

from rkd.backend.kept import LEAST_TOKENS, digest_of, is_whole
from rkd.backend.rkllm.prompt import Prompt
from rkd.backend.rkllm.resident import LoadedModel
from rkd.backend.rkllm.runtime import StatusError
from rkd.session import Kept, SessionFile

CHARACTERS_A_TOKEN = 4
"""A guess, where there is no tokenizer to count."""


def place(session: SessionFile | None, prompt: Prompt, folder: Path) -> str:
    """Where the run of *prompt* is to save its cache, an absolute path; "" for nowhere."""
    if session is None or not session.name or not _read(prompt):
        return ""
    tokens = _tokens(prompt)
    fits = LEAST_TOKENS <= tokens <= session.most_tokens
    # A request for a title, say, under its name is none of its turns, and replaces nothing longer.
    fits = fits and (tokens >= session.tokens or _goes_on(prompt, session.prefix))
    return str(folder.absolute() / session.name) if fits else ""


def recall(resident: LoadedModel, session: SessionFile | None, prompt: Prompt) -> None:
    """Give the library what is kept of *session*, if *prompt* goes on from it."""
    if session is None or not _goes_on(prompt, session.prefix):
        return
    here = resident.finds_last and _goes_on(prompt, resident.last)
    if not (here and _size(resident.last) >= _size(session.prefix)) and is_whole(session):
        with suppress(StatusError):  # it reads the prompt from the beginning then
            resident.recall(session.path)


def kept(path: str, prompt: Prompt) -> Kept:
    """What a run has saved at *path*."""
    file = Path(path)
    with suppress(OSError):
        size_bytes = file.stat().st_size
        if size_bytes:
            return Kept(size_bytes, digest_of(file), _tokens(prompt), prefix_of(prompt))
    drop(path)
    return Kept()


def drop(path: str) -> None:
    """Remove what a run has saved that did not end well."""
    if path:
        with suppress(OSError):
            Path(path).unlink(missing_ok=True)


def _read(prompt: Prompt) -> tuple[str, bytes] | None:
    """What the library reads, and its kind; None where it is more than this tells."""
    if prompt.pictures:
        return None  # the text is the same whatever the pictures are
    if prompt.tokens is not None:
        return "ids", array("i", prompt.tokens).tobytes()
    return ("text", prompt.text.encode()) if prompt.silent else None


def _tokens(prompt: Prompt) -> int:
    if prompt.tokens is not None:
        return len(prompt.tokens)
    return len(prompt.text) // CHARACTERS_A_TOKEN


def prefix_of(prompt: Prompt) -> str:
    """What tells a prompt that begins with *prompt* from others; "" where nothing can."""
    read = _read(prompt)
    return _told(*read) if read else ""


def _goes_on(prompt: Prompt, prefix: str) -> bool:
    """Whether *prompt* begins with what *prefix* was made of."""
    read, size = _read(prompt), _size(prefix)
    if read is None or not size or len(read[1]) < size:
        return False
    return prefix == _told(read[0], read[1][:size])


def _told(kind: str, data: bytes) -> str:
    return f"{kind} {len(data)} {hashlib.sha256(data).hexdigest()}"


def _size(prefix: str) -> int:
    """Bytes of what *prefix* was made of; 0 where that cannot be told."""
    length = prefix.partition(" ")[2].partition(" ")[0][:12]
    return int(length) if length.isascii() and length.isdigit() else 0
