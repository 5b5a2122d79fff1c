"""A model sent to the Hub from its page: asked where to, watched to its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Chromium
from tests.browser.stock_board import board
from tests.hub.server import LocalHub
from tests.integration.daemon_process import DaemonProcess


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    """A hub that takes what its friend brings."""
    with LocalHub() as made:
        yield made


@pytest.fixture(scope="module")
def daemon(hub: LocalHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A board with that friend's token."""
    folder = tmp_path_factory.mktemp("push")
    with board(folder, HF_ENDPOINT=hub.endpoint, HF_TOKEN="hf_good") as made:
        yield made


def test_a_model_is_pushed_where_somebody_says(signed_in: Chromium, hub: LocalHub) -> None:
    """A bad name is refused in the dialog's time; a good one ends in a commit with the weights."""
    signed_in.open("/models?model=tiny")
    signed_in.find(".stock-dialog pre")
    signed_in.click_named("Push to the Hub")
    signed_in.find(".stock-ask input[name=to]")
    assert signed_in.serious() == []
    signed_in.type(".stock-ask input[name=to]", "tester/tiny")
    signed_in.type(".stock-ask input[name=message]", "from the page")
    signed_in.click(".stock-ask input[name=private]")
    signed_in.click(".stock-ask button[type=submit]")
    signed_in.find("li[data-operation][data-state=succeeded]")

    there = hub.store.repositories["tester/tiny"]
    assert there.private
    assert any(name.endswith(".gguf") for name in there.commits[there.head])
