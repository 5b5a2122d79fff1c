"""
The weights a repository offers: shards joined, quantization and platform read from names. Pure.

A variant is what a user chooses and a pull brings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from rkd.errors import NotFoundError, Reason
from rkd.hub.listing import Listing, RemoteFile
from rkd.model import Format
from rkd.weights import rkllm, shards
from rkd.weights.quantization import in_file_name

_PROJECTOR = "mmproj"


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
    """

    files: tuple[RemoteFile, ...]
    format: Format
    quantization: str
    tag: str = ""
    platform: str = ""
    toolkit: str = ""
    parameters: int = 0
    context_tokens: int = 0

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def name(self) -> str:
        """The path of the first file."""
        return self.files[0].path


def variants_of(listing: Listing) -> tuple[Variant, ...]:
    """List what *listing* offers, largest first."""
    found = [*_ggufs(listing), *_rkllms(listing)]
    count: dict[str, int] = {}
    for variant in found:
        count[variant.quantization.casefold()] = count.get(variant.quantization.casefold(), 0) + 1
    tagged = (
        replace(
            variant,
            tag=variant.quantization
            if variant.quantization and count[variant.quantization.casefold()] == 1
            else variant.name,
        )
        for variant in found
    )
    return tuple(sorted(tagged, key=lambda variant: -variant.size_bytes))


def select(listing: Listing, variants: Iterable[Variant], selection: str) -> Variant:
    """
    Find the one variant *selection* means: a tag, a quantization or a file, ignoring case.

    Raises:
        NotFoundError: HUB_NOT_FOUND, for nothing of that kind, or for several.
    """
    known = tuple(variants)
    wanted = selection.casefold().replace("-", "_")
    named = [
        variant
        for variant in known
        if any(
            selection.casefold() in {file.path.casefold(), PurePosixPath(file.path).name.casefold()}
            for file in variant.files
        )
    ]
    matching = named or [
        variant
        for variant in known
        if wanted in {variant.tag.casefold().replace("-", "_"), variant.quantization.casefold()}
    ]
    if len(matching) == 1:
        return matching[0]
    tags = ", ".join(variant.tag for variant in matching or known) or "nothing rkd can run"
    what = f"several {selection}" if matching else f"no {selection}"
    raise NotFoundError(
        Reason.HUB_NOT_FOUND,
        f"{listing.repository} has {what}; it has {tags}",
        remedy=f"Name one of them: rkctl pull {listing.repository}:TAG",
        metadata={"repository": listing.repository, "selection": selection},
    )


def _ggufs(listing: Listing) -> Iterable[Variant]:
    by_path = {file.path: file for file in listing.files}
    for file in listing.files:
        name = PurePosixPath(file.path).name
        if not name.lower().endswith(".gguf") or name.lower().startswith(_PROJECTOR):
            continue
        shard = shards.parse(file.path)
        if shard is not None and shard.number > 1:
            continue
        names = shard.names if shard else (file.path,)
        if any(path not in by_path for path in names):
            continue  # shards are missing: nobody could run it
        yield Variant(
            files=tuple(by_path[path] for path in names),
            format=Format.GGUF,
            quantization=in_file_name(shard.stem if shard else name) or in_file_name(_folder(file)),
            parameters=listing.parameters,
            context_tokens=listing.context_tokens,
        )


def _rkllms(listing: Listing) -> Iterable[Variant]:
    for file in listing.files:
        if not file.path.lower().endswith(".rkllm"):
            continue
        facts = rkllm.judge(PurePosixPath(file.path).name, file.size_bytes, b"", b"")
        whole = rkllm.judge(f"{listing.repository}.rkllm", 0, b"", b"")
        yield Variant(
            files=(file,),
            format=Format.RKLLM,
            quantization=facts.details.quantization or whole.details.quantization,
            platform=facts.platform or whole.platform,
            parameters=facts.details.parameters or whole.details.parameters,
            context_tokens=facts.details.context_tokens,
        )


def _folder(file: RemoteFile) -> str:
    return PurePosixPath(file.path).parent.name
