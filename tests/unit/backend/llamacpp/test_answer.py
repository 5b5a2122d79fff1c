"""The events of llama-server become chunks and an outcome."""

from __future__ import annotations

from typing import Any

from rkd.backend.llamacpp.answer import EventAnswer
from rkd.inference import (
    Chunk,
    FinishReason,
    PrefillProgress,
    Run,
    Sampling,
    TemplateWay,
    Tool,
)
from rkd.model import Message
from rkd.worker.handle import Handle

CHAT = (Message("user", "hi"),)


class Heard:
    """One answer fed by hand, and what it emitted."""

    def __init__(self, run: Run, prompt: str = "hi", **more: Any) -> None:
        self.pieces: list[Chunk | PrefillProgress] = []
        self.handle = Handle()
        self.answer = EventAnswer(run, prompt, self.pieces.append, self.handle, **more)

    def token(self, text: str, predicted: int, **more: Any) -> None:
        """One event of a token."""
        event = {"content": text, "tokens": [predicted], "tokens_predicted": predicted}
        self.answer.take({**event, "stop": False, **more})

    def end(self, predicted: int, stop_type: str, **more: Any) -> None:
        """The last event, and the end of the stream."""
        timings = {"cache_n": 3, "prompt_ms": 12.0, "predicted_ms": 34.0}
        event = {"content": "", "tokens": [], "tokens_predicted": predicted, "tokens_evaluated": 7}
        stopped = {"stop": True, "stop_type": stop_type, "timings": timings}
        self.answer.take({**event, **stopped, **more})
        self.answer.finish()

    @property
    def chunks(self) -> list[Chunk]:
        """The pieces of the answer."""
        return [piece for piece in self.pieces if isinstance(piece, Chunk)]

    @property
    def reason(self) -> FinishReason:
        """Why it ended."""
        return self.answer.outcome(TemplateWay.RAW, ()).reason


def test_every_token_is_counted_once() -> None:
    """A token that only began a character is counted with the one that ends it."""
    heard = Heard(Run(prompt="hi"))

    heard.token("a", 1)
    heard.token("ß", 3)
    heard.end(3, "eos")

    assert [(one.text, one.tokens) for one in heard.chunks] == [("a", 1), ("ß", 2)]
    outcome = heard.answer.outcome(TemplateWay.MODEL, ("a warning",))
    assert outcome.reason is FinishReason.STOP_EOS
    assert (outcome.usage.prompt_tokens, outcome.usage.cached_tokens) == (7, 3)
    assert outcome.usage.completion_tokens == 3
    assert (outcome.timings.prefill_ms, outcome.timings.decode_ms) == (12.0, 34.0)
    assert outcome.warnings == ("a warning",)


def test_reasoning_is_apart_and_counted() -> None:
    """What the model thinks comes as reasoning, and its tokens are counted as such."""
    heard = Heard(Run(messages=CHAT))

    heard.token("<think>", 1)
    heard.token("why", 2)
    heard.token("</think>", 3)
    heard.token("so", 4)
    heard.end(4, "eos")

    assert "".join(one.reasoning for one in heard.chunks) == "why"
    assert "".join(one.text for one in heard.chunks) == "so"
    assert 1 <= heard.answer.outcome(TemplateWay.RAW, ()).usage.reasoning_tokens <= 3


def test_a_prompt_sent_raw_is_not_searched_for_reasoning() -> None:
    """Raw text stays as it is, tags and all."""
    heard = Heard(Run(prompt="hi"))

    heard.token("<think>x</think>", 1)
    heard.end(1, "eos")

    assert heard.chunks[0].text == "<think>x</think>"


def test_a_tool_call_ends_the_answer_as_one() -> None:
    """A whole call comes out as a delta, and the reason is TOOL_CALL."""
    heard = Heard(Run(messages=CHAT, tools=(Tool("add", "", "{}"),)))

    heard.token('<tool_call>{"name": "add", ', 1)
    heard.token('"arguments": {"a": 1}}</tool_call>', 2)
    heard.end(2, "eos")

    calls = [call for one in heard.chunks for call in one.tool_calls]
    assert [(call.name, call.arguments.replace(" ", "")) for call in calls] == [("add", '{"a":1}')]
    assert heard.reason is FinishReason.TOOL_CALL


def test_why_it_ended() -> None:
    """LENGTH at max_tokens, CONTEXT_FULL before it, STOP_SEQUENCE with the sequence."""
    cases = [
        (Sampling(max_tokens=2), 2, "limit", FinishReason.LENGTH),
        (Sampling(max_tokens=9), 2, "limit", FinishReason.CONTEXT_FULL),
        (Sampling(), 2, "limit", FinishReason.CONTEXT_FULL),
        (Sampling(stop=("x",)), 2, "word", FinishReason.STOP_SEQUENCE),
    ]
    for sampling, predicted, stop_type, expected in cases:
        heard = Heard(Run(prompt="hi", sampling=sampling))
        heard.end(predicted, stop_type, stopping_word="x" if stop_type == "word" else "")

        assert heard.reason is expected

    assert heard.answer.outcome(TemplateWay.RAW, ()).matched_stop == "x"


def test_no_tokens_wanted() -> None:
    """The one token the engine makes for max_tokens 0 is not told, counted or blamed."""
    heard = Heard(Run(prompt="hi", sampling=Sampling(max_tokens=0)))

    heard.token("a", 1)
    heard.end(1, "word", stopping_word="a")

    outcome = heard.answer.outcome(TemplateWay.RAW, ())
    assert heard.chunks == []
    assert (outcome.reason, outcome.matched_stop) == (FinishReason.LENGTH, "")
    assert outcome.usage.completion_tokens == 0


def test_log_probabilities() -> None:
    """The chosen token, and as many rivals as were asked for."""
    rival = {"id": 5, "bytes": [98], "logprob": -2.0}
    entry = {"id": 4, "bytes": [97], "logprob": -0.5, "top_logprobs": [rival, rival]}
    heard = Heard(Run(prompt="hi", sampling=Sampling(logprobs=1)))

    heard.token("a", 1, completion_probabilities=[entry])
    heard.end(1, "eos")

    (told,) = heard.chunks[0].logprobs
    assert (told.chosen.token_id, told.chosen.text, told.chosen.logprob) == (4, "a", -0.5)
    assert [one.text for one in told.alternatives] == ["b"]


def test_nothing_after_a_cancel() -> None:
    """Once nobody wants it, neither progress nor text is emitted."""
    heard = Heard(Run(prompt="hi"))

    heard.answer.take({"prompt_progress": {"total": 9, "processed": 4, "cache": 1}})
    heard.token("a", 1)
    heard.handle.cancel()
    heard.token("b", 2)
    heard.answer.take({"prompt_progress": {"total": 9, "processed": 9, "cache": 1}})
    heard.answer.finish()

    assert heard.pieces[0] == PrefillProgress(9, 4, 1)
    assert [one.text for one in heard.chunks] == ["a"]
    assert len(heard.pieces) == 2


def test_a_seed_given_is_used() -> None:
    """A seed is drawn only when none was given."""
    assert Heard(Run(prompt="", sampling=Sampling(seed=0))).answer.seed == 0
    assert 0 <= Heard(Run(prompt="")).answer.seed < 2**32 - 1


def test_a_stop_token_ends_the_answer() -> None:
    """Its own text goes, what was held back before it stays; the id and the figures are told."""
    heard = Heard(Run(prompt="hi"), stop_tokens={2: "END"})
    timings = {"cache_n": 3, "prompt_ms": 12.0, "predicted_ms": 34.0}

    heard.token("a", 1, tokens_evaluated=7, timings=timings)
    assert not heard.answer.stopped
    heard.token("b?END", 2, tokens_evaluated=7, timings=timings)
    heard.answer.finish()
    outcome = heard.answer.outcome(TemplateWay.RAW, ())

    assert heard.answer.stopped
    assert not heard.answer.ended
    assert [one.text for one in heard.chunks] == ["a", "b?"]
    assert outcome.reason is FinishReason.STOP_SEQUENCE
    assert (outcome.matched_token_id, outcome.matched_stop) == (2, "END")
    assert (outcome.usage.prompt_tokens, outcome.usage.completion_tokens) == (7, 2)
    assert (outcome.usage.cached_tokens, outcome.timings.decode_ms) == (3, 34.0)
