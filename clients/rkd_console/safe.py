"""
What comes from outside (the daemon, the Hub, a model) as text and as HTML that can do nothing.

Everything is bounded before it is read. `shown` is for one line or a block of plain text;
`markdown` is the one way in which foreign text becomes HTML.
"""

from __future__ import annotations

import re
from typing import Final

import nh3
from markdown_it import MarkdownIt

MOST_SHOWN: Final = 2_000
MOST_MARKDOWN: Final = 200_000
"""Characters that are read; what is longer is cut, and says so."""

CUT: Final = "…"

# Controls (but tab and line ends), and what turns or hides text: it is shown, never obeyed.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)

_INLINE: Final = ("a", "b", "br", "code", "del", "em", "i", "kbd", "s", "small", "span", "strong")
_BLOCKS: Final = ("blockquote", "details", "div", "hr", "p", "pre", "sub", "summary", "sup", "u")
_LISTS: Final = ("dd", "dl", "dt", "li", "ol", "table", "tbody", "td", "th", "thead", "tr", "ul")
TAGS: Final = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", *_INLINE, *_BLOCKS, *_LISTS))
ATTRIBUTES: Final = {
    "a": {"href", "title"},
    "code": {"class"},
    "ol": {"start"},
    "td": {"align"},
    "th": {"align"},
}
SCHEMES: Final = frozenset({"http", "https", "mailto"})
_LANGUAGE: Final = re.compile(r"language-[A-Za-z0-9+#._-]{1,40}")


def shown(text: str, most: int = MOST_SHOWN) -> str:
    """Return *text* as it can be shown: at most *most* characters, with what hides made visible."""
    cut = text if len(text) <= most else text[: most - 1] + CUT
    return _HIDDEN.sub(lambda found: f"\u27e8{ord(found.group()):04X}\u27e9", cut)


def markdown(text: str, most: int = MOST_MARKDOWN, *, html: bool = True) -> str:
    """
    Return *text* as HTML with nothing in it that acts, loads or leaves the page by itself.

    Pictures become links; HTML in it is kept only where it is of `TAGS`, and without *html* shown
    as the text that it is.
    """
    rendered = _reader(html=html).render(shown(text, most))
    return nh3.clean(
        rendered,
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        attribute_filter=_attribute,
        url_schemes=set(SCHEMES),
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        clean_content_tags={"script", "style", "template", "iframe", "svg", "math"},
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "class":
        return value if _LANGUAGE.fullmatch(value) else None
    if tag == "a" and name == "href" and not value.lower().startswith(("http", "mailto:")):
        return None  # nothing of this console is reached from foreign text
    return value


def _reader(*, html: bool) -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": html, "linkify": False, "maxNesting": 20})
    reader.enable(["table", "strikethrough"])
    reader.add_render_rule("image", _picture)
    return reader


def _picture(self: object, tokens: object, index: int, *_: object) -> str:
    """Show a picture as a link to it: nothing of another machine is loaded by itself."""
    del self
    token = tokens[index]  # type: ignore[index]
    link, alt = str(token.attrGet("src") or ""), str(token.content or token.attrGet("src") or "")
    return f'<a href="{_quoted(link)}">{_quoted(alt)}</a>'


def _quoted(text: str) -> str:
    for plain, quoted in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(plain, quoted)
    return text
