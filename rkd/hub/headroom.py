"""What this board has for one more model, as the hub's verdicts are made with it."""

from __future__ import annotations

from dataclasses import dataclass

from rkd import kvcache


@dataclass(frozen=True, slots=True)
class Headroom:
    """
    What this board has.

    Args:
        available_bytes: for one more model now, the reserve taken off.
        total_bytes: for one model if all others left.
        platform: chip of the NPU that can be used (`rk3588`); "" where there is none.
        context_tokens: to judge with, if the model's own is not shorter.
        slots, kv_cache_type: what a model on the CPU would be loaded with.
        prompt_cache_bytes: the same, for conversations that wait.
        chip: the board's, also while its NPU cannot be used; "" where none is known.
        obstacle: what keeps the NPU from being used; "" where nothing does.
    """

    available_bytes: int
    total_bytes: int
    platform: str
    context_tokens: int
    slots: int = 1
    kv_cache_type: str = kvcache.AUTO
    prompt_cache_bytes: int = 0
    chip: str = ""
    obstacle: str = ""
