"""Endpoints, contexts and what wins over what."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from rkctl.failure import Exit, of_error
from rkd_client import contexts, endpoint
from rkd_client.errors import RkdError
from rkd_client.where import Flags, resolve

from rkd.v1 import models_pb2
from tests.unit.rkctl.fake_board import FakeBoard, Rkctl

STORE = contexts.Store((contexts.Context("board", "board:7588", "secret", ca="/ca.pem"),), "board")


class TestEndpoints:
    """How endpoints may be written."""

    @pytest.mark.parametrize(
        ("text", "target", "tls"),
        [
            ("/run/rkd/rkd.sock", "unix:/run/rkd/rkd.sock", False),
            ("unix:/run/x.sock", "unix:/run/x.sock", False),
            ("unix:///run/x.sock", "unix:/run/x.sock", False),
            ("./x.sock", "unix:x.sock", False),
            ("board:1234", "board:1234", False),
            ("board", "board:7588", False),
            ("10.0.0.2:1", "10.0.0.2:1", False),
            ("[::1]:1234", "[::1]:1234", False),
            ("::1", "[::1]:7588", False),
            ("http://board:1/", "board:1", False),
            ("https://board", "board:7588", True),
            ("tls://board:1", "board:1", True),
        ],
    )
    def test_every_form_is_read(self, text: str, target: str, tls: bool) -> None:  # noqa: FBT001
        """The forms of the manual."""
        (found,) = endpoint.parse(text)

        assert (found.target, found.tls) == (target, tls)

    @pytest.mark.parametrize("text", ["", " , ", "host:port", "host:0", "host:99999", "a/b"])
    def test_anything_else_is_refused(self, text: str) -> None:
        """As a usage error that shows the forms."""
        with pytest.raises(RkdError, match="is no endpoint") as caught:
            endpoint.parse(text)

        assert of_error(caught.value).exit_code == Exit.USAGE

    def test_defaults_are_the_users_socket_the_systems_then_loopback(self) -> None:
        """The order of the contract."""
        found = endpoint.defaults({"XDG_RUNTIME_DIR": "/run/user/7"})

        assert [str(one) for one in found] == [
            "unix:/run/user/7/rkd/rkd.sock",
            "unix:/run/rkd/rkd.sock",
            "127.0.0.1:7588",
        ]

    def test_a_remote_daemon_is_started_there(self) -> None:
        """The remedy of a board that is not this one."""
        refused = ConnectionRefusedError(111, "Connection refused")
        failure = of_error(
            endpoint._unreachable([(endpoint.Endpoint(host="board", port=1), refused)])
        )

        assert "start it there" in failure.remedy[0]

    def test_a_socket_of_others_names_the_group(self) -> None:
        """Permission is another exit code and another remedy."""
        refusal = (endpoint.Endpoint(path="/run/rkd/rkd.sock"), PermissionError(13, "Denied"))
        failure = of_error(endpoint._unreachable([refusal]))

        assert failure.exit_code == Exit.PERMISSION
        assert "usermod -aG rkd" in failure.remedy[0]


class TestPrecedence:
    """Flags over environment over the context in use."""

    def test_the_context_in_use_is_the_last_resort(self) -> None:
        """With its token and certificates."""
        where = resolve(Flags(), {}, STORE)

        assert (str(where.endpoints[0]), where.token, where.ca) == (
            "board:7588",
            "secret",
            "/ca.pem",
        )

    def test_a_contexts_token_goes_to_no_other_endpoint(self) -> None:
        """An endpoint from flag or environment gets nothing of the context."""
        by_flag = resolve(Flags(endpoint="evil:1"), {}, STORE)
        by_environment = resolve(Flags(), {"RKD_ENDPOINT": "evil:1"}, STORE)

        assert (by_flag.token, by_flag.ca) == ("", "")
        assert by_environment.token == ""

    def test_a_context_named_wins_over_the_environment(self) -> None:
        """`--context` is a flag; RKD_TOKEN is still nearer than its token."""
        given = {"RKD_ENDPOINT": "other:1", "RKD_TOKEN": "mine"}
        where = resolve(Flags(context="board"), given, STORE)

        assert (str(where.endpoints[0]), where.token) == ("board:7588", "mine")

    def test_an_unknown_context_is_not_found(self) -> None:
        """With those that are known."""
        with pytest.raises(RkdError, match="no context named 'x'") as caught:
            resolve(Flags(context="x"), {}, STORE)

        assert "known: board" in of_error(caught.value).remedy[0]

    def test_without_anything_the_defaults(self) -> None:
        """Three places."""
        assert len(resolve(Flags(), {}, contexts.Store()).endpoints) == 3


class TestContextVerb:
    """`rkctl context`."""

    def test_a_context_is_added_used_and_forgotten(
        self, rkctl: Rkctl, board: FakeBoard, tmp_path: Path
    ) -> None:
        """The first one is in use; the file is the user's alone and shows no token in lists."""
        board.answers["ModelService.List"] = models_pb2.ListResponse()
        there = f"127.0.0.1:{board.port}"

        assert rkctl("context", "add", "b", "--endpoint", there, "--token", "s").exit_code == 0
        file = tmp_path / "rkctl" / "contexts.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        listed = json.loads(rkctl("context", "list", "--json").stdout)
        assert listed["current"] == "b"
        assert listed["contexts"][0]["token"] is True
        assert rkctl("list", RKD_ENDPOINT="").exit_code == 0
        assert board.tokens == ["Bearer s"]
        assert rkctl("context", "use").exit_code == 0
        assert rkctl("context", "rm", "b").exit_code == 0
        assert rkctl("context", "use", "b").exit_code == 3

    def test_add_wants_an_endpoint_that_can_be_read(self, rkctl: Rkctl) -> None:
        """Usage errors, both."""
        assert rkctl("context", "add", "b").exit_code == 2
        assert rkctl("context", "add", "b", "--endpoint", "a/b").exit_code == 2

    def test_a_broken_file_is_told(self, tmp_path: Path) -> None:
        """Not a traceback, and nothing is overwritten."""
        file = tmp_path / "contexts.json"
        file.write_text("{")

        with pytest.raises(RkdError, match="cannot be read"):
            contexts.load(file)
