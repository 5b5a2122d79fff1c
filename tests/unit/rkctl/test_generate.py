"""`rkctl generate` and `run`: prompts in, tokens out."""

from __future__ import annotations

import json
from pathlib import Path

from rkd.modelfile.sampling import SAMPLING
from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl import canned
from tests.unit.rkctl.fake_board import FakeBoard, Refusal, Rkctl

METHOD = "InferenceService.Generate"


def test_the_answer_alone_is_on_stdout(rkctl: Rkctl, board: FakeBoard) -> None:
    """Text goes to stdout with one newline at its end; nothing else is said."""
    board.answers[METHOD] = canned.answer("Hel", "lo — ", "äöü")

    result = rkctl("run", "tiny", "say hello")

    assert (result.stdout, result.stderr, result.exit_code) == ("Hello — äöü\n", "", 0)
    assert board.requests(METHOD)[0].prompt == "say hello"


def test_the_prompt_may_come_from_stdin(rkctl: Rkctl, board: FakeBoard) -> None:
    """Without a prompt stdin is one; `-` puts it among words."""
    board.answers[METHOD] = canned.answer("x")

    rkctl("generate", "tiny", stdin="from stdin\n")
    rkctl("run", "tiny", "sum up:", "-", stdin="two\nlines\n")

    assert [r.prompt for r in board.requests(METHOD)] == ["from stdin", "sum up:\ntwo\nlines"]


def test_a_gap_is_filled_in(rkctl: Rkctl, board: FakeBoard, tmp_path: Path) -> None:
    """The end from the command line or a file; the beginning of stdin keeps its blanks."""
    board.answers[METHOD] = canned.answer("x")
    file = tmp_path / "end"
    file.write_text("  end\n")

    rkctl("generate", "tiny", "--suffix", "end", stdin="\n\nbegin\n  ")
    rkctl("generate", "tiny", "begin", "--suffix-file", str(file))
    rkctl("generate", "tiny", "--suffix", "end")
    both = rkctl("generate", "tiny", "--suffix", "a", "--suffix-file", str(file))
    none = rkctl("generate", "tiny", "a", "--suffix-file", str(tmp_path / "none"))

    asked = [(one.prompt, one.suffix) for one in board.requests(METHOD)]
    assert asked == [("\n\nbegin\n  ", "end"), ("begin", "  end\n"), ("", "end")]
    assert (both.exit_code, none.exit_code) == (2, 2)
    rkctl("generate", "tiny", "plain")
    assert not board.requests(METHOD)[-1].HasField("suffix")


def test_no_prompt_at_all_is_a_usage_error(rkctl: Rkctl) -> None:
    """Nothing on stdin either: exit 2."""
    result = rkctl("run", "tiny")

    assert "there is no prompt" in result.stderr
    assert result.exit_code == 2


def test_flags_become_fields(rkctl: Rkctl, board: FakeBoard) -> None:
    """What is given is sent, also when 0; what is not is absent."""
    board.answers[METHOD] = canned.answer("x")

    arguments = (
        "generate tiny hi --temperature 0 --top-k 0 --top-p 0.5 --max-tokens 3 --seed 1 "
        "--stop a --stop b --backend cpu --keep-alive 1m30s --raw --system S --no-think "
        "--overflow trim-oldest"
    )
    assert rkctl(*arguments.split()).exit_code == 0

    request = board.requests(METHOD)[0]
    sampling = request.options.sampling
    assert (sampling.temperature, sampling.top_k, sampling.top_p) == (0, 0, 0.5)
    assert sampling.HasField("temperature")
    assert not sampling.HasField("min_p")
    assert (sampling.max_tokens, sampling.seed, list(sampling.stop)) == (3, 1, ["a", "b"])
    assert request.options.backend == types.BACKEND_CPU
    assert request.options.keep_alive.seconds == 90
    assert request.options.thinking is False
    assert request.options.context_overflow == types.CONTEXT_OVERFLOW_TRIM_OLDEST
    assert (request.raw, request.system) == (True, "S")


def test_every_number_of_sampling_has_a_flag(rkctl: Rkctl, board: FakeBoard) -> None:
    """Of its name, with `-` for `_`; 1 is in every range."""
    board.answers[METHOD] = canned.answer("x")
    flags = [f"--{row.name.replace('_', '-')}=1" for row in SAMPLING]
    assert rkctl("generate", "tiny", "hi", "--json", *flags).exit_code == 0

    sent = board.requests(METHOD)[0].options.sampling
    assert {row.name for row in SAMPLING} == {it.name for it, _ in sent.ListFields()}


def test_what_is_no_number_has_a_flag_too(rkctl: Rkctl, board: FakeBoard, tmp_path: Path) -> None:
    """Constraints, lists, switches: each by its field."""
    board.answers[METHOD] = canned.answer("x")
    grammar = tmp_path / "g"
    grammar.write_text('root ::= "x"', encoding="utf-8")
    asked = "--stop-token 5 --stop-token 6 --ignore-eos --dry-sequence-breaker : --n 3"
    biases = "--logit-bias 7=-100 --logit-bias 8=1.5 --token-ids --json"
    held = (
        ["--choice", "yes", "--choice", 'no, "n"'],
        ["--regex", "a|b"],
        ["--grammar", str(grammar)],
        ["--format", "json"],
    )
    for one in held:
        command = ("generate", "tiny", "hi", *asked.split(), *biases.split(), *one)
        assert rkctl(*command).exit_code == 0

    sent = [request.options for request in board.requests(METHOD)]
    sampling = sent[0].sampling
    assert (list(sampling.stop_token_ids), sampling.ignore_eos, sent[0].n) == ([5, 6], True, 3)
    assert list(sampling.dry_sequence_breakers) == [":"]
    assert [(one.token_id, one.bias) for one in sampling.logit_bias] == [(7, -100), (8, 1.5)]
    assert sent[0].return_token_ids
    assert list(sampling.choices.values) == ["yes", 'no, "n"']
    assert [one.sampling.WhichOneof("constraint") for one in sent] == [
        *("choices", "regex", "grammar", "json_schema")
    ]
    assert sent[2].sampling.grammar == 'root ::= "x"'


def test_what_cannot_go_together_is_a_usage_error(rkctl: Rkctl, board: FakeBoard) -> None:
    """Two constraints, a bias that is none, and what nobody would see."""
    board.answers[METHOD] = canned.answer("x")
    for words, said in (
        (["--choice", "a", "--regex", "b"], "--choice and --regex: an answer is held to one"),
        (["--logit-bias", "5"], "should be a token's id"),
        (["--logprobs", "2"], "--logprobs is told with --json alone"),
        (["--token-ids"], "--token-ids is told with --json alone"),
        (["--grammar", "/nowhere/g"], "no text can be read"),
    ):
        result = rkctl("run", "tiny", "hi", *words)
        assert (result.exit_code, said in result.stderr) == (2, True), words

    assert board.requests(METHOD) == []


def test_several_answers_stand_apart(rkctl: Rkctl, board: FakeBoard) -> None:
    """Each on lines of its own, with an empty line between them."""
    pieces = [("a", 0), ("b", 0), ("c\n", 1), ("d", 2)]
    deltas = [pb.GenerateResponse(delta=types.Delta(text=text, answer=at)) for text, at in pieces]
    first, last = canned.answer()
    board.answers[METHOD] = [first, *deltas, last]

    assert rkctl("run", "tiny", "hi", "--n", "3").stdout == "ab\n\nc\n\nd\n"


def test_help_names_fine_flags_and_explains_them_elsewhere(rkctl: Rkctl) -> None:
    """A page for people, and another for all of it."""
    short, whole = rkctl("run", "--help").stdout, rkctl("help", "sampling").stdout

    assert "XTC" not in short
    assert "rkctl help sampling" in short
    for row in SAMPLING:
        flag = f"--{row.name.replace('_', '-')}"
        assert f"{flag} " in whole
        assert flag in short


def test_json_prints_the_events(rkctl: Rkctl, board: FakeBoard) -> None:
    """One line an event: accepted first, finished last."""
    board.answers[METHOD] = canned.answer("a", "b")

    lines = [json.loads(line) for line in rkctl("run", "tiny", "x", "--json").stdout.splitlines()]

    assert [event["sequence"] for event in lines] == [0, 1, 2, 3]
    assert lines[0]["accepted"]["backend"] == "BACKEND_CPU"
    assert lines[1]["delta"]["text"] == "a"
    assert lines[3]["finished"]["usage"]["completion_tokens"] == 3


def test_reasoning_and_warnings_go_to_stderr(rkctl: Rkctl, board: FakeBoard) -> None:
    """Only the answer is data."""
    events = canned.answer("42", last=canned.finished(warnings=["no template"]))
    events.insert(1, pb.GenerateResponse(delta=types.Delta(reasoning_text="hm")))
    board.answers[METHOD] = events

    result = rkctl("run", "tiny", "x")

    assert result.stdout == "42\n"
    assert result.stderr == "hm\nwarning: no template\n"


def test_a_fallback_is_told(rkctl: Rkctl, board: FakeBoard) -> None:
    """Where the answer comes from is not changed in silence."""
    events = canned.answer("x")
    loading = types.Loading(stage="falling-back", detail="the NPU refused the file")
    events[1:1] = [pb.GenerateResponse(loading=loading)] * 2
    board.answers[METHOD] = events

    assert rkctl("run", "tiny", "x").stderr == "falling back: the NPU refused the file\n"


def test_an_error_in_the_middle_keeps_what_came(rkctl: Rkctl, board: FakeBoard) -> None:
    """The text so far ends its line, then the error; exit 1."""
    crashed = Refusal("ABORTED", "WORKER_CRASHED", "The worker of tiny died (signal 9).")
    board.answers[METHOD] = [*canned.answer("half")[:-1], crashed]

    result = rkctl("run", "tiny", "x")

    assert result.stdout == "half\n"
    assert result.stderr == "rkctl: The worker of tiny died (signal 9) [WORKER_CRASHED]\n"
    assert result.exit_code == 1


def test_verbose_tells_where_and_how_fast(rkctl: Rkctl, board: FakeBoard) -> None:
    """On stderr, after the answer."""
    board.answers[METHOD] = canned.answer("x")

    said = rkctl("run", "tiny", "x", "--verbose").stderr

    assert "request r1: tiny on the cpu" in said
    assert "5 prompt tokens, 3 generated at 30.0 tokens/s; first after 12 ms" in said
    assert "ended by stop eos; on the cpu; seed 7" in said
