"""How operations are told: bars that never lie."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rkd_client.v1.types import Operation, Progress
from rkd_console.pages.stock.progress import MOST, chosen, ended, told
from rkd_console.texts import CATALOGUE

RUNNING = Operation(
    id="a",
    kind="pull",
    source="u/r:Q4_0",
    state="running",
    progress=Progress(
        stage="downloading",
        done_bytes=25,
        total_bytes=100,
        rate_bytes_per_s=5_000.0,
        remaining_s=15.0,
    ),
)


def at(**progress: object) -> Operation:
    """The running one, elsewhere."""
    return replace(RUNNING, progress=replace(RUNNING.progress, **progress))


def test_a_download_has_bar_speed_and_time_left() -> None:
    """All that is known."""
    now = told(RUNNING)

    assert (now.fraction, now.stage, now.rate, now.left) == (
        0.25,
        "downloading",
        "5.0 kB/s",
        "0:15",
    )
    assert now.doings == ("pause", "cancel")


@pytest.mark.parametrize("stage", ["downloading", "verifying", "finishing"])
def test_a_bar_never_stands_full_while_work_goes_on(stage: str) -> None:
    """All bytes are there and are hashed: it says so and moves."""
    now = told(at(stage=stage, done_bytes=100))

    assert now.fraction is None
    assert now.stage in {"verifying", "finishing"}
    assert (now.rate, now.left) == ("", "")


def test_what_the_hub_says_is_shown_as_it_is() -> None:
    """A stage nobody knows here has its own words."""
    now = told(at(stage="main holds no weights: taking branch <b>"))

    assert (now.stage, now.words) == ("", "main holds no weights: taking branch <b>")


@pytest.mark.parametrize("total", [0, -1])
def test_nothing_known_is_no_fraction(total: int) -> None:
    """Before the first byte."""
    assert told(at(total_bytes=total, done_bytes=0)).fraction is None


@pytest.mark.parametrize("kind", ["pull", "push", "create"])
@pytest.mark.parametrize(
    "state", ["pending", "running", "paused", "succeeded", "failed", "cancelled"]
)
def test_every_state_has_its_words_and_a_way_on(kind: str, state: str) -> None:
    """In the catalogue; nothing that has ended can be cancelled."""
    now = told(replace(RUNNING, kind=kind, state=state))

    assert f"stock.state.{state}" in CATALOGUE
    assert now.doings
    assert all(f"stock.doing.{one}" in CATALOGUE for one in now.doings)
    assert ("cancel" in now.doings) == (state in {"pending", "running", "paused"})


def test_what_goes_on_comes_first_and_the_list_ends() -> None:
    """Ended ones only where somebody saw them go on."""
    many = [replace(RUNNING, id=str(n), state="failed" if n % 2 else "running") for n in range(99)]

    assert [one.id for one in chosen(many[:4], frozenset({"pull"}), ["1"])] == ["0", "2", "1"]
    assert len(chosen(many, frozenset({"pull"}), map(str, range(99)))) == MOST
    assert chosen(many, frozenset({"push"}), ["1"]) == ()


def test_an_end_is_told_once() -> None:
    """And a cancel, which somebody asked for, not at all."""
    done = replace(RUNNING, state="succeeded")

    assert ended([RUNNING], [done]) == (done,)
    assert ended([done], [done]) == ()
    assert ended([RUNNING], [replace(RUNNING, state="cancelled")]) == ()
