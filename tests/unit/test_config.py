"""File, then environment; every problem at once; what is printed can be read again."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from rkd import config
from rkd.config import SETTINGS, Config
from rkd.errors import InvalidInputError, Reason
from rkd.setting import Listen
from tests.growth import assert_linear


def read(folder: Path, text: str | None = None, **variables: str) -> Config:
    """The configuration of *text* and *variables*, for a user without a home of note."""
    file = folder / "rkd.toml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
        variables["RKD_CONFIG"] = str(file)
    return config.read({"HOME": str(folder), **variables}, user_id=1000)


def problems(folder: Path, text: str | None = None, **variables: str) -> dict[str, str]:
    """What is wrong, by where."""
    with pytest.raises(InvalidInputError) as caught:
        read(folder, text, **variables)
    error = caught.value
    assert error.reason is Reason.INVALID_FIELD
    assert all(one.description in error.message for one in error.violations)
    assert "--check-config" in error.remedy
    prefix = f"{folder / 'rkd.toml'}: "
    return {one.field.removeprefix(prefix): one.description for one in error.violations}


@pytest.fixture(autouse=True)
def no_system_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own file is no part of a test."""
    monkeypatch.setattr(config, "DEFAULT_FILE", tmp_path / "absent.toml")


class TestDefaults:
    """What holds when nobody says anything."""

    def test_a_users(self, tmp_path: Path) -> None:
        """Everything below the user's own folders."""
        made = read(tmp_path)

        assert made.models == tmp_path / "RKLLAMA/models"
        assert made.state_dir == tmp_path / ".local/state/rkd"
        assert made.token_file == tmp_path / ".config/rkd/tokens"
        assert made.listen == (
            Listen("/run/user/1000/rkd/rkd.sock"),
            Listen(host="127.0.0.1", port=config.DEFAULT_PORT),
        )

    def test_a_users_with_xdg(self, tmp_path: Path) -> None:
        """XDG's variables say where those folders are."""
        made = read(tmp_path, XDG_RUNTIME_DIR="/r", XDG_STATE_HOME="/s", XDG_CONFIG_HOME="/c")

        assert made.listen[0] == Listen("/r/rkd/rkd.sock")
        assert (made.state_dir, made.token_file) == (Path("/s/rkd"), Path("/c/rkd/tokens"))

    def test_roots(self) -> None:
        """The system's folders; without a HOME the models are below the root."""
        made = config.read({}, user_id=0)

        assert (made.state_dir, made.token_file) == (Path("/var/lib/rkd"), Path("/etc/rkd/tokens"))
        assert made.listen[0] == Listen("/run/rkd/rkd.sock")
        assert made.models == Path("/RKLLAMA/models")

    def test_the_contracts(self, tmp_path: Path) -> None:
        """The numbers clients were promised."""
        made = read(tmp_path)

        assert (made.backend, made.memory_fraction, made.keep_alive) == ("auto", 0.8, 300.0)
        assert (made.max_queue, made.parallel, made.max_context) == (64, 1, 4096)
        assert (made.kv_cache_type, made.offline, made.sysroot) == ("auto", False, Path("/"))

    def test_every_setting_is_a_field_and_the_other_way_round(self) -> None:
        """The table and the dataclass cannot part."""
        assert [row.key for row in SETTINGS] == [one.name for one in dataclasses.fields(Config)]


class TestSources:
    """Who wins."""

    def test_the_file_over_the_default(self, tmp_path: Path) -> None:
        """As TOML writes values."""
        made = read(tmp_path, 'keep_alive = -1\nlisten = ["unix:/s"]\noffline = true\n')

        assert (made.keep_alive, made.listen, made.offline) == (math.inf, (Listen("/s"),), True)

    def test_the_environment_over_the_file(self, tmp_path: Path) -> None:
        """And one that is empty says nothing."""
        text = "parallel = 2\nmax_queue = 3\n"
        made = read(tmp_path, text, RKD_PARALLEL="4", RKD_MAX_QUEUE="")

        assert (made.parallel, made.max_queue) == (4, 3)

    @pytest.mark.parametrize(
        "row", [row for row in SETTINGS if row.variable], ids=lambda it: it.key
    )
    def test_every_variable_is_read(self, tmp_path: Path, row: config.Setting) -> None:
        """A value of its own in the environment arrives in its own field."""
        wanted = {
            "path": "/elsewhere", "paths": "/elsewhere", "text": "words", "words": "words",
            "boolean": "true", "fraction": "0.25", "duration": "77", "byte_count": "77",
            "listen_addresses": "unix:/elsewhere", "loopback_address": "127.0.0.1:77",
            "web_address": "https://hub.lan",
        }  # fmt: skip
        own = {
            "backend": "cpu", "kv_cache_type": "q8_0", "omp_wait_policy": "active",
            "log_level": "debug", "max_context": "77", "npu_parallel": "2", "confine": "false",
            "spare_worker": "false",
        }  # fmt: skip
        value = own.get(row.key) or wanted.get(row.parse.__name__, "7")
        paired = {"tls_cert": "RKD_TLS_KEY", "tls_key": "RKD_TLS_CERT"}.get(row.key)
        others = {paired: "/p"} if paired else {}
        if row.key == "tls_client_ca":
            others = {"RKD_TLS_CERT": "/p", "RKD_TLS_KEY": "/p"}
        made = read(tmp_path, **others, **{row.variable: value})

        assert getattr(made, row.key) == row.parse(value)
        assert getattr(made, row.key) != getattr(read(tmp_path), row.key)

    def test_insecure_is_said_in_the_file_alone(self, tmp_path: Path) -> None:
        """No variable opens the daemon."""
        assert not read(tmp_path, RKD_INSECURE="true").insecure
        assert read(tmp_path, "insecure = true").insecure

    def test_a_default_file_that_is_closed_to_us_is_passed_over(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A user's own daemon goes by its defaults; one named by RKD_CONFIG must be readable."""

        class ClosedPath(type(tmp_path)):  # type: ignore[misc]
            """A file only root may read."""

            def open(self, *_: object, **__: object) -> object:
                raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(config, "DEFAULT_FILE", ClosedPath("/etc/rkd/rkd.toml"))
        assert read(tmp_path).parallel == 1
        monkeypatch.setattr(config, "Path", ClosedPath)
        with pytest.raises(InvalidInputError, match="cannot be read"):
            config.read({"RKD_CONFIG": "/x"}, user_id=0)


class TestProblems:
    """All of them, each with its place."""

    def test_every_problem_is_told_at_once(self, tmp_path: Path) -> None:
        """Unknown keys, bad values of the file and of the environment."""
        found = problems(
            tmp_path,
            'colour = "red"\nhf_token = "secret"\nparallel = 0\nkeep_alive = "soon"\n',
            RKD_BACKEND="gpu",
            RKD_MEMORY_FRACTION="2",
        )

        assert set(found) == {
            "colour", "hf_token", "parallel", "keep_alive", "RKD_BACKEND", "RKD_MEMORY_FRACTION"
        }  # fmt: skip
        assert found["colour"] == "no such setting"

    def test_a_file_that_was_named_must_exist(self, tmp_path: Path) -> None:
        """A typing error in RKD_CONFIG is not a daemon with defaults."""
        assert problems(tmp_path, RKD_CONFIG="/no/such.toml") == {
            "RKD_CONFIG": "/no/such.toml does not exist"
        }

    @pytest.mark.parametrize("content", [b"a = \n", b"a = '\xff'\n"])
    def test_a_file_that_is_no_toml_says_where(self, tmp_path: Path, content: bytes) -> None:
        """The parser's own words."""
        file = tmp_path / "rkd.toml"
        file.write_bytes(content)
        with pytest.raises(InvalidInputError) as caught:
            read(tmp_path, RKD_CONFIG=str(file))

        assert [one.field for one in caught.value.violations] == [str(file)]

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        """Told, not raised through."""
        assert list(problems(tmp_path, RKD_CONFIG=str(tmp_path))) == [str(tmp_path)]

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"a = " + b"[\n" * 30_000, "nested too deep"),
            (b"a" + b".a" * 4_096 + b" = 1", "a line is longer than 8192 bytes"),
            (b"a = " + b"9" * 5_000, "digits"),
            (b"#" * 65_537, "longer than 65536 bytes"),
            (b"\xff\xfea\0=\x001\0", "can't decode"),
            (b"a = '\xed\xa0\x80'", "can't decode"),
            (b"a = 1\0", "Expected"),
        ],
    )
    def test_content_of_any_kind(self, tmp_path: Path, content: bytes, said: str) -> None:
        """A bomb, another encoding, half a character: told with the file's name."""
        file = tmp_path / "rkd.toml"
        file.write_bytes(content)
        found = problems(tmp_path, RKD_CONFIG=str(file))

        assert list(found) == [str(file)]
        assert said in found[str(file)]

    def test_a_wait_for_ever_is_refused_where_it_cannot_be(self, tmp_path: Path) -> None:
        """What waits for the Hub, for a load or for the end comes to an end; a model may stay."""
        keys = ("hub_connect_timeout", "hub_read_timeout", "load_timeout", "stop_grace")
        found = problems(tmp_path, "\n".join(f'{key} = "forever"' for key in keys))

        assert set(found) == set(keys)
        assert found["hub_read_timeout"] == "'forever' should be from 0.1 s to 3600 s"
        assert read(tmp_path, 'keep_alive = "forever"').keep_alive == math.inf

    def test_values_of_any_type(self, tmp_path: Path) -> None:
        """Numbers nobody can write, tables, dates: the key is named, little is repeated."""
        text = (
            "threads = 0x" + "f" * 8_000 + "\nkeep_alive = 1e300\nmemory_fraction = nan\n"
            "load_timeout = inf\nmemory_reserve = 1979-05-27\nmodels = {a = 1}\n"
            f'sysroot = "{"x" * 4_000}"\n'
        )
        found = problems(tmp_path, text)

        assert len(found) == 7
        assert found["threads"] == "a number of 32000 bits should be from 0 to 256"
        assert max(map(len, found.values())) < 200

    @pytest.mark.parametrize("key", ["models", "state_dir", "sysroot"])
    def test_a_folder_that_has_to_be_is_not_empty(self, tmp_path: Path, key: str) -> None:
        """Said where it is read, not by what would open it."""
        assert problems(tmp_path, f'{key} = ""\n') == {key: "'' must be set"}

    def test_many_problems_are_counted(self, tmp_path: Path) -> None:
        """Ten are told."""
        with pytest.raises(InvalidInputError, match="and 990 more") as caught:
            read(tmp_path, "".join(f"a{number} = 1\n" for number in range(1_000)))

        assert len(caught.value.violations) == 10

    def test_secrets_are_not_repeated(self, tmp_path: Path) -> None:
        """Neither a token nor the password in an address, wrong or right."""
        found = problems(tmp_path, HF_TOKEN="secret\n1", HF_ENDPOINT="https://u:secret@h:99999")
        told = config.describe(read(tmp_path, HF_ENDPOINT="https://u:secret@h/mirror"))

        assert set(found) == {"HF_TOKEN", "HF_ENDPOINT"}
        assert "secret" not in str(found)
        assert 'hf_endpoint = "https://h/mirror"' in told

    def test_a_token_file_nobody_may_look_for(self, tmp_path: Path) -> None:
        """A name too long for any file is a file that is not there."""
        assert read(tmp_path, RKD_TOKEN_FILE="/" + "a" * 300).token_file is not None

    @pytest.mark.parametrize(
        "make",
        [
            lambda size: ("a." * 4_000 + "a = 1\n") * (size // 8_006 + 1),
            lambda size: ("[" + "a." * 4_000 + "a]\n") * (size // 8_004 + 1),
            lambda size: "".join(f"a{number} = 1\n" for number in range(size // 12)),
            lambda size: "".join(f"[a{number}]\n" for number in range(size // 10)),
            lambda size: "[[a]]\n" * (size // 6),
            lambda size: "a = [" + "{},\n" * (size // 5) + "]",
            lambda size: "models = '''" + " \n" * (size // 2) + "'''",
            lambda size: "preload = '''" + ",\n" * (size // 2) + "'''",
            lambda size: 'models = """' + "\\\\\n" * (size // 3) + '"""',
            lambda size: "# \n" * (size // 3),
        ],
    )
    def test_time_is_in_proportion(self, tmp_path: Path, make: Callable[[int], str]) -> None:
        """Four times the file takes about four times as long, whatever stands in it."""
        file = tmp_path / "rkd.toml"
        environment = {"HOME": "/home/u", "RKD_CONFIG": str(file)}

        def run(text: str) -> None:
            file.write_text(text, encoding="utf-8")
            with contextlib.suppress(InvalidInputError):
                config.read(environment, user_id=1000)

        assert_linear(make, run, most=config.MAX_FILE_BYTES - 20)


class TestContradictions:
    """Right alone, wrong together."""

    def test_half_a_certificate(self, tmp_path: Path) -> None:
        """Certificate and key come together; a client CA needs both."""
        assert list(problems(tmp_path, RKD_TLS_CERT="/c")) == ["tls_cert, tls_key"]
        assert list(problems(tmp_path, RKD_TLS_KEY="/k")) == ["tls_cert, tls_key"]
        assert list(problems(tmp_path, RKD_TLS_CLIENT_CA="/a")) == ["tls_client_ca"]

    def test_an_open_door_is_refused_with_the_way_to_close_it(self, tmp_path: Path) -> None:
        """Address, both commands and the one way out are in the message."""
        said = problems(tmp_path, RKD_LISTEN="0.0.0.0:1,127.0.0.1:2")["listen"]

        assert said.startswith("0.0.0.0:1 can be reached by other machines")
        assert "127.0.0.1:2" not in said
        assert all(word in said for word in ("rkctl cert", "rkctl token", "insecure = true"))

    def test_tls_alone_guards_nothing(self, tmp_path: Path) -> None:
        """It hides what is said and admits everybody."""
        tls = {"RKD_LISTEN": "0.0.0.0:1", "RKD_TLS_CERT": "/c", "RKD_TLS_KEY": "/k"}
        tokens = tmp_path / "tokens"

        assert list(problems(tmp_path, **tls, RKD_TOKEN_FILE=str(tokens))) == ["listen"]
        tokens.touch()
        assert read(tmp_path, **tls, RKD_TOKEN_FILE=str(tokens)).token_file == tokens
        assert read(tmp_path, **tls, RKD_TLS_CLIENT_CA="/a").tls_client_ca == Path("/a")

    def test_tokens_made_over_the_wire_guard_as_those_of_the_file(self, tmp_path: Path) -> None:
        """They lie in the state directory, and the gate takes them like the others."""
        said = {"RKD_LISTEN": "0.0.0.0:1", "RKD_TLS_CERT": "/c", "RKD_TLS_KEY": "/k"}
        said |= {"RKD_TOKEN_FILE": str(tmp_path / "none"), "RKD_STATE_DIR": str(tmp_path)}

        assert list(problems(tmp_path, **said)) == ["listen"]
        (tmp_path / "tokens").touch()
        assert not read(tmp_path, **said).listen[0].is_local

    def test_insecure_opens_the_door(self, tmp_path: Path) -> None:
        """Written down, it is obeyed."""
        made = read(tmp_path, 'insecure = true\nlisten = "0.0.0.0:1"\n')

        assert not made.listen[0].is_local


def test_what_is_printed_can_be_read_again(tmp_path: Path) -> None:
    """The effective configuration is a file that gives the same one."""
    made = read(
        tmp_path,
        'rkllm_library = ["/a.so", "/b.so"]\npreload = ["x", "y"]\nkeep_alive = -1\n'
        'metrics_listen = "[::1]:9"\nhf_endpoint = \'http://a/"b"\\c\'\noffline = true\n',
    )

    assert read(tmp_path, config.describe(made)) == made


def test_secrets_are_not_printed(tmp_path: Path) -> None:
    """The Hub's token is in no output anybody may paste."""
    assert "hf_secret" not in config.describe(read(tmp_path, HF_TOKEN="hf_secret"))
