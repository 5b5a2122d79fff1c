"""
Turn a checkpoint's folder into one GGUF: safetensors or PyTorch files, whole or sharded.

No torch, nothing of the checkpoint is executed, weights are mapped and written piece by piece.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rkd.backend.convert import names, pytorch, safetensors, tokenizer
from rkd.backend.convert.config import CheckpointConfig, read_config
from rkd.backend.convert.metadata import pairs
from rkd.backend.convert.tensors import Stored, broken, quantized
from rkd.backend.convert.weights import FoundTensor, pieces
from rkd.backend.quantize import gguf_write, mix
from rkd.errors import InvalidInputError, Reason
from rkd.outside import QUOTED_CHARACTERS, open_regular, quoted, shown
from rkd.weights import magic

Progress = Callable[[str, float], None]

_KINDS = ("F16", "BF16", "F32")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_PATTERNS = (
    ("model*.safetensors", safetensors.read),
    ("pytorch_model*.bin", pytorch.read),
    ("*.safetensors", safetensors.read),
    ("*.pth", pytorch.read),
    ("*.bin", pytorch.read),
)
"""First that matches wins; `consolidated*` files repeat the others' weights under other names."""
_NO_WEIGHTS = ("training_args.bin", "optimizer.bin", "scheduler.bin", "adapter_model.bin")


@dataclass(frozen=True, slots=True)
class Converted:
    """What was written."""

    size_bytes: int
    tensors: int
    quantization: str
    architecture: str
    warnings: tuple[str, ...]


def convert(
    folder: Path, target: Path, kind: str = "F16", *, name: str = "", progress: Progress
) -> Converted:
    """
    Write the checkpoint in *folder* to *target* with its matrices as *kind*, and flush it to disk.

    *target* is overwritten; its caller removes it after an error.

    Raises:
        InvalidInputError: ARCHITECTURE_UNSUPPORTED, WEIGHTS_INVALID, INVALID_FIELD.
        OSError: reading or writing failed.
    """
    if kind not in _KINDS:
        raise InvalidInputError(
            Reason.INVALID_FIELD,
            f"checkpoints are converted to {', '.join(_KINDS)}, not {quoted(kind)}",
            remedy="Convert first, then quantize.",
            metadata={"type": shown(kind[:QUOTED_CHARACTERS])},
        )
    config = _config(folder)
    words = tokenizer.read(folder, config)
    warnings = [*config.warnings, *words.vocabulary.warnings]
    found = list(_gather(folder, config, warnings))
    plan = pieces(found, config, kind)
    rows = gguf_write.place(
        [(piece.name, piece.shape, piece.kind) for piece in plan], gguf_write.ALIGNMENT
    )
    metadata = pairs(config, words, mix.FILE_NUMBER[kind], shown(name or folder.name))
    with target.open("wb") as out:
        out.write(gguf_write.head(metadata, rows, gguf_write.ALIGNMENT))
        done, total = 0, sum(row.size_bytes for row in rows) or 1
        for piece, row in zip(plan, rows, strict=True):
            out.writelines(piece.data())
            out.write(bytes(gguf_write.padding(row.size_bytes, gguf_write.ALIGNMENT)))
            done += row.size_bytes
            progress("converting", done / total)
        out.flush()
        os.fsync(out.fileno())
        size = out.tell()
    return Converted(size, len(rows), kind, config.architecture.gguf, tuple(warnings))


def _config(folder: Path) -> CheckpointConfig:
    _refuse_others(folder)
    path = folder / "config.json"
    if not path.is_file():
        raise broken(folder.name, "no config.json is in the folder")
    for other in ("quantize_config.json", "quant_config.json"):
        if (folder / other).is_file():
            raise quantized(folder.name, "GPTQ or AWQ")
    if (folder / "adapter_config.json").is_file() and not any(folder.glob("model*.safetensors")):
        raise broken(folder.name, "it is a LoRA adapter, not a model: name its base with FROM")
    return read_config(tokenizer.load_json(path), folder.name)


def _refuse_others(folder: Path) -> None:
    """Name files from before GGUF, which people still have under `ggml-model*.bin`."""
    for path in sorted(folder.glob("*.bin")):
        try:
            with open_regular(path, within=folder) as opened:
                kind = magic.name(opened.read(64))
        except OSError as error:
            raise broken(path.name, error.strerror or "it cannot be opened") from error
        if kind.startswith("an old gg"):
            raise InvalidInputError(
                Reason.WEIGHTS_INVALID,
                f"{shown(path.name)} is {kind}",
                remedy=magic.way_out(kind),
                metadata={"file": shown(path.name)},
            )


def _files(folder: Path) -> tuple[list[Path], Callable[[Path], Iterator[Stored]]]:
    """Choose the weights files: those an index names, else by pattern."""
    for index in _INDEXES:
        names_of = tokenizer.load_json(folder / index).get("weight_map")
        if isinstance(names_of, dict):
            wanted = sorted({file if isinstance(file, str) else "" for file in names_of.values()})
            for file in wanted:
                if Path(file).name != file or not (folder / file).is_file():
                    raise broken(index, f"the file {quoted(file)} it names is not there")
            reader = safetensors.read if "safetensors" in index else pytorch.read
            return [folder / file for file in wanted], reader
    for pattern, reader in _PATTERNS:
        found = [
            path
            for path in sorted(folder.glob(pattern))
            if path.name not in _NO_WEIGHTS and not path.name.startswith("consolidated")
        ]
        if found:
            return found, reader
    raise broken(folder.name, "no safetensors or PyTorch weights are in the folder")


def _gather(folder: Path, config: CheckpointConfig, warnings: list[str]) -> Iterator[FoundTensor]:
    """Yield every tensor the model needs, under GGUF's name; refuse strangers and gaps."""
    expected = names.expected(config)
    seen: set[str] = set()
    ignored = 0
    files, reader = _files(folder)
    for path in files:
        for stored in reader(path):
            name = names.translate(stored.name, config)
            if name is None:
                ignored += 1
            elif name in seen:
                raise broken(path.name, f"{quoted(stored.name)} appears twice")
            else:
                seen.add(name)
                names.check(name, stored, config)
                yield FoundTensor(name, stored, config)
    missing = [name for name in expected if name not in seen]
    if missing:
        raise broken(
            folder.name,
            f"{len(missing)} tensors are missing, the first is {missing[0]} "
            f"(config.json speaks of {config.layers} layers)",
        )
    if ignored:
        warnings.append(f"{ignored} tensors the model does not use were left out")
