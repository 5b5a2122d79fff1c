"""`rkctl run`: ask a model, chat with it, or first write the Modelfile a folder lacks."""

from __future__ import annotations

import click
from rkd_client.verbs import models as ask

from rkctl import flags, naming
from rkctl.chat import asking
from rkctl.chat.repl import Chat
from rkctl.screen import render
from rkctl.session import Session
from rkctl.verb import verb

_WEIGHTS = (".rkllm", ".gguf")
_NAME_FILE_REPO = 2


@verb("run")
@naming.MODEL
@click.argument("prompt", nargs=-1)
@flags.sampling
def run(session: Session, model: str, prompt: tuple[str, ...], asked: flags.Asked) -> None:
    """
    Ask MODEL, or chat with it when there is no PROMPT and this is a terminal.

    PROMPT may come from stdin; `-` among the words stands for it. `rkctl run NAME FILE HF_REPO`
    writes the Modelfile for a weights file that lies in the model's folder already, brings its
    tokenizer and template from HF_REPO (`user/repo` or a URL, "" for none) and goes on.
    """
    if len(prompt) == _NAME_FILE_REPO and prompt[0].lower().endswith(_WEIGHTS):
        _adopt(session, model, prompt[0], prompt[1])
        waiting = "" if asking.is_conversation() else asking.waiting_prompt()
        if not waiting and not asking.is_conversation():
            return
        prompt = (waiting,) if waiting else ()
    if prompt or not asking.is_conversation():
        asking.generate(session, model, asking.prompt_of(prompt), asked)
    else:
        Chat(session, model, asked).hold()


def _adopt(session: Session, model: str, file: str, repository: str) -> None:
    from rkctl.operation import follow  # noqa: PLC0415 - bars are not needed to ask a model

    asked = ask.create(model, existing_file=file, huggingface_path=repository)
    with session.stream(asked) as steps:
        last = follow(session, steps, "create")
    if session.json:
        return
    for warning in last.warnings:
        render.note(f"warning: {warning}")
    render.note(f"{model} has its Modelfile")
