"""Find repositories with weights rkd can run, and what narrows the search further."""

from __future__ import annotations

import enum
import functools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rkd.hub.cache import AnswerCache
from rkd.hub.connection import Connection
from rkd.hub.listing import listing_of
from rkd.model import Format
from rkd.weights import rkllm
from rkd.weights.quantization import in_file_name

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo

LOOKED_AT = 200
"""Repositories taken from the hub for one search; filters it does not know are applied to these."""

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

    id: str
    downloads: int
    likes: int
    updated: datetime | None
    created: datetime | None
    license: str
    gated: bool
    formats: tuple[str, ...]
    quantizations: tuple[str, ...]
    parameters: int


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


def search(connection: Connection, cache: AnswerCache, query: Query) -> Results:
    """
    Search the hub; blocking.

    Raises:
        RkdError: OFFLINE, HUB_UNREACHABLE, when the cache has no answer either.
    """
    formats = (query.format,) if query.format else (Format.GGUF, Format.RKLLM)
    by_id: dict[str, Found] = {}
    cached: datetime | None = None
    for format_ in formats:
        asked = replace(query, format=format_, quantization="", min_downloads=0)
        answer = cache.answer(f"search {asked}", functools.partial(_ask, connection, asked))
        cached = answer.cached or cached
        for record in answer.value:
            found = _restored(record)
            by_id.setdefault(found.id, found)
    kept = tuple(sorted((one for one in by_id.values() if _passes(one, query)), key=_key(query)))
    return Results(kept, facets_of(kept), cached)


def found_in(info: ModelInfo) -> Found:
    """Take from the library's answer what is shown; formats and quantizations from file names."""
    listing = listing_of(info)
    names = [file.path for file in listing.files]
    weights = [name for name in names if name.lower().endswith((".gguf", ".rkllm"))]
    kinds = dict.fromkeys(in_file_name(name) for name in weights)
    formats = {name.lower().rsplit(".", 1)[1] for name in weights}
    guessed = rkllm.judge(f"{listing.repository}.rkllm", 0, b"", b"").details.parameters
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


def _ask(connection: Connection, query: Query) -> list[dict[str, Any]]:
    """
    Ask for one page of the hub's list.

    Not by `list_models`: that waits 23 s for a dead hub (measured with 2.4.0), and a search is
    waited for by somebody.
    """
    url = f"{connection.endpoint}/api/models"
    parameters = _parameters(query)

    def question(_: HfApi) -> list[dict[str, Any]]:
        from huggingface_hub import ModelInfo, hf_raise_for_status  # noqa: PLC0415 - 33 MB

        response = connection.session().get(
            url, params=parameters, headers=connection.headers_for(url)
        )
        hf_raise_for_status(response)
        make: Callable[..., ModelInfo] = ModelInfo
        return [_stored(found_in(make(**({"siblings": None} | item)))) for item in response.json()]

    return connection.ask(question, what="a search")


def _parameters(query: Query) -> dict[str, Any]:
    filters = ["gguf"] if query.format is Format.GGUF else []
    if query.license:
        filters.append(f"license:{query.license}")
    # Repositories of .rkllm files carry no tag of their own, but nearly all of them the word.
    words = f"{query.words} rkllm" if query.format is Format.RKLLM else query.words
    parameters: dict[str, Any] = {
        "search": words.strip(),
        "author": query.author,
        "filter": filters,
        "num_parameters": _range(query) if query.format is Format.GGUF else None,
        "sort": query.sort.value,
    }
    if query.gated is not None:
        parameters["gated"] = query.gated
    given = {key: value for key, value in parameters.items() if value or value is False}
    return given | {"limit": LOOKED_AT, "expand": _EXPAND}


def _range(query: Query) -> str | None:
    bounds = [
        f"{word}:{count / 1e9:g}B"
        for word, count in (("min", query.min_parameters), ("max", query.max_parameters))
        if count
    ]
    return ",".join(bounds) or None


def _passes(one: Found, query: Query) -> bool:
    """Whether *one* is what was asked for, where the hub does not filter itself."""
    known = one.parameters
    kinds = {kind.casefold() for kind in one.quantizations}
    return (
        bool(one.formats)
        and (query.format is None or query.format.value in one.formats)
        and (not query.quantization or query.quantization.casefold() in kinds)
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


def _stored(found: Found) -> dict[str, Any]:
    record = asdict(found)
    for key in ("updated", "created"):
        record[key] = record[key].isoformat() if record[key] else None
    return record


def _restored(record: dict[str, Any]) -> Found:
    moments = {
        key: datetime.fromisoformat(record[key]) if record[key] else None
        for key in ("updated", "created")
    }
    texts = {key: tuple(record[key]) for key in ("formats", "quantizations")}
    return Found(**(record | moments | texts))
