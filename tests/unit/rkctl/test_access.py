"""`rkctl token` and `rkctl cert`, which need no daemon."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from rkd.access.role import Role
from rkd.access.tokens import find_token, new_token, read_kept, read_tokens, write_tokens
from tests.unit.rkctl.fake_board import Rkctl

NOW = datetime.now(UTC)


def test_a_token_is_printed_alone_and_kept_hashed(rkctl: Rkctl, tmp_path: Path) -> None:
    """Standard output is the token and nothing else, so that a script can take it."""
    file = tmp_path / "deep" / "tokens"
    done = rkctl("token", "create", "laptop", "--role", "manage", "--file", str(file))
    (kept,) = read_tokens(file)

    assert done.exit_code == 0
    assert find_token((kept,), done.stdout.strip(), NOW) == kept
    assert (kept.name, kept.role) == ("laptop", Role.MANAGE)
    assert done.stdout.strip()[13:] not in file.read_text()
    assert done.stdout.strip()[13:] not in done.stderr


def test_tokens_are_listed_without_secrets_and_revoked(rkctl: Rkctl, tmp_path: Path) -> None:
    """By name or id; an unknown one changes nothing."""
    file = str(tmp_path / "tokens")
    made = json.loads(rkctl("token", "create", "a", "--json", "--file", file).stdout)
    rkctl("token", "create", "b", "--expires", "0s", "--file", file, "--role", "read")
    listed = rkctl("token", "list", "--file", file)
    unknown = rkctl("token", "revoke", "a", "zzz", "--file", file)
    revoked = rkctl("token", "revoke", made["id"], "--file", file)
    left = json.loads(rkctl("token", "list", "--json", "--file", file).stdout)

    assert made["token"][13:] not in listed.stdout
    assert "generate" in listed.stdout
    assert "expired" in listed.stdout
    assert (unknown.exit_code, "[TOKEN_NOT_FOUND]" in unknown.stderr) == (3, True)
    assert revoked.exit_code == 0
    assert [one["name"] for one in left["tokens"]] == ["b"]


def test_the_file_is_where_the_environment_says(rkctl: Rkctl, tmp_path: Path) -> None:
    """RKD_TOKEN_FILE names it for daemon and rkctl alike."""
    file = tmp_path / "mine"
    rkctl("token", "create", RKD_TOKEN_FILE=str(file))

    assert [one.name for one in read_tokens(file)] == ["generate"]


def test_those_made_over_the_wire_are_listed_and_revoked_too(rkctl: Rkctl, tmp_path: Path) -> None:
    """What the console made, the board's administrator sees and takes back."""
    made = tmp_path / "state" / "tokens"
    made.parent.mkdir()
    kept, _ = new_token("phone", Role.MANAGE, NOW)
    write_tokens(made, (kept,), ("0a0a0a0a",), mode=0o600)
    there = {"RKD_TOKEN_FILE": str(tmp_path / "tokens"), "RKD_STATE_DIR": str(made.parent)}
    listed = rkctl("token", "list", **there)
    revoked = rkctl("token", "revoke", "phone", **there)

    assert "phone" in listed.stdout
    assert revoked.exit_code == 0
    assert read_kept(made).tokens == ()
    assert read_kept(made).revoked == {"0a0a0a0a"}
    assert not (tmp_path / "tokens").exists()


def test_certificates_in_one_command(rkctl: Rkctl, tmp_path: Path) -> None:
    """Authority, server and client, with keys closed, and what to set on standard output."""
    where = tmp_path / "tls"
    done = rkctl("cert", "init", "--host", "rock.lan", "--role", "read", "--dir", str(where))
    authority = x509.load_pem_x509_certificate((where / "ca.crt").read_bytes())
    modes = {path.name: path.stat().st_mode & 0o777 for path in where.glob("*.key")}

    assert done.exit_code == 0
    assert f'tls_cert = "{where}/server.crt"' in done.stdout
    assert modes["ca.key"] == modes["client.key"] == 0o600
    assert modes["server.key"] & 0o007 == 0
    for name in ("server", "client"):
        signed = x509.load_pem_x509_certificate((where / f"{name}.crt").read_bytes())
        signed.verify_directly_issued_by(authority)


def test_a_second_init_keeps_the_authority(rkctl: Rkctl, tmp_path: Path) -> None:
    """What it signed stays good; --force makes a new one."""
    where = tmp_path / "tls"
    seen = []
    for more in ((), (), ("--force",)):
        rkctl("cert", "init", "--host", "h", "--dir", str(where), *more)
        seen.append(((where / "ca.crt").read_bytes(), (where / "server.crt").read_bytes()))

    assert seen[0][0] == seen[1][0] != seen[2][0]
    assert seen[0][1] != seen[1][1]


@pytest.mark.parametrize("name", ["ca", "server", "../x", "a/b"])
def test_a_client_cannot_overwrite_the_authority(rkctl: Rkctl, tmp_path: Path, name: str) -> None:
    """Nor leave the folder."""
    where = str(tmp_path / "tls")
    rkctl("cert", "init", "--host", "h", "--dir", where)

    assert rkctl("cert", "client", name, "--dir", where).exit_code == 2
    assert rkctl("cert", "client", "good-1", "--dir", where, "--role", "admin").exit_code == 0


def test_a_client_needs_an_authority(rkctl: Rkctl, tmp_path: Path) -> None:
    """The error says how to make one."""
    done = rkctl("cert", "client", "x", "--dir", str(tmp_path / "none"))

    assert done.exit_code == 3
    assert "rkctl cert init" in done.stderr
