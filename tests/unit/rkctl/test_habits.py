"""What people type who come from elsewhere: it works, or one line says what to type."""

from __future__ import annotations

import pytest
from rkctl.catalogue import ALIASES, ELSEWHERE, GROUPS, HIDDEN, VERBS
from rkctl.main import cli

from rkd.v1 import hub_pb2, models_pb2, pool_pb2
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl import canned
from tests.unit.rkctl.fake_board import FakeBoard, Refusal, Rkctl

GENERATE = "InferenceService.Generate"


class TestVerbs:
    """Verbs of other tools."""

    def test_help_lists_every_verb_in_its_group(self, rkctl: Rkctl) -> None:
        """And `help` is `--help`."""
        text = rkctl("--help").stdout

        assert rkctl("help").stdout == text
        for group in GROUPS:
            assert f"\n{group}:\n" in text
        for name, verb in VERBS.items():
            assert f"\n  {name.ljust(10)}  {verb.help}\n" in text

    def test_help_of_a_verb_is_its_own(self, rkctl: Rkctl) -> None:
        """Also of one in a group; an unknown one is a usage error."""
        assert rkctl("help", "pull").stdout == rkctl("pull", "--help").stdout
        assert rkctl("help", "ops", "attach").stdout == rkctl("ops", "attach", "--help").stdout
        assert rkctl("help", "nothing").exit_code == 2

    @pytest.mark.parametrize("name", ALIASES)
    def test_another_name_is_the_same_verb(self, rkctl: Rkctl, name: str) -> None:
        """By its help."""
        with cli.make_context("rkctl", ["version"]) as context:
            ours = cli.get_command(context, ALIASES[name])
            assert cli.get_command(context, name) is ours
        assert rkctl(name, "--help").exit_code == 0

    @pytest.mark.parametrize("name", ELSEWHERE)
    def test_what_is_something_else_here_says_what_to_type(self, rkctl: Rkctl, name: str) -> None:
        """One line that ends in its reason, and the way; exit 2."""
        result = rkctl(name, "whatever", "--flag")

        assert result.exit_code == 2
        assert result.stderr.splitlines()[0].endswith("[NO_SUCH_VERB]")
        assert len(result.stderr.splitlines()) == 2

    def test_every_verb_of_the_issue_is_answered(self) -> None:
        """None is simply unknown."""
        wanted = "help serve start logs info delete remove copy mv download models unload login"

        assert {*wanted.split(), "config"} <= {*ALIASES, *ELSEWHERE, *HIDDEN}

    def test_mv_gives_another_name(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """A copy, then a deletion."""
        copied = models_pb2.CopyResponse(model=types.ModelSummary(name="b"))
        board.answers["ModelService.Copy"] = copied
        board.answers["ModelService.Delete"] = models_pb2.DeleteResponse()

        assert rkctl("mv", "a", "b").stdout == "b\n"
        assert board.requests("ModelService.Delete")[0].model == "a"


class TestFlags:
    """Flags of other tools."""

    @pytest.mark.parametrize(
        ("flag", "thinking"),
        [
            ("--think=false", False),
            ("--think=False", False),
            ("--think=true", True),
            ("--think=high", True),
            ("--think", True),
        ],
    )
    def test_a_switch_may_have_a_value(
        self,
        rkctl: Rkctl,
        board: FakeBoard,
        flag: str,
        thinking: bool,  # noqa: FBT001
    ) -> None:
        """As Go programs write it."""
        board.answers[GENERATE] = canned.answer("x")

        assert rkctl("run", "tiny", flag, "hi").exit_code == 0
        (request,) = board.requests(GENERATE)
        assert (request.options.thinking, request.prompt) == (thinking, "hi")

    def test_a_switch_set_to_false_is_not_set(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """Whichever it is; what stands behind `--` is left alone."""
        board.answers[GENERATE] = canned.answer("x")

        assert rkctl("run", "tiny", "--raw=false", "--", "--raw=false").exit_code == 0
        (request,) = board.requests(GENERATE)
        assert (request.raw, request.prompt) == (False, "--raw=false")

    def test_thinking_can_be_hidden(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """--hidethinking; --nowordwrap is understood."""
        thought = types.Delta(reasoning_text="hm")
        events = canned.answer("42")
        events.insert(1, type(events[0])(delta=thought))
        board.answers[GENERATE] = events

        result = rkctl("run", "tiny", "x", "--hidethinking", "--nowordwrap")

        assert (result.stdout, result.stderr) == ("42\n", "")

    def test_flags_may_be_spelled_as_elsewhere(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """With their value behind them or behind `=`."""
        board.answers[GENERATE] = canned.answer("x")

        assert rkctl("run", "tiny", "x", "--keepalive", "5m").exit_code == 0
        assert rkctl("run", "tiny", "x", "--keepalive=5m").exit_code == 0
        waits = [one.options.keep_alive.seconds for one in board.requests(GENERATE)]
        assert waits == [300, 300]

    def test_show_v_tells_more(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """Template and metadata."""
        board.answers["ModelService.Show"] = models_pb2.ShowResponse(
            template="{{ t }}", metadata={"general.name": "Tiny"}
        )

        said = rkctl("show", "tiny", "-v").stdout

        assert "{{ t }}" in said
        assert "general.name Tiny" in said

    def test_pull_takes_a_file_as_the_hubs_own_program_does(
        self, rkctl: Rkctl, board: FakeBoard
    ) -> None:
        """`pull REPO FILE`."""
        ended = types.Operation(id="o", state=types.OPERATION_STATE_SUCCEEDED)
        board.answers["ModelService.Pull"] = [models_pb2.PullResponse(operation=ended)]

        assert rkctl("pull", "u/r", "x-Q4_K_M.gguf").exit_code == 0
        assert board.requests("ModelService.Pull")[0].source == "u/r:x-Q4_K_M.gguf"

    @pytest.mark.parametrize(
        ("flags", "least", "most"),
        [
            (("--params", "7B"), 6_500_000_000, 8_500_000_000),
            (("--parameter-size", "7"), 6_500_000_000, 8_500_000_000),
            (("--min-params", "7"), 7_000_000_000, 0),
            (("--params", "7B", "--max-params", "7.5b"), 6_500_000_000, 7_500_000_000),
            (("--max-params", "500000000"), 0, 500_000_000),
        ],
    )
    def test_sizes_are_what_people_call_them(
        self, rkctl: Rkctl, board: FakeBoard, flags: tuple[str, ...], least: int, most: int
    ) -> None:
        """A 7B has 6.5 to 8.5 billion; a bare 7 is 7 billion."""
        board.answers["HubService.Search"] = hub_pb2.SearchResponse()

        assert rkctl("search", "x", *flags).exit_code == 0
        (request,) = board.requests("HubService.Search")
        assert (request.min_parameters, request.max_parameters) == (least, most)

    def test_a_name_that_is_taken_names_replace(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """Below what the daemon says."""
        board.answers["ModelService.Copy"] = Refusal("ALREADY_EXISTS", "MODEL_EXISTS", "Taken.")

        assert "--replace" in rkctl("cp", "a", "b").stderr


class TestRunFromTheHub:
    """`run user/repo:Q`: what the Hub's pages show."""

    MISSING = Refusal("NOT_FOUND", "MODEL_NOT_FOUND", "Not pulled.", "Pull it.")

    def test_one_that_is_here_is_run(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """By the name it has."""
        summary = types.ModelSummary(name="repo-q4")
        board.answers["ModelService.Show"] = models_pb2.ShowResponse(summary=summary)
        board.answers[GENERATE] = canned.answer("x")

        assert rkctl("run", "hf.co/u/repo:Q4", "hi").stdout == "x\n"
        assert board.requests("ModelService.Show")[0].model == "hf.co/u/repo:Q4"
        assert board.requests(GENERATE)[0].model == "repo-q4"

    @pytest.mark.parametrize("flag", ["--pull", "-y"])
    def test_one_that_is_not_is_pulled_when_asked(
        self, rkctl: Rkctl, board: FakeBoard, flag: str
    ) -> None:
        """Then run; progress on stderr, the answer alone on stdout."""
        ended = types.Operation(
            id="o", model="repo-q4", state=types.OPERATION_STATE_SUCCEEDED, kind=1
        )
        board.answers["ModelService.Show"] = self.MISSING
        board.answers["ModelService.Pull"] = [models_pb2.PullResponse(operation=ended)]
        board.answers[GENERATE] = canned.answer("x")

        assert rkctl("run", flag, "u/repo", "hi").stdout == "x\n"
        assert board.requests("ModelService.Pull")[0].source == "u/repo"
        assert board.requests(GENERATE)[0].model == "repo-q4"

    def test_nobody_there_to_be_asked_is_told_how(self, rkctl: Rkctl, board: FakeBoard) -> None:
        """Nothing is downloaded unasked."""
        board.answers["ModelService.Show"] = self.MISSING

        result = rkctl("run", "u/repo", "hi")

        assert result.exit_code == 3
        assert "rkctl run --pull u/repo" in result.stderr
        assert board.requests("ModelService.Pull") == []


def test_unload_is_stop(rkctl: Rkctl, board: FakeBoard) -> None:
    """With all of its flags."""
    board.answers["PoolService.Unload"] = pool_pb2.UnloadResponse(was_resident=True)

    assert rkctl("unload", "tiny").stderr == "tiny has left\n"
