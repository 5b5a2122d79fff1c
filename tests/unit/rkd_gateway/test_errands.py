"""Which conversations nobody waits for."""

from __future__ import annotations

import pytest
from rkd_gateway.errands import errand, priority

TITLE = {"role": "user", "content": "### Task:\nGenerate a concise title."}


def test_a_title_waits_behind_people_and_is_not_thought_about() -> None:
    """Also with a system prompt before it."""
    wanted = {"priority": "background", "thinking": False}
    assert errand([TITLE]) == wanted
    assert errand([{"role": "system", "content": "Be kind"}, TITLE]) == wanted


@pytest.mark.parametrize(
    "turns",
    [
        [{"role": "user", "content": "What is a ### Task:\n?"}],
        [TITLE, {"role": "assistant", "content": "x"}, {"role": "user", "content": "y"}],
        [{"role": "assistant", "content": TITLE["content"]}],
        [],
    ],
)
def test_what_a_person_asks_is_none(turns: list[dict[str, str]]) -> None:
    """A conversation, another beginning, somebody else's turn."""
    assert errand(turns) == {}


def test_a_client_says_how_urgent_it_is() -> None:
    """Words that are none are nothing."""
    assert priority(" Background ") == {"priority": "background"}
    assert priority("now") == priority(None) == {}
