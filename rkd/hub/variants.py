"""
The weights a repository offers: shards joined, quantization and platform read from names. Pure.

A variant is what a user chooses and a pull brings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TypeVar

from rkd.errors import NotFoundError, Reason
from rkd.hub.listing import Listing, RemoteFile
from rkd.hub.naming import Tuning, stem_of, tuning_in
from rkd.hub.sight import sight_of
from rkd.model import Format
from rkd.modelfile.source import CHECKPOINTS
from rkd.outside import quoted
from rkd.weights import named, rkllm, shards
from rkd.weights.company import companions
from rkd.weights.quantization import in_file_name, own_mix

_MOST_TOLD = 30
MOST_SIGHTS = 16
"""Projectors and encoders of one repository that are looked at for each of its weights."""
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Variant:
    """
    One set of weights.

    Args:
        files: the file, or all shards, first first.
        tag: what stands after `user/repo:` to mean this one.
        platform: the chip a .rkllm was made for, as its name says; "" where it does not.
        toolkit: version of the toolkit that made a .rkllm; "" where unknown.
        parameters, context_tokens: 0 where unknown.
        mix: mark of a publisher's own mix before the quantization: `UD-`.
        tuning: how a .rkllm was made, where its name says so.
        sight: what lets it see, in a file of its own: a projector, or an encoder for the NPU.
    """

    files: tuple[RemoteFile, ...]
    format: Format
    quantization: str
    tag: str = ""
    platform: str = ""
    toolkit: str = ""
    parameters: int = 0
    context_tokens: int = 0
    mix: str = ""
    tuning: Tuning | None = None
    sight: RemoteFile | None = None

    @property
    def kind(self) -> str:
        """The quantization as its publisher calls it."""
        return self.mix + self.quantization

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def name(self) -> str:
        """The path of the first file."""
        return self.files[0].path


def variants_of(listing: Listing, *, card: str = "") -> tuple[Variant, ...]:
    """
    List what *listing* offers, largest first.

    Args:
        listing: what the repository holds.
        card: its card, which may name the chip where no name does.
    """
    besides = companions(file.path for file in listing.files)
    found = [*_ggufs(listing, besides), *_rkllms(listing, card, besides)]
    count = Counter(variant.kind.casefold() for variant in found)
    tagged = (
        replace(
            variant,
            tag=variant.kind
            if variant.quantization and count[variant.kind.casefold()] == 1
            else variant.name,
        )
        for variant in found
    )
    return tuple(sorted(tagged, key=lambda variant: -variant.size_bytes))


def select(
    listing: Listing, variants: Iterable[Variant], selection: str, *, chip: str = ""
) -> Variant:
    """
    Find the one variant *selection* means: a file, a tag, a quantization, a folder, a chip.

    Case does not count. Of several the one for *chip* is meant, and of those that differ in their
    tuning alone the advised one.

    Raises:
        NotFoundError: HUB_NOT_FOUND, for nothing of that kind, or for several.
    """
    known = tuple(variants)
    if not known:
        raise no_weights(listing)
    matching = _meant(known, selection.strip("/").casefold())
    matching = tuple(one for one in matching if one.platform in {"", chip}) or matching
    if matching and _differ_in_tuning_alone(matching):
        return min(matching, key=lambda one: (one.tuning or Tuning(), one.size_bytes))
    if len(matching) == 1:
        return matching[0]
    tags = ", ".join(one.tag for one in (matching or known)[:_MOST_TOLD])
    named_ = quoted(selection)[1:-1]
    what = f"several {named_}" if matching else f"no {named_}"
    raise NotFoundError(
        Reason.HUB_NOT_FOUND,
        f"{listing.repository} has {what}; it has {tags}",
        remedy=f"Name one of them: rkctl pull {listing.repository}:TAG",
        metadata={"repository": listing.repository, "selection": named_},
    )


def _meant(known: tuple[Variant, ...], selection: str) -> tuple[Variant, ...]:
    """Find what *selection* names, by the first of these that finds anything."""
    kind = _plain(selection)
    known_as = {in_file_name(f"-{selection}{ending}") for ending in (".gguf", ".rkllm")} - {""}
    chip = named.platform_in(selection)
    ways: tuple[Callable[[Variant], bool], ...] = (
        lambda one: any(
            selection in {file.path.casefold(), PurePosixPath(file.path).name.casefold()}
            for file in one.files
        ),
        lambda one: kind in {_plain(one.tag), _plain(one.kind)},
        lambda one: kind == one.quantization.casefold(),
        lambda one: one.name.casefold().startswith(f"{selection}/"),
        # What stands at a name's end: `i1-Q4_K_M`, or all of it without its ending.
        lambda one: named.ends_with(one.name, selection),
        lambda one: one.quantization in known_as,
        lambda one: bool(chip) and one.platform == chip,
        lambda one: selection in PurePosixPath(one.name.casefold()).parts,
    )
    found = (tuple(one for one in known if way(one)) for way in ways)
    return next((some for some in found if some), ())


def _plain(tag: str) -> str:
    return re.sub(r"[-.]", "_", tag.casefold())


def _differ_in_tuning_alone(variants: tuple[Variant, ...]) -> bool:
    alike = {(stem_of(one.name), one.kind.casefold(), one.platform) for one in variants}
    return len(alike) == 1 and all(one.tuning for one in variants)


def is_checkpoint(listing: Listing) -> bool:
    """Whether *listing* holds an original checkpoint, which engines here do not run as it is."""
    return any(PurePosixPath(one.path).suffix.lower() in CHECKPOINTS for one in listing.files)


def no_weights(listing: Listing) -> NotFoundError:
    """Say what a repository without weights rkd runs holds instead, and the way out."""
    what = "no weights rkd can run"
    remedy = f"Look for some made from it: rkctl search {listing.repository.rpartition('/')[2]}"
    if is_checkpoint(listing):
        what = "an original checkpoint alone, which no engine here runs as it is"
        remedy += (
            f"; or convert it: hf download {listing.repository} --local-dir FOLDER, then "
            "rkctl create NAME --from FOLDER -q Q4_K_M"
        )
    return NotFoundError(
        Reason.HUB_NOT_FOUND,
        f"{listing.repository} has {what}",
        remedy=remedy,
        metadata={"repository": listing.repository},
    )


def _ggufs(listing: Listing, besides: Mapping[str, str]) -> Iterable[Variant]:
    by_path = {file.path: file for file in listing.files}
    parsed = {path: shards.parse(path) for path in by_path}
    # Counted first: each of many names may speak of a thousand shards.
    present = Counter((one.stem, one.count) for one in parsed.values() if one is not None)
    others = [file for file in listing.files if besides.get(file.path) == "a projector"]
    for file in listing.files:
        name = PurePosixPath(file.path).name
        if not _is_weights(name, ".gguf") or file.path in besides:
            continue
        shard = parsed[file.path]
        if shard is not None and (
            shard.number > 1 or present[shard.stem, shard.count] < shard.count
        ):
            continue  # not the first, or some are missing: nobody could run it
        names = shard.names if shard else (file.path,)
        if any(path not in by_path for path in names):
            continue  # two of one number
        said = shard.stem if shard else name
        told_by = said if in_file_name(said) else _folder(file)
        yield Variant(
            files=tuple(by_path[path] for path in names),
            format=Format.GGUF,
            quantization=in_file_name(told_by),
            mix=own_mix(told_by),
            parameters=listing.parameters,
            context_tokens=listing.context_tokens,
            sight=sight_of(others[:MOST_SIGHTS], file, Format.GGUF),
        )


def _rkllms(listing: Listing, card: str, besides: Mapping[str, str]) -> Iterable[Variant]:
    encoders = [one for one in listing.files if one.path.lower().endswith(".rknn")]
    owner, _, own = listing.repository.partition("/")
    for file in listing.files:
        if not _is_weights(PurePosixPath(file.path).name, ".rkllm") or file.path in besides:
            continue
        # From the inside outwards: the file, its folders, the branch, the repository, its card.
        told_by = [*reversed(PurePosixPath(file.path).parts), listing.branch, own]
        facts = [rkllm.details_in(f"{text}.rkllm") for text in told_by]
        platforms = [named.platform_in(text) for text in (*told_by, owner)] + [
            named.platform_in(text, name=False) for text in (" ".join(listing.tags), card)
        ]
        platform = _first(platforms) or ""
        yield Variant(
            files=(file,),
            format=Format.RKLLM,
            quantization=_first(one.quantization for one in facts) or "",
            platform=platform,
            sight=sight_of(encoders[:MOST_SIGHTS], file, Format.RKLLM, platform),
            parameters=_first(one.parameters for one in facts) or 0,
            context_tokens=_first(one.context_tokens for one in facts) or 0,
            tuning=tuning_in(file.path),
        )


def _is_weights(name: str, ending: str) -> bool:
    """Whether a file's name ends so and is one a model's folder shows."""
    return name.lower().endswith(ending) and not name.startswith(".")


def _first(values: Iterable[_Value]) -> _Value | None:
    """Return the first value that says something."""
    return next((value for value in values if value), None)


def _folder(file: RemoteFile) -> str:
    return PurePosixPath(file.path).parent.name
