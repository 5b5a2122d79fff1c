"""
The half that sees, among a repository's files: a projector for a GGUF, an encoder for a .rkllm.

Told by names, for nothing else is known before the file is here; its header decides then. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from rkd.hub.listing import RemoteFile
from rkd.model import Format
from rkd.weights import named
from rkd.weights.company import companions
from rkd.weights.quantization import in_file_name

_PROJECTOR_TYPES = ("F16", "Q8_0", "BF16", "F32")
"""Best first: F16 is what publishers test; F32 takes twice the memory for nothing."""
_HEARS = re.compile(r"(?<![a-z])(?:audio|speech|whisper)(?![a-z])")
_SEES = re.compile(r"(?<![a-z])(?:vision|visual|vit|image|img|encoder|mmproj|vlm?)(?![a-z])")
_PARAMETERS = re.compile(r"(?<![a-z0-9.])\d+(?:\.\d+)?[bm](?![a-z0-9])")
_SIDE = re.compile(r"(?<![0-9])([1-9][0-9]{2,3})(?:x[1-9][0-9]{2,3})?(?![0-9])")
_USUAL_SIDE = 448
"""Pixels of most encoders in use, and what they were measured at."""


def sight_of(
    files: Iterable[RemoteFile], weights: RemoteFile, form: Format, platform: str = ""
) -> RemoteFile | None:
    """
    Find what lets the model of *weights* see, None where nothing does.

    Args:
        files: of its repository.
        weights: the first file of the model.
        form: its format.
        platform: the chip a .rkllm was made for, "" where unknown.
    """
    fitting = [one for one in files if _is_of_model(one.path, weights.path)]
    if form is Format.GGUF:
        said = companions([*(one.path for one in fitting), weights.path])
        projectors = [
            one
            for one in fitting
            if said.get(one.path) == "a projector" and _is_projector(one.path)
        ]
        return min(projectors, key=lambda one: _projector_rank(one, weights), default=None)
    encoders = [one for one in fitting if one.path.lower().endswith(".rknn")]
    if len(encoders) > 1:
        encoders = [one for one in encoders if _SEES.search(_name(one.path))]
    made = [one for one in encoders if _made_for(one.path) in {"", platform or _made_for(one.path)}]
    return min(made, key=lambda one: _encoder_rank(one, weights, platform), default=None)


def _is_projector(path: str) -> bool:
    name = _name(path)
    if not name.endswith(".gguf") or name.startswith("."):
        return False
    return not _HEARS.search(name) or bool(_SEES.search(name.replace("mmproj", "")))


def _is_of_model(path: str, weights: str) -> bool:
    """Whether a name speaks of another size of model than the weights' does."""
    said, wanted = (set(_PARAMETERS.findall(_name(one))) for one in (path, weights))
    return not said or not wanted or bool(said & wanted)


def _projector_rank(file: RemoteFile, weights: RemoteFile) -> tuple[bool, int, int, str]:
    kind = in_file_name(_name(file.path).upper())
    place = _PROJECTOR_TYPES.index(kind) if kind in _PROJECTOR_TYPES else len(_PROJECTOR_TYPES)
    return _folder(file.path) != _folder(weights.path), place, file.size_bytes, file.path


def _encoder_rank(
    file: RemoteFile, weights: RemoteFile, platform: str
) -> tuple[bool, bool, int, int, str]:
    sides = [int(one) for one in _SIDE.findall(_name(file.path)) if int(one) < 2 * _USUAL_SIDE + 1]
    away = min((abs(side - _USUAL_SIDE) for side in sides), default=0)
    other = bool(platform) and _made_for(file.path) != platform
    elsewhere = _folder(file.path) != _folder(weights.path)
    return other, elsewhere, away, file.size_bytes, file.path


def _made_for(path: str) -> str:
    return named.platform_in(path)


def _name(path: str) -> str:
    return PurePosixPath(path).name.lower()


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)
