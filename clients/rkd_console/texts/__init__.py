"""
Every text the console shows of its own, in each of its languages.

A room of the console has a file here: keys begin with the room's name, a text is a tuple in the
order of `LANGUAGES`, placeholders are `{named}`. What comes from outside is never a key.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

from rkd_console.texts import chat, shell, stock

Language: TypeAlias = Literal["en", "fr", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
NAMES: Final = MappingProxyType({"en": "English", "fr": "Français", "zh": "中文"})

CATALOGUE: Final = MappingProxyType({**shell.TEXTS, **chat.TEXTS, **stock.TEXTS})


def say(language: Language, key: str, **values: object) -> str:
    """
    Return the text of *key*.

    Raises:
        KeyError: there is none, or it wants a value that is not given.
    """
    text = CATALOGUE[key][LANGUAGES.index(language)]
    return text.format(**values) if values else text
