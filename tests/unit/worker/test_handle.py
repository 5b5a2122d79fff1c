"""A run is cancelled once, and whoever asked hears of it once, before or after."""

from __future__ import annotations

from rkd.worker.handle import Handle


def test_the_act_is_called_on_cancel() -> None:
    """Once, however often somebody cancels; the last one given."""
    handle, called = Handle(), []
    handle.on_cancel(lambda: called.append("first"))
    handle.on_cancel(lambda: called.append("second"))
    assert not handle.cancelled
    handle.cancel()
    handle.cancel()

    assert handle.cancelled
    assert called == ["second"]


def test_a_late_act_is_called_at_once() -> None:
    """A cancel that came first is not lost; without an act it is only noted."""
    handle, called = Handle(), []
    handle.cancel()
    handle.on_cancel(lambda: called.append("late"))

    assert called == ["late"]
