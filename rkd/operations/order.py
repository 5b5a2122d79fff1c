"""
What a create is asked for, and what kind of work that is: pure.

The client has resolved paths on its own machine: what it brought stands in `files` under the name
it had there. A path that was not brought is refused; the daemon opens none.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from rkd import shape
from rkd.errors import InvalidInputError, bad_field
from rkd.library.blobs import check_digest
from rkd.library.layout import MODELFILE, format_of
from rkd.model import ModelName
from rkd.modelfile.parse import Modelfile, parse
from rkd.modelfile.source import CHECKPOINTS, SourceKind, repository_of
from rkd.operations.journal import LARGEST_BYTES
from rkd.operations.operation import asked
from rkd.weights.quantization import QUANTIZATIONS

_CONFIG = "config.json"
_LONGEST = 4096
MAX_FILES = 2000
"""Shards, tokenizer and configuration of the largest checkpoints are some hundreds."""


class Work(enum.StrEnum):
    """What makes the model."""

    WEIGHTS = "weights"
    """Uploaded GGUF or .rkllm files."""
    CHECKPOINT = "checkpoint"
    """An uploaded folder of safetensors or PyTorch files."""
    PARENT = "parent"
    """Another model of the board."""
    HUB = "hub"
    """A repository that has to be pulled first."""
    EXISTING = "existing"
    """A file that lies in the model's folder already."""


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """
    One create, checked as far as it can be without the disk.

    Args:
        files: (name, digest) of what the client brought.
        parent: a model to derive from instead of what FROM names; set once a HUB is pulled.
    """

    name: ModelName
    modelfile: str = ""
    files: tuple[tuple[str, str], ...] = ()
    quantize: str = ""
    replace: bool = False
    existing_file: str = ""
    huggingface_path: str = ""
    parent: str = ""

    @property
    def key(self) -> str:
        """What makes two orders the same work."""
        digest = hashlib.sha256(json.dumps(self.request(), sort_keys=True).encode()).hexdigest()
        return f"{self.name.key} {digest}"

    def request(self) -> dict[str, str]:
        """Write it down for the journal."""
        return {
            "model": self.name.text,
            "modelfile": self.modelfile,
            "files": json.dumps(self.files),
            "quantize": self.quantize,
            "replace": "yes" if self.replace else "",
            "existing_file": self.existing_file,
            "huggingface_path": self.huggingface_path,
            "parent": self.parent,
        }

    @classmethod
    def restored(cls, request: Mapping[str, str]) -> CreateOrder:
        """
        Read it back.

        Raises:
            InvalidInputError: INVALID_FIELD, INVALID_NAME: the record was damaged or forged.
        """
        return cls(
            name=ModelName.parse(asked(request, "model")),
            modelfile=asked(request, "modelfile"),
            files=_files_of(asked(request, "files")),
            quantize=asked(request, "quantize"),
            replace=bool(asked(request, "replace")),
            existing_file=asked(request, "existing_file"),
            huggingface_path=asked(request, "huggingface_path"),
            parent=asked(request, "parent"),
        )

    def read(self) -> Modelfile:
        """
        Read the Modelfile, its parameters and its template.

        Raises:
            InvalidInputError: INVALID_MODELFILE with line and column.
        """
        return _read(self.modelfile)

    def work(self) -> Work:
        """
        Say what kind of work it is, after checking the request.

        Raises:
            InvalidInputError: INVALID_MODELFILE, INVALID_FIELD.
        """
        if self.existing_file:
            self._check_existing()
            return Work.EXISTING
        modelfile = self.read()
        self._check_files()
        if self.quantize and self.quantize.upper() not in QUANTIZATIONS:
            known = ", ".join(name for name, one in QUANTIZATIONS.items() if one.makes)
            raise refuse("quantize", f"{self.quantize[:40]!r} is no type; there are {known}")
        if self.parent:
            return Work.PARENT
        brought = self.weights(modelfile)
        if not brought:
            return self._named(modelfile)
        names = {name for name, _ in brought}
        is_checkpoint = any(name.lower().endswith(CHECKPOINTS) for name in names)
        if is_checkpoint and any(PurePosixPath(name).name == _CONFIG for name in names):
            return Work.CHECKPOINT
        return Work.WEIGHTS

    def adapters(self, modelfile: Modelfile) -> tuple[tuple[str, str], ...]:
        """Those of the files that ADAPTER names."""
        wanted = modelfile.values("ADAPTER")
        return tuple(
            (name, digest)
            for name, digest in self.files
            if any(name == one or name.startswith(f"{one.rstrip('/')}/") for one in wanted)
        )

    def weights(self, modelfile: Modelfile) -> tuple[tuple[str, str], ...]:
        """All other files."""
        adapters = self.adapters(modelfile)
        return tuple(file for file in self.files if file not in adapters)

    def _named(self, modelfile: Modelfile) -> Work:
        """Judge a Modelfile whose FROM nobody brought a file for."""
        if len(modelfile.sources) > 1:
            raise refuse("modelfile", "several FROM name files that were not uploaded")
        source = modelfile.sources[0]
        match source.kind:
            case SourceKind.MODEL:
                return Work.PARENT
            case SourceKind.HUB:
                return Work.HUB
            case SourceKind.PATH:
                raise refuse(
                    "files",
                    f"FROM names {source.text!r}, a path, and no such file was uploaded",
                    "Use `rkctl create`, which brings the file, or upload it and name it in files.",
                )

    def _check_files(self) -> None:
        if len(self.files) > MAX_FILES:
            raise refuse("files", f"{len(self.files)} files; {MAX_FILES} is the most")
        for name, digest in self.files:
            check_digest(digest, field_name="files.digest")
            parts = PurePosixPath(name.replace("\\", "/")).parts
            if not parts or "\0" in name or not _is_visible(parts[-1]):
                raise refuse("files.name", f"{name[:160]!r} is no name of a file")
        if len({name for name, _ in self.files}) < len(self.files):
            raise refuse("files", "a name stands there twice")

    def _check_existing(self) -> None:
        if self.files or self.quantize:
            raise refuse("existing_file", "stands alone: no files or quantize with it")
        if format_of(self.existing_file) is None or "/" in self.existing_file:
            raise refuse("existing_file", f"{self.existing_file[:160]!r} names no .rkllm or .gguf")
        if self.huggingface_path.strip() and not repository_of(self.huggingface_path.strip()):
            raise refuse(
                "huggingface_path", f"{self.huggingface_path[:160]!r} is no `user/repo` of the hub"
            )
        if self.modelfile:
            self._check_in_place()

    def _check_in_place(self) -> None:
        """Judge a Modelfile for a folder as it is: its FROM names files there and nothing else."""
        if self.huggingface_path:
            raise refuse("huggingface_path", "the Modelfile says it: HUGGINGFACE_PATH")
        named = own_files(self.read())
        if self.existing_file.casefold() not in {name.casefold() for name in named}:
            said = f"FROM of the Modelfile does not name {self.existing_file[:160]!r}"
            raise refuse("existing_file", said)


def file_name(name: str) -> str:
    """Return the last part of an uploaded file's name, the name it has in the model's folder."""
    return PurePosixPath(name.replace("\\", "/")).name


def own_files(modelfile: Modelfile) -> tuple[str, ...]:
    """
    Return the files of the model's own folder that FROM and ADAPTER name, as they are called there.

    Raises:
        InvalidInputError: INVALID_FIELD: one is a path to elsewhere, a model or a repository.
    """
    values = (*modelfile.values("FROM"), *modelfile.values("ADAPTER"))
    names = tuple(value.removeprefix("./") for value in values)
    for name in names:
        if not _is_visible(name) or "/" in name or "\\" in name:
            raise refuse("modelfile", f"{name[:160]!r} is no file of the model's own folder")
    return names


def inside(name: str) -> PurePosixPath:
    """
    Return the place of a checkpoint's file below the folder it is put together in.

    Raises:
        InvalidInputError: INVALID_FIELD, for a path that leads anywhere else.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or "\\" in name or not all(map(_is_visible, path.parts)):
        raise refuse("files.name", f"{name[:160]!r} is no path inside a checkpoint")
    return path


def refuse(field: str, description: str, remedy: str = "") -> InvalidInputError:
    """Build the INVALID_FIELD error of a create."""
    return bad_field(field, description, remedy=remedy)


def _files_of(text: str) -> tuple[tuple[str, str], ...]:
    """Read the list of files back; what is in it is judged by `CreateOrder.work`."""
    try:
        pairs = shape.items(shape.parse(text.encode(), most_bytes=LARGEST_BYTES), most=MAX_FILES)
        read = []
        for pair in pairs:
            name, digest = shape.items(pair, most=2)
            read.append((shape.text(name, most_bytes=_LONGEST), shape.text(digest, most_bytes=100)))
        return tuple(read)
    except ValueError as error:
        raise refuse("files", f"the record of this operation is damaged: {error}") from None


def _is_visible(part: str) -> bool:
    """Whether *part* may become a name in a model's folder."""
    return bool(part) and not part.startswith(".") and part != MODELFILE and "\0" not in part


@lru_cache(maxsize=2)
def _read(text: str) -> Modelfile:
    """Read and judge once: at its bounds a Modelfile takes a fifth of a second, in a thread."""
    modelfile = parse(text)
    modelfile.recipe()
    return modelfile
