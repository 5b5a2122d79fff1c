"""Where pictures stand in a prompt, through every kind of template."""

from __future__ import annotations

from rkd.backend.pictures.marks import Marks, Pieces
from rkd.backend.prompt.chat import ChatTemplate
from rkd.inference import Run
from rkd.model import Media, Message, Part

A, B = Media(b"a", 1, 1), Media(b"b", 2, 2)
PLAIN = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] | trim }}</>{% endfor %}"
TYPED = (
    "{% for m in messages %}<{{ m.role }}>{% for p in m.content %}{% if p.type == 'text' %}"
    "{{ p.text }}{% elif p.type == 'image' %}<image>{% endif %}{% endfor %}</>{% endfor %}"
)
LAST_ONLY = "{{ messages[-1]['content'] }}"
TWICE = "{{ messages[-1]['content'] }}{{ messages[-1]['content'] }}"


def rendered(template: str, *turns: tuple[Part, ...]) -> Pieces:
    """What *template* makes of turns of the user."""
    messages = tuple(
        Message("user", "".join(p for p in parts if isinstance(p, str)), parts=parts)
        for parts in turns
    )
    marks = Marks(Run(messages=messages))
    return marks.pieces(ChatTemplate(template).prompt(marks.run))


def test_a_picture_stands_where_it_was_put() -> None:
    """In templates that take text and in those that take typed parts alone."""
    for template in (PLAIN, TYPED):
        pieces = rendered(template, ("x", A, "y", B), (A, "z"))

        assert pieces == Pieces(("<user>x", "y", "</><user>", "z</>"), (A, B, A))
        assert pieces.joined("<M>") == "<user>x<M>y<M></><user><M>z</>"


def test_a_templates_own_placeholder_is_never_written() -> None:
    """The engine puts the model's tokens around a picture itself."""
    assert "<image>" not in rendered(TYPED, ("x", A)).joined("M")


def test_turns_a_template_drops_take_their_pictures_along() -> None:
    """With a word about it; one written twice is seen twice."""
    dropped = rendered(LAST_ONLY, (A, "x"), ("y", B, "z"))

    assert dropped == Pieces(("y", "z"), (B,), lost=1)
    assert dropped.warnings == ("the model's chat template left out 1 of the pictures",)
    assert rendered(TWICE, (A, "x")) == Pieces(("", "x", "x"), (A, A))
    assert rendered(PLAIN, (A, "x")).warnings == ()


def test_a_raw_prompt_has_its_places_too() -> None:
    """Text alone passes as it is."""
    marks = Marks(Run(prompt_parts=("x", A, B)))
    assert marks.pieces(marks.run.prompt) == Pieces(("x", "", ""), (A, B))

    run = Run(prompt="text")
    assert (Marks(run).run, Marks(run).pieces("text")) == (run, Pieces(("text",)))


def test_a_prompt_never_ends_with_a_picture() -> None:
    """Nor does anybody else's marker stand in it."""
    assert Pieces(("", ""), (A,)).joined("<M>") == "<M>\n"
    assert Pieces(("<M> ", "<M>"), (A,)).joined("<M>") == "< M> <M>< M>"
    assert Pieces(("<M>",)).joined("<M>") == "< M>"


def test_a_system_turn_joins_a_turn_with_pictures() -> None:
    """Where a template has no place for it."""
    strict = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
        "{{ m.content }}{% endfor %}"
    )
    turn = Message("user", "x", parts=(A, "x"))
    marks = Marks(Run(messages=(Message("system", "s"), turn)))
    pieces = marks.pieces(ChatTemplate(strict).prompt(marks.run))

    assert pieces == Pieces(("s\n\n", "x"), (A,))
