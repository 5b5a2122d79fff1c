"""
What belongs to a pulled model, and how its folder is put together in the stage.

While files arrive the stage holds `.have-<digest>` (whole, verified) and `.have-<digest>.part`:
named after their bytes, so nothing that is here is fetched again, whatever else changed. Blocking.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from rkd.durable import write_file
from rkd.errors import DataLossError, ExhaustedError, InvalidInputError, Reason
from rkd.hub.digest import digest_of
from rkd.hub.listing import Listing, RemoteFile
from rkd.hub.part import bytes_in_part
from rkd.hub.variants import Variant
from rkd.library import provenance
from rkd.library.layout import MODELFILE
from rkd.model import Format, Provenance, Recipe
from rkd.modelfile.commands import Dialect
from rkd.modelfile.parse import parse
from rkd.modelfile.render import compose, render
from rkd.operations import workshop

TOKENIZER_FILES = frozenset(
    {
        "tokenizer.json",
        "tokenizer_config.json",
        "tokenizer.model",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "merges.txt",
        "chat_template.jinja",
        "chat_template.json",
        "generation_config.json",
        "config.json",
    }
)
"""What lets a .rkllm be used without a network; a GGUF brings its own."""

_LICENSES = ("license", "licence", "notice", "use_policy")
_LARGEST_MODELFILE_BYTES = 1 << 20
_HAVE = ".have-"

LARGEST_COMPANY_BYTES = 128 << 20
"""The largest tokenizer.json has some 35 MB; what is larger is something else."""

MOST_COMPANY = 64
"""Such files of one repository."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file of the bundle: where it comes from and its name in the model's folder."""

    listing: Listing
    file: RemoteFile
    name: str

    @property
    def digest(self) -> str:
        """As `.rkd.json` keeps it; git's names of small files are not kept there."""
        return f"{self.file.algorithm}:{self.file.digest}"

    def waiting(self, stage: Path) -> Path:
        """Where it is kept in *stage* until all files are there."""
        return stage / f"{_HAVE}{self.file.digest}"


def items_of(listing: Listing, variant: Variant, base: Listing | None) -> tuple[Item, ...]:
    """
    Say what to bring for *variant*: weights, what sees, tokenizer and template, licence, Modelfile.

    Args:
        listing: the repository.
        variant: the weights chosen in it.
        base: the model it was made from, to take a missing tokenizer from.
    """
    files = (*variant.files, *([variant.sight] if variant.sight else []))
    taken = {
        PurePosixPath(file.path).name: Item(listing, file, PurePosixPath(file.path).name)
        for file in reversed(files)
    }
    for file in company(listing):
        taken.setdefault(file.path, Item(listing, file, file.path))
    if base is not None and needs_tokenizer(listing, variant):
        for file in tokenizer_files(base):
            taken.setdefault(file.path, Item(base, file, file.path))
    return tuple(taken.values())


def company(listing: Listing) -> tuple[RemoteFile, ...]:
    """List what belongs to any weights of a repository: tokenizer, template, licence, Modelfile."""
    return tuple(file for file in listing.files if _is_company(file))[:MOST_COMPANY]


def tokenizer_files(listing: Listing) -> tuple[RemoteFile, ...]:
    """List what of a repository lets a model be used without a network."""
    return tuple(one for one in company(listing) if one.path in TOKENIZER_FILES)


def needs_tokenizer(listing: Listing, variant: Variant) -> bool:
    """Whether these weights can do nothing without a tokenizer that the repository lacks."""
    return variant.format is Format.RKLLM and listing.file("tokenizer.json") is None


def _is_company(file: RemoteFile) -> bool:
    name = file.path.lower()
    if "/" in name or file.size_bytes > LARGEST_COMPANY_BYTES:
        return False
    if file.path == MODELFILE:
        return file.size_bytes <= _LARGEST_MODELFILE_BYTES
    return file.path in TOKENIZER_FILES or name.startswith(_LICENSES)


def check_space(folder: Path, stage: Path, items: Iterable[Item], reserve_bytes: int) -> None:
    """
    Go on only if what is missing fits on the disk with the reserve left free.

    Raises:
        ExhaustedError: DISK_FULL, with the numbers.
    """
    missing = sum(item.file.size_bytes - have_bytes(stage, item) for item in items)
    free = shutil.disk_usage(folder).free
    if missing + reserve_bytes <= free:
        return
    raise ExhaustedError(
        Reason.DISK_FULL,
        f"{missing} bytes are missing for this model and {free} are free in {folder}, "
        f"of which {reserve_bytes} stay reserved",
        remedy="Delete models with `rkctl rm`, or choose a smaller quantization.",
        metadata={
            "needed_bytes": str(missing),
            "free_bytes": str(free),
            "reserve_bytes": str(reserve_bytes),
        },
    )


def have_bytes(stage: Path, item: Item) -> int:
    """How much of *item* is in the stage."""
    if _is_settled(stage, item):
        return item.file.size_bytes
    return min(bytes_in_part(item.waiting(stage)), item.file.size_bytes)


def missing(stage: Path, items: Iterable[Item]) -> tuple[tuple[Item, ...], ...]:
    """
    List what has to be fetched, smallest first: a refusal then comes before the weights.

    Items with the same bytes stand together: one fetch serves them all.
    """
    by_digest: dict[str, list[Item]] = {}
    for item in items:
        if not item.waiting(stage).exists() and not _is_settled(stage, item):
            by_digest.setdefault(item.digest, []).append(item)
    groups = (tuple(group) for group in by_digest.values())
    return tuple(sorted(groups, key=lambda group: group[0].file.size_bytes))


def _is_settled(stage: Path, item: Item) -> bool:
    """Whether an earlier `assemble` of these very bytes got as far as this file."""
    recorded = dict(provenance.read(stage).digests)
    return recorded.get(item.name) == item.digest and (stage / item.name).exists()


def assemble(
    stage: Path, items: tuple[Item, ...], listing: Listing, variant: Variant, now: datetime
) -> None:
    """
    Turn a stage that has every file into the model's folder; may be killed and called again.

    The record is written first: a file under its final name is believed only if the record has its
    digest, so a half-done assembly is gone on with and a foreign one is not.
    """
    settled = {item.name: item.digest for item in items}
    record = Provenance(listing.repository, listing.commit, now, tuple(sorted(settled.items())))
    before = dict(provenance.read(stage).digests)
    provenance.write(stage, record)
    placed: dict[str, Path] = {}
    for item in items:
        target = stage / item.name
        if before.get(item.name) != item.digest or not target.exists():
            _place(item.waiting(stage), target, placed.get(item.digest))
        placed[item.digest] = target
    _verify(stage, items)
    for path in stage.iterdir():
        if path.name not in settled and path.name != provenance.FILE_NAME:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if not _usable_modelfile(stage, variant):
        write_file(stage / MODELFILE, modelfile_of(items, listing, variant).encode())
    # Digests in the record are sha256 throughout, so that anybody can check them.
    digests = {
        item.name: item.digest
        if item.file.algorithm == "sha256"
        else f"sha256:{digest_of(stage / item.name, 'sha256')}"
        for item in items
        if item.name != MODELFILE
    }
    provenance.write(
        stage, Provenance(listing.repository, listing.commit, now, tuple(sorted(digests.items())))
    )


def _verify(stage: Path, items: tuple[Item, ...]) -> None:
    """
    Compare what was put together with what the hub announced, byte for byte, once more.

    Whatever happened to a file since it arrived, no model appears with other bytes than its record
    tells of. What differs goes, so that it is fetched anew.

    Raises:
        DataLossError: DIGEST_MISMATCH.
    """
    for item in items:
        path = stage / item.name
        is_whole = path.stat().st_size == item.file.size_bytes
        if is_whole and digest_of(path, item.file.algorithm) == item.file.digest:
            continue
        path.unlink()
        item.waiting(stage).unlink(missing_ok=True)
        raise DataLossError(
            Reason.DIGEST_MISMATCH,
            f"{item.name} changed on the disk after it had arrived",
            remedy="Pull again: only this file is fetched anew. If it happens twice, check the "
            "disk (rkctl doctor) and that nobody else writes in the models folder.",
            metadata={"file": item.name, "expected": item.digest},
        )


def _place(waiting: Path, target: Path, twin: Path | None) -> None:
    """Give a verified file its name: a second one where links exist, else the only one."""
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(waiting)
    except OSError:
        if twin is not None:
            shutil.copyfile(twin, target)
        else:
            waiting.replace(target)


def judge(stage: Path, variant: Variant) -> None:
    """
    Judge the weights by their header before anybody sees them.

    Raises:
        InvalidInputError: WEIGHTS_INVALID, ARCHITECTURE_UNSUPPORTED: a pointer of git-lfs, a web
            page, a projector: the repository holds what no engine runs.
    """
    path = stage / PurePosixPath(variant.name).name
    if not workshop.is_readable(path):
        return
    try:
        workshop.check(path)
    except InvalidInputError as error:
        # What a file handed in would want done does not help here: it lies on the hub like that.
        raise InvalidInputError(
            error.reason,
            error.message,
            remedy="The repository holds it like that: choose another file (rkctl files) or "
            "another repository (rkctl search).",
            metadata=error.metadata,
        ) from error


def modelfile_of(items: tuple[Item, ...], listing: Listing, variant: Variant) -> str:
    """Write the Modelfile of a model that brought none: rkllama's form for a .rkllm."""
    first = PurePosixPath(variant.name).name
    if variant.format is Format.GGUF:
        sees = [f"./{PurePosixPath(variant.sight.path).name}"] if variant.sight else []
        return render(compose(Recipe(), (f"./{first}", *sees)))
    source = next((item.listing.repository for item in items if item.name == "tokenizer.json"), "")
    recipe = Recipe(huggingface_path=source or listing.repository, system="")
    return render(compose(recipe, (first,), Dialect.ENV))


def keep_modelfile(stage: Path, text: str, variant: Variant) -> None:
    """Keep the Modelfile an older version stood with, edited or not, if it fits these weights."""
    if text and _names_weights(text.encode(), variant):
        write_file(stage / MODELFILE, text.encode())


def _usable_modelfile(stage: Path, variant: Variant) -> bool:
    """Whether the repository's own Modelfile is one, and of these weights."""
    path = stage / MODELFILE
    return path.is_file() and _names_weights(path.read_bytes(), variant)


def _names_weights(content: bytes, variant: Variant) -> bool:
    try:
        sources = parse(content).values("FROM")
    except InvalidInputError:
        return False
    files = (*variant.files, *([variant.sight] if variant.sight else []))
    names = {PurePosixPath(file.path).name for file in files}
    return bool(sources) and {PurePosixPath(source).name for source in sources} <= names
