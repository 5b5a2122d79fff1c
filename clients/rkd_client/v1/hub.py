"""Generated from rkd/v1/hub.proto by tests/value_types.py; never edited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from rkd_client.v1 import types


SearchSort = Literal["", "downloads", "likes", "updated", "created"]
"""How results are ordered, always best first."""


Verdict = Literal["", "fits", "fits_alone", "too_large", "wrong_platform", "unsupported"]
"""Whether weights run well on this board."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository."""

    id: str = ""
    """`user/repo`."""

    downloads: int = 0
    """Downloads in the last month."""

    likes: int = 0
    """Likes."""

    updated: datetime | None = None
    """Changed last."""

    created: datetime | None = None
    """Created."""

    license: str = ""
    """Licence id; empty where none is named."""

    gated: bool = False
    """Access must be asked for on its page."""

    formats: tuple[types.WeightsFormat, ...] = ()
    """Formats found."""

    quantizations: tuple[str, ...] = ()
    """Quantizations found."""

    parameters: int = 0
    """Parameters; 0 where unknown."""

    min_size_bytes: int = 0
    """Smallest and largest weights, where known; of a search guessed from parameters and kinds."""

    max_size_bytes: int = 0
    """See min_size_bytes."""


@dataclass(frozen=True, slots=True)
class FacetValue:
    """How often a value occurs among the results."""

    value: str = ""
    """The value."""

    count: int = 0
    """In how many results."""


@dataclass(frozen=True, slots=True)
class Facet:
    """A property and its values among the results."""

    name: str = ""
    """`quantization`, `parameters`, `license`."""

    values: tuple[FacetValue, ...] = ()
    """Most frequent first."""


@dataclass(frozen=True, slots=True)
class SearchResponse:
    """Repositories found."""

    repositories: tuple[Repository, ...] = ()
    """Best first."""

    next_page_token: str = ""
    """Asks for the next page; empty when this was the last."""

    facets: tuple[Facet, ...] = ()
    """What narrows the search further."""

    cached: datetime | None = None
    """Answered from the cache because the Hub was not asked or did not answer; when it was filled."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One set of weights: a file, or the shards of one."""

    files: tuple[str, ...] = ()
    """Files, first shard first."""

    tag: str = ""
    """What to write after `user/repo:` to pull it."""

    format: types.WeightsFormat = ""
    """Its format."""

    size_bytes: int = 0
    """All shards."""

    quantization: str = ""
    """`Q4_K_M`, `w8a8_g128` …"""

    platform: str = ""
    """`rk3588` … for RKLLM."""

    toolkit_version: str = ""
    """Toolkit version for RKLLM; empty where unknown."""

    parameters: int = 0
    """Parameters; 0 where unknown."""

    context_tokens: int = 0
    """Longest context; 0 where unknown."""

    verdict: Verdict = ""
    """Whether it runs here."""

    verdict_detail: str = ""
    """The sum behind the verdict, for people: weights + context = needed, of available."""

    needed_bytes: int = 0
    """What it will take in memory."""

    advice: str = ""
    """What is known of this quantization: quality and speed in one sentence."""

    recommended: bool = False
    """The one to take on this board."""

    projector: str = ""
    """What comes with it so that it sees: a projector (mmproj) for a GGUF, an encoder (.rknn) for a .rkllm; empty where there is none."""

    projector_bytes: int = 0
    """Its size; counted in `needed_bytes`."""


@dataclass(frozen=True, slots=True)
class ListFilesResponse:
    """A repository's weights."""

    variants: tuple[Variant, ...] = ()
    """Best first."""

    revision: str = ""
    """Commit they were read at."""

    repository: Repository = Repository()
    """The repository."""


@dataclass(frozen=True, slots=True)
class GetCardResponse:
    """The model card."""

    text: str = ""
    """Markdown without its front matter."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """Front matter, flat."""
