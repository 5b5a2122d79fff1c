"""
What a name tells of weights before anybody reads them: the chip, the size, the context. Pure.

**Source**: names of repositories and files people have on the hubs, 2024 to 2026.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from rkd.weights import shards

SOLD_AS = {"rk3582": "rk3588", "rk3583": "rk3588"}
"""
The same chip, sold with fewer CPU cores. **Source:** `radxa,e52c`, `rockchip,rk3582`,
`rockchip,rk3588s` of mainline's device trees.
"""

_CHIP = re.compile(
    r"(?:rk|rockchip)[-_ ]?(?P<rk>35[0-9]{2})(?![0-9])"
    r"|(?<![a-z0-9])rk[-_ ]?(?P<card>18[0-9]{2})(?![0-9])"
    r"|(?<![a-z0-9])r[kv][-_ ]?(?P<rv>11[0-9]{2}b?)(?![0-9])",
    re.IGNORECASE,
)
_CHIP_ALONE = re.compile(
    r"(?<![a-z0-9.])(?<!step[-_])(?<!steps[-_])(?<!checkpoint[-_])(?<!ckpt[-_])(?<!iter[-_])"
    r"(35(?:88|76|62|66|68))[a-z]?(?![a-z0-9])",
    re.IGNORECASE,
)
"""The number of a chip where nothing says that it is one: `Qwen3-4B-3588`."""

_SIZE = re.compile(
    r"(?:(?<![a-z0-9])(?P<times>[1-9][0-9]?)x|(?P<letter>[a-z]))?(?<![0-9.])"
    r"(?P<chain>(?:[0-9]{1,4}_{1,3}){0,4}[0-9]{1,4}(?:\.[0-9]{1,2})?)"
    r"(?P<unit>[bm])(?P<tenths>[0-9](?![.0-9]))?(?:(?![a-z0-9])|(?=a[0-9]))",
    re.IGNORECASE,
)
_VERSION_THEN_SIZE = frozenset({("3", "1", "8")})
"""Underscores that part a version from a size: the 8B of a Llama 3.1 is no 1.8B."""

_CONTEXT = re.compile(
    r"(?<![a-z0-9])(?:max[-_]?)?(?:ctx|context|seq|len)(?:[-_]?len(?:gth)?)?[-_]?"
    r"(?P<told>[0-9]{1,3}k|[0-9]{3,6})(?![a-z0-9])"
    r"|(?<=[-_.])(?P<alone>[0-9]{1,3}k|512|1024|2048|4096|8192|16384)(?:ctx)?(?![a-z0-9])"
    r"|(?<=[-_.])(?P<before>[0-9]{3,6})ctx(?![a-z0-9])",
    re.IGNORECASE,
)
LONGEST_NPU_CONTEXT = 16_384
"""
Tokens; a longer one in the name of a .rkllm is the original's. **Source**: RKLLM SDK manual 1.3.0.
"""


def platform_in(text: str, *, name: bool = True) -> str:
    """
    Return the chip *text* speaks of, as weights are built for it (`rk3588`, also for an RK3588S).

    "" where it names none, or several: then it tells nothing.

    Args:
        text: a name, or a page.
        name: in a name the number alone is enough (`3588`).
    """
    found = {
        f"rk{one['rk'] or one['card']}" if one["rk"] or one["card"] else f"rv{one['rv']}".lower()
        for one in _CHIP.finditer(text)
    }
    if name:
        found |= {f"rk{one[1]}" for one in _CHIP_ALONE.finditer(text)}
    found = {SOLD_AS.get(one, one) for one in found}
    return found.pop() if len(found) == 1 else ""


def parameters_in(name: str) -> int:
    """
    Return the number of weights *name* speaks of, or 0.

    `1.5B`, `1_8B` and `1___5B`, `03b`, `1b5`, `E2B`, `135M`; `8x7B` and `1B-7B` count all experts,
    `30B-A3B` the 30.
    """
    end, count = -1, 0
    for found in _SIZE.finditer(name):
        size = _size(name, found)
        if count and found.start() - end == 1 and size > count:
            return size  # active, then all: `1B-7B`
        if count:
            break
        end, count = found.end(), size
    return count


def _size(name: str, found: re.Match[str]) -> int:
    *before, last = re.split("_+", found["chain"])
    letter = (found["letter"] or "").lower()
    if letter and not before and not (letter == "e" and _begins(name, found.start())):
        return 0
    number = float(last)
    if not before and last.startswith("0") and last.isdigit():
        number /= 10 ** (len(last) - 1)
    elif before and "." not in last and _is_fraction(before, last, found["chain"], letter):
        number = float(f"{before[-1]}.{last}")
    elif found["tenths"] and last.isdigit():
        number += int(found["tenths"]) / 10
    if found["unit"] in "mM" and number <= 1:
        return 0  # a context of a million tokens, as a model's name has it
    number *= int(found["times"] or 1)
    return round(number * (1e9 if found["unit"] in "bB" else 1e6))


def _begins(name: str, at: int) -> bool:
    return at == 0 or not name[at - 1].isalnum()


def _is_fraction(before: list[str], last: str, chain: str, letter: str) -> bool:
    """Whether an underscore before *last* stands for a point: `1_8B`, and not `qwen2_5_7b`."""
    if "__" in chain:
        return True
    if len(last) > 2 or len(before[-1]) > 2:  # noqa: PLR2004 - no fraction is as long
        return False
    if len(before) == 1:
        return not letter or before[-1] == "0"
    return before[-1] in {"0", "1"} and (*before[-2:], last) not in _VERSION_THEN_SIZE


def context_in(name: str) -> int:
    """Return the tokens of context *name* speaks of (`-16k`, `ctx16384`, `_4096`), or 0."""
    found = _CONTEXT.search(name)
    if found is None:
        return 0
    told = (found["told"] or found["alone"] or found["before"]).lower()
    return int(told[:-1]) * 1024 if told.endswith("k") else int(told)


def ends_with(name: str, selection: str) -> bool:
    """
    Whether the file *name*, without its ending, is *selection* or ends in it as in a word.

    Case and separators do not count: `m.i1-Q4_K_M.gguf` ends with `i1-q4-k-m`.
    """
    shard = shards.parse(name)
    whole = PurePosixPath(shard.stem).name if shard else PurePosixPath(name).stem
    return bool(selection) and f"_{_plain(whole)}".endswith(f"_{_plain(selection)}")


def _plain(text: str) -> str:
    return re.sub(r"[-. ]", "_", text.casefold())
