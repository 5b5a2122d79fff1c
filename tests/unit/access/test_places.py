"""Where tokens are looked for."""

from __future__ import annotations

from pathlib import Path

from rkd.access.places import config_folder, token_file


def test_root_and_users_have_their_folders() -> None:
    """The system's, or the user's own."""
    assert config_folder({}, 0) == Path("/etc/rkd")
    assert config_folder({"HOME": "/home/a"}, 1000) == Path("/home/a/.config/rkd")
    assert config_folder({"HOME": "/home/a", "XDG_CONFIG_HOME": "/x"}, 1000) == Path("/x/rkd")


def test_variable_then_configuration_then_folder(tmp_path: Path) -> None:
    """The same place the daemon of this environment reads."""
    config = tmp_path / "rkd.toml"
    config.write_text('token_file = "/srv/tokens"\n')
    environment = {"HOME": "/home/a", "RKD_CONFIG": str(config)}

    assert token_file({**environment, "RKD_TOKEN_FILE": "/t"}, 1000) == Path("/t")
    assert token_file(environment, 1000) == Path("/srv/tokens")
    config.write_text("listen = [")
    assert token_file(environment, 1000) == Path("/home/a/.config/rkd/tokens")
