"""Gaps filled in as the engine does with the tokens given to it, and by templates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.capability.infill import FAMILIES, Infill
from rkd.errors import BeyondRangeError, PreconditionError
from rkd.inference import FinishReason, LoadSpec, Run, Sampling, TemplateWay
from rkd.model import BackendKind, Message
from tests.contract.backend_suite import carried_out
from tests.contract.npu import loaded
from tests.contract.wire_client import WireBackend
from tests.models import tiny
from tests.native.tokenizer import write_tokenizer

QWEN, SEED = FAMILIES[0], FAMILIES[-2]
FIRST_MARKER = len(tiny.SPECIAL) + tiny.BYTES + 1
PREFIX, SUFFIX = "def add(a, b):\n    return ", "\n\nprint(add(1, 2))  # <|fim_middle|>"


def gap(prefix: str = PREFIX, suffix: str = SUFFIX, **more: Any) -> Run:
    """A greedy run that fills in."""
    sampling = Sampling(temperature=0, max_tokens=24)
    turn = (Message("user", prefix),)
    return Run(sampling=sampling, prompt=prefix, messages=turn, suffix=suffix, **more)


Load = Callable[..., LlamaCppBackend | WireBackend]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Loads a tiny GGUF and closes it."""
    made: list[LlamaCppBackend | WireBackend] = []

    def loading(*, worker: bool = False, spec: dict[str, Any] | None = None, **options: Any) -> Any:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        weights = tiny.write(folder / "t.gguf", **options)
        backend = WireBackend(folder) if worker else LlamaCppBackend(lambda: None, folder)
        made.append(backend)
        whole = LoadSpec(BackendKind.CPU, str(weights), context_tokens=256, threads=1)
        backend.load(replace(whole, **(spec or {})), lambda _: None)
        return backend

    yield loading
    for one in made:
        one.close()


class TestOnTheCpu:
    """llama.cpp, which never sees the texts as one."""

    @pytest.mark.parametrize("family", [QWEN, SEED], ids=["prefix first", "suffix first"])
    @pytest.mark.parametrize("worker", [False, True], ids=["direct", "worker"])
    def test_the_prompt_is_made_of_tokens(
        self, load: Load, family: Infill, *, worker: bool
    ) -> None:
        """The answer is that to the ids in the family's order; code may name the tokens."""
        backend = load(worker=worker, markers=family.markers)
        before, behind = (
            tuple(backend.tokenize(text, add_special=False, parse_special=False))
            for text in (PREFIX, SUFFIX)
        )
        pre, suf, mid = range(FIRST_MARKER, FIRST_MARKER + 3)
        parts = ((pre, *before), (suf, *behind))
        first, second = reversed(parts) if family.suffix_first else parts
        own = Run(sampling=gap().sampling, prompt_tokens=(*first, *second, mid))

        filled, expected = carried_out(backend, gap()), carried_out(backend, own)

        assert filled.text == expected.text
        assert filled.outcome.usage.prompt_tokens == len(own.prompt_tokens)
        assert filled.outcome.template_way is TemplateWay.RAW
        assert filled.outcome.reason is FinishReason.LENGTH

    def test_a_template_that_reads_the_suffix_wins(self, load: Load) -> None:
        """The model's, the Modelfile's or the request's; without a suffix it is as ever."""
        gapped = "{% if suffix %}[{{ suffix }}]{{ prompt }}"
        source = gapped + "{% else %}{{ messages[0].content }}{% endif %}"
        own = load(template=source, markers=QWEN.markers)
        given = load(markers=QWEN.markers, spec={"template": source})
        raw = Run(sampling=gap().sampling, prompt=f"[{SUFFIX}]{PREFIX}")
        expected = carried_out(own, raw).text

        by_own, by_modelfile = carried_out(own, gap()), carried_out(given, gap())
        by_request = carried_out(load(markers=QWEN.markers), gap(template=source))

        assert by_own.text == by_modelfile.text == by_request.text == expected
        assert by_own.outcome.template_way is TemplateWay.MODEL
        assert by_modelfile.outcome.template_way is TemplateWay.MODELFILE
        plain = replace(gap(), suffix=None)
        assert carried_out(own, plain).outcome.usage.prompt_tokens == len(PREFIX)

    def test_a_model_without_is_refused(self, load: Load) -> None:
        """CAPABILITY_UNSUPPORTED, also with a template of the request's that reads no suffix."""
        backend = load()
        for run in (gap(), gap(template="{{ messages[0].content }}")):
            with pytest.raises(PreconditionError) as caught:
                carried_out(backend, run)
            assert caught.value.metadata == {"capability": "fim"}

    def test_what_does_not_fit_is_refused(self, load: Load) -> None:
        """Neither part is cut in silence, as the engine's own `/infill` does."""
        backend = load(markers=QWEN.markers)
        fits = carried_out(backend, gap("a" * 100, "b" * 100))
        with pytest.raises(BeyondRangeError) as caught:
            carried_out(backend, gap("a" * 200, "b" * 100))

        assert fits.outcome.usage.prompt_tokens == 203
        assert caught.value.metadata == {"prompt_tokens": "303", "limit": "256"}

    def test_what_stands_in_the_gap_is_text(self, load: Load) -> None:
        """No reasoning and no calls are looked for."""
        backend = load(markers=QWEN.markers)
        grammar = 'root ::= "<think>x</think><tool_call>y"'
        run = gap()
        held = replace(run, sampling=replace(run.sampling, grammar=grammar, max_tokens=60))

        assert carried_out(backend, held).text == "<think>x</think><tool_call>y"


class TestOnTheNpu:
    """The tokenizer beside the weights makes the ids."""

    def test_the_prompt_is_made_of_tokens(self, tmp_path: Path) -> None:
        """With what the model wants before everything, and code that names the tokens as text."""
        write_tokenizer(tmp_path, words=QWEN.markers)
        with loaded("1.3.0", tmp_path, change={"tokenizer_folder": str(tmp_path)}) as npu:
            encode = npu.backend.tokenize
            answer = npu.ask(gap())
            (run,) = npu.calls("rkllm_run")
            halves = ("\n\nprint(add(1, 2))  # <|fim_m", "iddle|>")
            before, *behind = (
                encode(text, add_special=False, parse_special=False) for text in (PREFIX, *halves)
            )

        start, pre = 257, 259
        expected = (start, pre, *before, pre + 1, *behind[0], *behind[1], pre + 2)
        assert tuple(run["tokens"]) == expected
        assert answer.outcome.usage.prompt_tokens == len(expected)

    def test_a_template_that_reads_the_suffix_wins(self, tmp_path: Path) -> None:
        """As text where there is no tokenizer."""
        change = {"template": "[{{ suffix }}]{{ prompt }}"}
        with loaded("1.3.0", tmp_path, change=change) as npu:
            npu.ask(gap("a", "b"))
            (run,) = npu.calls("rkllm_run")

        assert run["prompt"] == "[b]a"

    @pytest.mark.parametrize("tokenizer", [False, True])
    def test_a_model_without_is_refused(self, tmp_path: Path, *, tokenizer: bool) -> None:
        """Before anything runs."""
        change = {}
        if tokenizer:
            write_tokenizer(tmp_path)
            change = {"tokenizer_folder": str(tmp_path)}
        with loaded("1.3.0", tmp_path, change=change) as npu:
            with pytest.raises(PreconditionError) as caught:
                npu.ask(gap())
            assert npu.calls("rkllm_run") == []

        assert caught.value.metadata == {"capability": "fim"}
