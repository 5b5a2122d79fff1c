"""
What is typed in a conversation: edited in place, remembered, pasted as one text.

Enter ends the input, inside triple quotes it begins a line; so does every line end of a paste.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rkd_client.files import place_of

from rkctl.screen import render

if TYPE_CHECKING:
    from prompt_toolkit.history import History
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

QUOTES = '"""'
HISTORY_BYTES = 1 << 20
"""A longer history is halved when it is opened."""


class Editor:
    """Reads one input after the other from the terminal; *environment* says where history is."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        # 0.1 s, only for conversations. Asking the terminal where the cursor is takes an answer
        # that not every terminal gives.
        os.environ.setdefault("PROMPT_TOOLKIT_NO_CPR", "1")
        from prompt_toolkit import PromptSession  # noqa: PLC0415 - see above

        self._history = _history(environment)
        self._session: PromptSession[str] | None = None
        if environment.get("TERM") != "dumb":
            self._session = PromptSession(
                history=self._history, key_bindings=_keys(), prompt_continuation="... "
            )

    def read(self) -> str | None:
        """Return the next input; "" after Ctrl-C, None when the user leaves."""
        try:
            return unquoted(self._session.prompt(">>> ") if self._session else self._plain())
        except KeyboardInterrupt:
            render.note("leave with /bye or Ctrl-D")
            return ""
        except EOFError:
            return None

    def _plain(self) -> str:
        """Read lines as a terminal gives them that cannot move its cursor."""
        text = input(">>> ")
        while is_open(text):
            text += "\n" + input("... ")
        self._history.append_string(text)
        return text


def unquoted(text: str) -> str:
    """Return *text* without the triple quotes around it."""
    bare = text.strip()
    if not bare.startswith(QUOTES):
        return text
    return bare.removeprefix(QUOTES).removesuffix(QUOTES).strip("\n")


def is_open(text: str) -> bool:
    """Tell whether *text* has opened triple quotes and not closed them."""
    return text.lstrip().startswith(QUOTES) and text.count(QUOTES) == 1


def _keys() -> KeyBindings:
    from prompt_toolkit.application import get_app  # noqa: PLC0415 - see Editor
    from prompt_toolkit.filters import Condition  # noqa: PLC0415 - see Editor
    from prompt_toolkit.key_binding import KeyBindings  # noqa: PLC0415 - see Editor

    keys = KeyBindings()

    open_quotes = Condition(lambda: is_open(get_app().current_buffer.text))

    @keys.add("enter", filter=open_quotes)
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


def _history(environment: Mapping[str, str]) -> History:
    from prompt_toolkit.history import FileHistory, InMemoryHistory  # noqa: PLC0415 - see Editor

    base = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME') or '~'}/.local/state"
    file = place_of(base) / "rkctl" / "history"
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        if file.stat().st_size > HISTORY_BYTES:
            kept = file.read_bytes()[-HISTORY_BYTES // 2 :]
            file.write_bytes(kept[kept.find(b"\n#") + 1 :])
        with file.open("ab"):
            return FileHistory(str(file))
    except OSError as error:
        render.note(f"what is typed is not kept: {error}")
        return InMemoryHistory()
