"""Which .rknn of a model's folder is its vision encoder: the one it names, or the only one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rkd.library.modelfiles import file_of
from rkd.model import WeightsFile
from rkd.outside import open_regular, shown

ENDING = ".rknn"
MOST_LISTED = 5
_MAGIC = b"RKNN"


@dataclass(frozen=True, slots=True)
class FoundEncoder:
    """
    What lets a model on the NPU see.

    Args:
        chosen: the file, or None.
        trouble: why none is chosen where there might be one; "" else.
    """

    chosen: WeightsFile | None = None
    trouble: str = ""


def is_encoder(file_name: str) -> bool:
    """Whether a file's name is that of an encoder."""
    return file_name.lower().endswith(ENDING)


def find_encoder(files: Iterable[WeightsFile], named: str) -> FoundEncoder:
    """
    Find the encoder among *files*, those of a folder whose names are of one.

    Args:
        files: every one.
        named: what the Modelfile's VISION_ENCODER says, "" for nothing.
    """
    found = list(files)
    wanted = file_of(named) if named else ""
    chosen = [one for one in found if one.path.name == wanted] if wanted else found
    if wanted and not chosen:
        return FoundEncoder(None, f"VISION_ENCODER names {shown(wanted)}, which is not there")
    if len(chosen) > 1:
        listed = ", ".join(sorted(shown(one.path.name) for one in chosen)[:MOST_LISTED])
        said = f"it has {len(chosen)} encoders: {listed}: name one with VISION_ENCODER"
        return FoundEncoder(None, f"{said} in its Modelfile")
    if not chosen:
        return FoundEncoder()
    try:
        with open_regular(chosen[0].path) as file:
            first = file.read(len(_MAGIC))
    except OSError as error:
        return FoundEncoder(None, f"{shown(chosen[0].path.name)}: {error.strerror}")
    if first != _MAGIC:
        return FoundEncoder(None, f"{shown(chosen[0].path.name)} is no .rknn file")
    return FoundEncoder(chosen[0])
