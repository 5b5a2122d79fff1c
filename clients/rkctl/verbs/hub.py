"""`rkctl pull`, `push`, `search`, `files`, `card`: models on the Hub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import click
from rkd_client import quantity
from rkd_client.verbs import hub as ask
from rkd_client.verbs import models as ask_models

from rkctl import naming
from rkctl.operation import follow
from rkctl.screen import render
from rkctl.session import CommandSession
from rkctl.verb import verb
from rkd.v1 import hub_pb2 as hub
from rkd.v1 import models_pb2 as pb

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)([kmbt]?)", re.IGNORECASE)
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_BARE = 1000


@verb("pull")
@click.argument("source")
@click.argument("chosen", metavar="[FILE]", required=False, default="")
@click.option("--name", default="", metavar="NAME", help="Name to give it.")
@click.option("--revision", default="", metavar="REV", help="Branch, tag or commit.")
@click.option("--replace", is_flag=True, help="Replace a model of that name.")
@click.option("--detach", is_flag=True, help="Return once it has begun; prints its id.")
def pull(
    session: CommandSession,
    source: str,
    chosen: str,
    *,
    name: str,
    revision: str,
    replace: bool,
    detach: bool,
) -> None:
    """
    Download SOURCE from the Hub: user/repo, user/repo:QUANT or user/repo FILE.

    Ctrl-C leaves it running on the board. Prints the model's name.
    """
    source = f"{source}:{chosen}" if chosen else source
    asked = ask_models.pull(source, name=name, revision=revision, replace=replace, detach=detach)
    with session.stream(asked) as steps:
        if detach:
            _begun(session, steps)
            return
        last = follow(_with_licence(session, steps), "pull", json=session.json)
    if not session.json:
        render.out(last.operation.model)


def _with_licence(
    session: CommandSession, steps: Iterable[pb.PullResponse]
) -> Iterator[pb.PullResponse]:
    told = session.json
    for step in steps:
        if step.license and not told:
            told = True
            render.note(f"licence: {step.license}")
        yield step


def _begun(session: CommandSession, steps: Iterable[pb.PullResponse | pb.PushResponse]) -> None:
    """Print the id of the operation that has begun."""
    for step in steps:
        render.out(render.to_json(step) if session.json else step.operation.id)
        if not session.json:
            render.note(f"it goes on alone; attach: rkctl ops attach {step.operation.id}")
        return


@verb("push")
@naming.MODEL
@click.argument("repository", metavar="USER/REPO")
@click.option("--private", is_flag=True, help="Create the repository private.")
@click.option("--message", default="", metavar="TEXT", help="Commit message.")
@click.option("--detach", is_flag=True, help="Return once it has begun; prints its id.")
def push(
    session: CommandSession,
    model: str,
    repository: str,
    *,
    private: bool,
    message: str,
    detach: bool,
) -> None:
    """
    Upload MODEL to the Hub as USER/REPO.

    Ctrl-C leaves it running on the board. Prints the address of the commit.
    """
    asked = ask_models.push(model, repository, private=private, message=message, detach=detach)
    with session.stream(asked) as steps:
        if detach:
            _begun(session, steps)
            return
        last = follow(steps, "push", json=session.json)
    if not session.json:
        render.out(last.commit_url)


def parameters(text: str) -> int:
    """
    Return the number of `1.5B`, `135M` or `7b`; a number below 1000 alone counts billions.

    Raises:
        click.BadParameter: it is no such number.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise click.BadParameter(f"{text!r} is no number of parameters; write 135M or 1.5B")
    unit = match[2].lower() or ("b" if float(match[1]) < _BARE else "")
    return round(float(match[1]) * _FACTORS[unit])


@verb("search")
@click.argument("words", nargs=-1)
@click.option("--author", metavar="USER", help="Only of this user or organisation.")
@click.option(
    "--params",
    "parameters",
    type=parameters,
    metavar="N",
    help="About so many: 7B is 6.5B to 8.5B.",
)
@click.option(
    "--min-params", "min_parameters", type=parameters, metavar="N", help="Fewest: 135M, 1.5B."
)
@click.option(
    "--max-params", "max_parameters", type=parameters, metavar="N", help="Most parameters."
)
@click.option("--quant", "quantization", metavar="TYPE", help="Only with this quantization.")
@click.option("--format", type=click.Choice(["gguf", "rkllm"]), help="Only this format.")
@click.option(
    "--sort", type=click.Choice(["downloads", "likes", "updated", "created"]), help="Best first."
)
@click.option(
    "--limit", "page_size", type=click.IntRange(1, 100), default=20, metavar="N", help="Most: 20."
)
@click.option("--page", "page_token", metavar="TOKEN", help="Go on where a search stopped.")
@click.option("--min-downloads", type=int, metavar="N", help="Fewest downloads.")
@click.option("--license", metavar="ID", help="Only under this licence.")
@click.option("--gated/--open", default=None, help="Only gated, or only open repositories.")
@click.option("--facets", is_flag=True, help="Also what narrows the search further.")
def search(
    session: CommandSession,
    /,
    words: tuple[str, ...],
    *,
    facets: bool,
    **given: Any,
) -> None:
    """Find repositories on the Hub with weights rkd can run."""
    answer = session.shown(ask.search(" ".join(words), **given))
    if answer is None:
        return
    columns = ("REPOSITORY", ">DOWNLOADS", ">LIKES", ">PARAMS", "UPDATED", "SIZES", "LICENCE")
    render.table(columns, (_repository(one) for one in answer.repositories))
    if facets:
        for facet in answer.facets:
            values = (f"{one.value} ({one.count})" for one in facet.values)
            render.out(f"{facet.name}: {', '.join(values)}")
    if answer.HasField("cached"):
        render.note(f"from the cache, filled {render.ago(answer.cached)}")
    if answer.next_page_token:
        render.note(f"there is more: --page {answer.next_page_token}")


def _repository(one: hub.Repository) -> tuple[str, ...]:
    smallest, largest = quantity.size(one.min_size_bytes), quantity.size(one.max_size_bytes)
    sizes = smallest if smallest == largest else f"{smallest} to {largest}"
    licence = one.license or "-"
    return (
        one.id,
        quantity.count(one.downloads),
        quantity.count(one.likes),
        quantity.count(one.parameters),
        render.ago(one.updated),
        sizes,
        f"{licence}, gated" if one.gated else licence,
    )


@verb("files")
@click.argument("repository", metavar="USER/REPO")
@click.option("--revision", default="", metavar="REV", help="Branch, tag or commit.")
@click.option(
    "--num-ctx", "context_tokens", type=int, default=0, metavar="TOKENS", help="Judge with."
)
def files(session: CommandSession, repository: str, *, revision: str, context_tokens: int) -> None:
    """List the weights of USER/REPO with a verdict for this board; * marks the one to take."""
    asked = ask.files(repository, revision=revision, context_tokens=context_tokens)
    answer = session.shown(asked)
    if answer is None:
        return
    columns = ("", "TAG", ">SIZE", "QUANT", ">PARAMS", ">CONTEXT", ">NEEDS", "VERDICT", "ADVICE")
    render.table(columns, (_variant(one) for one in answer.variants))
    seeing = {(one.projector, one.projector_bytes) for one in answer.variants if one.projector}
    for name, size_bytes in sorted(seeing):
        render.note(f"sees pictures: {name} ({quantity.size(size_bytes)}) comes with it")
    for one in answer.variants:
        if one.verdict_detail and (one.recommended or one.verdict != hub.VERDICT_FITS):
            render.paragraph(f"{one.tag}: {one.verdict_detail}")
    if not answer.variants:
        render.note(f"{repository} holds no weights rkd can run")


def _variant(one: hub.Variant) -> tuple[str, ...]:
    verdict = render.word(hub.Verdict.Name(one.verdict), "VERDICT_") or "unknown"
    shards = f" ({len(one.files)} files)" if len(one.files) > 1 else ""
    made_for = " ".join(filter(None, (one.platform, one.toolkit_version)))
    return (
        "*" if one.recommended else "",
        f"{one.tag or (one.files[0] if one.files else '')}{shards}",
        quantity.size(one.size_bytes),
        " ".join(filter(None, (one.quantization or "-", made_for))),
        quantity.count(one.parameters),
        str(one.context_tokens or "-"),
        quantity.size(one.needed_bytes),
        verdict,
        one.advice,
    )


@verb("card")
@click.argument("repository", metavar="USER/REPO")
@click.option("--revision", default="", metavar="REV", help="Branch, tag or commit.")
def card(session: CommandSession, repository: str, *, revision: str) -> None:
    """Show the model card of USER/REPO."""
    answer = session.shown(ask.card(repository, revision=revision))
    if answer is not None:
        render.markdown(answer.text)
