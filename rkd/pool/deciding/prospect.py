"""How a backend would load a model, and what keeps it from that; pure."""

from __future__ import annotations

from dataclasses import dataclass

from rkd.errors import RkdError
from rkd.inference import LoadSpec
from rkd.model import BackendKind


@dataclass(frozen=True, slots=True)
class Prospect:
    """
    One backend for one model.

    Args:
        load: what it would be told to load, None without weights for it; where no NPU library is
            at hand it names none.
        obstacle: why it cannot be loaded there, or None.
        first: it is loaded here, if nobody asks otherwise and nothing goes wrong.
    """

    backend: BackendKind
    load: LoadSpec | None = None
    obstacle: RkdError | None = None
    first: bool = False
