"""
Look into a repository without pulling it: its files with a verdict, its card.

A GGUF's header is read by ranges, so that layers and context are known before a model is fetched.
Blocking; answers are cached.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from rkd import shape
from rkd.errors import RkdError
from rkd.hub import config
from rkd.hub.branches import find_weights
from rkd.hub.cache import AnswerCache, Form
from rkd.hub.connection import Connection
from rkd.hub.fit import Judgement, judge_all
from rkd.hub.headroom import Headroom
from rkd.hub.listing import Listing, RemoteFile, restored, stored
from rkd.hub.mover import Mover, Wanted
from rkd.hub.naming import toolkit_in_name
from rkd.hub.variants import Variant, is_checkpoint, no_weights, variants_of
from rkd.model import Details, Format
from rkd.weights import rkllm
from rkd.weights.details import describe
from rkd.weights.gguf import parse_header

_BLOCK_BYTES = 1 << 20
MOST_HEADER_BYTES = 48 << 20
"""Longest header read: one with a vocabulary of 250 000 tokens and its merges has some 12 MB."""

CARD_BYTES = 1 << 20
MOST_KEYS = 200
"""Fields of a card's front matter, and items of a list in it."""

LONGEST_VALUE = 4096
"""Characters of one of them."""

_TAIL_BYTES = 4096
_LONGEST_BYTES = 300
_MOST_TAILS = 12
"""Ends of .rkllm files read for one listing; a repository seldom has more."""

_TOOLKIT = re.compile(
    r"(?:rkllm|toolkit|sdk|rk35[0-9]{2}s?)[-_ ]{0,3}(?:toolkit|version)?[-_ :]{0,3}"
    r"v?([0-9]+\.[0-9]+\.[0-9]+(?:b[0-9]+)?)",
    re.IGNORECASE,
)
_FOR_EVER = timedelta(days=365)
"""What is said of a commit stays true."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A repository's weights, judged for this board, best first."""

    listing: Listing
    judgements: tuple[Judgement, ...]
    cached: datetime | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """A model card: Markdown without its front matter, and the front matter, flat."""

    text: str
    metadata: dict[str, str]


class Browser:
    """
    Answers questions about repositories.

    Args:
        connection: the way to the hub.
        cache: what it answered before.
        mover: reads ranges and small files.
    """

    def __init__(self, connection: Connection, cache: AnswerCache, mover: Mover) -> None:
        self._connection = connection
        self._cache = cache
        self._mover = mover

    def offer(self, repository: str, revision: str, capacity: Headroom) -> Offer:
        """
        List the weights of *repository* with a verdict each.

        Raises:
            RkdError: OFFLINE, HUB_UNREACHABLE, HUB_GATED, HUB_NOT_FOUND (also for an original
                checkpoint alone, with the way to create from it).
        """
        listing, cached = self._listing(repository, revision, capacity.platform or capacity.chip)
        variants = variants_of(listing)
        if not variants and is_checkpoint(listing):
            raise no_weights(listing)
        if any(one.format is Format.RKLLM and not one.platform for one in variants):
            variants = variants_of(listing, card=self.card_of(listing))
        details = self._shape(listing, variants)
        dated = tuple(
            replace(variant, toolkit=self._toolkit(listing, variant))
            if variant.format is Format.RKLLM and number < _MOST_TAILS
            else variant
            for number, variant in enumerate(variants)
        )
        return Offer(listing, judge_all(dated, details, capacity), cached)

    def card(self, repository: str, revision: str) -> Card:
        """
        Read the model card.

        Raises:
            RkdError: OFFLINE, HUB_UNREACHABLE, HUB_GATED, HUB_NOT_FOUND; a repository without a
                card has an empty one.
        """
        listing, _ = self._listing(repository, revision)
        return parse_card(self._card(listing))

    def card_of(self, listing: Listing) -> str:
        """Read the card of *listing* as it is; "" where there is none to be had."""
        with contextlib.suppress(RkdError):
            return self._card(listing)
        return ""

    def _card(self, listing: Listing) -> str:
        file = listing.file("README.md")
        if file is None:
            return ""

        def ask() -> str:
            self._connection.require_online(f"the card of {listing.repository}")
            return self._mover.read(_whole(listing, file), 0, CARD_BYTES).decode("utf-8", "replace")

        question = f"card {listing.repository} {listing.commit}"
        return self._cache.answer(question, ask, _CARD, fresh=_FOR_EVER).value

    def _listing(
        self, repository: str, revision: str, chip: str = ""
    ) -> tuple[Listing, datetime | None]:
        answer = self._cache.answer(
            f"listing {repository} {revision} {chip}",
            lambda: find_weights(self._connection, repository, revision, chip),
            _LISTING,
        )
        return answer.value, answer.cached

    def _shape(self, listing: Listing, variants: tuple[Variant, ...]) -> Details:
        """
        Read layers and heads from the smallest GGUF, else from what the weights were made from.

        The verdict is rougher without.
        """
        ggufs = [variant for variant in variants if variant.format is Format.GGUF]
        if not ggufs:
            return self._base_shape(listing) if variants else Details()
        file = ggufs[-1].files[0]

        def ask() -> Details:
            self._connection.require_online(f"the header of {file.path}")
            reader = _Ranges(self._mover, _whole(listing, file))
            header = parse_header(reader.read, file.size_bytes, PurePosixPath(file.path).name)
            return describe(header)

        try:
            return self._cache.answer(f"shape {file.digest}", ask, _SHAPE, fresh=_FOR_EVER).value
        except RkdError:
            return Details()

    def _base_shape(self, listing: Listing) -> Details:
        """Read the config.json of the repository, or of the one its card names as its base."""
        with contextlib.suppress(RkdError, shape.UnlikeError):
            known = listing
            if known.file(config.FILE) is None and listing.base_models:
                known, _ = self._listing(listing.base_models[0], "main")
            file = known.file(config.FILE)
            if file is None or file.size_bytes > config.LARGEST_BYTES:
                return Details()
            wanted = _whole(known, file)

            def ask() -> Details:
                self._connection.require_online(f"the configuration of {known.repository}")
                return config.shape_in(self._mover.read(wanted, 0, config.LARGEST_BYTES))

            question = f"config {file.digest}"
            return self._cache.answer(question, ask, _SHAPE, fresh=_FOR_EVER).value
        return Details()

    def _toolkit(self, listing: Listing, variant: Variant) -> str:
        """Find the toolkit's version: in the file's last bytes, else in names, else in the card."""
        file = variant.files[0]
        start = max(0, file.size_bytes - _TAIL_BYTES)

        def ask() -> str:
            self._connection.require_online(f"the end of {file.path}")
            tail = self._mover.read(_whole(listing, file), start, _TAIL_BYTES)
            return rkllm.judge(PurePosixPath(file.path).name, file.size_bytes, b"", tail).toolkit

        told = ""
        with contextlib.suppress(RkdError):
            question = f"toolkit {file.digest}"
            told = self._cache.answer(question, ask, _TOLD, fresh=_FOR_EVER).value
        own = listing.repository.rpartition("/")[2]
        names = (*reversed(PurePosixPath(file.path).parts), listing.branch, own)
        named = told or next(filter(None, map(toolkit_in_name, names)), "")
        return named or toolkit_in(self.card_of(listing))


class _Ranges:
    """Reads a remote file in blocks, each once."""

    def __init__(self, mover: Mover, wanted: Wanted) -> None:
        self._mover = mover
        self._wanted = wanted
        self._blocks: dict[int, bytes] = {}

    def read(self, offset: int, count: int) -> bytes:
        """Return up to *count* bytes from *offset* on."""
        found = bytearray()
        while len(found) < count:
            number, within = divmod(offset + len(found), _BLOCK_BYTES)
            piece = self._block(number)[within : within + count - len(found)]
            if not piece:
                break
            found += piece
        return bytes(found)

    def _block(self, number: int) -> bytes:
        start = number * _BLOCK_BYTES
        if start >= min(self._wanted.size_bytes, MOST_HEADER_BYTES):
            return b""
        if number not in self._blocks:
            self._blocks[number] = self._mover.read(self._wanted, start, _BLOCK_BYTES)
        return self._blocks[number]


def toolkit_in(text: str) -> str:
    """Find a version of rkllm-toolkit in a card; "" when none is told."""
    found = _TOOLKIT.search(text)
    return found.group(1) if found else ""


def parse_card(text: str) -> Card:
    """Take a card's front matter off: `key: value` lines, lists joined by commas."""
    lines = text.replace("\r\n", "\n").split("\n")
    end = next((number for number, line in enumerate(lines[1:], 1) if line.strip() == "---"), 0)
    if lines[0].strip() != "---" or not end:
        return Card(text, {})
    values: dict[str, list[str]] = {}
    key = ""
    for line in lines[1:end]:
        item = line.strip()
        if item.startswith("- ") and key:
            values[key].append(_unquoted(item[2:]))
        elif ":" in item and not line.startswith((" ", "\t")) and len(values) < MOST_KEYS:
            key, _, value = (part.strip() for part in item.partition(":"))
            values[key] = [_unquoted(value)]
    metadata = {
        name: ", ".join(filter(None, told[:MOST_KEYS]))[:LONGEST_VALUE]
        for name, told in values.items()
    }
    return Card("\n".join(lines[end + 1 :]).lstrip("\n"), metadata)


def _unquoted(value: str) -> str:
    return value.strip().strip("'\"")


def _whole(listing: Listing, file: RemoteFile) -> Wanted:
    return listing.wanted(file)


def _shape_restored(value: object) -> Details:
    """Read what `asdict` made of a model's shape."""
    record, known = shape.record(value), asdict(Details())
    if record.keys() != known.keys():
        raise shape.UnlikeError("other fields than a shape has")
    return Details(**{key: _of_kind(known[key], record[key]) for key in known})


def _of_kind(sample: object, value: object) -> Any:
    """Take a value of the same kind as the default it stands for."""
    if isinstance(sample, bool):
        return bool(value)
    return shape.count(value) if isinstance(sample, int) else _line(value)


_line = partial(shape.line, most_bytes=_LONGEST_BYTES)
_LISTING = Form(stored, restored)
_SHAPE = Form(asdict, _shape_restored)
_TOLD: Form[str] = Form(str, _line)
_CARD: Form[str] = Form(str, partial(shape.text, most_bytes=2 * CARD_BYTES))
