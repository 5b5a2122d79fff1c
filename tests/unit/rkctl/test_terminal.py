"""What a terminal gets, and what an output that cannot show everything gets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rkctl.chat.editor import is_open, unquoted

from rkd.v1 import inference_pb2, models_pb2, pool_pb2, system_pb2
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl import canned
from tests.unit.rkctl.fake_board import FakeBoard, until_cancelled
from tests.unit.rkctl.fake_terminal import FakeTerminal

GENERATE = "InferenceService.Generate"
LONG = "Qwen2.5-3B-Instruct-rk3588-w8a8-opt-0-hybrid-ratio-0.0xx"


def run(
    board: FakeBoard, home: Path, *arguments: bytes | str, stdin: bytes = b"", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run rkctl as a process, with any bytes for arguments."""
    environment = board.environment(home) | {"PYTHONPATH": ":".join(sys.path)} | variables
    command = [os.fsencode(one) for one in (sys.executable, "-m", "rkctl", *arguments)]
    return subprocess.run(
        command, env=environment, input=stdin, capture_output=True, timeout=20, check=False
    )


class TestEncodings:
    """Bytes that are no text, and outputs that lack a character."""

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
    def test_an_answer_is_shown_as_far_as_it_can_be(
        self, board: FakeBoard, tmp_path: Path, encoding: str
    ) -> None:
        """What the encoding lacks is replaced; nothing fails after the tokens were spent."""
        board.answers[GENERATE] = canned.answer("Gr\u00fc\u00dfe \u2014 \u4f60\u597d")

        done = run(board, tmp_path, "run", "tiny", "x", PYTHONIOENCODING=encoding)

        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.startswith(b"Gr")
        assert done.stdout.endswith(b" ? ??\n")

    @pytest.mark.parametrize(
        "arguments",
        [
            ("run", "tiny", b"caf\xe9"),
            ("show", b"caf\xe9"),
            ("pull", "u/r", b"caf\xe9"),
            ("load", b"caf\xe9"),
            ("create", b"caf\xe9", "--from", "x"),
            ("search", "--author", b"caf\xe9"),
            ("run", "tiny", "x", "--stop", b"caf\xe9"),
        ],
    )
    def test_arguments_that_are_no_utf8_are_refused(
        self, board: FakeBoard, tmp_path: Path, arguments: tuple[bytes | str, ...]
    ) -> None:
        """One line with the bytes, exit 2, before anything is asked."""
        done = run(board, tmp_path, *arguments)

        assert done.returncode == 2
        assert done.stderr.startswith(b"rkctl: `caf\\xe9` is no UTF-8 text")
        assert b"[INVALID_TEXT]" in done.stderr
        assert board.asked == []

    def test_a_file_may_be_named_in_any_bytes(self, board: FakeBoard, tmp_path: Path) -> None:
        """Its name is the system's, not text of ours."""
        name = os.fsencode(tmp_path) + b"/caf\xe9"
        with open(name, "wb") as file:  # noqa: PTH123 - bytes
            file.write(b"FROM x\n")

        assert run(board, tmp_path, "lint", name).returncode == 0

    def test_a_prompt_that_is_no_utf8_is_asked_as_far_as_it_is(
        self, board: FakeBoard, tmp_path: Path
    ) -> None:
        """With what is lost replaced."""
        board.answers[GENERATE] = canned.answer("x")

        assert run(board, tmp_path, "run", "tiny", stdin=b"caf\xe9").returncode == 0
        assert board.requests(GENERATE)[0].prompt == "caf\ufffd"

    def test_a_token_no_header_can_hold_is_told(self, board: FakeBoard, tmp_path: Path) -> None:
        """Not a traceback."""
        done = run(board, tmp_path, "list", RKD_TOKEN="t\u00f6ken\n")

        assert b"[TOKEN_INVALID]" in done.stderr


class TestTerminal:
    """Colours, widths and keys."""

    def listed(self, board: FakeBoard) -> None:
        """Two models, one with a long name."""
        models = [types.ModelSummary(name=name, size_bytes=10**9) for name in (LONG, "tiny")]
        board.answers["ModelService.List"] = models_pb2.ListResponse(models=models)

    def test_only_the_head_is_styled(self, board: FakeBoard, tmp_path: Path) -> None:
        """Rows are plain: no escape code ends them."""
        self.listed(board)
        with FakeTerminal(board, tmp_path, "list", TERM="xterm", columns=200) as terminal:
            head, *rows = terminal.rest().splitlines()

        assert head.startswith("\x1b[1m")
        assert len(rows) == 2
        assert all("\x1b" not in row for row in rows)

    @pytest.mark.parametrize("variables", [{"NO_COLOR": "1", "TERM": "xterm"}, {"TERM": "dumb"}])
    def test_no_color_is_kept(
        self, board: FakeBoard, tmp_path: Path, variables: dict[str, str]
    ) -> None:
        """Not one escape code."""
        self.listed(board)
        with FakeTerminal(board, tmp_path, "list", **variables) as terminal:
            assert "\x1b" not in terminal.rest()

    @pytest.mark.parametrize("columns", [50, 80])
    def test_a_table_fits(self, board: FakeBoard, tmp_path: Path, columns: int) -> None:
        """With a name of 56 characters."""
        self.listed(board)
        with FakeTerminal(board, tmp_path, "list", columns=columns) as terminal:
            lines = terminal.rest().splitlines()

        assert all(len(line) <= columns or LONG in line for line in lines)
        assert sum(LONG in line for line in lines) == 1

    @pytest.mark.parametrize("key", ["q", "\x03"])
    @pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
    def test_top_ends_by_q_and_by_ctrl_c(
        self, board: FakeBoard, tmp_path: Path, key: str, encoding: str
    ) -> None:
        """With 0 both; whatever the terminal can show."""
        board.answers["SystemService.GetStatus"] = system_pb2.GetStatusResponse(
            version="1.2.3", cores=2, load_average=1
        )
        board.answers["PoolService.ListResident"] = pool_pb2.ListResidentResponse()
        with FakeTerminal(
            board, tmp_path, "top", TERM="xterm", PYTHONIOENCODING=encoding
        ) as terminal:
            terminal.until("load 1.00")
            terminal.type(key)

            assert terminal.child.wait(20) == 0

    def test_a_bar_is_drawn_at_fifty_columns(self, board: FakeBoard, tmp_path: Path) -> None:
        """In characters the terminal can show."""
        progress = types.Progress(stage="downloading", done_bytes=10**8, total_bytes=10**9)
        running = types.Operation(id="o", model=LONG, kind=1, progress=progress)
        ended = types.Operation(
            id="o", model=LONG, kind=1, progress=progress, state=types.OPERATION_STATE_SUCCEEDED
        )
        board.answers["ModelService.Pull"] = [
            models_pb2.PullResponse(operation=one) for one in (running, ended)
        ]
        with FakeTerminal(
            board, tmp_path, "pull", "u/r", TERM="xterm", columns=50, PYTHONIOENCODING="ascii"
        ) as terminal:
            said = terminal.rest()

        assert "#---------" in said
        assert "10% 100 MB/1.00 GB" in said


class TestEditor:
    """What is typed in a conversation."""

    def test_pasted_lines_are_one_text(self, board: FakeBoard, tmp_path: Path) -> None:
        """Sent when Enter is pressed, and remembered as one."""
        resident = pool_pb2.Resident(model="tiny")
        board.answers["PoolService.Load"] = [pool_pb2.LoadResponse(resident=resident)]
        board.answers["InferenceService.Chat"] = [
            *canned.answer("Yes.", kind=inference_pb2.ChatResponse)[:-1],
            until_cancelled,
        ]
        with FakeTerminal(board, tmp_path, "run", "tiny", TERM="xterm") as terminal:
            terminal.until(">>>")
            terminal.type("\x1b[200~one\ntwo\n\nthree\x1b[201~")
            terminal.until("three")
            terminal.type("\r")
            terminal.until("Yes.")

        (request,) = board.requests("InferenceService.Chat")
        assert [turn.content for turn in request.messages] == ["one\ntwo\n\nthree"]

    def test_saved_and_loaded(self, board: FakeBoard, tmp_path: Path) -> None:
        """/save makes a model of what was set and said; /load talks to another."""
        resident = pool_pb2.Resident(model="tiny")
        board.answers["PoolService.Load"] = [pool_pb2.LoadResponse(resident=resident)]
        board.answers["InferenceService.Chat"] = canned.answer(
            "Yes.", kind=inference_pb2.ChatResponse
        )
        ended = types.Operation(id="o", state=types.OPERATION_STATE_SUCCEEDED)
        board.answers["ModelService.Create"] = [models_pb2.CreateResponse(operation=ended)]
        with FakeTerminal(board, tmp_path, "run", "tiny", "--top-k", "3") as terminal:
            terminal.until(">>> ")
            for line, answer in (
                ("hello", "Yes."),
                ("/save kept", "go on with it: rkctl run kept"),
                ("/load other", "other listens"),
                ("/save", "wants the name"),
            ):
                terminal.type(f"{line}\n")
                terminal.until(answer)
                terminal.until(">>> ")

        (request,) = board.requests("ModelService.Create")
        assert (request.model, request.modelfile) == (
            "kept",
            "FROM tiny\nPARAMETER top_k 3\nMESSAGE user hello\nMESSAGE assistant Yes.\n",
        )
        assert [one.model for one in board.requests("PoolService.Load")] == ["tiny", "other"]

    def test_triple_quotes_are_open_until_closed(self) -> None:
        """And are not part of the text."""
        assert is_open('"""one')
        assert not is_open('"""one"""')
        assert not is_open("one")
        assert unquoted('"""\none\ntwo\n"""') == "one\ntwo"
        assert unquoted("  as it is ") == "  as it is "


def test_help_and_version_import_no_verb(tmp_path: Path, board: FakeBoard) -> None:
    """Nor gRPC: half of what they cost went there."""
    script = (
        "import sys\nfrom rkctl.main import cli\n"
        "try:\n    cli([sys.argv[1]])\nexcept SystemExit:\n    pass\n"
        "print([m for m in sys.modules if m.startswith(('rkctl.verbs.', 'grpc', 'rich'))])"
    )
    environment = board.environment(tmp_path) | {"PYTHONPATH": ":".join(sys.path)}
    for flag in ("--help", "--version"):
        done = subprocess.run(
            [sys.executable, "-c", script, flag],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )

        assert done.stdout.endswith("[]\n")
