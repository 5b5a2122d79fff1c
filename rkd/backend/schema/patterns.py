r"""
Regular expressions and formats of JSON Schema, narrowed to what every reader of them agrees on.

ECMA's `\d` is ten digits, the engine's every digit of Unicode; a date of the engine's may be the
30th of February. What is made here is never wider than what was asked.
"""

from __future__ import annotations

import re

_ASCII = {"d": "0-9", "w": "A-Za-z0-9_", "s": r" \t\n\r\f\v"}
_TOKEN = re.compile(r"\\.|\[|\]|[^\\\[\]]+", re.DOTALL)

_DECIMAL = {
    r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$": r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$",
}
"""pydantic's `Decimal`: the same texts without a look ahead."""

_DAY = (
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    "|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_DATE = f"[1-9][0-9]{{3}}-{_DAY}"
_TIME = (
    r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
_HEX = "[0-9a-f]"
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"({_OCTET}\.){{3}}{_OCTET}"
_SIGNS = "[A-Za-z0-9._~!$&'()*+,;=:@/-]"
_URI = (
    rf"[a-z][a-z0-9+.-]*:(//[A-Za-z0-9][A-Za-z0-9-]*(\.[A-Za-z0-9-]+)*(:[1-9][0-9]{{0,3}})?(/{_SIGNS}*)?"
    rf"|[A-Za-z0-9]{_SIGNS}*)(\?{_SIGNS}*)?(#{_SIGNS}*)?"
)
"""With a host or without any authority; the engine's compiler knows no `uri`."""

_WRITTEN: dict[str, str] = {
    "date": f"^{_DATE}$",
    "date-time": f"^{_DATE}T{_TIME}$",
    "time": f"^{_TIME}$",
    "json-pointer": "^(/([^~/]|~[01])*)*$",
    "relative-json-pointer": "^(0|[1-9][0-9]*)(#|(/([^~/]|~[01])*)*)$",
    "ipv4": f"^{_IPV4}$",
    "uri": f"^{_URI}$",
    "uri-reference": f"^{_URI}$",
    "uri-template": f"^{_URI}$",
    "iri": f"^{_URI}$",
    "iri-reference": f"^{_URI}$",
    "ipvanyaddress": f"^{_IPV4}$",
} | {
    f"uuid{one}": f"^{_HEX}{{8}}-{_HEX}{{4}}-{one}{_HEX}{{3}}-[89ab]{_HEX}{{3}}-{_HEX}{{12}}$"
    for one in range(1, 9)
}
_NARROWED = {
    "idn-email": "email",
    "idn-hostname": "hostname",
}
_ENGINES = {"duration", "email", "hostname", "ipv6", "uuid"}
_HEX4 = "[0-9a-f]{1,4}"
_LABEL = "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?"
NARROW_FORMATS = {
    "duration": r"P([1-9][0-9]{0,3}D|T[1-9][0-9]{0,3}[HMS]|[1-9][0-9]{0,3}DT[1-9][0-9]{0,3}[HMS])",
    "email": rf"[a-z0-9]+([._+-][a-z0-9]+)*@({_LABEL}\.){{1,4}}[a-z]{{2,8}}",
    "hostname": rf"({_LABEL}\.){{0,4}}[a-z]([a-z0-9-]{{0,20}}[a-z0-9])?",
    "ipv6": f"({_HEX4}:){{7}}{_HEX4}",
    "uuid": "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}
"""The engine's formats as expressions, where it takes no format: narrower than they are, so that a
text of one is it for every reader."""
_UNKEPT = {"regex"}
"""Formats of JSON Schema's own that no grammar of ours makes."""


class UnkeptFormatError(ValueError):
    """A format that the specification knows and no engine of ours keeps."""


def ascii_pattern(pattern: str) -> str:
    r"""Write *pattern* with `\d`, `\w` and `\s` as ECMA means them."""
    if pattern in _DECIMAL:
        return _DECIMAL[pattern]
    out: list[str] = []
    in_class = False
    for found in _TOKEN.finditer(pattern):
        text = found[0]
        if text.startswith("\\") and text[1:] in _ASCII:
            range_ = _ASCII[text[1:]]
            out.append(range_ if in_class else f"[{range_}]")
            continue
        if text == "[":
            in_class = True
        elif text == "]":
            in_class = False
        out.append(text)
    return "".join(out)


def written_format(name: str) -> tuple[str, str] | None:
    """
    Return the keyword and value that keep the format *name*; None for one that asserts nothing.

    The specification has readers pass over formats they do not know.

    Raises:
        UnkeptFormatError: it is known, and cannot be kept.
    """
    if name in _UNKEPT:
        raise UnkeptFormatError(name)
    if name in _WRITTEN:
        return "pattern", _WRITTEN[name]
    name = _NARROWED.get(name, name)
    return ("format", name) if name in _ENGINES else None


def pattern_of_format(name: str) -> str:
    """
    Return an expression that keeps the format *name*.

    Raises:
        UnkeptFormatError: there is none.
    """
    if name in _WRITTEN:
        return _WRITTEN[name]
    if name not in NARROW_FORMATS:
        raise UnkeptFormatError(name)
    return f"^{NARROW_FORMATS[name]}$"
