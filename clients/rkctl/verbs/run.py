"""`rkctl run`: ask a model, chat with it, or first write the Modelfile a folder lacks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rkd_client.ask import StreamAsk
from rkd_client.errors import NotFoundError
from rkd_client.files import place_of
from rkd_client.verbs import models as ask

from rkctl import flags, naming
from rkctl.chat import asking
from rkctl.screen import render
from rkctl.session import CommandSession
from rkctl.verb import verb

_WEIGHTS = (".rkllm", ".gguf")
_NAME_FILE_REPO = 2


@verb("run")
@naming.MODEL
@click.argument("prompt", nargs=-1)
@click.option("--pull", is_flag=True, help="Download MODEL first where it is not there.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask whether to download.")
@flags.sampling
def run(
    session: CommandSession,
    model: str,
    prompt: tuple[str, ...],
    *,
    pull: bool,
    yes: bool,
    asked: flags.Asked,
) -> None:
    """
    Ask MODEL, or chat with it when there is no PROMPT and this is a terminal.

    PROMPT may come from stdin; `-` among the words stands for it. Words that name pictures
    (.png .jpg .webp .gif .bmp) are those, in their place; stdin may be one too. MODEL may be
    user/repo:QUANT of the Hub, as its pages show it: what is not on the board is downloaded, after
    a question.
    `rkctl run NAME FILE HF_REPO` writes the Modelfile for a weights file that lies in the model's
    folder already (a path with a `/` is brought there), brings its tokenizer and template from
    HF_REPO (`user/repo` or a URL, "" for none) and goes on.
    """
    if "/" in model:
        model = _pulled(session, model, ask_first=not (pull or yes))
    if len(prompt) == _NAME_FILE_REPO and prompt[0].lower().endswith(_WEIGHTS):
        _adopt(session, model, prompt[0], prompt[1])
        waiting = "" if asking.is_conversation() else asking.waiting_prompt()
        if not waiting and not asking.is_conversation():
            return
        prompt = (waiting,) if waiting else ()
    if prompt or not asking.is_conversation():
        asking.generate(session, model, asking.prompt_of(prompt), asked)
    else:
        from rkctl.chat.repl import Chat  # noqa: PLC0415 - only a conversation needs it

        Chat(session, model, asked).hold()


def _pulled(session: CommandSession, source: str, *, ask_first: bool) -> str:
    """Return the name of the model that came from *source*, fetched now if it is not there."""
    try:
        return session.call(ask.show(source)).summary.name
    except NotFoundError as error:
        if ask_first and not (sys.stdin.isatty() and sys.stderr.isatty()):
            error.remedy += f"\nor let run do it: rkctl run --pull {source}"
            raise
        if ask_first and not click.confirm(f"{source} is not here: download it?", True, err=True):
            raise
    from rkctl.operation import follow  # noqa: PLC0415 - bars are not needed to ask a model

    with session.stream(ask.pull(source)) as steps:
        # Progress is not the answer: with --json, stdout has the answer's events alone.
        return follow(steps, "pull", json=False).operation.model


def _adopt(session: CommandSession, model: str, file: str, repository: str) -> None:
    from rkctl.operation import follow  # noqa: PLC0415 - bars are not needed to ask a model

    asked = ask.create(model, existing_file=file, huggingface_path=repository)
    if "/" in file:
        asked = _brought(session, model, file, repository)
    with session.stream(asked) as steps:
        last = follow(steps, "create", json=session.json)
    if session.json:
        return
    for warning in last.warnings:
        render.note(f"warning: {warning}")
    render.note(f"{model} has its Modelfile")


def _brought(
    session: CommandSession, model: str, file: str, repository: str
) -> StreamAsk[Any, Any]:
    """Bring the weights *file* of this machine to the board and ask for *model* made of it."""
    from rkctl.make import sources  # noqa: PLC0415 - only this form of run needs them
    from rkctl.make.carrier import Carrier  # noqa: PLC0415 - the same
    from rkctl.screen.progress import progress  # noqa: PLC0415 - the same

    text = f'FROM="{Path(file).name}"\nHUGGINGFACE_PATH="{repository}"\n'
    wanted = sources.LocalFile(Path(file).name, sources.existing(place_of(file)))
    with progress(quiet=session.json) as shown:
        files = Carrier(session.client, shown).bring((wanted,))
    return ask.create(model, text, files=files)
