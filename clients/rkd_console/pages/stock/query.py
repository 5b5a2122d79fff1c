"""What is asked of the Hub, from what stands in the form. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rkd.modelfile.source import SourceKind, classify, repository_of

LIMITS: Final = (10, 20, 50, 100)
SIZES: Final = ("0.5B", "1B", "1.5B", "2B", "3B", "4B", "7B", "8B", "14B", "32B")
"""Size classes on offer; each means what it means to `rkctl search --params`."""

QUANTIZATIONS: Final = [
    "w8a8",
    "w8a8_g128",
    "w8a8_g256",
    "w8a8_g512",
    "w4a16",
    "Q2_K",
    "Q3_K_M",
    "Q4_0",
    "Q4_K_S",
    "Q4_K_M",
    "Q5_K_M",
    "Q6_K",
    "Q8_0",
    "F16",
]
SORTS: Final = ("downloads", "likes", "updated", "created")
FORMATS: Final = ("gguf", "rkllm")
LICENSES: Final = ("apache-2.0", "mit", "llama3.2", "gemma", "other")
LONGEST: Final = 300
MOST_DIGITS: Final = 15
"""Of a number somebody types."""


@dataclass(frozen=True, slots=True)
class Form:
    """The filters; "" and 0 mean any."""

    words: str = ""
    size: str = ""
    quantization: str = ""
    format: str = ""
    sort: str = "downloads"
    limit: int = 20
    min_downloads: int = 0
    license: str = ""
    gated: str = ""


def asked(form: Form, page_token: str = "") -> dict[str, Any]:
    """Return the arguments of the search *form* means."""
    return {
        "query": form.words.strip()[:LONGEST],
        "parameters": round(float(form.size.removesuffix("B")) * 1e9) if form.size else None,
        "quantization": form.quantization.strip()[:LONGEST] or None,
        "format": form.format if form.format in FORMATS else None,
        "sort": form.sort if form.sort in SORTS else None,
        "page_size": form.limit if form.limit in LIMITS else 20,
        "min_downloads": form.min_downloads or None,
        "license": form.license.strip()[:LONGEST] or None,
        "gated": {"gated": True, "open": False}.get(form.gated),
        "page_token": page_token or None,
    }


def form_of(given: Mapping[str, str]) -> Form:
    """Read what a browser sent; what is no choice of ours means any."""
    size, limit = given.get("size", ""), given.get("limit", "")
    fewest = given.get("min_downloads", "").strip()
    return Form(
        words=given.get("words", ""),
        size=size if size in SIZES else "",
        quantization=given.get("quantization", ""),
        format=given.get("format", ""),
        sort=given.get("sort", ""),
        limit=int(limit) if limit in {str(one) for one in LIMITS} else 20,
        min_downloads=int(fewest) if fewest.isdecimal() and len(fewest) <= MOST_DIGITS else 0,
        license=given.get("license", ""),
        gated=given.get("gated", ""),
    )


@dataclass(frozen=True, slots=True)
class Place:
    """
    A place on the Hub that somebody pasted.

    Args:
        repository: `user/repo`.
        revision: a branch, tag or commit; "" for main.
        source: all of it, for a pull: the repository with a file or a quantization of it.
        chosen: whether a file or a quantization is named.
    """

    repository: str
    revision: str
    source: str
    chosen: bool


def place_in(words: str) -> Place | None:
    """
    Return the place on the Hub that *words* are the address of; None for words to search.

    An address of a host nobody knows here is the daemon's to judge: it may be its mirror.
    """
    text = words.strip()
    if not text or len(text) > LONGEST * 4 or any(sign.isspace() for sign in text):
        return None
    named = classify(text)
    if named.kind is SourceKind.HUB:
        chosen = bool(named.selector or named.file)
        return Place(named.repository, named.revision, text, chosen)
    plain, _, selector = text.partition(":")
    if repository_of(plain):
        return Place(plain, "", text, bool(selector))
    if text.lower().startswith(("http://", "https://")):
        return Place(text, "", text, chosen=False)
    return None
