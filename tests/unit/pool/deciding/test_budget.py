"""The vector of admission."""

from __future__ import annotations

from rkd.pool.deciding.budget import (
    GIB,
    MIB,
    NPU_DOMAINS,
    PLACES,
    Capacity,
    Held,
    Need,
    Shortfall,
    find_domain,
    free_ram,
    never_fits,
    shortfall,
)
from rkd.pool.deciding.settings import PoolSettings
from rkd.words import size

ROOM = Capacity(8 * GIB, reserve_bytes=GIB, max_resident=3)


class TestRam:
    """Two bounds: our share, and what the machine has."""

    def test_our_share_counts_everything_promised(self) -> None:
        """Also what is promised and already visible in MemAvailable."""
        held = (Held(Need(3 * GIB)),)
        assert free_ram(held, ROOM, 100 * GIB) == 5 * GIB

    def test_the_machine_counts_what_has_not_arrived(self) -> None:
        """A load under way has not taken its memory yet: it is subtracted."""
        assert free_ram((Held(Need(3 * GIB), arriving=True),), ROOM, 6 * GIB) == 2 * GIB
        assert free_ram((Held(Need(3 * GIB)),), ROOM, 3 * GIB) == 2 * GIB

    def test_the_words_carry_both_numbers(self) -> None:
        """What is needed and what can be had."""
        short = shortfall(Need(6 * GIB), (Held(Need(3 * GIB)),), ROOM, 100 * GIB)
        assert str(short) == "needs 6.4 GB of memory, 5.4 GB can be had"

    def test_places_are_counted_and_jobs_take_none(self) -> None:
        """Three residents are as many as may be; a job beside them is no resident."""
        three = tuple(Held(Need(MIB)) for _ in range(3))
        short = shortfall(Need(MIB), three, ROOM, 100 * GIB)
        assert short is not None
        assert "places" in short.what
        two = (*three[:2], Held(Need(MIB), place=False))
        assert shortfall(Need(MIB), two, ROOM, 100 * GIB) is None

    def test_never_judges_an_empty_machine(self) -> None:
        """The reserve is no part of our share."""
        assert never_fits(Need(8 * GIB), ROOM) is None
        assert never_fits(Need(8 * GIB + 1), ROOM) is not None


class TestDomains:
    """4 GiB of NPU address space each, sixteen of them."""

    def test_the_lowest_free_run_is_taken(self) -> None:
        """A gap too small is passed over."""
        held = (Held(Need(1, 1), 0), Held(Need(1, 5 * GIB), 2))
        assert find_domain(Need(1, GIB), held, ROOM) == 1
        assert find_domain(Need(1, 5 * GIB), held, ROOM) == 4

    def test_the_cpu_takes_none(self) -> None:
        """-1 stands for none."""
        assert find_domain(Need(GIB), (), ROOM) == -1

    def test_an_old_runtime_takes_the_first_or_none(self) -> None:
        """1.1 crashes with another base domain than 0."""
        old = Need(1, GIB, first_domain_only=True)
        assert find_domain(old, (), ROOM) == 0
        assert find_domain(old, (Held(Need(1, GIB), 0),), ROOM) is None

    def test_all_taken(self) -> None:
        """The seventeenth model has no domain, and a claim counts like a model."""
        roomy = Capacity(100 * GIB)
        held = tuple(Held(Need(1, GIB), domain) for domain in range(NPU_DOMAINS - 1))
        assert shortfall(Need(1, GIB), held, roomy, 200 * GIB) is None
        claimed = (*held, Held(Need(1, GIB), arriving=True))
        short = shortfall(Need(1, GIB), claimed, roomy, 200 * GIB)
        assert short is not None
        assert "NPU" in short.what


def test_sizes_for_people() -> None:
    """GiB with one digit, else whole MiB."""
    assert (size(3 * GIB + GIB // 8), size(420 * MIB)) == ("3.4 GB", "440 MB")


def test_a_worker_may_take_half_again_and_a_little() -> None:
    """What the kernel allows its worker lies well above what a model is thought to take."""
    assert Need(2 * GIB).limit_bytes == 4 * GIB
    assert Need(0).limit_bytes == GIB


class TestShortfalls:
    """What is told of something that does not fit."""

    def test_each_says_what_is_counted(self) -> None:
        """Places, bytes of memory, domains of the NPU, each with its numbers."""
        full = Capacity(8 * GIB, max_resident=1)
        one_place = shortfall(Need(MIB), (Held(Need(MIB)),), full, 100 * GIB)
        memory = shortfall(Need(6 * GIB), (Held(Need(3 * GIB)),), ROOM, 0)
        every = Held(Need(MIB, NPU_DOMAINS * 4 * GIB), 0)
        domains = shortfall(Need(MIB, 5 * GIB), (every,), ROOM, 100 * GIB)

        assert one_place is not None
        assert str(one_place) == ("needs a place and finds all of them taken (RKD_MAX_RESIDENT)")
        assert memory is not None
        assert (memory.needed, memory.available) == (6 * GIB, 0)
        assert str(domains) == "needs 2 NPU address domains, 0 can be had"

    def test_a_resident_in_the_first_domain_counts(self) -> None:
        """Domain 0 is a domain."""
        first = Held(Need(MIB, (NPU_DOMAINS - 1) * 4 * GIB), 0)

        assert shortfall(Need(MIB, 4 * GIB), (first,), ROOM, 100 * GIB) is None
        assert shortfall(Need(MIB, 5 * GIB), (first,), ROOM, 100 * GIB) is not None

    def test_a_claim_that_has_no_room_itself_takes_none(self) -> None:
        """It waits as well; who is smaller goes by it."""
        held = (Held(Need(MIB, 4 * GIB), 8), Held(Need(MIB, 15 * 4 * GIB)))

        assert shortfall(Need(MIB, 4 * GIB), held, ROOM, 100 * GIB) is None


def test_a_place_is_short_by_one() -> None:
    """Told as numbers as well as in words."""
    held = tuple(Held(Need(0)) for _ in range(3))
    assert shortfall(Need(0), held, ROOM, 100 * GIB) == Shortfall(PLACES, 1, 0)


def test_a_fraction_of_the_machine_is_for_models() -> None:
    """Rounded down to bytes."""
    assert PoolSettings(memory_fraction=0.5).capacity(101).ram_bytes == 50
