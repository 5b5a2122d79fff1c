"""
Which files of a folder named by FROM make the model: weights, configuration, tokenizer.

The first kind of weights that is there wins. A link may lead elsewhere only within the folder, or
from a snapshot of the Hub's cache into its blobs: a folder got from others must not make us send
what lies beside it.
"""

from __future__ import annotations

from pathlib import Path

from rkd_client.files import is_file, named

from rkctl.failure import Exit, Failure

_WEIGHTS = (
    ("model*.safetensors", "*/model*.safetensors"),
    ("consolidated*.safetensors",),
    ("pytorch_model*.bin",),
    ("consolidated*.pth",),
    ("*.gguf",),
    ("*.rkllm",),
    ("*.bin",),
)
_BESIDE = ("*.json", "*/*.json", "chat_template.jinja", "merges.txt", "vocab.txt")
_TOKENIZERS = ("tokenizer.model", "*/tokenizer.model")


def looks_like_one(folder: Path) -> bool:
    """Tell whether *folder* holds a checkpoint: weights with their configuration."""
    return is_file(folder / "config.json") and bool(_weights(folder))


def files_of(folder: Path) -> list[tuple[str, Path]]:
    """
    Return the files to bring, as path inside the folder and path here, sorted; none is empty.

    Raises:
        Failure: there are no weights, or a link leads out of the folder.
    """
    weights = _weights(folder)
    if not weights:
        raise Failure(
            f"the folder {named(folder)} holds no weights",
            "FILE_NOT_FOUND",
            ("wanted: *.safetensors, pytorch_model*.bin, *.gguf or *.rkllm",),
            Exit.NOT_FOUND,
        )
    beside = [path for pattern in _BESIDE for path in folder.glob(pattern)]
    tokenizer = next((found for p in _TOKENIZERS if (found := sorted(folder.glob(p)))), [])
    chosen = {path for path in (*weights, *beside, *tokenizer) if is_file(path)}
    for path in chosen:
        _check_link(folder, path)
    return sorted(
        (path.relative_to(folder).as_posix(), path) for path in chosen if path.stat().st_size
    )


def _weights(folder: Path) -> list[Path]:
    for patterns in _WEIGHTS:
        found = [path for pattern in patterns for path in folder.glob(pattern) if is_file(path)]
        if found:
            return found
    return []


def _check_link(folder: Path, path: Path) -> None:
    real, home = path.resolve(), folder.resolve()
    allowed = [home]
    if home.parent.name == "snapshots":  # models--user--repo/snapshots/<commit> of the Hub's cache
        allowed.append(home.parent.parent / "blobs")
    if not any(real.is_relative_to(root) for root in allowed):
        raise Failure(
            f"{named(path)} leads out of its folder, to {named(real)}",
            "INVALID_FILE",
            ("put the file itself there, if it belongs to the model",),
        )
