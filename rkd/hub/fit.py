"""Would these weights run on this board: a verdict with its sum, and the one to take. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from rkd.hub.headroom import Headroom
from rkd.hub.naming import Tuning
from rkd.hub.variants import Variant
from rkd.model import Details, Format
from rkd.weights import npu
from rkd.weights.estimate import Estimate, estimate
from rkd.weights.quantization import QUANTIZATIONS, REMOVED, Quality, is_foreign
from rkd.words import size

_UNKNOWN_QUALITY = Quality.FAIR
_OLD_TOOLKITS = ("1.0", "1.1")
_SMALLER_IS_BETTER = {"Q4_K_M": 0, "w8a8": 0, "IQ4_XS": 1, "Q4_K_S": 2, "Q5_K_M": 3, "Q4_0": 4}
"""What to take among what fits: the balance most people want first."""


class FitVerdict(enum.Enum):
    """Whether weights run on this board; the numbers are the proto's."""

    UNKNOWN = 0
    FITS = 1
    FITS_ALONE = 2
    TOO_LARGE = 3
    WRONG_PLATFORM = 4
    UNSUPPORTED = 5


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, the sum behind it for people, and what is known of the quantization."""

    variant: Variant
    verdict: FitVerdict
    detail: str
    needed_bytes: int
    advice: str
    recommended: bool = False


def judge(variant: Variant, details: Details, capacity: Headroom) -> Judgement:
    """
    Judge *variant*.

    Args:
        variant: what is offered.
        details: shape of the model, read from a header; empty where it could not be.
        capacity: what the board has.
    """
    own = details.context_tokens or variant.context_tokens
    context = min(capacity.context_tokens, own) if own else capacity.context_tokens
    sum_ = estimate(
        details,
        variant.size_bytes,
        variant.format,
        context_tokens=context,
        slots=capacity.slots,
        kv_type=capacity.kv_cache_type,
        prompt_cache_bytes=capacity.prompt_cache_bytes,
        projector_bytes=variant.sight.size_bytes if variant.sight else 0,
    )
    needed = sum_.total_bytes
    detail = (
        f"{size(sum_.weights_bytes, digits=2)} weights + "
        f"{size(sum_.kv_bytes, digits=2)} context of {context} tokens "
        f"{_sight_words(sum_)}{_cache_words(sum_)}"
        f"+ {size(sum_.overhead_bytes, digits=2)} engine = {size(needed, digits=2)}, of "
        f"{size(capacity.available_bytes, digits=2)} available"
    )
    verdict = FitVerdict.TOO_LARGE
    if needed <= capacity.available_bytes:
        verdict = FitVerdict.FITS
    elif needed <= capacity.total_bytes:
        verdict = FitVerdict.FITS_ALONE
        detail += f" ({size(capacity.total_bytes, digits=2)} when others leave)"
    wrong = _wrong_platform(variant, capacity)
    if wrong:
        verdict, detail = FitVerdict.WRONG_PLATFORM, wrong
    elif variant.format is Format.RKLLM and not capacity.platform:
        # The right chip: what is in the way can be mended, and then it is another verdict.
        verdict, detail = FitVerdict.UNKNOWN, f"the NPU cannot be used now: {capacity.obstacle}"
    unsupported = _unsupported(variant, capacity)
    if unsupported and verdict is not FitVerdict.WRONG_PLATFORM:
        verdict, detail = FitVerdict.UNSUPPORTED, unsupported
    return Judgement(variant, verdict, detail, needed, _advice(variant, capacity))


def _sight_words(sum_: Estimate) -> str:
    sees = sum_.projector_bytes
    return f"+ {size(sees, digits=2)} sight " if sees else ""


def _cache_words(sum_: Estimate) -> str:
    kept = sum_.prompt_cache_bytes
    return f"+ {size(kept, digits=2)} prompt cache " if kept else ""


def judge_all(
    variants: Iterable[Variant], details: Details, capacity: Headroom
) -> tuple[Judgement, ...]:
    """Judge every variant and mark the one to take; best first."""
    judged = [judge(variant, details, capacity) for variant in variants]
    judged.sort(key=lambda one: _order(one, capacity))
    if judged and judged[0].verdict in {FitVerdict.FITS, FitVerdict.FITS_ALONE}:
        best = judged[0]
        judged[0] = Judgement(
            best.variant, best.verdict, best.detail, best.needed_bytes, best.advice, True
        )
    return tuple(judged)


def _order(one: Judgement, capacity: Headroom) -> tuple[int, int, int, Tuning, int, int]:
    """
    Order by what a user of this board wants first.

    1. What fits now, then what fits alone, then the rest.
    2. What runs on the NPU, if there is one.
    3. The advice for this chip; on the CPU the usual balance of quality, size and speed.
    4. Made as the toolkit does it by itself.
    5. Better quality.
    6. Smaller.
    """
    rank = {FitVerdict.FITS: 0, FitVerdict.FITS_ALONE: 1, FitVerdict.UNKNOWN: 2}
    variant = one.variant
    on_npu = variant.format is Format.RKLLM and bool(capacity.platform)
    row = QUANTIZATIONS.get(variant.quantization)
    usual = _SMALLER_IS_BETTER.get(variant.quantization, len(_SMALLER_IS_BETTER))
    return (
        rank.get(one.verdict, 3 + one.verdict.value),
        0 if on_npu else 1,
        npu.rank(capacity.platform, variant.quantization) if on_npu else usual,
        variant.tuning or Tuning(),
        int(row.quality if row else _UNKNOWN_QUALITY),
        variant.size_bytes,
    )


def _unsupported(variant: Variant, capacity: Headroom) -> str:
    """Say why no engine here runs weights of that type, or ""."""
    kind = variant.quantization
    if kind in REMOVED:
        plain = kind[: -len("_4_4")]
        return f"the engine no longer reads {kind}; a {plain} is repacked for this board at load"
    if is_foreign(kind):
        return f"the engine does not read {kind}, another program's type"
    chip = capacity.platform or capacity.chip
    if variant.format is Format.RKLLM and not npu.runs(chip, kind):
        return f"the NPU of the {chip} does not run {kind}; it runs {', '.join(npu.TYPES[chip])}"
    return ""


def _advice(variant: Variant, capacity: Headroom) -> str:
    """Say what is known of the type, of its place on this chip, and of how it was made."""
    row = QUANTIZATIONS.get(variant.quantization)
    told = [row.note] if row and row.note else []
    chip = capacity.platform or capacity.chip
    if variant.format is Format.RKLLM and variant.quantization:
        if chip in npu.TYPES and npu.rank(chip, variant.quantization) == 0:
            told.append(f"the advised type for the {chip}")
        if variant.tuning == Tuning():
            told.append(f"{variant.tuning}: the toolkit's own defaults")
        elif variant.tuning is not None:
            told.append(f"{variant.tuning}")
        if variant.toolkit.startswith(_OLD_TOOLKITS):
            told.append(f"made by toolkit {variant.toolkit}: newer runtimes run it slower")
    return "; ".join(told)


def _wrong_platform(variant: Variant, capacity: Headroom) -> str:
    if variant.format is not Format.RKLLM:
        return ""
    chip = capacity.platform or capacity.chip
    if not chip:
        return "needs an NPU, and none can be used here"
    if variant.platform and variant.platform != chip:
        return f"made for {variant.platform}, this is {chip}"
    return ""
