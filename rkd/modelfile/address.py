"""
Which repository of the hub an address means, in all the shapes people paste. Pure.

`user/repo`, with `:TAG`, `@REVISION` or a file behind it; after the hub's hosts, those of mirrors,
`https://`, `hf://` or `git@`; the addresses of its pages; in quotes, brackets or as a link.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_REPOSITORY = re.compile(rf"{_PART}/{_PART}")
_EDGES = " \t'\"`“”‘’«»<>\u200b\u200e\u200f\u2060\ufeff"  # noqa: RUF001 - as people paste them
_ENDS = ".,;!)]"
_LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
_SCHEME = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]{0,15}):/{1,3}|git@(?=[^/:]+:)|hf:", re.IGNORECASE
)
_HOSTS = frozenset({"huggingface.co", "hf.co", "hf-mirror.com"})
"""The hub's own, and a mirror of all of it."""

_FILES = frozenset({"blob", "resolve", "raw", "tree", "blame", "edit", "delete"})
_HISTORY = frozenset({"commit", "commits"})
_PAGES = frozenset({"discussions", "settings", "community", "viewer", "new", "upload"})
_OTHERS = frozenset(
    {"datasets", "spaces", "collections", "papers", "docs", "blog", "organizations", "buckets"}
)
_WEIGHTS = (".gguf", ".rkllm")
_WORDS = re.compile(r"[^A-Za-z0-9.]+")
_EXAMPLES = "Write user/repo, user/repo:Q4_K_M or user/repo:file.gguf."


class ElsewhereError(ValueError):
    """
    What was written means no repository of the hub.

    Args:
        why: what it is instead, to stand behind what was written.
        remedy: what to do.
    """

    def __init__(self, why: str, remedy: str = _EXAMPLES) -> None:
        super().__init__(why)
        self.why, self.remedy = why, remedy


@dataclass(frozen=True, slots=True)
class Address:
    """
    A repository and what is meant in it; "" for what was not said.

    Args:
        repository: `user/repo`.
        tag: what stood behind a colon: a type, a file.
        path: a file or a folder.
        revision: a branch, tag or commit.
    """

    repository: str
    tag: str = ""
    path: str = ""
    revision: str = ""


def is_repository(text: str) -> bool:
    """Whether *text* is `user/repo`, in letters that lead nowhere else."""
    return _REPOSITORY.fullmatch(text) is not None and ".." not in text


def names_hub(text: str) -> bool:
    """Whether *text* begins with the hub: with its scheme or one of its hosts."""
    scheme, host, _ = _placed(unwrapped(text), "")
    return scheme == "hf" or _known(host) in _HOSTS


def read(text: str, *, mirror: str = "") -> Address:
    """
    Read what somebody wrote.

    Args:
        text: see the module; of any length, read once.
        mirror: host and port of another mirror that may stand before the repository.

    Raises:
        ElsewhereError: it means none.
    """
    scheme, host, rest = _placed(unwrapped(text), mirror)
    if host and _known(host) not in _HOSTS and host.lower() != mirror.lower():
        raise _elsewhere(host, rest)
    if scheme and not host and scheme != "hf":
        raise ElsewhereError("is no address of the hub")
    rest, _, query = rest.partition("#")[0].partition("?")
    parts = [unquote(part) for part in rest.rstrip("/").split("/")]
    if host or scheme:
        parts = _without_listing([part for part in parts if part])
    found = _of(parts, bare=not (host or scheme))
    shown = parse_qs(query).get("show_file_info", [""])[0]
    if shown and not (found.path or found.tag):
        found = Address(found.repository, "", shown, found.revision)
    if not is_repository(found.repository) or ".." in found.path.split("/"):
        raise ElsewhereError("names no repository of the hub")
    return found


def unwrapped(text: str) -> str:
    """Take off what people paste around an address: quotes, brackets, a link, a full stop."""
    plain = text.strip(_EDGES)
    link = _LINK.fullmatch(plain.rstrip(".,;!"))
    plain = link[1] if link else plain
    return plain.rstrip(_ENDS + _EDGES).strip(_EDGES)


def _placed(plain: str, mirror: str) -> tuple[str, str, str]:
    """Tell scheme and host from the rest; "" for what is not there."""
    found = _SCHEME.match(plain)
    rest = plain[found.end() :] if found else plain
    scheme = (found["scheme"] or found[0][:-1]).lower() if found else ""
    if scheme == "hf":
        return scheme, "", rest
    separator = ":" if scheme == "git" and found and not found["scheme"] else "/"
    first, _, behind = rest.partition(separator)
    host = first.rpartition("@")[2]
    is_host = scheme in {"http", "https", "git", "ssh", "git+https"} or (
        bool(host and behind)
        and (_known(host) in {*_HOSTS, *_PLACES} or host.lower() == mirror.lower())
    )
    return (scheme, host, behind) if is_host else (scheme, "", rest)


def _known(host: str) -> str:
    """Spell a host as the tables do: without port, `www.` and capitals."""
    return host.lower().partition(":")[0].removeprefix("www.")


def _without_listing(parts: list[str]) -> list[str]:
    """Take off what stands before a repository in addresses of the API and of lists."""
    for first in ("api", "models"):
        parts = parts[1:] if len(parts) > 2 and parts[0] == first else parts  # noqa: PLR2004
    return parts


def _of(parts: list[str], *, bare: bool) -> Address:
    if parts[0] in _OTHERS and not bare:
        raise ElsewhereError(f"is of the hub's {parts[0]}, and no model", _EXAMPLES)
    if len(parts) == 1:
        raise _single(parts[0])
    owner, name, *rest = parts
    name, colon, tag = name.partition(":")
    name, _, revision = name.partition("@")
    repository = f"{owner}/{name.removesuffix('.git')}"
    if colon:
        tag = "/".join((tag, *rest)).strip()
        return Address(repository, "" if tag == "latest" else tag, "", revision)
    if not rest or rest[0] in _PAGES:
        return Address(repository, "", "", revision)
    if rest[0] in _FILES | _HISTORY:
        return _of_view(repository, rest[0], rest[1:])
    last, _, tag = rest[-1].partition(":")
    if revision.startswith("refs") and len(rest) == 2:  # noqa: PLR2004 - refs/pr/1
        return Address(repository, tag, "", "/".join((revision, rest[0], last)))
    if not last.lower().endswith(_WEIGHTS):
        raise ElsewhereError("names no repository of the hub")
    return Address(repository, tag, "/".join((*rest[:-1], last)), revision)


def _of_view(repository: str, view: str, rest: list[str]) -> Address:
    """Read what stands behind `/tree`, `/resolve` and the like: a revision, then a path."""
    # Branches are of one part, but for the hub's own: `refs/pr/1`.
    count = 3 if rest[:1] == ["refs"] else 1
    revision, _, tag = "/".join(rest[:count]).partition(":")
    path = "" if view in _HISTORY else "/".join(rest[count:])
    return Address(repository, tag, path, revision)


def _single(name: str) -> ElsewhereError:
    """Say what to do with a name without an owner, as other programs have them."""
    words = " ".join(_WORDS.split(name)).strip()[:100]
    if not words:
        return ElsewhereError("names no repository of the hub")
    return ElsewhereError(
        "names no repository of the hub: one has an owner",
        f"{_EXAMPLES} Look for it: rkctl search {words}",
    )


_PLACES = {
    "modelscope.cn": "ModelScope",
    "modelscope.ai": "ModelScope",
    "ollama.com": "Ollama's library",
    "ollama.ai": "Ollama's library",
    "registry.ollama.ai": "Ollama's library",
    "github.com": "GitHub",
}


def _elsewhere(host: str, rest: str) -> ElsewhereError:
    place = _PLACES.get(_known(host), "another place")
    parts = [part for part in rest.partition("?")[0].split("/") if part]
    view = next((at for at, part in enumerate(parts) if part in {*_FILES, "files", "summary"}), 9)
    words = " ".join(_WORDS.split(parts[:view][-1])).strip()[:100] if parts[:view] else "WORDS"
    return ElsewhereError(
        f"is an address of {place}, and rkd asks the hub alone",
        f"Look for it on the hub: rkctl search {words}; or fetch the file yourself and put it into "
        "the models folder.",
    )
