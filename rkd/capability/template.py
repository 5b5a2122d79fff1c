"""What a chat template can be asked for, by its text alone; pure, and the one place that judges."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from rkd.capability.call_formats import USUAL, call_format
from rkd.capability.jinja_names import names_read
from rkd.capability.think import ALL_THINKS, Think

MAX_SOURCE_CHARACTERS = 1024 * 1024
"""Longest template; the longest in use has some 20k."""
_SWITCHES = ("enable_thinking", "thinking")
_SYSTEM_TOOLS = re.compile(r"""message(\.tools\b|\[['"]tools['"]\])""")


@dataclass(frozen=True, slots=True)
class TemplateTraits:
    """
    What one template knows.

    Args:
        tools: it can show the model which tools there are.
        tools_in_system: it looks for them in the system turn, as text.
        switch: the variable that turns reasoning on and off, or "".
        think: how it marks reasoning, or None.
        effort: it reads `reasoning_effort`.
        calls: the format in which its model writes tool calls.
        suffix: it reads `suffix`, and so fills in.
    """

    tools: bool = False
    tools_in_system: bool = False
    switch: str = ""
    think: Think | None = None
    effort: bool = False
    calls: str = USUAL
    suffix: bool = False

    @staticmethod
    @functools.lru_cache(maxsize=8)
    def of(source: str) -> TemplateTraits:
        """Judge *source*, a Jinja text."""
        text = source[:MAX_SOURCE_CHARACTERS]
        names = names_read(text)
        in_system = "tools" not in names and bool(_SYSTEM_TOOLS.search(text))
        return TemplateTraits(
            tools=in_system or not names.isdisjoint({"tools", "xml_tools"}),
            tools_in_system=in_system,
            switch=next((name for name in _SWITCHES if name in names), ""),
            think=next((one for one in ALL_THINKS if one.open in text), None),
            effort="reasoning_effort" in names,
            calls=call_format(text),
            suffix="suffix" in names,
        )
