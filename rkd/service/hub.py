"""HubService: find a model that fits, before a byte of it is fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from rkd.errors import bad_field
from rkd.hub.browse import CARD_BYTES, Browser
from rkd.hub.cache import AnswerCache
from rkd.hub.connection import Connection
from rkd.hub.fit import Judgement
from rkd.hub.headroom import Headroom
from rkd.hub.listing import Listing
from rkd.hub.reference import Reference, parse, with_revision
from rkd.hub.search import Found, Query, Sort, search
from rkd.hub.threads import asking
from rkd.model import Format
from rkd.service.onwire import like, message, stamp
from rkd.v1 import hub_pb2 as pb
from rkd.v1 import types_pb2 as types
from rkd.v1.hub_pb2_grpc import HubServiceServicer
from rkd.weights.quantization import guessed_bytes

_Answer = TypeVar("_Answer")

DEFAULT_PAGE = 20
LONGEST_PAGE = 100
MOST_FACETS = 50
"""Values of a facet that are told, most frequent first."""

AT_ONCE = 4
"""Questions put to the hub at a time by all callers; an answer may cost 80 MB for a moment."""

LONGEST_WORDS = 500
"""Characters of a search, or of one of its filters."""

ONE_BYTES = 16 << 10
"""Of one repository, or of the texts of one variant."""

MOST_BYTES = 3 << 20
"""Of a list of variants, best first: a client takes messages of four megabytes."""

SORTS = {
    pb.SEARCH_SORT_UNSPECIFIED: Sort.DOWNLOADS,
    pb.SEARCH_SORT_DOWNLOADS: Sort.DOWNLOADS,
    pb.SEARCH_SORT_LIKES: Sort.LIKES,
    pb.SEARCH_SORT_UPDATED: Sort.UPDATED,
    pb.SEARCH_SORT_CREATED: Sort.CREATED,
}
FORMATS = {types.WEIGHTS_FORMAT_GGUF: Format.GGUF, types.WEIGHTS_FORMAT_RKLLM: Format.RKLLM}


class HubService(HubServiceServicer):
    """
    The service.

    Args:
        connection: the way to the hub.
        cache: what it answered before.
        browser: looks into repositories.
        capacity: what the board has, as of now.
    """

    def __init__(
        self,
        *,
        connection: Connection,
        cache: AnswerCache,
        browser: Browser,
        capacity: Callable[[], Headroom],
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._browser = browser
        self._capacity = capacity
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def Search(self, request: pb.SearchRequest, context: Any) -> pb.SearchResponse:
        """Find repositories with weights rkd can run."""
        size, start = _page(request)
        query = _query(request)
        capacity = self._capacity()
        chip = capacity.platform or capacity.chip
        results = await self._asked(
            lambda: search(self._connection, self._cache, query, chip=chip), "rkd-search"
        )
        shown = results.found[start : start + size]
        following = start + size
        response = pb.SearchResponse(
            repositories=[_found(one) for one in shown],
            next_page_token=str(following) if following < len(results.found) else "",
            facets=[
                pb.Facet(
                    name=name,
                    values=[
                        pb.FacetValue(value=value, count=count)
                        for value, count in values[:MOST_FACETS]
                    ],
                )
                for name, values in results.facets
            ],
        )
        stamp(response.cached, results.cached)
        return response

    async def ListFiles(self, request: pb.ListFilesRequest, context: Any) -> pb.ListFilesResponse:
        """List the weights of a repository with a verdict for this board."""
        reference = self._reference(request.repository, request.revision)
        capacity = self._capacity()
        if request.context_tokens < 0:
            raise bad_field("context_tokens", "should not be negative")
        if request.context_tokens:
            capacity = replace(capacity, context_tokens=request.context_tokens)
        offer = await self._asked(
            lambda: self._browser.offer(reference.repository, reference.revision, capacity),
            "rkd-files",
        )
        return pb.ListFilesResponse(
            variants=_within(map(_variant, offer.judgements), MOST_BYTES),
            revision=offer.listing.commit,
            repository=_repository(offer.listing, offer.judgements),
        )

    async def GetCard(self, request: pb.GetCardRequest, context: Any) -> pb.GetCardResponse:
        """Bring the model card."""
        reference = self._reference(request.repository, request.revision)
        card = await self._asked(
            lambda: self._browser.card(reference.repository, reference.revision), "rkd-card"
        )
        return message(pb.GetCardResponse, CARD_BYTES, text=card.text, metadata=card.metadata)

    async def _asked(self, ask: Callable[[], _Answer], name: str) -> _Answer:
        async with self._slots:
            return await asking(ask, name=name)

    def _reference(self, repository: str, revision: str) -> Reference:
        return with_revision(parse(repository, endpoint=self._connection.endpoint), revision)


def _query(request: pb.SearchRequest) -> Query:
    for field in ("min_parameters", "max_parameters", "min_downloads"):
        if getattr(request, field) < 0:
            raise bad_field(field, "should not be negative")
    for field in ("query", "author", "quantization", "license"):
        if len(getattr(request, field)) > LONGEST_WORDS:
            raise bad_field(field, f"should have at most {LONGEST_WORDS} characters")
    if request.sort not in SORTS:
        raise bad_field("sort", "is not known")
    return Query(
        words=request.query.strip(),
        author=request.author.strip(),
        min_parameters=request.min_parameters,
        max_parameters=request.max_parameters,
        quantization=request.quantization.strip(),
        format=FORMATS.get(request.format),
        sort=SORTS[request.sort],
        min_downloads=request.min_downloads,
        license=request.license.strip(),
        gated=request.gated if request.HasField("gated") else None,
    )


def _page(request: pb.SearchRequest) -> tuple[int, int]:
    if request.page_size < 0:
        raise bad_field("page_size", "should not be negative")
    token = request.page_token
    if token and not (token.isascii() and token.isdigit() and len(token) < 6):  # noqa: PLR2004 - ours are short
        raise bad_field("page_token", "is none that this daemon gave out")
    return min(request.page_size or DEFAULT_PAGE, LONGEST_PAGE), int(token or 0)


def _found(found: Found) -> pb.Repository:
    guesses = [guessed_bytes(found.parameters, kind) for kind in found.quantizations]
    return _described(found, found.id, list(found.formats), found.quantizations, guesses)


def _repository(listing: Listing, judgements: tuple[Judgement, ...]) -> pb.Repository:
    variants = [one.variant for one in judgements]
    kinds = dict.fromkeys(one.quantization for one in variants if one.quantization)
    sizes = [variant.size_bytes for variant in variants]
    formats = sorted({variant.format for variant in variants})
    return _described(listing, listing.repository, formats, kinds, sizes)


def _described(
    told: Found | Listing,
    name: str,
    formats: list[Format],
    quantizations: Iterable[str],
    sizes: Iterable[int],
) -> pb.Repository:
    known = [size for size in sizes if size]
    made = like(
        pb.Repository,
        told,
        ONE_BYTES,
        id=name,
        formats=formats,
        quantizations=quantizations,
        min_size_bytes=min(known, default=0),
        max_size_bytes=max(known, default=0),
    )
    stamp(made.updated, told.updated)
    stamp(made.created, told.created)
    return made


def _within(variants: Iterable[pb.Variant], most_bytes: int) -> list[pb.Variant]:
    """Take variants as long as they fit; one with too many shards names the first alone."""
    taken: list[pb.Variant] = []
    for one in variants:
        if one.ByteSize() > most_bytes // 4:
            del one.files[1:]
        most_bytes -= one.ByteSize()
        if most_bytes < 0:
            break
        taken.append(one)
    return taken


def _variant(judgement: Judgement) -> pb.Variant:
    variant = judgement.variant
    return like(
        pb.Variant,
        variant,
        ONE_BYTES,
        files=[file.path for file in variant.files],
        toolkit_version=variant.toolkit,
        projector=variant.sight.path if variant.sight else "",
        projector_bytes=variant.sight.size_bytes if variant.sight else 0,
        verdict=judgement.verdict.value,
        verdict_detail=judgement.detail,
        needed_bytes=judgement.needed_bytes,
        advice=judgement.advice,
        recommended=judgement.recommended,
    )
