"""
Make broken inputs out of good ones: cut, repeat, splice, nest, and put in what readers trip over.

Everything comes from the `random.Random` handed in: the same seed gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

MAX_BYTES = 64 * 1024
"""A mutant is cut here, unless its target says otherwise."""

ODD = (
    *(b"\0", b"\r", b"\n", b"\r\n", b"\t", b" ", b"\x1b[31m", b"\x7f", b"\x85", b"\xa0"),
    *(b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc3", b"\xf4\x90"),
    *(
        "\u2028".encode(),
        "\u202e".encode(),
        "\u200b".encode(),
        "é".encode("latin-1"),
        "👋".encode(),
    ),
    *(
        b'"',
        b"'",
        b"`",
        b"\\",
        b'"""',
        b"{{",
        b"}}",
        b"{%",
        b"%}",
        b"[",
        b"{",
        b"(",
        b")",
        b"=",
        b"#",
    ),
    *(b"\\u0000", b"\\ud800", b"../", b"/", b"%00", b"%s", b"{0}", b"${HOME}", b"null", b"true"),
)
"""What ends lines, opens, closes, escapes, or is no text at all."""

NUMBERS = (
    *(b"0", b"-0", b"-1", b"1", b"1.5", b"1e3", b"1e999", b"-1e999", b"nan", b"inf", b"-inf"),
    *(str(2**bits + more).encode() for bits in (7, 15, 16, 31, 32, 53, 63, 64) for more in (-1, 0)),
    *(b"9" * 400, b"9" * 5_000, b"0x10", b"1_000", "\u0663".encode(), b"1e-400", b"+5", b"007"),
)
"""Every border a number has somewhere."""

_NUMBER = re.compile(rb"[0-9]+(?:\.[0-9]+)?")
_PAIRS = ((b"(", b")"), (b"[", b"]"), (b"{", b"}"), (b'{"a":', b"}"), (b"{{ if . }}", b"{{ end }}"))

_Step = Callable[[Random, bytes, "_Material"], bytes]


class _Material:
    """What a mutation may take from: the examples and the words of the format."""

    def __init__(self, examples: tuple[bytes, ...], words: tuple[bytes, ...]) -> None:
        self.examples = examples
        self.words = words or ODD


def mutate(
    random: Random,
    examples: tuple[bytes, ...],
    words: tuple[bytes, ...] = (),
    most_bytes: int = MAX_BYTES,
) -> bytes:
    """Return one of *examples*, changed once to eight times; *words* are put in now and then."""
    material = _Material(examples, words)
    data = random.choice(examples)
    for _ in range(random.choice((1, 1, 2, 3, 5, 8))):
        data = random.choice(_STEPS)(random, data, material)[:most_bytes]
    return data


def _slice(random: Random, data: bytes) -> tuple[int, int]:
    """Choose a piece of *data*: mostly a short one."""
    begin = random.randrange(len(data) + 1)
    return begin, min(len(data), begin + random.choice((1, 2, 4, 16, 64, 1024)))


def _put(random: Random, data: bytes, piece: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + piece + data[at:]


def _flip(random: Random, data: bytes, _: _Material) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes((data[at] ^ (1 << random.randrange(8)),)) + data[at + 1 :]


def _odd(random: Random, data: bytes, _: _Material) -> bytes:
    return _put(random, data, random.choice(ODD))


def _word(random: Random, data: bytes, material: _Material) -> bytes:
    return _put(random, data, random.choice(material.words))


def _delete(random: Random, data: bytes, _: _Material) -> bytes:
    begin, end = _slice(random, data)
    return data[:begin] + data[end:]


def _repeat(random: Random, data: bytes, _: _Material) -> bytes:
    begin, end = _slice(random, data)
    return data[:begin] + data[begin:end] * random.choice((2, 3, 20, 300, 4_000)) + data[end:]


def _many(random: Random, data: bytes, material: _Material) -> bytes:
    """One short thing many times, and perhaps another behind it: what backtracking dies of."""
    piece = random.choice(random.choice((ODD, material.words)))
    return _put(random, data, piece * random.choice((10, 60, 1_000, 20_000)) + random.choice(ODD))


def _nest(random: Random, data: bytes, _: _Material) -> bytes:
    begin, end = _slice(random, data)
    left, right = random.choice(_PAIRS)
    depth = random.choice((1, 3, 41, 1_000, 20_000))
    closed = random.choice((depth, depth - 1, 0))
    return data[:begin] + left * depth + data[begin:end] + right * closed + data[end:]


def _number(random: Random, data: bytes, _: _Material) -> bytes:
    found = list(_NUMBER.finditer(data))
    if not found:
        return _put(random, data, random.choice(NUMBERS))
    one = random.choice(found)
    return data[: one.start()] + random.choice(NUMBERS) + data[one.end() :]


def _splice(random: Random, data: bytes, material: _Material) -> bytes:
    other = random.choice(material.examples)
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


def _lines(random: Random, data: bytes, material: _Material) -> bytes:
    """Drop, double, move or borrow a line."""
    lines = data.splitlines(keepends=True) or [b""]
    at = random.randrange(len(lines))
    match random.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[at])
        case 2:
            lines.insert(random.randrange(len(lines)), lines.pop(at))
        case _:
            lines.insert(
                at, random.choice(random.choice(material.examples).splitlines(True) or [b""])
            )
    return b"".join(lines)


def _encode(random: Random, data: bytes, _: _Material) -> bytes:
    """The same text in another encoding or with other line ends, or a text that is cut."""
    text = data.decode(errors="replace")
    match random.randrange(5):
        case 0:
            return text.encode("utf-16")
        case 1:
            return text.encode("latin-1", errors="replace") + b"\xe9"
        case 2:
            return data.replace(b"\n", random.choice((b"\r", b"\r\n", b"")))
        case 3:
            return b"\xef\xbb\xbf" + data
        case _:
            return data[: random.randrange(len(data) + 1)]


_STEPS: tuple[_Step, ...] = (
    *(_flip, _odd, _odd, _word, _word, _delete, _repeat),
    *(_many, _nest, _number, _splice, _lines, _lines, _encode),
)
