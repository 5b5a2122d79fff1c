"""`rkctl context`: boards by name, with endpoint, token and certificates."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace

import click
from rkd_client import contexts, endpoint
from rkd_client.files import place_of

from rkctl import naming
from rkctl.failure import Exit, Failure
from rkctl.screen import render
from rkctl.verb import CONNECTION_FLAGS, Local, local_verb


@click.group("context")
def context() -> None:
    """Name boards, and choose the one that is meant when nothing else is said."""


@local_verb("add", json=False)
@click.argument("name")
@click.option("--use", is_flag=True, help="Use it from now on.")
def add(_: Local, /, name: str, *, use: bool, **given: str | None) -> None:
    """
    Add or change context NAME: the connection flags given are kept with it.

    The first context is used at once.
    """
    if not given["endpoint"]:
        raise click.UsageError("--endpoint is needed: the board's host:port or socket")
    endpoint.parse(given["endpoint"])
    fields = ("endpoint", "token", "ca", "cert", "key")
    made = contexts.Context(name, **{field: _whole(field, given[field]) for field in fields})
    file = contexts.file_of(os.environ)
    store = contexts.load(file)
    others = tuple(one for one in store.contexts if one.name != name)
    current = name if use or not store.contexts else store.current
    contexts.save(file, contexts.Store((*others, made), current))
    render.note(f"{name}: {made.endpoint}{' (in use)' if current == name else ''}")


for _option in CONNECTION_FLAGS[:2] + CONNECTION_FLAGS[3:6]:
    _option(add)


@local_verb("list")
def list_(local: Local) -> None:
    """List the contexts; * marks the one in use. Tokens are not shown."""
    store = contexts.load(contexts.file_of(os.environ))
    shown = [{**asdict(one), "token": bool(one.token)} for one in store.contexts]
    if local.json:
        click.echo(json.dumps({"current": store.current, "contexts": shown}))
        return
    rows = (
        (
            "*" if one.name == store.current else "",
            one.name,
            one.endpoint,
            "yes" if one.token else "no",
            one.ca or "-",
        )
        for one in store.contexts
    )
    render.table(("", "NAME", "ENDPOINT", "TOKEN", "CA"), rows)


@local_verb("use", json=False)
@click.argument("name", required=False, shell_complete=naming.known_contexts)
def use(_: Local, name: str | None) -> None:
    """Use context NAME from now on; without NAME none, and the default places again."""
    file = contexts.file_of(os.environ)
    store = contexts.load(file)
    if name is not None:
        _known(store, name)
    contexts.save(file, replace(store, current=name or ""))
    render.note(f"{name} is in use" if name else "no context is in use")


@local_verb("rm", json=False)
@click.argument("name", shell_complete=naming.known_contexts)
def remove(_: Local, name: str) -> None:
    """Forget context NAME."""
    file = contexts.file_of(os.environ)
    store = contexts.load(file)
    _known(store, name)
    kept = tuple(one for one in store.contexts if one.name != name)
    contexts.save(file, contexts.Store(kept, "" if store.current == name else store.current))
    render.note(f"{name} is forgotten")


def _known(store: contexts.Store, name: str) -> None:
    if all(one.name != name for one in store.contexts):
        said = f"there is no context named {name!r}"
        raise Failure(said, "CONTEXT_NOT_FOUND", ("see rkctl context list",), Exit.NOT_FOUND)


def _whole(field: str, value: str | None) -> str:
    """Return a file's whole path, so that it is found from any folder."""
    if value and field in {"ca", "cert", "key"}:
        return os.path.abspath(place_of(value))  # noqa: PTH100 - no link is followed
    return value or ""


for _command in (add, list_, use, remove):
    context.add_command(_command)
