"""Ways of marking reasoning that count where the model's template shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.backend.text.calls.table import format_of, markers_of
from rkd.backend.text.splitter import ENDED_IN_REASONING, splitter_for
from rkd.capability.template import TemplateTraits
from rkd.capability.think import SHOWN_THINKS, Think
from rkd.inference import Run
from rkd.model import Message

RUN = Run(messages=(Message("user", "why?"),))
PAGE = Path(__file__).resolve().parents[4] / "docs" / "tools.md"


def template(think: Think) -> str:
    """A chat template of a model that reasons so."""
    return f"{{% if x %}}{think.open}{{{{ x }}}}{think.close}{{% endif %}}"


def parted(source: str, prompt: str, answer: str, size: int) -> tuple[str, str, tuple[str, ...]]:
    """Reasoning, text and warnings of *answer*, which comes in pieces of *size*."""
    splitter = splitter_for(RUN, prompt, format_of(source))
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    splits = [*(splitter.feed(piece) for piece in pieces), splitter.flush()]
    return (
        "".join(one.reasoning for one in splits),
        "".join(one.text for one in splits),
        splitter.warnings,
    )


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("think", SHOWN_THINKS, ids=lambda one: one.open)
def test_where_the_template_shows_it(think: Think, size: int) -> None:
    """Opened by the model or by the prompt, unclosed, and not at all."""
    source = template(think)
    whole = f"{think.open}hm{think.close}\n\nyes"

    assert parted(source, "p", whole, size) == ("hm", "yes", ())
    assert parted(source, f"p{think.open}\n", f"hm{think.close}yes", size) == ("hm", "yes", ())
    assert parted(source, "p", f"{think.open}hm", size) == ("hm", "", (ENDED_IN_REASONING,))
    assert parted(source, "p", "just so", size) == ("", "just so", ())
    assert TemplateTraits.of(source).think == think
    assert {think.open, think.close} <= set(markers_of(format_of(source), tools=False))


@pytest.mark.parametrize("think", SHOWN_THINKS, ids=lambda one: one.open)
def test_where_it_does_not(think: Think) -> None:
    """Somebody asked for an answer in such tags: it is the text he gets."""
    said = f"{think.open}hm{think.close}yes"

    assert parted("{{ messages }}", "p", said, 1) == ("", said, ())


def test_the_page_names_them() -> None:
    """docs/tools.md."""
    text = PAGE.read_text(encoding="utf-8")
    assert [one.open for one in SHOWN_THINKS if f"`{one.open}`" not in text] == []
