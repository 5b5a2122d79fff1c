"""What a Modelfile asks of a load, in the load's own terms. Pure."""

from __future__ import annotations

import math
from typing import Any

from rkd.inference import Sampling
from rkd.model import Model
from rkd.modelfile.sampling import SAMPLING


def whole(model: Model, key: str) -> int | None:
    """The number of *key* as a whole one over 0, or None."""
    value = model.recipe.parameter(key)
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return int(value)
    return None


def keep_alive(model: Model) -> float | None:
    """The model's own keep-alive, seconds; negative means for ever."""
    value = model.recipe.parameter("keep_alive")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return math.inf if value < 0 else float(value)


def sampling(model: Model) -> Sampling:
    """What the Modelfile says of sampling: runtimes before 1.3.0 fix it when they load."""
    given: dict[str, Any] = {
        row.name: row.meant(model.recipe.parameter(row.key))
        for row in SAMPLING
        if row.npu is not None
    }
    return Sampling(**given)


def adapters(model: Model) -> tuple[tuple[str, str, float], ...]:
    """(name, absolute path, scale) of the Modelfile's adapters."""
    paths = ((model.folder / text) for text in model.recipe.adapters)
    return tuple((path.stem, str(path), 1.0) for path in paths)
