"""The chat page as a person uses it, and models for it that say what they are told."""

from __future__ import annotations

import json
from pathlib import Path

from selenium.webdriver.common.keys import Keys

from tests.browser.chromium import Chromium
from tests.integration.daemon_process import DaemonProcess
from tests.integration.npu_daemon import make_board
from tests.models import tiny_sight
from tests.native import standin

PARROT = 'FROM ./m.rkllm\nTEMPLATE """{{ .Prompt }}"""\n'
CALLER = (
    'FROM ./m.rkllm\nTEMPLATE """{{ if .Tools }}<tools>{{ .Tools }}</tools>{{ end }}'
    "{{ range .Messages }}{{ .Role }}: {{ .Content }}{{ range .ToolCalls }}<tool_call>"
    '{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}</tool_call>'
    '{{ end }}\n{{ end }}"""\n'
)
THINKER = 'FROM ./m.rkllm\nTEMPLATE """{{ .Prompt }}<think>\n"""\n'
ADDS = '{"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}'


def chat_daemon(folder: Path) -> DaemonProcess:
    """
    Return a daemon with models for the chat, not started.

    `parrot` on the stand-in NPU says what `[[answer=…]]` in the prompt says; `caller` calls `add`,
    `thinker` thinks; `eye` sees pictures.
    """
    made = DaemonProcess(
        folder,
        {
            "XDG_CONFIG_HOME": str(folder / "config"),
            "RKD_RKLLM_LIBRARY": str(standin.build("1.3.0")),
            "RKD_SYSROOT": str(make_board(folder / "root")),
            "RKD_CONFINE": "false",
            "RKD_OFFLINE": "1",
        },
    )
    call = '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
    for name, modelfile, settings in (
        ("parrot", PARROT, {}),
        ("thinker", THINKER, {"answer": r"because <b>\n</think>\n\nThat is why."}),
        ("caller", CALLER, {"answer": call, "answer?tool:": "It is seven."}),
    ):
        home = made.models / name
        home.mkdir()
        standin.weights(home / "m.rkllm", **settings)
        (home / "Modelfile").write_text(modelfile, encoding="utf-8")
    home = made.models / "eye"
    home.mkdir()
    tiny_sight.write_text(home / "eye.gguf")
    tiny_sight.write_projector(home / "mmproj-eye.gguf")
    return made


class ChatPage:
    """
    The page in one browser.

    Args:
        browser: signed in.
        model: to ask.
    """

    def __init__(self, browser: Chromium, model: str = "parrot") -> None:
        self.browser = browser
        self.open()
        self.choose(model)

    def open(self) -> None:
        """Go to the page, and wait until it can be used."""
        self.browser.open("/chat")
        self.browser.find(".chat-body[data-ready]")

    def choose(self, model: str, at: int = 0) -> None:
        """Have lane *at* answered by *model*."""
        field = f"document.querySelectorAll('.chat-select input')[{at}]"
        if self.browser.script(f"return {field}.value") == model:
            return
        select = self.browser.script(f"return {field}")
        self.browser.click(select)
        select.send_keys(Keys.CONTROL, "a")
        select.send_keys(Keys.NULL, model)
        self.browser.wait(
            lambda: self.browser.script(
                "const all = [...document.querySelectorAll('.q-menu [role=option]')];"
                "const one = all.find(each => each.innerText.trim() === arguments[0]);"
                "one?.click(); return Boolean(one)",
                model,
            ),
            f"{model} among the models",
        )
        self.browser.wait(
            lambda: (
                self.browser.script(f"return {field}.value") == model
                and not self.browser.all(".q-menu")
            ),
            f"{model} chosen",
        )

    def say(self, text: str) -> None:
        """Type *text* and send it."""
        field = self.browser.find(".chat-field")
        self.browser.script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))",
            field,
            text,
        )
        field.send_keys(Keys.ENTER)
        self.browser.wait(lambda: field.get_property("value") == "", f"{text[:80]!r} sent")

    def ended(self, count: int = 1) -> None:
        """Wait until *count* answers are there and none is being written."""
        self.browser.wait(
            lambda: len(self.answers()) == count and not self.browser.all(".chat-running"),
            f"{count} answers",
            120,
        )

    def answers(self) -> list[str]:
        """Text of every answer that is shown, whole."""
        found: list[str] = self.browser.script(
            "return [...document.querySelectorAll('.chat-assistant .chat-text')]"
            ".map(one => one.textContent)"
        )
        return found

    def typed(self) -> list[str]:
        """Text of every turn of the user's."""
        found: list[str] = self.browser.script(
            "return [...document.querySelectorAll('.chat-user .chat-typed')]"
            ".map(one => one.textContent)"
        )
        return found

    def fresh(self) -> None:
        """Begin a conversation."""
        self.browser.click(".chat-fresh")
        self.browser.wait(lambda: not self.browser.all(".chat-turn"), "an empty conversation")

    def press(self, name: str, role: str = "assistant") -> None:
        """Press what is called *name* below the last turn of *role*."""

        def pressed() -> bool:
            found = self.browser.all(f".chat-{role} [aria-label={json.dumps(name)}]")
            words = self.browser.script(
                "return [...document.querySelectorAll(arguments[0])]"
                ".filter(one => one.innerText.trim() === arguments[1])",
                f".chat-{role} button",
                name,
            )
            (found or words)[-1].click()
            return True

        self.browser.wait(lambda: self.browser.all(f".chat-{role}") and pressed(), name)

    def attach(self, *files: Path) -> None:
        """Choose files."""
        before = len(self.browser.all(".chat-chip"))
        field = self.browser.find(".chat-composer input[multiple]")
        field.send_keys("\n".join(map(str, files)))
        self.browser.wait(
            lambda: len(self.browser.all(".chat-chip:not([aria-busy])")) == before + len(files),
            f"{len(files)} files attached",
        )
