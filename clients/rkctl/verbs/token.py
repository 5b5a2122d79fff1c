"""`rkctl token`: access tokens, in the daemon's token file on this machine; no daemon needed."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from rkctl.failure import Exit, Failure
from rkctl.flags import length_of_time
from rkctl.screen import render
from rkctl.verb import Local, local_verb
from rkd.access.places import made_file, token_file
from rkd.access.role import Role
from rkd.access.tokens import (
    Token,
    TokenFile,
    TokenList,
    new_token,
    read_kept,
    read_tokens,
    write_tokens,
)

_FILE = click.option(
    "--file",
    type=click.Path(),
    metavar="FILE",
    help="The daemon's token file. Default: RKD_TOKEN_FILE, the configuration's, the usual place.",
)


@click.group("token")
def token() -> None:
    """Make, list and revoke access tokens for this board; run it on the board."""


@local_verb("create")
@click.argument("name", required=False)
@click.option(
    "--role",
    type=click.Choice([role.word for role in Role if role]),
    default=Role.GENERATE.word,
    show_default=True,
    help="What its bearer may do; each includes those before it.",
)
@click.option("--expires", type=length_of_time, metavar="TIME", help="Good for so long: 30d.")
@_FILE
def create(
    local: Local, name: str | None, *, role: str, expires: float | None, file: str | None
) -> None:
    """
    Make a token and print it; it is never shown again.

    From the first token on, every TCP listener wants one, on loopback too. NAME says whose it is.
    """
    path, now = _path(file), datetime.now(UTC)
    until = now + timedelta(seconds=expires) if expires is not None and expires >= 0 else None
    kept, text = new_token(name or role, Role.parse(role), now, until)
    _write(path, (*read_tokens(path), kept))
    if local.json:
        click.echo(json.dumps({**_plain(kept), "token": text, "file": str(path)}))
        return
    click.echo(text)
    render.note(f"{kept.id} {kept.name}: {kept.role.word}, kept hashed in {path}")
    render.note("give it to rkctl as RKD_TOKEN or --token, or keep it with `rkctl context add`")


@local_verb("list")
@_FILE
def list_(local: Local, *, file: str | None) -> None:
    """List the tokens there are, without their secrets."""
    tokens, now = TokenFile(_path(file), _made(file)).current(), datetime.now(UTC)
    if local.json:
        click.echo(json.dumps({"tokens": [_plain(one) for one in tokens]}))
        return
    rows = (
        (
            one.id,
            one.name,
            one.role.word,
            f"{one.created:%Y-%m-%d}",
            _until(one, now),
        )
        for one in tokens
    )
    render.table(("ID", "NAME", "ROLE", "CREATED", "EXPIRES"), rows)


@local_verb("revoke", json=False)
@click.argument("ids", metavar="ID|NAME...", nargs=-1, required=True)
@_FILE
def revoke(_: Local, ids: tuple[str, ...], *, file: str | None) -> None:
    """Revoke tokens by id or name; calls with them are refused from now on."""
    path, made = _path(file), _made(file)
    given, own = read_kept(path), read_kept(made) if made else TokenList()
    tokens = TokenFile(path, made).current()
    known = {word for one in tokens for word in (one.id, one.name)}
    if unknown := [word for word in ids if word not in known]:
        raise Failure(
            f"no token is called {', '.join(unknown)}",
            "TOKEN_NOT_FOUND",
            ("see: rkctl token list",),
            Exit.NOT_FOUND,
        )
    kept = _left(tokens, ids)
    if (left := _left(given.tokens, ids)) != given.tokens:
        _write(path, left)
    if made and (left := _left(own.tokens, ids)) != own.tokens:
        _write(made, left, own.revoked)
    render.note(f"revoked {len(tokens) - len(kept)} of {len(tokens)}")
    if not kept:
        render.note("no tokens are left: loopback is open again to every user of this machine")


for _command in (create, list_, revoke):
    token.add_command(_command)


def _path(given: str | None) -> Path:
    return Path(given) if given else token_file(os.environ, os.geteuid())


def _made(given: str | None) -> Path | None:
    """Return where those made over the wire are; a file that was named is the only one meant."""
    return None if given else made_file(os.environ, os.geteuid())


def _left(tokens: tuple[Token, ...], ids: tuple[str, ...]) -> tuple[Token, ...]:
    return tuple(one for one in tokens if one.id not in ids and one.name not in ids)


def _write(path: Path, tokens: tuple[Token, ...], revoked: frozenset[str] = frozenset()) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tokens(path, tokens, revoked)
    except OSError as error:
        raise Failure(
            f"{path} cannot be written: {error.strerror}",
            "PERMISSION_DENIED",
            ("run it as root (sudo rkctl token ...), or name a file with --file",),
            Exit.PERMISSION,
        ) from error


def _plain(one: Token) -> dict[str, str | None]:
    return {
        "id": one.id,
        "name": one.name,
        "role": one.role.word,
        "created": one.created.isoformat(),
        "expires": one.expires.isoformat() if one.expires else None,
    }


def _until(one: Token, now: datetime) -> str:
    if one.expires is None:
        return "never"
    return "expired" if one.expires <= now else f"{one.expires:%Y-%m-%d %H:%M}"
