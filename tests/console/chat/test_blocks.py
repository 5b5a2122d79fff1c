"""An answer cut into blocks while it grows."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rkd_console.chat.blocks import (
    MAX_BLOCK_CHARACTERS,
    MAX_CODE_CHARACTERS,
    Block,
    Blocks,
    blocks_of,
)

WHOLE = """# Rivers
one
two

- a

- b
  ```py
  x

  y
  ```

1. c

   more

the end

```python
def f():

    pass
```
after
~~~
open ```
"""
MARKS = st.text(st.sampled_from("ab -*1.>|`~\n#"), max_size=200)


def test_blocks_are_what_markdown_would_part() -> None:
    """Paragraphs end at a blank line, lists go on behind it, fences are code to the letter."""
    assert blocks_of(WHOLE) == [
        Block("text", "# Rivers\none\ntwo"),
        Block("text", "- a\n\n- b\n  ```py\n  x\n\n  y\n  ```\n\n1. c\n\n   more"),
        Block("text", "the end"),
        Block("code", "def f():\n\n    pass", "python"),
        Block("text", "after"),
        Block("code", "open ```"),
    ]


@given(MARKS, st.lists(st.integers(0, 200), max_size=8))
def test_how_the_text_comes_changes_nothing(text: str, cuts: list[int]) -> None:
    """However it is cut, the blocks are the same, and none that was finished changes."""
    grown = Blocks()
    at, finished = 0, list[Block]()
    for cut in [*sorted(cuts), len(text)]:
        grown.add(text[at:cut])
        at = max(at, cut)
        grown.tail()

        assert grown.done[: len(finished)] == finished

        finished = list(grown.done)
    grown.end()

    assert grown.done == blocks_of(text)


@given(MARKS)
@example("```a")
@example("~~~")
def test_nothing_of_the_text_is_lost(text: str) -> None:
    """Every letter stands in a block, in its order."""
    kept = "".join(one.text for one in blocks_of(f"{text}\n"))
    letters = [one for one in text if one in "ab"]
    fenced = sum(one.kind == "code" for one in blocks_of(f"{text}\n"))

    assert fenced or [one for one in kept if one in "ab"] == letters


@pytest.mark.parametrize(
    "text",
    [
        "x" * 1_000_000,
        "x " * 500_000,
        "```\n" + "a b\n" * 250_000,
        "```\n" + "y" * 1_000_000,
        "- " + "a\n\n" * 300_000,
        "`" * 1_000_000,
        "- ```\n" * 150_000,
        "```\n" * 250_000,
        "a\n\n- b\n\n" * 100_000,
    ],
    ids=range(9),
)
def test_no_answer_makes_many_or_large_blocks(text: str) -> None:
    """A megabyte of anything is a bounded number of bounded blocks."""
    grown = Blocks()
    for at in range(0, len(text), 997):
        grown.add(text[at : at + 997])
        tail = grown.tail()

        assert tail is None or len(tail.text) <= 2 * MAX_CODE_CHARACTERS
    grown.end()

    assert len(grown.done) < 2_500
    assert all(
        len(one.text) <= (2 * MAX_BLOCK_CHARACTERS if one.kind == "text" else 33 << 10)
        for one in grown.done
    )


@pytest.mark.parametrize("line", ["a b\n", "y" * 997 + "\n", "z" * 100_000 + "\n"])
def test_pieces_of_long_code_are_the_code(line: str) -> None:
    """Code that is cut for its length is, joined, what stood in the fence."""
    code = line * (200_000 // len(line))

    blocks = blocks_of(f"```c\n{code}```\n")

    assert len(blocks) > 2
    assert [one.goes_on for one in blocks] == [False] + [True] * (len(blocks) - 1)
    assert "".join(one.text for one in blocks).rstrip("\n") == code.rstrip("\n")


def test_the_tail_of_code_only_grows() -> None:
    """A page draws what is new of it behind what it drew."""
    grown, before = Blocks(), ""
    for one in "```py\nx = '`'\n``\n``` not the end\nlast":
        grown.add(one)
        tail = grown.tail()
        if tail is not None and tail.kind == "code":
            assert tail.text.startswith(before)

            before = tail.text
    assert before == "x = '`'\n``\n``` not the end\nlast"
