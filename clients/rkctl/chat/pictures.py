"""Pictures among the words of a prompt: files named, dropped into the terminal, or piped in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

import click
from rkd_client.files import is_file, named, place_of
from rkd_client.parts import Piece

from rkd.v1 import types_pb2 as types

_ENDING = r"\.(?:png|jpe?g|webp|gif|bmp)"
_NAMED = re.compile(rf"\S+{_ENDING}", re.IGNORECASE)
_DROPPED = re.compile(
    rf"""'(?P<quoted>[^'\n]+{_ENDING})'|"(?P<twice>[^"\n]+{_ENDING})"|"""
    rf"""(?<!\S)(?<!\\\s)(?P<plain>(?:\\.|[^\s\\'"])+{_ENDING})(?!\S)""",
    re.IGNORECASE,
)
"""
As terminals write the path of a file dropped into them: quoted, or with backslashes.

No word begins behind a blank with a backslash: each is read once, however many of them it has.
"""
_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM")


def is_picture(data: bytes) -> bool:
    """Tell whether *data* begins as a picture does; the board looks closer."""
    return data.startswith(_BEGINNINGS) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def with_pictures(words: Iterable[str | bytes], joint: str = " ") -> str | list[Piece]:
    """
    Return *words* as a text, or as texts and pictures where some of them name picture files.

    Raises:
        click.UsageError: a word looks like a picture's name and there is no such file.
    """
    pieces: list[Piece] = []
    texts: list[str] = []
    for word in words:
        if isinstance(word, str) and not _NAMED.fullmatch(word):
            texts.append(word)
            continue
        if texts:
            pieces.append(joint.join(texts))
            texts = []
        pieces.append(_existing(word) if isinstance(word, str) else word)
    if not pieces:
        return joint.join(texts)
    return [*pieces, joint.join(texts)] if texts else pieces


def _existing(word: str) -> Path:
    path = _place(word)
    if not is_file(path):
        said = f"{named(word)}: there is no such picture"
        raise click.UsageError(f"{said}; put it into quotes with other words to say its name")
    return path


def _place(word: str) -> Path:
    if word.startswith("file://"):
        return Path(unquote(word.removeprefix("file://")))
    return place_of(word)


def dropped(line: str) -> str | list[Piece]:
    """Return *line* of a conversation, with the pictures whose paths stand in it in their place."""
    pieces: list[Piece] = []
    at = 0
    for found in _DROPPED.finditer(line):
        plain = found["plain"]
        named = re.sub(r"\\(.)", r"\1", plain) if plain else found["quoted"] or found["twice"]
        path = _place(named)
        if not is_file(path):
            continue
        before = line[at : found.start()].strip()
        pieces += [before, path] if before else [path]
        at = found.end()
    if not pieces:
        return line
    rest = line[at:].strip()
    return [*pieces, rest] if rest else pieces


def told(pieces: str | list[Piece]) -> str:
    """Say which pictures go along, "" for none."""
    if isinstance(pieces, str):
        return ""
    names = [one.name for one in pieces if isinstance(one, Path)]
    return f"with {', '.join(names)}" if names else ""


def text_of(turn: types.Message) -> str:
    """Return a turn as people read it: a picture is its place alone."""
    if not turn.parts:
        return turn.content
    texts = [part.text if part.HasField("text") else "[picture]" for part in turn.parts]
    return " ".join(texts)
