"""Find repositories with weights rkd can run, and what narrows the search further."""

from __future__ import annotations

import enum
import functools
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import msgspec

from rkd import shape
from rkd.hub.cache import AnswerCache, Form
from rkd.hub.connection import Connection
from rkd.hub.listing import listing_of
from rkd.hub.refusal import unlike
from rkd.model import Format
from rkd.weights.company import companions
from rkd.weights.named import parameters_in
from rkd.weights.quantization import in_file_name

LOOKED_AT = 200
"""Repositories taken from the hub for one search; filters it does not know are applied to these."""

MOST_ANSWERED = 1_000
"""Most repositories one answer may hold, however few were asked for."""

_RKLLM_LIBRARIES = ("rkllm", "rkllm-runtime")
"""What cards of .rkllm files name as their library."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._/-]+")
_USUAL_CHIP = "rk3588"
_EXPAND: list[Any] = [
    "gguf",
    "gated",
    "downloads",
    "likes",
    "lastModified",
    "createdAt",
    "cardData",
    "siblings",
    "tags",
]
_SIZES = ((1e9, "under 1B"), (2e9, "1B to 2B"), (4e9, "2B to 4B"), (9e9, "4B to 9B"))


class Sort(enum.StrEnum):
    """How results are ordered, best first; values are the API's."""

    DOWNLOADS = "downloads"
    LIKES = "likes"
    UPDATED = "lastModified"
    CREATED = "createdAt"


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; 0, "" and None mean any."""

    words: str = ""
    author: str = ""
    min_parameters: int = 0
    max_parameters: int = 0
    quantization: str = ""
    format: Format | None = None
    sort: Sort = Sort.DOWNLOADS
    min_downloads: int = 0
    license: str = ""
    gated: bool | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A repository found; parameters 0 where unknown."""

    id: shape.Line
    downloads: shape.Count
    likes: shape.Count
    updated: shape.Moment | None
    created: shape.Moment | None
    license: shape.Line
    gated: bool
    formats: tuple[Format, ...]
    quantizations: tuple[shape.Line, ...]
    parameters: shape.Count


@dataclass(frozen=True, slots=True)
class Results:
    """
    What was found, best first.

    Args:
        facets: (property, ((value, count) …)), most frequent first.
        cached: when the answer was filled, if it was not asked for now.
    """

    found: tuple[Found, ...]
    facets: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]
    cached: datetime | None = None


def search(connection: Connection, cache: AnswerCache, query: Query, *, chip: str = "") -> Results:
    """
    Search the hub; blocking.

    Args:
        connection: the way to the hub.
        cache: what it answered before.
        query: what is looked for.
        chip: of this board: repositories of .rkllm files often name it and nothing else.

    Raises:
        RkdError: OFFLINE, HUB_UNREACHABLE, when the cache has no answer either.
    """
    formats = (query.format,) if query.format else (Format.GGUF, Format.RKLLM)
    by_id: dict[str, Found] = {}
    cached: datetime | None = None
    for parameters in [one for format_ in formats for one in _questions(query, format_, chip)]:
        question = f"search {json.dumps(parameters, sort_keys=True)}"
        answer = cache.answer(question, functools.partial(_ask, connection, parameters), _FORM)
        cached = answer.cached or cached
        for found in answer.value:
            by_id.setdefault(found.id, found)
    kept = tuple(sorted((one for one in by_id.values() if _passes(one, query)), key=_key(query)))
    return Results(kept, facets_of(kept), cached)


def found_in(answer: object) -> Found:
    """
    Take from the hub's answer what is shown; formats and quantizations from file names.

    Raises:
        UnlikeError: it names no repository.
    """
    listing = listing_of(answer, pinned=False)
    names = [file.path for file in listing.files if file.path.lower().endswith((".gguf", ".rkllm"))]
    besides = companions(names)
    weights = [name for name in names if name not in besides]
    own = listing.repository.rpartition("/")[2]
    kinds = dict.fromkeys(_kind_of(name, own) for name in weights)
    formats = {Format(name.lower().rsplit(".", 1)[1]) for name in weights}
    guessed = parameters_in(own)
    return Found(
        id=listing.repository,
        downloads=listing.downloads,
        likes=listing.likes,
        updated=listing.updated,
        created=listing.created,
        license=listing.license,
        gated=listing.gated,
        formats=tuple(sorted(formats)),
        quantizations=tuple(kind for kind in kinds if kind),
        parameters=listing.parameters or guessed,
    )


def _kind_of(path: str, repository: str) -> str:
    """Read the type of weights from the file's name, its folder's, or a .rkllm's repository's."""
    folder, _, name = path.rpartition("/")
    ending = PurePosixPath(name).suffix
    outside = [folder.rpartition("/")[2], repository if ending.lower() == ".rkllm" else ""]
    named = (in_file_name(f"{text}{ending}") for text in outside if text)
    return in_file_name(name) or next(filter(None, named), "")


def facets_of(found: Iterable[Found]) -> tuple[tuple[str, tuple[tuple[str, int], ...]], ...]:
    """Count what the results have in common."""
    kinds: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    licenses: Counter[str] = Counter()
    for one in found:
        kinds.update(one.quantizations)
        sizes.update([_size(one.parameters)] if one.parameters else [])
        licenses.update([one.license] if one.license else [])
    return tuple(
        (name, tuple(counted.most_common()))
        for name, counted in (("quantization", kinds), ("parameters", sizes), ("license", licenses))
        if counted
    )


def _ask(connection: Connection, parameters: dict[str, Any]) -> tuple[Found, ...]:
    """
    Ask for one page of the hub's list.

    Not by `list_models`: that waits 23 s for a dead hub (measured with 2.4.0), and a search is
    waited for by somebody.
    """
    answer = connection.document("/api/models", parameters, what="a search")
    try:
        repositories = shape.items(answer, most=MOST_ANSWERED)
    except shape.UnlikeError as error:
        raise unlike(connection.shown, str(error), what="a search") from error
    return tuple(shape.kept(repositories[:LOOKED_AT], found_in))


def _questions(query: Query, format_: Format, chip: str) -> Iterable[dict[str, Any]]:
    """
    Say what is asked for one format; the answers are merged.

    The hub looks for words in names of repositories alone. Those of .rkllm files are found by the
    library their card names, by the chip, or by the word in their name: none of these finds all.
    """
    if format_ is Format.GGUF:
        yield _parameters(query, ["gguf"], "", number=True)
        return
    for library in _RKLLM_LIBRARIES:
        yield _parameters(query, [library], "")
    for word in dict.fromkeys(("rkllm", chip or _USUAL_CHIP, _USUAL_CHIP)):
        yield _parameters(query, [], word)


def _parameters(
    query: Query, filters: list[str], word: str, *, number: bool = False
) -> dict[str, Any]:
    if query.license:
        filters = [*filters, f"license:{query.license}"]
    # Names of repositories have no other characters: `qwen3:8b` finds what `qwen3 8b` does.
    words = " ".join(_NOT_IN_NAMES.split(query.words)).strip() or query.words
    parameters: dict[str, Any] = {
        "search": words if word in words.casefold().split() else f"{words} {word}".strip(),
        "author": query.author,
        "filter": filters,
        "num_parameters": _range(query) if number else None,
        "sort": query.sort.value,
    }
    if query.gated is not None:
        parameters["gated"] = query.gated
    given = {key: value for key, value in parameters.items() if value or value is False}
    return given | {"limit": LOOKED_AT, "expand": _EXPAND}


def _range(query: Query) -> str | None:
    """Write bounds for the hub, in billions; what is too small for it rkd filters itself."""
    bounds = [
        f"{word}:{billions}B"
        for word, count in (("min", query.min_parameters), ("max", query.max_parameters))
        if (billions := f"{count / 1e9:.3f}".rstrip("0").rstrip(".")) != "0"
    ]
    return ",".join(bounds) or None


def _passes(one: Found, query: Query) -> bool:
    """Whether *one* is what was asked for, where the hub does not filter itself."""
    known = one.parameters
    kinds = {kind.casefold() for kind in one.quantizations}
    wanted = {
        query.quantization.casefold(),
        *(in_file_name(f"-{query.quantization}{end}").casefold() for end in (".gguf", ".rkllm")),
    }
    return (
        bool(one.formats)
        and (query.format is None or query.format in one.formats)
        and (not query.quantization or bool(wanted & kinds))
        and one.downloads >= query.min_downloads
        and (not query.license or one.license == query.license)
        and (query.gated is None or one.gated == query.gated)
        and (not query.min_parameters or known >= query.min_parameters)
        and (not query.max_parameters or 0 < known <= query.max_parameters)
    )


def _key(query: Query) -> Any:
    def moment(at: datetime | None) -> float:
        return at.timestamp() if at else 0.0

    return {
        Sort.DOWNLOADS: lambda one: (-one.downloads, one.id),
        Sort.LIKES: lambda one: (-one.likes, one.id),
        Sort.UPDATED: lambda one: (-moment(one.updated), one.id),
        Sort.CREATED: lambda one: (-moment(one.created), one.id),
    }[query.sort]


def _size(parameters: int) -> str:
    return next((name for bound, name in _SIZES if parameters < bound), "9B and more")


_FORM = Form(msgspec.to_builtins, functools.partial(shape.typed, kind=tuple[Found, ...]))
