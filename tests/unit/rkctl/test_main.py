"""The group: verbs, failures, exit codes, shared flags."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rkctl.catalogue import VERBS
from rkctl.main import cli

import rkd
from rkd.v1 import models_pb2, types_pb2
from tests.unit.rkctl.fake_board import FakeBoard, Refusal, Rkctl

UNUSED_BY_LIST = (
    *("grpc.aio", "rkd_client.aio", "rkd_client.boards_aio", "rkd_client.passing"),
    *("rkctl.flags", "rkctl.operation", "rkctl.screen.progress", "rkctl.screen.live"),
    *("rkctl.chat", "rkctl.make", "rkctl.verify", "rkctl.measure", "rkctl.fleet"),
    *("rkd.modelfile", "rkd.access", "rkd.setting", "google.rpc", "rich", "prompt_toolkit"),
    *("tempfile", "multiprocessing", "tomllib", "shlex", "http.client", "urllib.request"),
)
"""Modules a call with one answer has no use for. gRPC itself imports asyncio."""

MISSING = Refusal("NOT_FOUND", "MODEL_NOT_FOUND", "There is no model 'x'.", "Pull it.")


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run rkctl as a program of its own."""
    command = [sys.executable, *arguments]
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin", "HOME": "/nowhere"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


class TestVerbs:
    """The verbs of the contract."""

    def test_every_verb_can_be_imported_and_explains_itself(self, rkctl: Rkctl) -> None:
        """Each line of the table names a command with help."""
        for name in VERBS:
            result = rkctl(name, "--help")

            assert (name, 0) == (name, result.exit_code)
            assert f"Usage: rkctl {name}" in result.stdout

    def test_ls_is_list(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """The short name lists as well."""
        board.answers["ModelService.List"] = models_pb2.ListResponse()

        assert rkctl("ls").exit_code == 0

    def test_an_unknown_verb_is_a_usage_error(self, rkctl: Rkctl) -> None:
        """A wrong verb leaves with 2."""
        assert rkctl("lsit").exit_code == 2

    def test_version_imports_no_grpc(self) -> None:
        """The quick verb does not pay for what it does not use."""
        script = (
            "import sys; from rkctl.main import cli; cli(['version'], standalone_mode=False);"
            "print(sorted(m for m in ('grpc', 'rich', 'google.protobuf') if m in sys.modules))"
        )
        result = python("-c", script)

        assert f"rkctl {rkd.__version__}\n[]\n" == result.stdout

    def test_list_imports_no_more_than_it_uses(self, board: FakeBoard, tmp_path: Path) -> None:
        """A table of models pays for no conversation, no bar, no Modelfile and no event loop."""
        script = (
            "import sys; from rkctl.main import cli\n"
            "try:\n    cli(['list'])\nexcept SystemExit as ended:\n    assert not ended.code\n"
            f"print(sorted(m for m in {UNUSED_BY_LIST!r} if m in sys.modules))"
        )
        board.answers["ModelService.List"] = models_pb2.ListResponse()
        environment = board.environment(tmp_path) | {"PYTHONPATH": ":".join(sys.path)}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

        assert done.stdout.splitlines()[-1] == "[]"

    def test_version_as_json(self, rkctl: Rkctl) -> None:
        """`--json` prints one object."""
        assert {"rkctl": rkd.__version__} == json.loads(rkctl("version", "--json").stdout)


class TestFailures:
    """What goes wrong is one line with its reason, then what to do."""

    def test_a_missing_model_leaves_with_three(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """The message, the reason and the remedy go to stderr, nothing to stdout."""
        board.answers["ModelService.Show"] = MISSING

        result = rkctl("show", "x")

        assert result.stdout == ""
        assert result.stderr == "rkctl: There is no model 'x' [MODEL_NOT_FOUND]\n  Pull it.\n"
        assert result.exit_code == 3

    @pytest.mark.parametrize(
        ("code", "reason", "exit_code"),
        [
            ("INVALID_ARGUMENT", "INVALID_NAME", 1),
            ("NOT_FOUND", "HUB_NOT_FOUND", 3),
            ("UNAVAILABLE", "SHUTTING_DOWN", 4),
            ("UNAUTHENTICATED", "TOKEN_MISSING", 5),
            ("PERMISSION_DENIED", "ROLE_FORBIDS", 5),
            ("ABORTED", "WORKER_CRASHED", 1),
            ("RESOURCE_EXHAUSTED", "QUEUE_FULL", 1),
        ],
    )
    def test_exit_codes_follow_the_status(
        self, rkctl: Rkctl, board: FakeBoard, code: str, reason: str, exit_code: int
    ) -> None:
        """The contract's exit codes."""
        board.answers["ModelService.List"] = Refusal(code, reason, "No.")

        result = rkctl("list")

        assert result.stderr == f"rkctl: No [{reason}]\n"
        assert result.exit_code == exit_code

    def test_a_violation_the_message_does_not_tell_is_told(
        self, rkctl: Rkctl, board: FakeBoard
    ) -> None:
        """Field and rule of a bad request are printed below."""
        board.answers["ModelService.List"] = Refusal(
            "INVALID_ARGUMENT", "INVALID_FIELD", "Bad.", field="page_size", rule="1 to 1000"
        )

        assert "  page_size: 1 to 1000\n" in rkctl("list").stderr

    def test_a_status_without_reason_shows_its_code(self, rkctl: Rkctl) -> None:
        """A daemon too old for a call is told apart."""
        result = rkctl("list")

        assert "does not know this call [UNIMPLEMENTED]" in result.stderr
        assert result.exit_code == 1

    def test_no_daemon_says_how_to_start_it(self, rkctl: Rkctl, tmp_path: Path) -> None:
        """Every place tried is named, then the command that starts the daemon."""
        nowhere = tmp_path / "nowhere.sock"

        result = rkctl("list", "--endpoint", str(nowhere))

        assert result.stderr == (
            f"rkctl: the rkd daemon is not there: tried unix:{nowhere} "
            "(no such file or directory) [UNAVAILABLE]\n"
            "  start it: systemctl start rkd (as a service) or rkd (by hand)\n"
        )
        assert result.exit_code == 4

    def test_a_daemon_that_does_not_answer_is_left(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """A bound given is kept and told."""
        board.answers["ModelService.List"] = lambda _: board.cancelled.wait(1) and None

        result = rkctl("list", "--timeout", "0.05")

        board.cancelled.set()
        assert "did not answer in time [DEADLINE_EXCEEDED]" in result.stderr
        assert result.exit_code == 4


class TestSharedFlags:
    """Flags before the verb and after it."""

    def test_the_flag_after_the_verb_wins(
        self, rkctl: Rkctl, board: FakeBoard, tmp_path: Path
    ) -> None:
        """`--endpoint` may stand in both places."""
        board.answers["ModelService.List"] = models_pb2.ListResponse()
        wrong = str(tmp_path / "wrong.sock")

        assert rkctl("--endpoint", wrong, "list").exit_code == 4
        assert rkctl("--endpoint", wrong, "list", "--endpoint", str(board.socket)).exit_code == 0

    def test_several_endpoints_are_tried_in_order(
        self, rkctl: Rkctl, board: FakeBoard, tmp_path: Path
    ) -> None:
        """The first that listens is taken, whether a socket or host:port."""
        board.answers["ModelService.List"] = models_pb2.ListResponse()

        result = rkctl("list", RKD_ENDPOINT=f"{tmp_path}/no.sock, 127.0.0.1:{board.port}")

        assert result.exit_code == 0

    def test_the_token_is_sent(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """Flag over environment; as a bearer token."""
        board.answers["ModelService.List"] = models_pb2.ListResponse()

        rkctl("list", RKD_TOKEN="one")
        rkctl("list", "--token", "two", RKD_TOKEN="one")

        assert board.tokens == ["Bearer one", "Bearer two"]

    def test_json_may_stand_before_the_verb(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """Numbers are numbers, names are the proto's, empty fields are there."""
        model = types_pb2.ModelSummary(name="tiny", size_bytes=1 << 40)
        board.answers["ModelService.List"] = models_pb2.ListResponse(models=[model])

        plain = json.loads(rkctl("--json", "list").stdout)

        assert plain["models"][0]["size_bytes"] == 1 << 40
        assert plain["models"][0]["quantization"] == ""
        assert plain["left_alone"] == []


def test_the_table_names_every_command_once() -> None:
    """The group lists exactly the table."""
    with cli.make_context("rkctl", ["version"]) as context:
        assert list(VERBS) == cli.list_commands(context)
