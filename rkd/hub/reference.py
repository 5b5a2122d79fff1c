"""
What people write to name a model on the hub, and the local name made from it. Pure.

`user/repo`, `user/repo:Q4_K_M`, `user/repo:file.gguf`, `user/repo/file.rkllm`, any of them behind
`hf.co/`, `huggingface.co/` or `https://`, and the addresses a browser shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, unquote, urlsplit

from rkd.errors import InvalidInputError, bad_field
from rkd.hub.naming import bare
from rkd.outside import quoted, shown_address
from rkd.weights.quantization import in_file_name

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_REPOSITORY = re.compile(rf"{_PART}/{_PART}")
_HOSTS = ("hf.co/", "huggingface.co/", "www.huggingface.co/")
_VIEWS = frozenset({"blob", "resolve", "tree", "raw"})
_WEIGHTS = (".gguf", ".rkllm")
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
    if len(text) > LONGEST_SOURCE or not text.isprintable():
        raise _unreadable(text)
    plain = text.strip()
    mirror = _place(endpoint)
    plain = re.sub(r"^https?://", "", plain, flags=re.IGNORECASE)
    for host in (*_HOSTS, *([f"{mirror}/"] if mirror else [])):
        if plain.lower().startswith(host.lower()):
            plain = plain[len(host) :]
            break
    plain, _, query = plain.split("#")[0].partition("?")
    plain = plain.rstrip("/")
    parts = [unquote(part) for part in plain.split("/")]
    reference = _of_parts(parts)
    shown = parse_qs(query).get("show_file_info", [""])[0]
    if shown and not reference.selection:
        reference = replace(reference, selection=shown)
    if not is_repository(reference.repository) or ".." in plain:
        raise _unreadable(text)
    return reference


def _place(endpoint: str) -> str:
    """Give host and port of an address, without who asks; "" for what is none."""
    try:
        return urlsplit(endpoint).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def _of_parts(parts: list[str]) -> Reference:
    if len(parts) > 3 and parts[2] in _VIEWS:  # noqa: PLR2004 - user / repo / view / revision
        return Reference(f"{parts[0]}/{parts[1]}", "/".join(parts[4:]), parts[3])
    head, _, selection = "/".join(parts).partition(":")
    owner, *rest = head.split("/")
    if not rest:
        return Reference("")
    if len(rest) > 1 and not selection and rest[-1].lower().endswith(_WEIGHTS):
        return Reference(f"{owner}/{rest[0]}", "/".join(rest[1:]))
    return Reference(f"{owner}/{'/'.join(rest)}", "" if selection == "latest" else selection)


def is_repository(text: str) -> bool:
    """Whether *text* is `user/repo`, in letters that lead nowhere else."""
    return _REPOSITORY.fullmatch(text) is not None and ".." not in text


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


def _unreadable(text: str) -> InvalidInputError:
    told = quoted(shown_address(text))
    return bad_field(
        "source",
        f"{told} names no repository of the hub",
        f"{told} names no repository of the hub",
        remedy="Write user/repo, user/repo:Q4_K_M or user/repo:file.gguf.",
    )
