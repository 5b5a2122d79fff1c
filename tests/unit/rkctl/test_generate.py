"""`rkctl generate` and `run`: prompts in, tokens out."""

from __future__ import annotations

import json

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
    flags = [f"--{row.name.replace('_', '-')}=1" for row in SAMPLING if row.flag]
    assert rkctl("generate", "tiny", "hi", *flags).exit_code == 0

    sent = board.requests(METHOD)[0].options.sampling
    assert {row.name for row in SAMPLING if row.flag} == {it.name for it, _ in sent.ListFields()}


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
