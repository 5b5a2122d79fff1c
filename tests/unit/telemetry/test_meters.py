"""What is counted."""

from __future__ import annotations

import pytest

from rkd.telemetry.meters import Meters


class FakeClock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_calls_are_counted_by_method_and_code() -> None:
    """Each end adds one, and its duration to the method's histogram."""
    meters = Meters(FakeClock())
    meters.call_ended("/rkd.v1.ModelService/List", "OK", 0.02)
    meters.call_ended("/rkd.v1.ModelService/List", "OK", 400)
    meters.call_ended("/rkd.v1.ModelService/List", "NOT_FOUND", 0.001)
    seconds = meters.call_seconds["rkd.v1.ModelService/List"]

    assert meters.calls["rkd.v1.ModelService/List", "OK"] == 2
    assert meters.calls["rkd.v1.ModelService/List", "NOT_FOUND"] == 1
    assert (seconds.counts[0], seconds.counts[1], seconds.counts[-1]) == (1, 1, 1)
    assert seconds.sum == pytest.approx(400.021)


def test_first_and_later_tokens_have_their_own_histograms() -> None:
    """A chunk of several tokens counts as that many, each of its share of the time."""
    clock = FakeClock()
    meters = Meters(clock)
    stream = meters.stream("r1", "tiny")
    clock.now += 2
    stream.tokens(1)
    clock.now += 0.08
    stream.tokens(4)
    stream.tokens(0)

    assert sum(meters.first_token["tiny"].counts) == 1
    assert meters.first_token["tiny"].sum == pytest.approx(2)
    assert sum(meters.inter_token["tiny"].counts) == 4
    assert meters.inter_token["tiny"].counts[1] == 4
    assert meters.tokens["tiny", "completion"] == 5


def test_a_view_tells_the_rate_of_the_last_seconds() -> None:
    """Ten tokens a second now, whatever the load before took; zero when it stalls."""
    clock = FakeClock()
    stream = Meters(clock).stream("r1", "tiny")
    clock.now += 60
    for _ in range(50):
        clock.now += 0.1
        stream.tokens(1)
    view = stream.view()
    clock.now += 10

    assert (view.request_id, view.model, view.tokens) == ("r1", "tiny", 50)
    assert view.tokens_per_s == pytest.approx(10)
    assert view.age_s == pytest.approx(65)
    assert stream.view().tokens_per_s == 0


def test_an_ended_stream_is_gone_and_counted_once() -> None:
    """By its reason; a second end changes nothing."""
    meters = Meters(FakeClock())
    stream = meters.stream("r1", "tiny")
    meters.stream("r2", "tiny")
    stream.prompt(10, 4)
    stream.ended("STOP_EOS")
    stream.ended("CANCELLED")

    assert dict(meters.answers) == {("tiny", "STOP_EOS"): 1}
    assert [one.request_id for one in meters.streams.values()] == ["r2"]
    assert (meters.tokens["tiny", "prompt"], meters.tokens["tiny", "cached"]) == (10, 4)


def test_a_deleted_model_leaves_no_series() -> None:
    """Names cannot pile up; other models keep theirs."""
    meters = Meters(FakeClock())
    for model in ("gone", "kept"):
        stream = meters.stream("r", model)
        stream.tokens(1)
        stream.tokens(1)
        stream.ended("LENGTH")
        meters.worker_died(model, "9")
    meters.forget("gone")

    for series in (meters.tokens, meters.answers, meters.worker_deaths):
        assert {model for model, _ in series} == {"kept"}
    assert set(meters.first_token) == set(meters.inter_token) == {"kept"}
