"""AccessService: who calls, and tokens made and revoked over the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rkd.access.role import Role
from rkd.access.tokens import TokenFile, find_token, new_token, read_kept, write_tokens
from rkd.errors import InvalidInputError, NotFoundError, Reason
from rkd.events import Event
from rkd.service.access import LONGEST_S, AccessService
from rkd.service.gate.caller import CALLER, Caller
from rkd.v1 import access_pb2 as pb


class House:
    """A service over files of its own, and what it told."""

    def __init__(self, folder: Path) -> None:
        self.given, self.made = folder / "given", folder / "state" / "tokens"
        self.tokens = TokenFile(self.given, self.made)
        self.told: list[Event] = []
        self.service = AccessService(self.tokens, self.told.append)

    async def create(self, **fields: object) -> pb.CreateTokenResponse:
        """Make a token."""
        return await self.service.CreateToken(pb.CreateTokenRequest(**fields), None)  # type: ignore[arg-type]


async def test_a_token_that_is_made_is_good_at_once(tmp_path: Path) -> None:
    """Its text is the answer's, and nothing of it is kept but the hash."""
    house = House(tmp_path)
    made = await house.create(name="laptop", role=pb.ACCESS_ROLE_MANAGE)
    found = find_token(house.tokens.current(), made.text, datetime.now(UTC))

    assert found is not None
    assert (found.name, found.role) == ("laptop", Role.MANAGE)
    assert made.text.rpartition("_")[2] not in house.made.read_text()
    assert house.made.stat().st_mode & 0o777 == 0o600
    assert house.tokens.exists


async def test_what_was_done_is_told_with_who_did_it(tmp_path: Path) -> None:
    """Watch hears of it; no secret is in it."""
    house = House(tmp_path)
    CALLER.set(Caller("token boss", Role.ADMIN, "token 1"))
    made = await house.create(name="laptop")
    await house.service.RevokeToken(pb.RevokeTokenRequest(id=made.token.id), None)

    assert [(one.action, dict(one.detail).get("by")) for one in house.told] == [
        ("added", "token boss"),
        ("removed", "token boss"),
    ]
    assert made.text.rpartition("_")[2] not in str(house.told)


async def test_one_of_the_token_file_is_revoked_without_writing_there(tmp_path: Path) -> None:
    """The administrator's file is not the daemon's: what it holds is good no more all the same."""
    house = House(tmp_path)
    kept, text = new_token("old", Role.READ, datetime.now(UTC))
    write_tokens(house.given, (kept,))
    before = house.given.read_bytes()
    await house.service.RevokeToken(pb.RevokeTokenRequest(id=kept.id), None)

    assert find_token(house.tokens.current(), text, datetime.now(UTC)) is None
    assert house.given.read_bytes() == before
    assert read_kept(house.made).revoked == {kept.id}


async def test_the_last_one_revoked_opens_no_door(tmp_path: Path) -> None:
    """An empty file still wants tokens."""
    house = House(tmp_path)
    made = await house.create(name="laptop")
    await house.service.RevokeToken(pb.RevokeTokenRequest(id=made.token.id), None)

    assert house.tokens.current() == ()
    assert house.tokens.exists


async def test_an_unknown_one_cannot_be_revoked(tmp_path: Path) -> None:
    """It is said, and nothing is written."""
    house = House(tmp_path)
    with pytest.raises(NotFoundError) as told:
        await house.service.RevokeToken(pb.RevokeTokenRequest(id="x" * 10_000), None)

    assert told.value.reason is Reason.TOKEN_NOT_FOUND
    assert len(told.value.message) < 200
    assert not house.made.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "a\n"},
        {"name": "a", "role": 9},
        {"name": "a", "lifetime": 0},
        {"name": "a", "lifetime": -5},
        {"name": "a", "lifetime": LONGEST_S + 1},
    ],
)
async def test_what_is_no_token_is_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    """Nothing is kept of it."""
    house = House(tmp_path)
    request = pb.CreateTokenRequest(name=fields["name"], role=fields.get("role", 0))  # type: ignore[arg-type]
    if "lifetime" in fields:
        request.lifetime.seconds = fields["lifetime"]  # type: ignore[assignment]
    with pytest.raises(InvalidInputError):
        await house.service.CreateToken(request, None)

    assert not house.made.exists()


async def test_tokens_are_listed_by_pages_without_secrets(tmp_path: Path) -> None:
    """Those of both files, each once."""
    house = House(tmp_path)
    write_tokens(house.given, tuple(new_token("g", Role.READ, datetime.now(UTC))[0] for _ in "ab"))
    await house.create(name="m")
    seen: list[str] = []
    token = ""
    for _ in range(3):
        request = pb.ListTokensRequest(page_size=1, page_token=token)
        answer = await house.service.ListTokens(request, None)
        seen += [one.name for one in answer.tokens]
        token = answer.next_page_token

    assert sorted(seen) == ["g", "g", "m"]
    assert token == ""


async def test_who_calls_is_told_as_the_gate_sees_it(tmp_path: Path) -> None:
    """Name and role."""
    CALLER.set(Caller("token me", Role.GENERATE, "token 7"))
    answer = await House(tmp_path).service.WhoAmI(pb.WhoAmIRequest(), None)

    assert (answer.name, answer.role) == ("token me", pb.ACCESS_ROLE_GENERATE)


@pytest.mark.parametrize("broken", ["{", '{"tokens": [], "revoked": 3}', '{"tokens": 3}'])
def test_a_broken_file_of_our_own_opens_no_door_either(tmp_path: Path, broken: str) -> None:
    """It may hold tokens, or revoke some."""
    house = House(tmp_path)
    house.made.parent.mkdir()
    house.made.write_text(broken)
    with pytest.raises(InvalidInputError, match="token file"):
        house.tokens.current()
