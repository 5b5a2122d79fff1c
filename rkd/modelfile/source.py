"""
What a FROM names: a local path, a model of the board, a repository of the hub.

Judged by the text alone, so that `rkctl lint` and the daemon agree; whether it exists is for
those who resolve it: paths by the client, on its own machine, names by the daemon.
"""

from __future__ import annotations

import contextlib
import enum
import re
from dataclasses import dataclass
from pathlib import Path

from rkd.modelfile import address
from rkd.modelfile.address import ElsewhereError

MAX_SIGNS = 4_096
"""No path is longer (Linux: PATH_MAX), no name or address of a repository either."""

CHECKPOINTS = (".safetensors", ".bin", ".pth", ".pt")
"""Endings of the weights that a model is trained in."""
_WEIGHTS = (".gguf", ".rkllm", *CHECKPOINTS)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,79})?")


class SourceKind(enum.StrEnum):
    """Where the weights of a FROM are looked for."""

    PATH = "path"
    MODEL = "model"
    HUB = "hub"


@dataclass(frozen=True, slots=True)
class Source:
    """
    One FROM.

    Args:
        text: as written.
        repository: `user/repo`, for HUB.
        selector: for HUB what stands behind the colon: a quantization (`Q4_K_M`) or a file name.
        file: for HUB a path inside the repository, or "".
        revision: for HUB a branch, tag or commit, or "".
    """

    text: str
    kind: SourceKind
    repository: str = ""
    selector: str = ""
    file: str = ""
    revision: str = ""

    def path(self, base: Path) -> Path:
        """
        Return the path meant, relative ones against *base*, the Modelfile's folder.

        Also sensible for a MODEL: `FROM weights` may name a folder beside the Modelfile.
        """
        try:
            return base / Path(self.text).expanduser()
        except RuntimeError:  # a tilde of nobody's
            return base / self.text


def classify(text: str) -> Source:
    """Say what *text*, the value of a FROM, names; never fails."""
    if len(text) > MAX_SIGNS:
        return Source(text, SourceKind.PATH)
    if address.names_hub(text):
        with contextlib.suppress(ElsewhereError):
            found = address.read(text)
            return Source(
                text, SourceKind.HUB, found.repository, found.tag, found.path, found.revision
            )
    if _NAME.fullmatch(text) and not text.lower().endswith(_WEIGHTS):
        return Source(text, SourceKind.MODEL)
    return Source(text, SourceKind.PATH)


def repository_of(text: str) -> str:
    """Return `user/repo` of what a HUGGINGFACE_PATH may hold: that, or any URL of it; else ""."""
    if len(text) <= MAX_SIGNS:
        with contextlib.suppress(ElsewhereError):
            return address.read(text).repository
    return ""
