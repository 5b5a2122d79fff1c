"""
Whether a model fits beside what is there: admission by a vector, as pure functions.

The vector is RAM (ours and the machine's), places, and NPU address space by IOMMU domain. Who has
to leave when it does not fit is `eviction.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rkd.words import size

MIB = 1024 * 1024
GIB = 1024 * MIB

NPU_DOMAINS = 16
"""IOMMU domains of the RK3588's NPU driver. Source: rknpu driver 0.9.8."""

NPU_DOMAIN_BYTES = 4 * GIB
"""
Address space of one domain; a larger model spills into the following ones.

Source: runtime logs of failed allocations (`size: 4022272000`, errno 14), airockchip/rknn-llm
issues 4, 139, 232.
"""


@dataclass(frozen=True, slots=True)
class Need:
    """
    What one resident model takes.

    Args:
        ram_bytes: memory of its worker, NPU buffers included (the NPU uses ordinary RAM).
        npu_bytes: NPU address space; 0 on the CPU.
        first_domain_only: the runtime crashes with another base domain than 0 (1.1.x; source:
            airockchip/rknn-llm issues 99, 139).
        encoder_bytes: of a vision encoder beside it, whose library knows no domain but the first;
            counted in *ram_bytes*, not in *npu_bytes*.
    """

    ram_bytes: int
    npu_bytes: int = 0
    first_domain_only: bool = False
    encoder_bytes: int = 0

    @property
    def domains(self) -> int:
        """How many consecutive IOMMU domains it takes."""
        return -(-self.npu_bytes // NPU_DOMAIN_BYTES)

    @property
    def limit_bytes(self) -> int:
        """
        Private memory its worker may take before the kernel refuses it more: a generous bound.

        Measured (VmData, x86-64, xllamacpp 2026.10): SmolLM2-135M with two slots of 4,096 tokens
        428 MB loaded and 448 MB after two runs; 415 MB thought, so 1.6 GiB allowed.
        """
        return self.ram_bytes + self.ram_bytes // 2 + GIB


@dataclass(frozen=True, slots=True)
class Capacity:
    """
    What there is for models altogether.

    Args:
        ram_bytes: the memory fraction of the machine's RAM.
        reserve_bytes: what must stay available for everything else whatever the fraction.
        max_resident: most models at once; 0 leaves it to memory.
        domains: IOMMU domains of the NPU.
    """

    ram_bytes: int
    reserve_bytes: int = 0
    max_resident: int = 0
    domains: int = NPU_DOMAINS


@dataclass(frozen=True, slots=True)
class Held:
    """
    What a resident holds, or a waiter has a claim on.

    Args:
        domain: its first IOMMU domain, -1 for none (yet).
        arriving: its memory may not be taken yet, so MemAvailable does not show it.
        place: it counts against max_resident; a job does not.
    """

    need: Need
    domain: int = -1
    arriving: bool = False
    place: bool = True


PLACES = "resident places"


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why something does not fit; needed and available are in the unit `what` is counted in."""

    what: str
    needed: int
    available: int

    def __str__(self) -> str:
        if self.what == PLACES:
            return "needs a place and finds all of them taken (RKD_MAX_RESIDENT)"
        if self.what == "memory":
            return f"needs {size(self.needed)} of memory, {size(self.available)} can be had"
        return f"needs {self.needed} {self.what}, {self.available} can be had"


def free_ram(held: Iterable[Held], capacity: Capacity, available_bytes: int) -> int:
    """
    Bytes a new model may take now; may be negative.

    Two bounds: our own share (capacity less everything promised) and what the machine really has
    (MemAvailable less the reserve and less what is promised but not taken yet).
    """
    promised = arriving = 0
    for one in held:
        promised += one.need.ram_bytes
        arriving += one.need.ram_bytes if one.arriving else 0
    return min(
        capacity.ram_bytes - promised,
        available_bytes - capacity.reserve_bytes - arriving,
    )


def find_domain(need: Need, held: Iterable[Held], capacity: Capacity) -> int | None:
    """
    The lowest base domain with room for *need*; None when there is none; -1 on the CPU.

    The first domain is the encoders' as long as there are any: together they fit into it, and no
    model lies there beside them, but for one of a runtime that knows no other domain.
    """
    if not need.npu_bytes:
        return -1
    placed = [one for one in held if one.domain >= 0]
    taken = {
        domain for one in placed for domain in range(one.domain, one.domain + one.need.domains)
    }
    encoders = sum(one.need.encoder_bytes for one in placed)
    if need.encoder_bytes and not need.first_domain_only:
        if 0 in taken or encoders + need.encoder_bytes > NPU_DOMAIN_BYTES:
            return None
        taken.add(0)
    if encoders:
        taken.add(0)
    for base in range(1 if need.first_domain_only else capacity.domains):
        wanted = range(base, base + need.domains)
        if wanted.stop <= capacity.domains and taken.isdisjoint(wanted):
            return base
    return None


def shortfall(
    need: Need, held: tuple[Held, ...], capacity: Capacity, available_bytes: int
) -> Shortfall | None:
    """Why *need* does not fit beside *held*; None when it does."""
    places = sum(one.place for one in held)
    if capacity.max_resident and places >= capacity.max_resident:
        return Shortfall(PLACES, 1, 0)
    free = free_ram(held, capacity, available_bytes)
    if need.ram_bytes > free:
        return Shortfall("memory", need.ram_bytes, max(0, free))
    # A claim on domains has no base yet: count it as taking the lowest ones that are free.
    settled = [one for one in held if one.domain >= 0]
    for one in held:
        if one.domain < 0 and one.need.npu_bytes:
            base = find_domain(one.need, settled, capacity)
            if base is not None:
                settled.append(Held(one.need, base))
    if find_domain(need, settled, capacity) is None:
        return Shortfall("NPU address domains", need.domains, 0)
    return None


def never_fits(need: Need, capacity: Capacity) -> Shortfall | None:
    """Why *need* cannot fit even into an empty machine of this capacity; None when it can."""
    return shortfall(need, (), capacity, capacity.ram_bytes + capacity.reserve_bytes)
