"""What every call carries besides its message."""

from __future__ import annotations

from rkd_client.channel import MAX_MODEL_NAME, MODEL_KEY, Caller


def test_a_model_is_named_for_proxies_unless_its_name_is_none() -> None:
    """A header that is too long would end the call before the daemon can say what is wrong."""
    assert dict(Caller().pairs("smol")) == {MODEL_KEY: "smol"}
    assert dict(Caller().pairs("")) == {}
    assert dict(Caller().pairs("a" * (MAX_MODEL_NAME + 1))) == {}
