"""`rkctl embed`, `rerank`, `tokenize`, `detokenize`: vectors, scores and tokens of texts."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Unpack

import click
from rkd_client.verbs import inference as ask

from rkctl import flags, naming
from rkctl.screen import render
from rkctl.session import CommandSession
from rkctl.verb import verb

if TYPE_CHECKING:
    from rkd_client.options import RunOptions

SHOWN_CHARACTERS = 100
"""Of a document that is ranked."""


@verb("embed")
@naming.MODEL
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
@click.option("--lines", is_flag=True, help="Every line of stdin is a text.")
@click.option("--normalize/--no-normalize", default=None, help="Scale to length 1 (default).")
@click.option("--dimensions", type=int, metavar="N", help="Only the first N.")
@click.option("--truncate", is_flag=True, help="Read only the beginning of a text too long.")
@flags.where_to_run
def embed(
    session: CommandSession,
    /,
    model: str,
    texts: tuple[str, ...],
    *,
    lines: bool,
    normalize: bool | None,
    dimensions: int | None,
    truncate: bool,
    **run: Unpack[RunOptions],
) -> None:
    """Print a vector for each TEXT, or for stdin, as a JSON list a line."""
    if not texts:
        piped = sys.stdin.read()
        texts = tuple(piped.splitlines()) if lines else (piped.removesuffix("\n"),)
    asked = ask.embed(
        model,
        texts,
        normalize=normalize,
        dimensions=dimensions,
        truncate=truncate or None,
        **run,
    )
    answer = session.shown(asked)
    if answer is None:
        return
    for embedding in answer.embeddings:
        render.out(json.dumps([float(f"{value:.8g}") for value in embedding.values]))


@verb("rerank")
@naming.MODEL
@click.argument("query")
@click.argument("documents", metavar="[DOCUMENT]...", nargs=-1)
@click.option("--top-n", type=int, metavar="N", help="Print only the N best.")
@click.option("--normalize/--no-normalize", default=None, help="Probabilities (default), log-odds.")
@click.option("--truncate", is_flag=True, help="Read only the beginning of a document too long.")
@click.option("--instruction", metavar="TEXT", help="What makes a document relevant.")
@flags.where_to_run
def rerank(
    session: CommandSession,
    /,
    model: str,
    query: str,
    documents: tuple[str, ...],
    *,
    top_n: int | None,
    normalize: bool | None,
    truncate: bool,
    instruction: str | None,
    **run: Unpack[RunOptions],
) -> None:
    """
    Sort each DOCUMENT, or each line of stdin, by how well it answers QUERY.

    A line for each, best first: score, place (from 0), the document's beginning.
    """
    if not documents:
        documents = tuple(line for line in sys.stdin.read().splitlines() if line.strip())
    asked = ask.rerank(
        model,
        query,
        documents,
        top_n=top_n,
        normalize=normalize,
        truncate=truncate or None,
        instruction=instruction,
        **run,
    )
    answer = session.call(asked)
    if session.json:
        render.out(render.to_json(answer))
        return
    for one in answer.results:
        shown = " ".join(documents[one.index][:SHOWN_CHARACTERS].split())
        render.out(f"{one.score:.6g}\t{one.index}\t{shown}")


@verb("tokenize")
@naming.MODEL
@click.argument("text", required=False)
@click.option("--special", is_flag=True, help="Add the tokens the model wants at the beginning.")
@click.option("--plain", is_flag=True, help="Read <|im_start|> and the like as plain text.")
@click.option("--pieces", is_flag=True, help="A line for each token: id, bytes, text.")
@click.option("--count", is_flag=True, help="Print only how many there are.")
@flags.BACKEND
@flags.KEEP_ALIVE
def tokenize(
    session: CommandSession,
    /,
    model: str,
    text: str | None,
    *,
    special: bool,
    plain: bool,
    pieces: bool,
    count: bool,
    **run: Unpack[RunOptions],
) -> None:
    """Print the token ids of TEXT, or of stdin to its last character."""
    if pieces and count:
        raise click.UsageError("--pieces and --count: give one of them")
    asked = ask.tokenize(
        model,
        sys.stdin.read() if text is None else text,
        add_special=special,
        parse_special=False if plain else None,
        with_pieces=pieces or None,
        **run,
    )
    answer = session.call(asked)
    if session.json:
        render.out(render.to_json(answer))
    elif count:
        render.out(str(answer.count))
    elif pieces:
        for token, piece in zip(answer.token_ids, answer.pieces, strict=True):
            render.out(
                f"{token}\t{piece.hex(' ')}\t{json.dumps(_shown(piece), ensure_ascii=False)}"
            )
    else:
        render.out(" ".join(str(token) for token in answer.token_ids))


def _shown(piece: bytes) -> str:
    return piece.decode("utf-8", "backslashreplace")


@verb("detokenize")
@naming.MODEL
@click.argument("ids", metavar="[ID]...", nargs=-1, type=int)
@flags.BACKEND
@flags.KEEP_ALIVE
def detokenize(
    session: CommandSession, /, model: str, ids: tuple[int, ...], **run: Unpack[RunOptions]
) -> None:
    """Print the text of token IDs, or of those on stdin."""
    if not ids:
        try:
            ids = tuple(int(word) for word in sys.stdin.read().replace(",", " ").split())
        except ValueError as error:
            raise click.UsageError(f"token ids are numbers: {error}") from error
    answer = session.call(ask.detokenize(model, ids, **run))
    render.out(render.to_json(answer) if session.json else answer.text)
