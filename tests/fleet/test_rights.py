"""TLS to the edge, mutual TLS to the boards, and whose rights count behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from rkctl.main import cli
from rkd_client import Client, ForbiddenError, UnauthenticatedError

from rkd.access.role import Role
from rkd.access.tokens import new_token, write_tokens
from tests.fleet.edge import SHORT, Boards, Edge, boards, edge

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True, slots=True)
class Guarded:
    """Boards with TLS, a client CA and tokens, and the files of the edge."""

    boards: Boards
    folder: Path
    tokens: dict[Role, str]

    @property
    def flags(self) -> tuple[str, ...]:
        """What `rkctl fleet haproxy` is told."""
        tls = self.folder / "tls"
        return (
            "--edge-cert", f"{tls}/edge.pem", "--boards-ca", f"{tls}/ca.crt",
            "--boards-cert", f"{tls}/boards.pem", "--boards-name", "localhost",
        )  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        """What rkctl asks the boards with."""
        tls = self.folder / "tls"
        return {
            "RKD_TOKEN": self.tokens[Role.READ],
            "RKD_CA": f"{tls}/ca.crt",
            "RKD_CERT": f"{tls}/proxy.crt",
            "RKD_KEY": f"{tls}/proxy.key",
        }


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    """One authority, certificates of localhost, a proxy's of role none, three tokens."""
    tls = tmp_path / "tls"
    for words in (
        ("init", "--host", "localhost", "--host", "127.0.0.1"),
        ("client", "proxy", "--role", "none"),
    ):
        made = CliRunner().invoke(cli, ["cert", *words, "--dir", str(tls)])
        assert made.exit_code == 0, made.output
    for name, pem in (("server", "edge"), ("proxy", "boards")):
        parts = [(tls / f"{name}.{kind}").read_text() for kind in ("crt", "key")]
        (tls / f"{pem}.pem").write_text("".join(parts))
    made_tokens = {role: new_token(role.word, role, datetime.now(UTC)) for role in Role if role}
    write_tokens(tmp_path / "tokens", tuple(kept for kept, _ in made_tokens.values()))
    settings = {
        "RKD_TLS_CERT": f"{tls}/server.crt",
        "RKD_TLS_KEY": f"{tls}/server.key",
        "RKD_TLS_CLIENT_CA": f"{tls}/ca.crt",
        "RKD_TOKEN_FILE": str(tmp_path / "tokens"),
    }
    with boards(tmp_path, settings) as running:
        tokens = {role: text for role, (_, text) in made_tokens.items()}
        yield Guarded(running, tmp_path, tokens)


def asked(address: Edge, guarded: Guarded, token: str) -> str:
    """Ask for an answer with *token*, over TLS to the edge."""
    ca = str(guarded.folder / "tls" / "ca.crt")
    endpoint = address.endpoint.replace("127.0.0.1", "localhost")
    with Client(f"https://{endpoint}", ca=ca, token=token) as client:
        return client.generate("m0", SHORT).text()


def test_the_callers_token_decides(guarded: Guarded, tmp_path: Path) -> None:
    """From the client's TLS to the board's answer, the proxy's certificate gives no right."""
    with edge(guarded.boards, tmp_path, *guarded.flags, **guarded.environment) as address:
        with pytest.raises(UnauthenticatedError, match="TOKEN_MISSING"):
            asked(address, guarded, "")
        with pytest.raises(UnauthenticatedError, match="TOKEN_INVALID"):
            asked(address, guarded, "rkd_wrong")
        with pytest.raises(ForbiddenError, match="ROLE_FORBIDS"):
            asked(address, guarded, guarded.tokens[Role.READ])

        assert asked(address, guarded, guarded.tokens[Role.GENERATE]) == SHORT


def test_a_proxy_that_asks_for_no_token_lends_nothing(guarded: Guarded, tmp_path: Path) -> None:
    """The boards themselves take a certificate of role none for nobody."""
    flags = (*guarded.flags, "--no-token")
    with edge(guarded.boards, tmp_path, *flags, **guarded.environment) as address:
        with pytest.raises(UnauthenticatedError, match="TOKEN_MISSING"):
            asked(address, guarded, "")

        assert asked(address, guarded, guarded.tokens[Role.GENERATE]) == SHORT
