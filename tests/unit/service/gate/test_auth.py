"""Who may call what."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Self

import pytest
from google.protobuf.descriptor import FileDescriptor

import rkd.v1
from rkd.access.role import Role
from rkd.access.tokens import TokenFile, new_token, write_tokens
from rkd.errors import InvalidInputError, Reason, RkdError
from rkd.service.gate import auth
from rkd.service.gate.auth import NOBODY, Failures, Guard, refuse_open_doors
from rkd.setting import Listen

NOW = datetime.now(UTC)
GENERATE = "/rkd.v1.InferenceService/Generate"
LOOPBACK = "ipv4:127.0.0.1:5"
STRANGER = "ipv4:192.0.2.7:5"


class FakeContext:
    """What the guard asks of a call's context."""

    def __init__(self, peer: str, token: str | None = None, **certificate: list[bytes]) -> None:
        self._peer = peer
        self._metadata: tuple[tuple[str, str], ...] = (
            () if token is None else (("authorization", f"Bearer {token}"),)
        )
        self._certificate = certificate

    def add(self, token: str) -> None:
        """Send one more token along."""
        self._metadata += (("authorization", f"Bearer {token}"),)

    def for_nobody(self) -> Self:
        """Say that the call is passed on for somebody without a token."""
        self._metadata += ((NOBODY, "1"),)
        return self

    def peer(self) -> str:
        """Return gRPC's word for the other end."""
        return self._peer

    def auth_context(self) -> dict[str, list[bytes]]:
        """Return what TLS proved."""
        return self._certificate

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the call's metadata."""
        return self._metadata


class FakeClock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def guard(folder: Path, *roles: Role, insecure: bool = False) -> tuple[Guard, list[str]]:
    """Make a guard over a file with a token of each of *roles*, and the tokens' texts."""
    made = [new_token(role.word, role, NOW) for role in roles]
    if made:
        write_tokens(folder / "tokens", tuple(kept for kept, _ in made))
    file = TokenFile(folder / "tokens")
    return Guard(file, insecure=insecure, clock=FakeClock()), [text for _, text in made]


def refusal(one: Guard, context: FakeContext, method: str = GENERATE) -> Reason:
    """Return why *context* may not call *method*."""
    with pytest.raises(RkdError) as caught:
        one.identify(method, context)
    return caught.value.reason


def methods_of_the_contract() -> Iterator[str]:
    """Every method of every proto."""
    for module in pkgutil.iter_modules(rkd.v1.__path__):
        if module.name.endswith("_pb2"):
            file: FileDescriptor = importlib.import_module(f"rkd.v1.{module.name}").DESCRIPTOR
            for service in file.services_by_name.values():
                for method in service.methods:
                    yield f"/{service.full_name}/{method.name}"


class TestTable:
    """The table of roles is the contract's, whole."""

    def test_every_method_has_a_role(self) -> None:
        """A method added to a proto must be given a role here."""
        ours = {method for method in auth.METHOD_ROLES if method.startswith("/rkd.")}

        assert ours == set(methods_of_the_contract())

    def test_an_unknown_method_needs_the_most(self, tmp_path: Path) -> None:
        """What is not in the table is for admins."""
        one, (token,) = guard(tmp_path, Role.MANAGE)

        assert refusal(one, FakeContext(LOOPBACK, token), "/x.Y/Z") is Reason.ROLE_FORBIDS


class TestSocket:
    """The unix socket means admin."""

    def test_it_needs_no_token(self, tmp_path: Path) -> None:
        """Its file mode has judged, tokens or not."""
        one, _ = guard(tmp_path, Role.READ)

        assert one.identify(GENERATE, FakeContext("unix:")).role is Role.ADMIN

    def test_a_token_sent_along_decides_there_too(self, tmp_path: Path) -> None:
        """A proxy on the socket that passes its caller's token on lends nobody its own rights."""
        one, (token,) = guard(tmp_path, Role.READ)
        reading = "/rkd.v1.ModelService/List"

        assert one.identify(reading, FakeContext("unix:", token)).role is Role.READ
        assert refusal(one, FakeContext("unix:", token)) is Reason.ROLE_FORBIDS
        assert refusal(one, FakeContext("unix:", "wrong")) is Reason.TOKEN_INVALID
        assert refusal(one, FakeContext("unix:", "")) is Reason.TOKEN_INVALID

    def test_it_decides_where_no_token_was_ever_made(self, tmp_path: Path) -> None:
        """A word that is no token opens nothing that it would not open elsewhere."""
        one, _ = guard(tmp_path)

        assert refusal(one, FakeContext("unix:", "wrong")) is Reason.TOKEN_INVALID

    def test_a_call_passed_on_for_nobody_is_judged_as_over_tcp(self, tmp_path: Path) -> None:
        """The socket's rights are the proxy's: open without tokens, TOKEN_MISSING with them."""
        free, _ = guard(tmp_path)
        assert free.identify(GENERATE, FakeContext("unix:").for_nobody()).name == "open listener"

        kept, (token,) = guard(tmp_path, Role.READ)
        assert refusal(kept, FakeContext("unix:").for_nobody()) is Reason.TOKEN_MISSING
        assert refusal(kept, FakeContext("unix:", token).for_nobody()) is Reason.ROLE_FORBIDS

    def test_a_proxys_certificate_is_not_its_callers(self, tmp_path: Path) -> None:
        """What the proxy proves of itself says nothing of whom it passes on."""
        one, _ = guard(tmp_path, Role.READ)
        context = FakeContext(STRANGER, x509_common_name=[b"proxy"])

        assert one.identify(GENERATE, context).name == "certificate proxy"
        assert refusal(one, context.for_nobody()) is Reason.TOKEN_MISSING

    def test_two_tokens_are_none(self, tmp_path: Path) -> None:
        """Whoever passed the call on added his: nobody can say whose rights would count."""
        one, (token,) = guard(tmp_path, Role.ADMIN)
        context = FakeContext("unix:", token)
        context.add(token)

        assert refusal(one, context) is Reason.TOKEN_INVALID


class TestEdge:
    """A certificate of the role none: a proxy's, whose callers are whoever reaches it."""

    EDGE: ClassVar = {
        "x509_common_name": [b"edge"],
        "x509_subject_alternative_name": [b"edge", b"rkd:role:none"],
    }

    def test_it_gives_no_right(self, tmp_path: Path) -> None:
        """Without a token nobody may read, wherever the proxy stands."""
        one, _ = guard(tmp_path, Role.READ)
        reading = "/rkd.v1.ModelService/List"

        assert refusal(one, FakeContext(STRANGER, **self.EDGE), reading) is Reason.TOKEN_MISSING
        assert refusal(one, FakeContext(LOOPBACK, **self.EDGE), reading) is Reason.TOKEN_MISSING

    def test_the_callers_token_decides(self, tmp_path: Path) -> None:
        """As if he had come himself."""
        one, (token,) = guard(tmp_path, Role.GENERATE)
        context = FakeContext(STRANGER, token, **self.EDGE)

        assert one.identify(GENERATE, context).name == "token generate"
        assert refusal(one, context, "/rkd.v1.ModelService/Delete") is Reason.ROLE_FORBIDS
        assert refusal(one, FakeContext(LOOPBACK, "x", **self.EDGE)) is Reason.TOKEN_INVALID

    @pytest.mark.parametrize("insecure", [False, True])
    def test_open_doors_are_not_open_through_it(self, tmp_path: Path, insecure: bool) -> None:  # noqa: FBT001 - a table
        """No token was ever made: this machine may, those behind the proxy on it may not."""
        one, _ = guard(tmp_path, insecure=insecure)

        assert refusal(one, FakeContext(LOOPBACK, **self.EDGE)) is Reason.TOKEN_MISSING
        assert refusal(one, FakeContext(LOOPBACK, "any", **self.EDGE)) is Reason.TOKEN_INVALID
        assert one.identify(GENERATE, FakeContext(LOOPBACK)).role is Role.ADMIN


class TestTcp:
    """Every TCP listener, loopback too."""

    def test_loopback_is_open_while_no_token_exists(self, tmp_path: Path) -> None:
        """The first minute needs no set-up."""
        one, _ = guard(tmp_path)

        assert one.identify(GENERATE, FakeContext(LOOPBACK)).role is Role.ADMIN
        assert one.identify(GENERATE, FakeContext(LOOPBACK, "old")).role is Role.ADMIN

    def test_loopback_wants_one_once_tokens_exist(self, tmp_path: Path) -> None:
        """From the moment the first is written, without restart."""
        one, _ = guard(tmp_path)
        one.identify(GENERATE, FakeContext(LOOPBACK))
        write_tokens(tmp_path / "tokens", (new_token("a", Role.READ, NOW)[0],))

        assert refusal(one, FakeContext(LOOPBACK)) is Reason.TOKEN_MISSING

    def test_loopback_stays_closed_when_the_last_is_revoked(self, tmp_path: Path) -> None:
        """An empty file still wants tokens; only one that is deleted opens loopback again."""
        one, _ = guard(tmp_path, Role.ADMIN)
        write_tokens(tmp_path / "tokens", ())

        assert refusal(one, FakeContext(LOOPBACK)) is Reason.TOKEN_MISSING
        assert refusal(one, FakeContext(LOOPBACK, "old")) is Reason.TOKEN_INVALID

        (tmp_path / "tokens").unlink()
        assert one.identify(GENERATE, FakeContext(LOOPBACK)).role is Role.ADMIN

    def test_strangers_always_want_one(self, tmp_path: Path) -> None:
        """Also where no token exists, unless the file says insecure."""
        one, _ = guard(tmp_path)
        open_, _ = guard(tmp_path, insecure=True)

        assert refusal(one, FakeContext(STRANGER)) is Reason.TOKEN_MISSING
        assert refusal(one, FakeContext(STRANGER, "x")) is Reason.TOKEN_INVALID
        assert open_.identify(GENERATE, FakeContext(STRANGER)).role is Role.ADMIN

    def test_insecure_does_not_cancel_tokens(self, tmp_path: Path) -> None:
        """Where tokens exist, insecure only means plaintext."""
        one, _ = guard(tmp_path, Role.READ, insecure=True)

        assert refusal(one, FakeContext(STRANGER)) is Reason.TOKEN_MISSING

    @pytest.mark.parametrize("role", list(Role))
    def test_a_role_may_what_it_and_the_lesser_may(self, tmp_path: Path, role: Role) -> None:
        """Each method is open from its role up and closed below."""
        one, (token,) = guard(tmp_path, role)

        for method, needed in auth.METHOD_ROLES.items():
            if role >= needed:
                assert one.identify(method, FakeContext(STRANGER, token)).role is role
            else:
                assert refusal(one, FakeContext(STRANGER, token), method) is Reason.ROLE_FORBIDS

    def test_a_revoked_token_is_refused_at_once(self, tmp_path: Path) -> None:
        """The next call after the revocation fails."""
        one, (token,) = guard(tmp_path, Role.ADMIN)
        one.identify(GENERATE, FakeContext(STRANGER, token))
        write_tokens(tmp_path / "tokens", (new_token("other", Role.READ, NOW)[0],))

        assert refusal(one, FakeContext(STRANGER, token)) is Reason.TOKEN_INVALID

    def test_a_broken_file_lets_nobody_in(self, tmp_path: Path) -> None:
        """Over TCP; the socket still works, so that it can be mended."""
        (tmp_path / "tokens").write_text("oops")
        one, _ = guard(tmp_path)

        assert refusal(one, FakeContext(LOOPBACK)) is Reason.INTERNAL
        assert one.identify(GENERATE, FakeContext("unix:")).role is Role.ADMIN


class TestCertificates:
    """Client certificates, which gRPC has verified before we see them."""

    def test_a_certificate_is_a_proof(self, tmp_path: Path) -> None:
        """It stands in place of a token, with the role written in it."""
        one, _ = guard(tmp_path, Role.ADMIN)
        context = FakeContext(
            STRANGER,
            x509_common_name=[b"laptop"],
            x509_subject_alternative_name=[b"rkd:role:manage"],
        )

        assert one.identify(GENERATE, context).role is Role.MANAGE

    def test_a_token_beside_it_decides(self, tmp_path: Path) -> None:
        """Who shows a token is its bearer, and a wrong one is refused."""
        one, (token,) = guard(tmp_path, Role.ADMIN)
        certificate = {"x509_common_name": [b"laptop"]}

        assert (
            one.identify(GENERATE, FakeContext(STRANGER, token, **certificate)).role is Role.ADMIN
        )
        assert refusal(one, FakeContext(STRANGER, "bad", **certificate)) is Reason.TOKEN_INVALID


class TestIdentity:
    """By what a caller's share of the board is counted."""

    def test_it_is_the_token_or_the_certificate_else_the_network(self, tmp_path: Path) -> None:
        """One caller on many connections is one; two tokens from one machine are two."""
        one, (first, second) = guard(tmp_path, Role.ADMIN, Role.GENERATE)
        ca = {"x509_common_name": [b"laptop"]}

        def identity(peer: str, token: str | None = None, **more: list[bytes]) -> str:
            return one.identify(GENERATE, FakeContext(peer, token, **more)).identity

        assert identity(LOOPBACK, first) == identity("ipv4:192.0.2.9:77", first)
        assert identity(LOOPBACK, first) != identity(LOOPBACK, second)
        assert identity(STRANGER, **ca) == identity(LOOPBACK, **ca)
        assert identity("unix:") == "unix"

    def test_on_an_open_listener_it_is_the_address(self, tmp_path: Path) -> None:
        """Whatever port the connection comes from."""
        one, _ = guard(tmp_path, insecure=True)
        seen = [one.identify(GENERATE, FakeContext(f"ipv4:192.0.2.7:{n}")) for n in (1, 2)]

        assert {caller.identity for caller in seen} == {"192.0.2.7"}


class TestFailures:
    """Wrong tokens are counted by network."""

    def test_too_many_are_told_to_wait(self, tmp_path: Path) -> None:
        """After ten within a minute; others and good tokens are not touched."""
        one, (token,) = guard(tmp_path, Role.READ)
        listing = "/rkd.v1.ModelService/List"
        reasons = [refusal(one, FakeContext(STRANGER, "bad"), listing) for _ in range(12)]

        assert reasons == [Reason.TOKEN_INVALID] * 10 + [Reason.AUTH_RATE_LIMITED] * 2
        assert refusal(one, FakeContext("ipv4:192.0.2.8:5", "bad")) is Reason.TOKEN_INVALID
        assert one.identify(listing, FakeContext(STRANGER, token)).role is Role.READ

    def test_the_window_passes(self) -> None:
        """A minute after the first failure counting begins anew; until then the wait is told."""
        clock = FakeClock()
        failures = Failures(clock)
        for _ in range(auth.FAILURES_ALLOWED):
            assert failures.add("a") == 0
        clock.now += 20
        waited = failures.add("a")
        clock.now += 40

        assert waited == pytest.approx(40)
        assert failures.add("a") == 0

    def test_memory_is_bounded(self) -> None:
        """A flood of addresses pushes out the oldest, not us."""
        failures = Failures(FakeClock())
        for number in range(auth.NETWORKS_REMEMBERED + 100):
            failures.add(str(number))

        assert len(failures._windows) == auth.NETWORKS_REMEMBERED


class TestOpenDoors:
    """What the daemon refuses to listen on."""

    open_ = Listen(host="0.0.0.0", port=7588)  # noqa: S104 - what is refused here

    def test_local_addresses_are_free(self) -> None:
        """Sockets and loopback need nothing."""
        local = [Listen(socket="/run/rkd/rkd.sock"), Listen(host="127.0.0.1"), Listen(host="::1")]

        refuse_open_doors(local, (), has_tls=False, has_client_ca=False)

    @pytest.mark.parametrize(
        ("tls", "token", "ca", "words"),
        [
            (False, False, False, "without TLS .* and without a token"),
            (False, True, False, "without TLS"),
            (False, False, True, "without TLS"),
            (True, False, False, "without a token"),
        ],
    )
    def test_others_need_tls_and_a_proof(
        self,
        tls: bool,  # noqa: FBT001 - a table
        token: bool,  # noqa: FBT001 - a table
        ca: bool,  # noqa: FBT001 - a table
        words: str,
    ) -> None:
        """The error names the address and each thing missing."""
        tokens = (new_token("a", Role.READ, NOW)[0],) if token else ()

        with pytest.raises(InvalidInputError, match=f"0.0.0.0:7588.*{words}"):
            refuse_open_doors([self.open_], tokens, has_tls=tls, has_client_ca=ca)

    def test_tls_and_one_proof_suffice(self) -> None:
        """A token or a client CA."""
        tokens = (new_token("a", Role.READ, NOW)[0],)

        refuse_open_doors([self.open_], tokens, has_tls=True, has_client_ca=False)
        refuse_open_doors([self.open_], (), has_tls=True, has_client_ca=True)
