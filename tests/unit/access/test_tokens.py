"""Tokens: made, kept, found and refused."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rkd.access.role import Role
from rkd.access.tokens import (
    TokenFile,
    find_token,
    new_token,
    read_tokens,
    write_tokens,
)
from rkd.errors import InvalidInputError

NOW = datetime(2026, 11, 21, tzinfo=UTC)


class TestFinding:
    """A token offered is good or not."""

    def test_the_text_handed_out_is_found(self) -> None:
        """The right text gives the kept token, among others."""
        other, _ = new_token("other", Role.READ, NOW)
        kept, text = new_token("laptop", Role.MANAGE, NOW)

        assert find_token((other, kept), text, NOW) is kept

    def test_anything_else_is_not(self) -> None:
        """One changed letter, an unknown id, another's secret, garbage and nothing are refused."""
        first, first_text = new_token("a", Role.ADMIN, NOW)
        second, second_text = new_token("b", Role.READ, NOW)
        changed = first_text[:-1] + ("A" if first_text[-1] != "A" else "B")
        mixed = f"rkd_{first.id}_{second_text.rpartition('_')[2]}"
        unknown = f"rkd_{'0' * 8}_{first_text[13:]}"

        for wrong in (changed, unknown, mixed[:56], "", "rkd_", "x" * 100_000, "rkd_é"):
            assert find_token((first, second), wrong, NOW) is None

    def test_an_expired_token_is_not(self) -> None:
        """It is good until its last moment, and not then."""
        end = NOW + timedelta(days=1)
        kept, text = new_token("guest", Role.READ, NOW, expires=end)

        assert find_token((kept,), text, end - timedelta(seconds=1)) is kept
        assert find_token((kept,), text, end) is None


class TestFile:
    """Tokens on disk."""

    def test_what_is_written_is_read(self, tmp_path: Path) -> None:
        """All facts survive, expiry included."""
        tokens = (
            new_token("a", Role.ADMIN, NOW)[0],
            new_token("b", Role.READ, NOW, expires=NOW)[0],
        )
        write_tokens(tmp_path / "tokens", tokens)

        assert read_tokens(tmp_path / "tokens") == tokens

    def test_the_secret_is_not_in_the_file(self, tmp_path: Path) -> None:
        """Who reads the file cannot call."""
        kept, text = new_token("a", Role.ADMIN, NOW)
        write_tokens(tmp_path / "tokens", (kept,))

        assert text[13:] not in (tmp_path / "tokens").read_text()

    def test_the_mode_is_kept_and_first_closed(self, tmp_path: Path) -> None:
        """A new file is closed to others; a changed mode stays at the next writing."""
        path = tmp_path / "tokens"
        write_tokens(path, ())
        first = path.stat().st_mode & 0o777
        path.chmod(0o600)
        write_tokens(path, ())

        assert first & 0o007 == 0
        assert path.stat().st_mode & 0o777 == 0o600
        assert [one.name for one in tmp_path.iterdir()] == ["tokens"]

    def test_no_file_holds_no_tokens(self, tmp_path: Path) -> None:
        """An absent file is no error."""
        assert read_tokens(tmp_path / "none") == ()
        assert TokenFile(None).current() == ()

    @pytest.mark.parametrize(
        "text", ["", "{}", "[]", '{"tokens": [{}]}', '{"tokens": 3}', '{"tokens": ["x"]}', "\xff"]
    )
    def test_a_bad_file_is_never_taken_for_none(self, tmp_path: Path, text: str) -> None:
        """An empty or broken file is an error, since "no tokens" opens the doors."""
        (tmp_path / "tokens").write_text(text, encoding="latin-1")

        with pytest.raises(InvalidInputError, match="token file"):
            read_tokens(tmp_path / "tokens")

    @pytest.mark.parametrize("text", ["[" * 200_000, '{"tokens": ' + "[" * 2000, "x" * (2 << 20)])
    def test_one_that_is_deep_or_long_is_bad_as_well(self, tmp_path: Path, text: str) -> None:
        """And nothing worse."""
        (tmp_path / "tokens").write_text(text)

        with pytest.raises(InvalidInputError, match="token file"):
            read_tokens(tmp_path / "tokens")

    def test_what_is_no_file_is_not_waited_for(self, tmp_path: Path) -> None:
        """A FIFO in its place keeps nobody."""
        os.mkfifo(tmp_path / "tokens")

        with pytest.raises(InvalidInputError, match="FIFO"):
            read_tokens(tmp_path / "tokens")

    def test_a_bad_salt_is_refused(self, tmp_path: Path) -> None:
        """A record edited by hand fails when read, not when compared."""
        write_tokens(tmp_path / "tokens", (new_token("a", Role.READ, NOW)[0],))
        held = json.loads((tmp_path / "tokens").read_text())
        held["tokens"][0]["salt"] = "no"
        (tmp_path / "tokens").write_text(json.dumps(held))

        with pytest.raises(InvalidInputError, match="salt"):
            read_tokens(tmp_path / "tokens")

    def test_changes_are_seen_at_once(self, tmp_path: Path) -> None:
        """Created, revoked, and gone: the next question has the new answer."""
        path = tmp_path / "tokens"
        file = TokenFile(path)
        kept, _ = new_token("a", Role.READ, NOW)
        seen = [file.current()]
        write_tokens(path, (kept,))
        seen.append(file.current())
        write_tokens(path, ())
        seen.append(file.current())
        path.unlink()
        seen.append(file.current())

        assert seen == [(), (kept,), (), ()]

    def test_an_unchanged_file_is_not_read_again(self, tmp_path: Path) -> None:
        """The same tuple comes back."""
        write_tokens(tmp_path / "tokens", (new_token("a", Role.READ, NOW)[0],))
        file = TokenFile(tmp_path / "tokens")

        assert file.current() is file.current()


def test_names_are_for_people() -> None:
    """A name without letters or with control characters is refused."""
    for name in ("", "\n", "a\tb", "x" * 65):
        with pytest.raises(InvalidInputError):
            new_token(name, Role.READ, NOW)


def test_roles_are_ordered_and_parsed() -> None:
    """Each role includes those before it; an unknown word names the known ones."""
    assert Role.READ < Role.GENERATE < Role.MANAGE < Role.ADMIN
    assert Role.parse("Manage") is Role.MANAGE
    with pytest.raises(ValueError, match="read, generate, manage, admin"):
        Role.parse("root")


@pytest.mark.parametrize("role", ["x" * 100_000, "\u202e\n" * 1_000])
def test_errors_repeat_no_long_input(tmp_path: Path, role: str) -> None:
    """Neither a long path nor a long value; both are named by their beginning, on one line."""
    folder = tmp_path.joinpath(*["d" * 200] * 4)
    folder.mkdir(parents=True)
    file = folder / "tokens"
    kept, _ = new_token("a", Role.READ, NOW)
    write_tokens(file, (kept,))
    held = json.loads(file.read_text())
    held["tokens"][0]["role"] = role
    file.write_text(json.dumps(held))

    with pytest.raises(InvalidInputError, match=r"token file .* cannot be used: ") as caught:
        read_tokens(file)
    assert len(caught.value.message.encode()) < 500
    assert caught.value.message.isprintable()

    file.unlink()
    file.mkdir()
    with pytest.raises(InvalidInputError, match=r"token file .* cannot be used: ") as caught:
        read_tokens(file)
    assert len(caught.value.message.encode()) < 500
