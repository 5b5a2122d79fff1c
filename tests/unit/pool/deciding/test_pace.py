"""How long things take here, guessed from what was seen."""

from __future__ import annotations

import pytest

from rkd.pool.deciding.pace import Pace


def test_nothing_is_known_before_anything_was_seen() -> None:
    """No guess at all, instead of a bad one."""
    pace = Pace()

    assert (pace.run_s("a"), pace.load_s("a")) == (None, None)


def test_the_mean_moves_towards_what_is_seen() -> None:
    """By three tenths of the way each time, for runs and loads apart."""
    pace = Pace()
    for took_s in (10.0, 20.0):
        pace.ran("a", took_s)
    for took_s in (2.0, 1.0):
        pace.loaded("a", took_s)

    assert pace.run_s("a") == pytest.approx(13.0)
    assert pace.load_s("a") == pytest.approx(1.7)


def test_a_model_never_seen_is_guessed_from_all_others() -> None:
    """The mean over all is kept beside those of the models."""
    pace = Pace()
    pace.ran("a", 4.0)
    pace.ran("b", 14.0)
    pace.loaded("a", 3.0)
    pace.loaded("b", 13.0)

    assert (pace.run_s("b"), pace.load_s("b")) == (14.0, 13.0)
    assert pace.run_s("new") == pytest.approx(7.0)
    assert pace.load_s("new") == pytest.approx(6.0)


def test_what_is_forgotten_falls_back_on_the_others() -> None:
    """A model that changed on disk is as one never seen."""
    pace = Pace()
    pace.ran("a", 100.0)
    pace.loaded("a", 100.0)
    pace.ran("b", 0.0)
    pace.loaded("b", 0.0)

    pace.forget("a")
    pace.forget("never seen")

    assert pace.run_s("a") == pytest.approx(70.0)
    assert pace.load_s("a") == pytest.approx(70.0)
