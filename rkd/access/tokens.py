"""
Access tokens: how they look, how they are kept, and whether one offered is good.

A token is `rkd_<id>_<secret>`; the file holds a salted SHA-256 of the secret, never the secret.
A slow hash (scrypt, argon2) protects secrets people choose. Ours are 32 random bytes, which no
hash rate can search, while a slow hash on every call would let strangers burn the board's CPU.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rkd.access.role import Role
from rkd.durable import write_file
from rkd.errors import InvalidInputError, Reason, bad_field
from rkd.outside import cut, json_object, read_regular, shown

SECRET_BYTES: Final = 32
MAX_FILE_BYTES: Final = 1 << 20
MAX_ITEMS: Final = 50_000
"""What a token file may be: some thousand tokens."""
QUOTED_BYTES: Final = 200
"""Of a path or of what is wrong, in an error."""
MOST_MADE: Final = 1_000
"""Tokens made over the wire."""
_TOKEN = re.compile(r"rkd_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@ -]{0,63}")
_NOBODY_SALT: Final = "00" * 16


@dataclass(frozen=True, slots=True)
class Token:
    """
    What is kept of a token.

    Args:
        id: eight hexadecimal digits; public, shown in lists and logs.
        name: whose it is, for people.
        salt, hash: hexadecimal.
        expires: after this moment it is no good; None means never.
    """

    id: str
    name: str
    role: Role
    salt: str
    hash: str
    created: datetime
    expires: datetime | None = None


def new_token(
    name: str, role: Role, now: datetime, expires: datetime | None = None
) -> tuple[Token, str]:
    """
    Make a token; return what to keep and the text to hand out, which is never seen again.

    Raises:
        InvalidInputError: INVALID_FIELD for a name that is empty, too long or not printable.
    """
    if not _NAME.fullmatch(name):
        raise bad_field(
            "name",
            f"{name[:80]!r} cannot name a token",
            remedy="Use 1 to 64 letters, digits, spaces and `._@-`.",
        )
    token_id, secret = secrets.token_hex(4), secrets.token_urlsafe(SECRET_BYTES)
    salt = secrets.token_hex(16)
    kept = Token(token_id, name, role, salt, _hash(salt, secret), now, expires)
    return kept, f"rkd_{token_id}_{secret}"


def find_token(tokens: tuple[Token, ...], offered: str, now: datetime) -> Token | None:
    """
    Return the token *offered* is, or None.

    An unknown id costs the same hash and comparison as a known one.
    """
    match = _TOKEN.fullmatch(offered)
    token_id, secret = match.groups() if match else ("", "")
    known = next((token for token in tokens if token.id == token_id), None)
    salt, expected = (known.salt, known.hash) if known else (_NOBODY_SALT, "0" * 64)
    good = hmac.compare_digest(_hash(salt, secret), expected)
    if known is None or not good or (known.expires is not None and known.expires <= now):
        return None
    return known


@dataclass(frozen=True, slots=True)
class TokenList:
    """
    What a file holds.

    Args:
        tokens: that are good, unless another file revokes them.
        revoked: ids of tokens of other files that are good no more.
    """

    tokens: tuple[Token, ...] = ()
    revoked: frozenset[str] = frozenset()


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Read the tokens kept in *path*, as `read_kept`."""
    return read_kept(path).tokens


def read_kept(path: Path) -> TokenList:
    """
    Read what *path* holds; a file that does not exist holds nothing.

    Raises:
        InvalidInputError: INVALID_FIELD, when the file is not one of ours or cannot be read: to
            take that for "no tokens" would open the doors.
    """
    try:
        held = json_object(read_regular(path, most_bytes=MAX_FILE_BYTES), most_items=MAX_ITEMS)
        listed: Any = held["tokens"]
        tokens = tuple(_from_json(one) for one in listed)
        revoked: Any = held.get("revoked", ())
        return TokenList(tokens, frozenset(map(str, revoked)))
    except FileNotFoundError:
        return TokenList()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        why = cut(shown(said), QUOTED_BYTES)
        raise InvalidInputError(
            Reason.INVALID_FIELD,
            f"the token file {cut(shown(str(path)), QUOTED_BYTES)} cannot be used: {why}",
            remedy="Give the daemon read access, or make it anew with `rkctl token create`.",
        ) from error


def write_tokens(
    path: Path, tokens: tuple[Token, ...], revoked: Iterable[str] = (), *, mode: int = 0o640
) -> None:
    """
    Replace *path* by one that holds *tokens* and what it revokes, at once and whole.

    A new file has *mode*, 0640, and gets its folder's group where that folder is set-group-id, so
    that the daemon's group can read it; an existing one keeps owner, group and mode.
    """
    held: dict[str, Any] = {"tokens": [_to_json(one) for one in tokens]}
    if revoked := sorted(revoked):
        held["revoked"] = revoked
    write_file(path, f"{json.dumps(held, indent=1)}\n".encode(), mode=mode)


class TokenFile:
    """
    The tokens there are now: files are read again when they are replaced or changed.

    Args:
        path: the token file, an administrator's.
        made: of those made over the wire, the daemon's own; it may revoke those of *path* as well.
    """

    def __init__(self, path: Path | None, made: Path | None = None) -> None:
        self._given, self._made = _Watched(path), _Watched(made)
        self._joined: tuple[TokenList, TokenList, tuple[Token, ...]] | None = None

    @property
    def exists(self) -> bool:
        """Whether there is a file, as of the last `current`; an empty one still wants tokens."""
        return self._given.exists or self._made.exists

    def current(self) -> tuple[Token, ...]:
        """
        Return the tokens; a `stat` of each file when nothing changed.

        Raises:
            InvalidInputError: as `read_kept`.
        """
        given, made = self._given.current(), self._made.current()
        joined = self._joined
        if joined is None or joined[0] is not given or joined[1] is not made:
            good = tuple(one for one in given.tokens if one.id not in made.revoked)
            joined = self._joined = given, made, (*good, *made.tokens)
        return joined[2]

    def keep(self, token: Token) -> None:
        """
        Add *token* to those made over the wire; blocks for as long as the disk does.

        Raises:
            InvalidInputError: INVALID_FIELD, there are too many.
        """
        path, kept = self._own()
        if len(kept.tokens) >= MOST_MADE:
            said = f"there are {MOST_MADE} tokens made over the wire already"
            raise bad_field("name", said, remedy="Revoke those nobody uses.")
        write_tokens(path, (*kept.tokens, token), kept.revoked, mode=0o600)

    def revoke(self, token_id: str) -> bool:
        """Let the token called *token_id* be good no more; tells whether there was one."""
        if all(one.id != token_id for one in self.current()):
            return False
        path, kept = self._own()
        left = tuple(one for one in kept.tokens if one.id != token_id)
        given = {one.id for one in self._given.current().tokens}
        revoked = (kept.revoked & given) | ({token_id} & given)
        write_tokens(path, left, revoked, mode=0o600)
        return True

    def _own(self) -> tuple[Path, TokenList]:
        if self._made.path is None:
            raise InvalidInputError(Reason.INVALID_FIELD, "this daemon keeps no tokens of its own")
        self._made.path.parent.mkdir(parents=True, exist_ok=True)
        return self._made.path, self._made.current()


class _Watched:
    """One file, read when it is another one than before."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._kept = TokenList()

    @property
    def exists(self) -> bool:
        """Whether it was there."""
        return self._seen is not None

    def current(self) -> TokenList:
        """Return what it holds."""
        if self.path is None:
            return self._kept
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._seen, self._kept = None, TokenList()
            return self._kept
        except OSError:
            return read_kept(self.path)
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            self._kept = read_kept(self.path)
            self._seen = seen
        return self._kept


def _hash(salt: str, secret: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + secret.encode()).hexdigest()


def _to_json(token: Token) -> dict[str, str | None]:
    expires = token.expires.isoformat() if token.expires else None
    return asdict(token) | {
        "role": token.role.word,
        "created": token.created.isoformat(),
        "expires": expires,
    }


def _from_json(held: dict[str, str]) -> Token:
    expires = datetime.fromisoformat(held["expires"]) if held.get("expires") else None
    if not re.fullmatch(r"[0-9a-f]{32}", held["salt"]):
        raise ValueError("a salt is not 16 bytes in hexadecimal")
    return Token(
        id=held["id"],
        name=held["name"],
        role=Role.parse(held["role"]),
        salt=held["salt"],
        hash=held["hash"],
        created=datetime.fromisoformat(held["created"]).astimezone(UTC),
        expires=expires.astimezone(UTC) if expires else None,
    )
