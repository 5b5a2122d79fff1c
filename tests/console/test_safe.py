"""What comes from outside can do nothing."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from rkd_console.safe import MOST_MARKDOWN, TAGS, markdown, shown

from tests.growth import assert_linear

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](https://elsewhere.example/p.png)",
    "[x](javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "<a href='jav&#x09;ascript:alert(1)'>x</a>",
    "<iframe src=https://elsewhere.example></iframe>",
    "<svg><script>alert(1)</script></svg>",
    "<style>body{display:none}</style>",
    "<form action=/signout method=post><button>x</button></form>",
    "<div id=content class=rkd-banner style='position:fixed'>x</div>",
    "<base href=https://elsewhere.example>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "```js onload=alert(1)\nx\n```",
    "[x](/signout)",
    "<!--><img src=x onerror=alert(1)>-->",
    '![a"onerror="alert(1)](https://elsewhere.example/"onerror="alert(1))',
)


class Read(HTMLParser):
    """What a browser would make of HTML: tags and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take one."""
        self.tags.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_keeps_nothing_that_acts(text: str) -> None:
    """No script, no event, no style, no form, nothing that loads by itself or leads back to us."""
    made = Read(markdown(text))

    assert made.tags <= TAGS
    names = {name for name, _ in made.attributes}
    assert names <= {"href", "title", "class", "start", "align", "rel", "target"}
    links = {value for name, value in made.attributes if name == "href"}
    assert all(link.startswith(("http:", "https:", "mailto:")) for link in links)


def test_a_link_opens_elsewhere_and_tells_nothing() -> None:
    """Its page cannot reach back to ours."""
    made = markdown("[x](https://elsewhere.example)")

    assert 'rel="noopener noreferrer nofollow"' in made
    assert 'target="_blank"' in made


def test_a_picture_is_a_link_to_it() -> None:
    """A model's answer cannot call home."""
    assert "<img" not in markdown("![cat](https://elsewhere.example/cat.png)")
    assert ">cat</a>" in markdown("![cat](https://elsewhere.example/cat.png)")


def test_markdown_is_markdown() -> None:
    """Headings, tables, code with its language."""
    made = markdown("# T\n\n|a|b|\n|-|-|\n|1|2|\n\n```python\nx = 1 < 2\n```\n")

    assert "<h1>T</h1>" in made
    assert "<td>1</td>" in made
    assert '<code class="language-python">x = 1 &lt; 2\n</code>' in made


@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\x00", "\x1b", "\u200b", "\ud800"])
def test_what_hides_is_shown(character: str) -> None:
    """Text that turns or hides itself says so; it is always text that can be sent."""
    made = shown(f"a{character}b")

    assert character not in made
    assert f"{ord(character):04X}" in made
    assert made.encode()


def test_what_is_long_is_cut() -> None:
    """Nothing is without an end."""
    assert len(shown("x" * 10_000_000)) == 2_000
    assert len(markdown("x" * 10_000_000)) < MOST_MARKDOWN + 100


@pytest.mark.parametrize(
    "piece", ["[", "![", "*a ", "<a", "> ", "`", "_a*", "|a", "&", "[a](", "<!--", "- "]
)
def test_markdown_grows_with_its_text_alone(piece: str) -> None:
    """Nothing in it is read again and again."""
    assert_linear(lambda size: piece * (size // len(piece)), markdown, most=MOST_MARKDOWN)
