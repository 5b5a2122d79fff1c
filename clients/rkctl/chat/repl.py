"""
The chat in a terminal: a conversation with history, slash commands and multi-line input.

Ctrl-C cancels the answer and keeps the chat; Ctrl-D leaves. The conversation lives here: the
daemon keeps none.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable

import click
from rkd_client.errors import RkdError
from rkd_client.parts import Piece
from rkd_client.turns import turns_of
from rkd_client.verbs import models as ask_models
from rkd_client.verbs import pool as ask_pool

from rkctl.chat import asking, settings
from rkctl.chat.editor import Editor
from rkctl.chat.pictures import dropped, text_of, told
from rkctl.chat.saving import modelfile_of
from rkctl.failure import Failure, failure_of
from rkctl.flags import Asked
from rkctl.screen import render
from rkctl.screen.reply import Reply
from rkctl.screen.status_line import StatusLine
from rkctl.session import CommandSession
from rkctl.verbs.show import describe, part_of
from rkd.errors import RkdError as LocalError
from rkd.v1 import types_pb2 as types

HELP = """\
/set            what is set; /set NAME VALUE, /set system TEXT, /set think, /set nothink,
                /set verbose, /set quiet; /set NAME alone goes back to the model's own
/show           the model; /show modelfile, template, system, parameters, license, history
/save NAME      make a model NAME that goes on with this conversation
/load NAME      talk to another model, from the beginning
/clear          forget the conversation
PATH            of a picture, among other words or alone: it is seen (drop it into the window)
/bye            leave (also Ctrl-D)
\"""             begin and end a text of several lines
Ctrl-C          stop the answer"""


class Chat:
    """
    One conversation with *model*; *asked* is what `/set` changes.

    Runs on the main thread, where Ctrl-C arrives.
    """

    def __init__(self, session: CommandSession, model: str, asked: Asked) -> None:
        self._session = session
        self._model = model
        self._asked = asked
        self._turns: list[types.Message] = []
        if asked.priority is None:
            asked.priority = "interactive"
        self._commands: dict[str, Callable[[str], None]] = {
            "/set": self._set,
            "/show": self._show,
            "/save": self._save,
            "/load": self._switch,
            "/clear": self._clear,
            "/help": self._help,
            "/?": self._help,
        }

    def hold(self) -> None:
        """Talk until the user leaves; the model is made resident first."""
        self._asked.check(as_json=self._session.json, conversation=True)
        self._load()
        editor = Editor(os.environ)
        render.note(f"{self._model} listens: /help for help, /bye or Ctrl-D to leave")
        while True:
            line = editor.read()
            if line is None or line.strip() in {"/bye", "/exit", "/quit"}:
                return
            if line.strip():
                self._obey(line)

    def _load(self) -> None:
        asked = ask_pool.load(
            self._model, backend=self._asked.backend, context_tokens=self._asked.context_tokens
        )
        line = StatusLine()
        with line, self._session.stream(asked) as events:
            for event in events:
                if event.HasField("queued"):
                    line.queued(event.queued)
                elif event.HasField("loading"):
                    line.loading(event.loading, self._model)

    def _obey(self, line: str) -> None:
        """Carry out one line; what fails is told and the chat goes on."""
        word, _, rest = line.strip().partition(" ")
        try:
            if word in self._commands:
                self._commands[word](rest.strip())
            elif word.startswith("/") and "/" not in word[1:] and word[1:].isalpha():
                render.note(f"{word} is no command; /help lists them")
            else:
                self._ask(line)
        except (Failure, RkdError, LocalError) as error:
            for text in failure_of(error).lines():
                render.note(text)
        except click.UsageError as error:
            render.note(error.format_message())

    def _ask(self, text: str) -> None:
        said = dropped(text)
        if along := told(said):
            render.note(along)
        if self._asked.raw:
            self._interruptible(lambda: self._raw(said))
            return
        (question,) = turns_of([{"role": "user", "content": said}])
        reply = Reply()
        self._interruptible(
            lambda: asking.converse(
                self._session, self._model, [*self._turns, question], self._asked, reply=reply
            )
        )
        # An answer cut short is remembered as far as it was read; none at all is forgotten.
        if reply.text or reply.tool_calls or reply.finished:
            self._turns += [question, reply.message()]

    def _raw(self, said: str | list[Piece]) -> None:
        asking.generate(self._session, self._model, said, self._asked)

    @staticmethod
    def _interruptible(answer: Callable[[], object]) -> None:
        try:
            answer()
        except KeyboardInterrupt:
            render.note("(cancelled)")
        click.echo()

    def _set(self, rest: str) -> None:
        if not rest:
            render.pairs(settings.shown(self._asked))
            return
        name, _, value = rest.removeprefix("parameter ").strip().partition(" ")
        settings.change(self._asked, name, _unquoted(value))

    def _show(self, part: str) -> None:
        if part == "history":
            for turn in self._turns:
                render.out(f"{turn.role}: {text_of(turn)}")
            return
        answer = self._session.call(ask_models.show(self._model))
        if part in {"modelfile", "template", "system", "parameters", "license"}:
            render.out(part_of(answer, part))
        elif part in {"", "info"}:
            describe(answer)
        else:
            render.note(f"/show knows no {part!r}; /help lists what it knows")

    def _save(self, name: str) -> None:
        if not name:
            raise click.UsageError("/save wants the name of the model to make")
        text = modelfile_of(self._model, self._asked, self._turns)
        if any(turn.parts for turn in self._turns):
            render.note("warning: a Modelfile holds no pictures; only their places are kept")
        last = self._session.client.create(name, text).result()
        render.note(f"saved; go on with it: rkctl run {last.model.name or name}")

    def _switch(self, name: str) -> None:
        if not name:
            raise click.UsageError("/load wants the name of a model")
        before, self._model = self._model, name
        try:
            self._load()
        except RkdError:
            self._model = before
            raise
        self._turns.clear()
        render.note(f"{name} listens")

    def _clear(self, _: str) -> None:
        self._turns.clear()
        render.note("the conversation is forgotten")

    def _help(self, _: str) -> None:
        render.note(HELP)


def _unquoted(value: str) -> str:
    value = value.strip()
    if value[:1] in {"'", '"'}:
        try:
            return " ".join(shlex.split(value))
        except ValueError:
            return value
    return value
