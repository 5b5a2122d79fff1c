"""
What people write to name a model on the hub, and the local name made from it. Pure.

The shapes are those of `rkd.modelfile.address`, which Modelfiles use too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from rkd.errors import InvalidInputError, bad_field
from rkd.hub.naming import bare
from rkd.modelfile.address import ElsewhereError, read, unwrapped
from rkd.outside import quoted, shown_address
from rkd.weights.quantization import in_file_name

_LONGEST_NAME = 128
_NOT_IN_NAME = re.compile(r"[^a-z0-9._-]+")

LONGEST_SOURCE = 2048
"""Characters of what somebody wrote to name a model."""

LONGEST_REVISION = 250
"""Characters of a branch, tag or commit, as git has them."""


@dataclass(frozen=True, slots=True)
class Reference:
    """
    A repository and what is meant in it.

    Args:
        repository: `user/repo`.
        selection: a quantization or a file; "" leaves the choice to rkd.
        revision: from an address; "" where it says none.
    """

    repository: str
    selection: str = ""
    revision: str = ""


def parse(text: str, *, endpoint: str = "") -> Reference:
    """
    Read what somebody wrote.

    Args:
        text: see the module.
        endpoint: address of a mirror that may stand before the repository too.

    Raises:
        InvalidInputError: INVALID_FIELD.
    """
    plain = unwrapped(text)
    if len(text) > LONGEST_SOURCE or not plain.isprintable():
        raise _unreadable(text)
    try:
        found = read(plain, mirror=_place(endpoint))
    except ElsewhereError as error:
        raise _unreadable(text, error) from error
    return Reference(found.repository, found.path or found.tag, found.revision)


def _place(endpoint: str) -> str:
    """Give host and port of an address, without who asks; "" for what is none."""
    try:
        return urlsplit(endpoint).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def with_revision(reference: Reference, revision: str) -> Reference:
    """
    Let a revision asked for apart win over the one in an address; `main` in the end.

    Raises:
        InvalidInputError: INVALID_FIELD: it is longer than any branch, or of several lines.
    """
    if len(revision) > LONGEST_REVISION or not revision.isprintable():
        raise bad_field(
            "revision",
            f"{quoted(revision)} is no branch, tag or commit of at most {LONGEST_REVISION} letters",
        )
    return replace(reference, revision=revision or reference.revision or "main")


def local_name(repository: str, quantization: str, *, stem: str = "") -> str:
    """
    Make the name a model gets where nobody chose one: `qwen2.5-1.5b-instruct-q4_k_m`.

    The repository's own name without its packaging, and the quantization if it is not in it.

    Args:
        repository: `user/repo`.
        quantization: of the weights.
        stem: what the file is called, for a repository of several models; it also serves where
            the repository's name tells nothing.
    """
    own = repository.rpartition("/")[2]
    plain = bare(own)
    name = stem or plain or own.lower()
    kind = quantization.lower()
    if kind and kind not in name and kind != in_file_name(name).lower():
        name = f"{name}-{kind}"
    name = _NOT_IN_NAME.sub("-", name).strip(".-")
    return name[:_LONGEST_NAME].rstrip(".-") or "model"


def _unreadable(text: str, error: ElsewhereError | None = None) -> InvalidInputError:
    error = error or ElsewhereError("names no repository of the hub")
    told = f"{quoted(shown_address(text))} {error.why}"
    return bad_field("source", told, told, remedy=error.remedy)
