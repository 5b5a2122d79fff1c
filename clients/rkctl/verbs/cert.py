"""`rkctl cert`: a private authority for this board, its certificate and those of its clients."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rkctl.failure import Exit, Failure
from rkctl.screen import render
from rkctl.verb import Local, local_verb
from rkd.access.places import config_folder
from rkd.access.role import Role

if TYPE_CHECKING:
    from rkd.access.certificates import Pair

_FOLDER = click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Default: /etc/rkd/tls, a user's ~/.config/rkd/tls.",
)
_ROLE = click.option(
    "--role",
    type=click.Choice([role.word for role in Role]),
    default=Role.MANAGE.word,
    show_default=True,
    help="What the client may do.",
)


@click.group("cert")
def cert() -> None:
    """Make certificates for TLS; run it on the board."""


@local_verb("init")
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME|ADDRESS",
    help="A name or address clients use; several times. Default: this machine's.",
)
@click.option("--client", default="client", show_default=True, help="Name of the first client.")
@_ROLE
@click.option("--force", is_flag=True, help="Make a new authority: what the old one signed ends.")
@_FOLDER
def init(
    local: Local,
    *,
    hosts: tuple[str, ...],
    client: str,
    role: str,
    force: bool,
    folder: str | None,
) -> None:
    """
    Make a private authority, a server certificate and a first client's, and say what to set.

    With an authority already there, only the server's certificate is made anew.
    """
    maker, where = _certificates(), _folder(folder)
    now = datetime.now(UTC)
    names = _names(hosts)
    authority = None if force else _authority(where)
    fresh = authority is None
    if authority is None:
        authority = maker.make_authority(names[0], now)
        _write(where, "ca", authority)
    _write(where, "server", maker.make_server(authority, names, now), group_reads_key=True)
    if fresh:
        _write(where, client, maker.make_client(authority, client, Role.parse(role), now))
    if local.json:
        click.echo(json.dumps({"dir": str(where), "hosts": names, "client": client}))
        return
    render.note(f"made in {where} for {', '.join(names)}")
    render.out(_to_set(where))
    render.note(f"a client needs ca.crt; with tls_client_ca also {client}.crt and {client}.key:")
    render.note(
        f"  rkctl context add board --endpoint https://{names[0]}:7588 --ca ca.crt"
        f" --cert {client}.crt --key {client}.key"
    )


@local_verb("client", json=False)
@click.argument("name")
@_ROLE
@_FOLDER
def client(_: Local, name: str, *, role: str, folder: str | None) -> None:
    """Make a certificate with which client NAME is let in."""
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name in {
        "ca",
        "server",
    }:
        raise click.UsageError("NAME wants letters, digits, '.', '_' and '-', and not ca or server")
    maker, where = _certificates(), _folder(folder)
    authority = _authority(where)
    if authority is None:
        raise Failure(
            f"there is no authority in {where}",
            "CA_MISSING",
            ("make one: rkctl cert init",),
            Exit.NOT_FOUND,
        )
    _write(where, name, maker.make_client(authority, name, Role.parse(role), datetime.now(UTC)))
    render.note(f"made {where / name}.crt and .key: {role}")


for _command in (init, client):
    cert.add_command(_command)


class _Maker:
    """The functions of `rkd.access.certificates`, imported once it is known to be there."""

    def __init__(self) -> None:
        from rkd.access import certificates  # noqa: PLC0415 - needs an extra

        self.make_authority = certificates.make_authority
        self.make_server = certificates.make_server
        self.make_client = certificates.make_client


def _certificates() -> _Maker:
    try:
        return _Maker()
    except ImportError as error:
        raise Failure(
            "making certificates needs the package cryptography",
            "MISSING_PACKAGE",
            ("install it: pip install cryptography, or run this on the board",),
            Exit.ERROR,
        ) from error


def _folder(given: str | None) -> Path:
    return Path(given) if given else config_folder(os.environ, os.geteuid()) / "tls"


def _names(hosts: tuple[str, ...]) -> tuple[str, ...]:
    if hosts:
        return hosts
    name = socket.gethostname()
    found = [name] if "." in name else [name, f"{name}.local"]
    try:
        # connecting a datagram socket sends nothing; it only asks for the route
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            found.append(probe.getsockname()[0])
    except OSError:
        pass  # no network yet: the name and loopback must do
    return tuple(dict.fromkeys([*found, "localhost", "127.0.0.1", "::1"]))


def _authority(where: Path) -> Pair | None:
    from rkd.access.certificates import Pair  # noqa: PLC0415 - see _Maker

    try:
        return Pair((where / "ca.crt").read_bytes(), (where / "ca.key").read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(where, error) from error


def _write(where: Path, name: str, pair: Pair, *, group_reads_key: bool = False) -> None:
    """Write certificate and key; the server's key is for the daemon's group, others' for root."""
    try:
        where.mkdir(parents=True, exist_ok=True)
        for suffix, data, mode in (
            (".crt", pair.certificate, 0o644),
            (".key", pair.key, 0o640 if group_reads_key else 0o600),
        ):
            draft = where / f".{name}{suffix}"
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
                out.write(data)
            draft.replace(where / f"{name}{suffix}")
    except OSError as error:
        raise _refused(where, error) from error


def _refused(where: Path, error: OSError) -> Failure:
    return Failure(
        f"{error.filename or where} cannot be used: {error.strerror}",
        "PERMISSION_DENIED",
        ("run it as root (sudo rkctl cert ...), or name a folder with --dir",),
        Exit.PERMISSION,
    )


def _to_set(where: Path) -> str:
    return "\n".join(
        (
            f'tls_cert = "{where}/server.crt"',
            f'tls_key = "{where}/server.key"',
            f'# tls_client_ca = "{where}/ca.crt"  # to demand client certificates',
        )
    )
