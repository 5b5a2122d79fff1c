"""`rkctl fleet haproxy`: the configuration of a proxy in front of the boards."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import click
from rkd_client.files import named, why_not, write_whole
from rkd_client.verbs import models as models_ask

from rkctl.failure import Exit, Failure
from rkctl.fleet.flags import Fleet, fleet_verb
from rkctl.fleet.haproxy import MAX_MODELS, Edge, Server, render
from rkctl.fleet.several import PATIENCE_S, Board, ask
from rkctl.screen import render as screen

_NAME = re.compile(r"[A-Za-z0-9._-]{1,63}")
_MODEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""Names as the contract has them: what is none is not written into somebody's configuration."""

_FILE = click.Path(dir_okay=False)


@fleet_verb("haproxy")
@click.option("--listen", default=":7588", show_default=True, help="Where the edge listens.")
@click.option("--edge-cert", type=_FILE, default="", help="PEM of the edge; TLS for its clients.")
@click.option("--client-ca", type=_FILE, default="", help="Clients show a certificate of this.")
@click.option("--boards-ca", type=_FILE, default="", help="Authority of the boards: TLS to them.")
@click.option("--boards-cert", type=_FILE, default="", help="PEM shown to them, of role none.")
@click.option("--boards-name", default="", help="DNS name that all their certificates have.")
@click.option("--no-token", is_flag=True, help="Pass on calls without a token, too.")
@click.option("--factor", type=click.IntRange(101, 1000), default=110, show_default=True,
              help="Most calls of one board, in percent of the mean.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(), help="Write this file instead of stdout.")
def haproxy(
    fleet_: Fleet,
    *,
    listen: str,
    edge_cert: str,
    client_ca: str,
    boards_ca: str,
    boards_cert: str,
    boards_name: str,
    no_token: bool,
    factor: int,
    output: str | None,
) -> None:
    """
    Print a configuration of HAProxy for the boards: one address, each model on few of them.

    The boards are asked for their models; make it anew when models come and go, and reload.
    """
    files = (edge_cert, client_ca, boards_ca, boards_cert, listen, boards_name)
    for word in files:
        if re.search(r"[\s\"'#\\]", word):
            raise click.UsageError(f"{word!r} cannot stand in HAProxy's configuration")
    edge = Edge(
        tuple(_server(one, named=boards_name, tls=bool(boards_ca)) for one in fleet_.boards),
        _models(fleet_),
        listen=listen,
        certificate=edge_cert,
        client_ca=client_ca,
        boards_ca=boards_ca,
        boards_pem=boards_cert,
        boards_name=boards_name,
        wants_token=not no_token,
        factor=factor,
    )
    text = render(edge)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        write_whole(Path(output), text)
    except OSError as error:
        said = f"{named(output)} cannot be written: {why_not(error)}"
        raise Failure(said, "INVALID_FILE", (), Exit.USAGE) from error
    screen.note(f"wrote {output}; look at it: haproxy -c -f {output}")


def _server(board: Board, *, named: str, tls: bool) -> Server:
    endpoint = board.endpoint
    if endpoint.path:
        raise Failure(
            f"{board.name} is a unix socket, which a proxy elsewhere cannot reach",
            "INVALID_ENDPOINT",
            ("name its host and port: rkctl context add",),
            Exit.USAGE,
        )
    name = re.sub(r"[^A-Za-z0-9._-]", "-", board.name)[:63]
    if not _NAME.fullmatch(name):
        raise click.UsageError(f"{board.name!r} cannot be the name of a board")
    try:
        ipaddress.ip_address(endpoint.host)
        host = ""
    except ValueError:
        host = endpoint.host
    if tls and not named and not host:
        said = f"{board.name} is an address, and certificates are checked for names"
        raise click.UsageError(f"{said}: give --boards-name, or the board's name as its endpoint")
    return Server(name, endpoint.target, host)


def _models(fleet_: Fleet) -> tuple[str, ...]:
    said = ask(
        fleet_.boards,
        lambda client, _: client.call(models_ask.list()),
        fleet_.timeout_s or PATIENCE_S,
    )
    found: dict[str, str] = {}
    for one in said:
        if one.error is not None:
            screen.note(f"{one.board.name} was not asked for its models: {one.error}")
        elif one.answer is not None:
            names = (model.name for model in one.answer.models if _MODEL.fullmatch(model.name))
            found.update({name.lower(): name for name in names})
    if len(found) > MAX_MODELS:
        screen.note(f"{len(found) - MAX_MODELS} models beyond {MAX_MODELS} are left out")
    return tuple(found[key] for key in sorted(found)[:MAX_MODELS])
