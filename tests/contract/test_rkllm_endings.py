"""How answers of the NPU end that would not end well by themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rkd.inference import FinishReason, Run, Sampling, TemplateWay
from rkd.model import Message
from rkd.session import SessionFile
from tests.contract.npu import loaded
from tests.native.tokenizer import write_tokenizer

TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}<think>\n"
USER = Message("user", "why?")
GUARD = {"loop_guard": 100}


@pytest.mark.parametrize("version", ["1.1.4", "1.3.1"])
@pytest.mark.parametrize("circle", [1, 7, 25])
def test_an_answer_that_runs_in_a_circle_is_ended(
    version: str, circle: int, tmp_path: Path
) -> None:
    """Soon after the tokens of the guard, said in the outcome; the next answer is its own."""
    with loaded(version, tmp_path, change=GUARD, answer="count", tokens=900) as npu:
        found = npu.ask(Run(prompt=f"go [[token_ids={circle}]]"))
        after = npu.ask(Run(prompt="[[answer=fine]]"))

    assert found.outcome.reason is FinishReason.LENGTH
    assert 100 <= found.outcome.usage.completion_tokens <= 125
    assert f"a circle of {circle} tokens" in " ".join(found.outcome.warnings)
    assert (after.text, after.outcome.warnings) == ("fine", after.outcome.warnings)


def test_a_request_says_when_a_circle_is_ended(tmp_path: Path) -> None:
    """Over what the model was loaded with, in both directions."""
    with loaded("1.3.1", tmp_path, change=GUARD, answer="count", tokens=300) as npu:
        off = npu.ask(Run(prompt="go [[token_ids=3]]", loop_guard=0))
        sooner = npu.ask(Run(prompt="go [[token_ids=3]]", loop_guard=40))

    assert (off.outcome.usage.completion_tokens, off.outcome.reason) == (300, FinishReason.STOP_EOS)
    assert 40 <= sooner.outcome.usage.completion_tokens <= 50
    assert sooner.outcome.reason is FinishReason.LENGTH


def test_ids_that_tell_nothing_are_no_circle(tmp_path: Path) -> None:
    """A library that gives every token one id: the texts differ, and the answer is one."""
    said = " ".join(f"{at} of many" for at in range(200))
    with loaded("1.3.1", tmp_path, change=GUARD, answer=said, token_id=0, piece=3) as npu:
        found = npu.ask(Run(prompt="go"))

    assert found.text == said
    assert "circle" not in " ".join(found.outcome.warnings)


@pytest.mark.parametrize(("guard", "ids"), [(0, 3), (100, 26), (100, 1000)])
def test_what_is_no_circle_or_not_watched_goes_on(guard: int, ids: int, tmp_path: Path) -> None:
    """Off, or a circle too long to be gone round four times: to the end."""
    change = {"loop_guard": guard}
    with loaded("1.3.1", tmp_path, change=change, answer="count", tokens=300) as npu:
        found = npu.ask(Run(prompt=f"go [[token_ids={ids}]]"))

    assert found.outcome.usage.completion_tokens == 300
    assert "circle" not in " ".join(found.outcome.warnings)


@pytest.mark.parametrize("version", ["1.1.4", "1.2.3", "1.3.1"])
def test_an_answer_lost_in_thought_is_continued(version: str, tmp_path: Path) -> None:
    """With a template of ours: the reasoning is closed, and the answer comes behind it."""
    change = {"template": TEMPLATE}
    settings = {"answer": "I wonder", "answer?</think>": "Because."}
    with loaded(version, tmp_path, change=change, **settings) as npu:
        found = npu.ask(Run(messages=(USER,)))
        prompts = [call["prompt"] for call in npu.calls("rkllm_run")]

    assert (found.whole.reasoning, found.text) == ("I wonder", "Because.")
    assert found.outcome.reason is FinishReason.STOP_EOS
    assert found.outcome.usage.completion_tokens == 4
    assert "asked to go on" in " ".join(found.outcome.warnings)
    assert prompts[1].startswith(prompts[0] + "I wonder")
    assert prompts[1].rstrip().endswith("</think>")


def test_what_is_kept_of_it_is_of_its_own_prompt(tmp_path: Path) -> None:
    """The run that goes on behind the reasoning saves nothing over it."""
    settings = {"answer": "I wonder", "answer?</think>": "Because."}
    long = Message("user", "why? " * 60)
    file = SessionFile("k", "kept", most_tokens=1000)
    with loaded("1.3.1", tmp_path, change={"template": TEMPLATE}, **settings) as npu:
        run = Run(messages=(long,), session=file)
        outcome = npu.ask(run).outcome
        kept = npu.backend.keep(run)
        saved = [call["save_prompt_cache"] for call in npu.calls("rkllm_run")]

    assert outcome.keeping
    assert kept.size_bytes > 0
    assert [bool(one) for one in saved] == [True, False]


def test_it_is_continued_with_token_ids(tmp_path: Path) -> None:
    """A tokenizer beside the weights: the same, as tokens."""
    write_tokenizer(tmp_path)
    config = json.dumps({"chat_template": TEMPLATE})
    (tmp_path / "tokenizer_config.json").write_text(config, encoding="utf-8")
    change = {"tokenizer_folder": str(tmp_path)}
    with loaded("1.3.1", tmp_path, change=change, answer="I wonder") as npu:
        found = npu.ask(Run(messages=(USER,)))
        first, second = (call["tokens"] for call in npu.calls("rkllm_run"))

    assert found.outcome.template_way is TemplateWay.MODEL
    assert (found.whole.reasoning, found.text) == ("I wonder", "I wonder")
    assert second[: len(first)] == first
    assert len(second) > len(first)


def test_it_is_not_where_the_limit_or_the_room_ended_it(tmp_path: Path) -> None:
    """Long enough, no context left, stopped: it ends as it would."""
    long = {"answer": "count", "tokens": 1000}
    with loaded("1.3.1", tmp_path, change={"template": TEMPLATE}, **long) as npu:
        cut = npu.ask(Run(messages=(USER,), sampling=Sampling(max_tokens=5)))
        full = npu.ask(Run(messages=(USER,)))
        stopped = npu.ask(Run(messages=(USER,), sampling=Sampling(stop=("tok tok",))))
        runs = npu.calls("rkllm_run")

    assert len(runs) == 3
    assert cut.outcome.reason is FinishReason.LENGTH
    assert stopped.outcome.reason is FinishReason.STOP_SEQUENCE
    for one in (cut, full, stopped):
        assert "inside the reasoning" in " ".join(one.outcome.warnings)


def test_without_a_template_of_ours_it_is_told(tmp_path: Path) -> None:
    """The library's own cannot be continued: the warning is all."""
    with loaded("1.3.1", tmp_path, answer="<think>I wonder") as npu:
        found = npu.ask(Run(messages=(USER,)))
        runs = npu.calls("rkllm_run")

    assert len(runs) == 1
    assert found.text == ""
    assert "inside the reasoning" in " ".join(found.outcome.warnings)
