"""RKLLM does what a backend has to, on every interface there is."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rkd.backend.rkllm.backend import RkllmBackend, default_cpu_mask
from rkd.errors import (
    BeyondRangeError,
    InternalError,
    InvalidInputError,
    PreconditionError,
    Reason,
    UnavailableError,
)
from rkd.inference import (
    Chunk,
    ContextOverflow,
    EmbedSpec,
    FinishReason,
    RankSpec,
    Run,
    Sampling,
    TemplateWay,
    Tool,
)
from rkd.librkllmrt import FAMILIES, Family
from rkd.model import Message
from rkd.worker.handle import Handle
from tests.contract.impatience import HASTY
from tests.contract.npu import loaded, spec
from tests.native import standin
from tests.native.tokenizer import write_tokenizer

TEXT = "Grüße, 世界! 😀👩‍👩‍👧 done"
USER = Message("user", "hi")
SHORT = Run(prompt="short")

every_interface = pytest.mark.parametrize("version", standin.VERSIONS)
with_run_sampling = pytest.mark.parametrize("version", ["1.3.0", "1.3.1"])
with_load_sampling = pytest.mark.parametrize("version", ["1.1.4", "1.2.0", "1.2.1b1", "1.2.3"])
with_tools = pytest.mark.parametrize("version", ["1.2.3", "1.3.0", "1.3.1"])


def own_answer(npu: Any) -> None:
    """The next answer is exactly its own: nothing of the run before it."""
    assert npu.ask(SHORT).text == "short"


class TestLoad:
    """What reaches the library, and what comes back."""

    @every_interface
    def test_parameters_arrive(self, version: str, tmp_path: Path) -> None:
        """Every field is set, none is shifted, nothing reserved is dirty."""
        sampling = Sampling(0.5, 7, 0.25, None, None, 1.5, None, 0.5, 0.75, 2, 4.0, 0.2)
        change = {"npu_domain": 3, "sampling": sampling}
        with loaded(version, tmp_path, change=change) as npu:
            (call,) = npu.calls("rkllm_init")

        expected: dict[str, object] = {
            "version": version,
            "model_path": str(tmp_path / "model.rkllm"),
            "max_context_len": 1024,
            "max_new_tokens": -1,
            "top_k": 7,
            "top_p": 0.25,
            "temperature": 0.5,
            "repeat_penalty": 1.5,
            "frequency_penalty": 0.75,
            "presence_penalty": 0.5,
            "mirostat": 2,
            "mirostat_tau": 4.0,
            "mirostat_eta": 0.2,
            "skip_special_token": 1,
            "is_async": 0,
            "base_domain_id": 3,
            "reserved": 0,
        }
        family = FAMILIES[version]
        if family >= Family.V1_2_0:
            expected |= {"n_keep": -1, "embed_flash": 1, "cpus": 4, "cpu_mask": 0xF0}
        if family >= Family.V1_2_1:
            expected |= {"n_batch": 1, "use_cross_attn": 0}
        assert {name: call[name] for name in expected} == expected

    @every_interface
    def test_what_was_achieved(self, version: str, tmp_path: Path) -> None:
        """The load says which runtime it is, and what context it has."""
        with loaded(version, tmp_path) as npu:
            got = npu.loaded

        assert (got.runtime, got.slots, got.context_tokens) == (f"rkllm {version}", 1, 1024)

    @every_interface
    def test_a_context_over_the_limit(self, version: str, tmp_path: Path) -> None:
        """The limit the library prints is used instead, and said."""
        with loaded(version, tmp_path, context_limit=512) as npu:
            assert npu.loaded.context_tokens == 512
            assert any("512" in warning for warning in npu.loaded.warnings)
            assert [one["max_context_len"] for one in npu.calls("rkllm_init")] == [1024, 512]
            own_answer(npu)

    def test_no_context_given(self, tmp_path: Path) -> None:
        """Left to us, the model's own limit is taken without a word."""
        change = {"context_tokens": 0}
        with loaded("1.3.0", tmp_path, change=change, context_limit=2048) as npu:
            assert (npu.loaded.context_tokens, npu.loaded.warnings) == (2048, ())

    def test_an_old_driver_is_a_warning(self, tmp_path: Path) -> None:
        """What the library only warns of does not stop the load, and reaches the user."""
        with loaded("1.2.3", tmp_path, driver="0.9.2") as npu:
            assert any("driver version is too low" in line for line in npu.loaded.warnings)

    @every_interface
    @pytest.mark.parametrize(
        ("settings", "reason", "words"),
        [
            ({"device": "none"}, Reason.NPU_UNAVAILABLE, "failed to open rknpu module"),
            ({"target": "RK3576"}, Reason.PLATFORM_MISMATCH, "RK3576"),
            ({"toolkit": "9.9.9"}, Reason.RUNTIME_MISMATCH, "lower than"),
            ({"cores": 5}, Reason.LOAD_FAILED, "number of enabled CPUs"),
            ({"npu_mb": 9, "npu_total_mb": 8}, Reason.LOAD_FAILED, "malloc npu memory"),
            ({"init_rc": -7}, Reason.LOAD_FAILED, "runtime did not load"),
            (
                {"init_quiet": 1, "init_line": "E rkllm: invalid magic number, got 00000000"},
                Reason.LOAD_FAILED,
                "invalid magic",
            ),
        ],
    )
    def test_failures(
        self, version: str, tmp_path: Path, settings: dict[str, object], reason: Reason, words: str
    ) -> None:
        """What keeps a model from loading is told apart, also when the library returns 0."""
        if version == "1.1.4" and "cores" in settings:
            settings = {"init_rc": -1, "init_line": "E rkllm: The number of enabled CPUs"}
        with (
            pytest.raises(PreconditionError, match=words) as caught,
            loaded(version, tmp_path, ledger=tmp_path / "ledger", **settings),
        ):
            pass

        assert caught.value.reason is reason

    def test_a_missing_or_foreign_file(self, tmp_path: Path) -> None:
        """The library's own words say what is wrong with the file."""
        gguf = tmp_path / "x.gguf"
        gguf.write_bytes(b"GGUF" + bytes(100))
        for path, words in ((gguf, "invalid rkllm model"), (tmp_path / "none", "failed to open")):
            with (
                pytest.raises(PreconditionError, match=words),
                loaded("1.2.3", tmp_path, change={"weights": str(path)}),
            ):
                pass

    def test_no_library(self, tmp_path: Path) -> None:
        """Without a library the NPU is unavailable, and the variable is named."""
        with (
            pytest.raises(PreconditionError, match="no librkllmrt") as caught,
            loaded("1.3.0", tmp_path, change={"runtime_library": ""}),
        ):
            pass

        assert caught.value.reason is Reason.NPU_UNAVAILABLE

    def test_a_library_that_lies(self, tmp_path: Path) -> None:
        """A file marked as one interface that then says another is not spoken to any further."""
        with (
            pytest.raises(PreconditionError, match=r"says it is 1\.2\.0") as caught,
            loaded(
                "1.3.0", tmp_path, init_line="I rkllm: rkllm-runtime version: 1.2.0, rknpu driver"
            ),
        ):
            pass

        assert caught.value.reason is Reason.RUNTIME_MISMATCH

    def test_an_unknown_version_with_override(self, tmp_path: Path) -> None:
        """A newer library is refused, and works when the user vouches for it."""
        library = str(standin.build("1.3.1", marker="1.3.9"))
        with (
            pytest.raises(PreconditionError, match=r"1\.3\.9"),
            loaded("1.3.1", tmp_path, change={"runtime_library": library}),
        ):
            pass
        change = {"runtime_library": library, "runtime_version_override": "1.3.1"}
        with loaded("1.3.1", tmp_path, change=change, toolkit="1.3.1") as npu:
            own_answer(npu)

    def test_every_library_exports_what_its_header_says(self, tmp_path: Path) -> None:
        """A library lacking a function of its version is refused before anything is called."""
        library = str(standin.build("1.2.0", marker="1.2.3"))
        with (
            pytest.raises(PreconditionError, match="cannot be loaded"),
            loaded("1.2.3", tmp_path, change={"runtime_library": library}),
        ):
            pass

    def test_close_is_safe(self, tmp_path: Path) -> None:
        """Closing twice, and after a failed load, does nothing."""
        backend = RkllmBackend()
        with pytest.raises(PreconditionError):
            backend.load(spec("1.3.0", tmp_path, init_rc=-1), lambda _: None)
        backend.close()
        backend.close()

    def test_the_fast_cores(self) -> None:
        """The four highest cores are the big ones of an RK3588; fewer where there are fewer."""
        assert default_cpu_mask(set(range(8))) == 0xF0
        assert default_cpu_mask({0, 1}) == 0b11


class TestText:
    """What comes out is what was made, to the byte."""

    @every_interface
    @pytest.mark.parametrize("utf8", ["whole", "bytes"])
    @pytest.mark.parametrize("thread", ["foreign", "caller"])
    @pytest.mark.parametrize("piece", [1, 2, 3, 7])
    def test_characters_cut_anywhere(
        self, version: str, tmp_path: Path, utf8: str, thread: str, piece: int
    ) -> None:
        """Emoji and CJK cut between callbacks come out whole, whatever WAITING carried."""
        with loaded(version, tmp_path, utf8=utf8, thread=thread, piece=piece) as npu:
            got = npu.ask(Run(prompt=TEXT))

        assert got.text == TEXT
        assert got.outcome.usage.completion_tokens == math.ceil(len(TEXT.encode()) / piece)
        assert sum(chunk.tokens for chunk in got.chunks) == got.outcome.usage.completion_tokens
        assert got.outcome.reason is FinishReason.STOP_EOS

    @every_interface
    def test_no_finish(self, version: str, tmp_path: Path) -> None:
        """An answer is over when the library returns, also when it never says so."""
        with loaded(version, tmp_path, finish=0) as npu:
            assert npu.ask(Run(prompt=TEXT)).text == TEXT
            own_answer(npu)

    @every_interface
    def test_stop_sequence(self, version: str, tmp_path: Path) -> None:
        """The stop sequence is cut wherever it stands, the run ended, the next answer clean."""
        with loaded(version, tmp_path, piece=1, token_us=100) as npu:
            run = Run(prompt="one two three" * 50, sampling=Sampling(stop=("o th", "zzz")))
            got = npu.ask(run)

            assert (got.text, got.outcome.reason) == ("one tw", FinishReason.STOP_SEQUENCE)
            assert got.outcome.matched_stop == "o th"
            assert npu.calls("rkllm_abort")
            own_answer(npu)

    @every_interface
    def test_length(self, version: str, tmp_path: Path) -> None:
        """No more tokens than asked for, also where the library fixes its limit at load."""
        with loaded(version, tmp_path, answer="count", tokens=500, token_us=50) as npu:
            got = npu.ask(Run(prompt="x", sampling=Sampling(max_tokens=5)))

        assert (got.text, got.outcome.reason) == (" tok" * 5, FinishReason.LENGTH)
        assert got.outcome.usage.completion_tokens == 5

    def test_no_tokens_wanted(self, tmp_path: Path) -> None:
        """Zero tokens is an answer without one."""
        with loaded("1.3.0", tmp_path) as npu:
            got = npu.ask(Run(prompt="x", sampling=Sampling(max_tokens=0)))

        assert (got.chunks, got.outcome.reason) == ((), FinishReason.LENGTH)

    @with_tools
    def test_the_context_runs_full(self, version: str, tmp_path: Path) -> None:
        """An answer that fills the context says so."""
        with loaded(version, tmp_path, answer="count", tokens=5000) as npu:
            got = npu.ask(Run(prompt="x" * 40))

        assert got.outcome.reason is FinishReason.CONTEXT_FULL

    @every_interface
    def test_reasoning_is_apart(self, version: str, tmp_path: Path) -> None:
        """What a model thinks comes as reasoning, and is counted."""
        answer = "<think>why</think>\\n\\nbecause"
        change = {"template": "{{ messages[0].content }}"}
        with loaded(version, tmp_path, change=change, answer=answer, piece=2) as npu:
            got = npu.ask(Run(messages=(USER,)))

        assert (got.whole.reasoning, got.text) == ("why", "because")
        assert 0 < got.outcome.usage.reasoning_tokens < got.outcome.usage.completion_tokens

    @every_interface
    def test_figures(self, version: str, tmp_path: Path) -> None:
        """Times are told on every version: the library's where it has any, else our own."""
        with loaded(
            version, tmp_path, answer="count", tokens=20, token_us=500, prefill_ms=20
        ) as npu:
            got = npu.ask(Run(prompt="x"))

        assert got.outcome.timings.prefill_ms >= 15
        assert got.outcome.timings.decode_ms >= 5


class TestCancel:
    """Nobody's tokens reach anybody else."""

    @every_interface
    def test_while_generating(self, version: str, tmp_path: Path) -> None:
        """A cancelled run ends soon, emits nothing more, and leaves nothing behind."""
        handle = Handle()
        with loaded(version, tmp_path, piece=1, token_us=300, abort_ms=5) as npu:
            got = npu.ask(Run(prompt="x" * 2000), handle=handle, on_chunk=lambda _: handle.cancel())

            assert got.outcome.reason is FinishReason.CANCELLED
            assert len(got.chunks) == 1
            own_answer(npu)

    @every_interface
    def test_before_it_begins(self, version: str, tmp_path: Path) -> None:
        """A run cancelled before its turn never reaches the library."""
        handle = Handle()
        handle.cancel()
        with loaded(version, tmp_path) as npu:
            got = npu.ask(Run(prompt="x"), handle=handle)

            assert (got.outcome.reason, got.chunks) == (FinishReason.CANCELLED, ())
            own_answer(npu)
            assert [one["prompt"] for one in npu.calls("rkllm_run")] == ["short"]

    @every_interface
    def test_a_late_callback(self, version: str, tmp_path: Path) -> None:
        """A callback that comes when its run is over does not reach the next one's answer."""
        with loaded(version, tmp_path, prefill_ms=20) as npu:
            npu.ask(Run(prompt="[[late=1]] first"))

            assert npu.ask(Run(prompt="second")).text == "second"

    def test_an_abort_that_came_too_late(self, tmp_path: Path) -> None:
        """An abort that strikes the run after its own costs time, not the answer."""
        handle = Handle()
        with loaded("1.3.0", tmp_path, piece=1, token_us=300, abort_sticks=1) as npu:
            npu.ask(Run(prompt="x" * 400), handle=handle, on_chunk=lambda _: handle.cancel())
            model = npu.backend._model
            assert model is not None
            runtime = model.resident._runtime
            runtime._functions.rkllm_abort(runtime._handle)

            own_answer(npu)
            assert [one["prompt"] for one in npu.calls("rkllm_run")][1:] == ["short", "short"]

    def test_an_abort_between_runs(self, tmp_path: Path) -> None:
        """Where nothing runs the library is not told to stop: the handle may be on its way out."""
        with loaded("1.3.0", tmp_path) as npu:
            model = npu.backend._model
            assert model is not None
            model.resident._runtime.abort()

            assert npu.calls("rkllm_abort") == []

    def test_while_another_runs(self, tmp_path: Path) -> None:
        """A waiting run can be cancelled without disturbing the one before it."""
        waiting = Handle()
        answers: dict[str, str] = {}
        with loaded("1.3.0", tmp_path, token_us=2000, piece=2) as npu:
            started = threading.Event()

            def first() -> None:
                got = npu.ask(Run(prompt="first one"), on_chunk=lambda _: started.set())
                answers["first"] = got.text

            thread = threading.Thread(target=first)
            thread.start()
            started.wait(10)
            waiting.cancel()
            got = npu.ask(Run(prompt="second"), handle=waiting)
            thread.join()

        assert got.outcome.reason is FinishReason.CANCELLED
        assert answers == {"first": "first one"}

    def test_many_at_once(self, tmp_path: Path) -> None:
        """Runs asked for together are answered one by one, each with its own."""
        with loaded("1.2.3", tmp_path, piece=1) as npu:
            answers: dict[str, str] = {}

            def ask(text: str) -> None:
                answers[text] = npu.ask(Run(prompt=text)).text

            threads = [threading.Thread(target=ask, args=(f"text {n}",)) for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert answers == {f"text {n}": f"text {n}" for n in range(8)}


class TestFailures:
    """A run that fails is told, and the next one works."""

    @every_interface
    def test_error_state(self, version: str, tmp_path: Path) -> None:
        """ERROR in the middle is a failure to try again, on a fresh handle."""
        with loaded(version, tmp_path) as npu:
            with pytest.raises(UnavailableError) as caught:
                npu.ask(Run(prompt="[[at_token=1;at=error]] some text"))
            assert caught.value.reason is Reason.WORKER_CRASHED
            own_answer(npu)
            assert len(npu.calls("rkllm_init")) == 2

    @every_interface
    def test_refused_run(self, version: str, tmp_path: Path) -> None:
        """A status other than 0 carries the library's words."""
        with loaded(version, tmp_path) as npu:
            with pytest.raises(UnavailableError, match="failed to submit"):
                npu.ask(Run(prompt="[[run_rc=-1;run_line=E RKNN: failed to submit!]]"))
            own_answer(npu)

    @every_interface
    def test_prompt_too_long(self, version: str, tmp_path: Path) -> None:
        """Without a tokenizer the library's own count is told."""
        with loaded(version, tmp_path) as npu:
            with pytest.raises(BeyondRangeError, match="1500 tokens") as caught:
                npu.ask(Run(prompt="x" * 6000))
            assert caught.value.metadata == {"prompt_tokens": "1500", "limit": "1024"}
            own_answer(npu)

    def test_what_it_cannot_do(self, tmp_path: Path) -> None:
        """Tokenizing without a tokenizer is refused, naming what is missing."""
        with loaded("1.3.0", tmp_path) as npu:
            with pytest.raises(PreconditionError, match=r"tokenizer\.json"):
                npu.backend.tokenize("x", add_special=True, parse_special=True)
            with pytest.raises(PreconditionError, match=r"tokenizer\.json"):
                npu.backend.detokenize((1,))


class TestTries:
    """What nothing holds is judged when it is whole."""

    @every_interface
    def test_an_answer_that_is_right(self, version: str, tmp_path: Path) -> None:
        """The stand-in says what it was asked: the first is right, and is told as judged."""
        held = Run(Sampling(json_schema='{"required": ["a"]}'), prompt='{"a": 1}')
        with loaded(version, tmp_path) as npu:
            got = npu.ask(replace(held, structured_tries=3))
            with pytest.raises(PreconditionError, match="json_schema cannot be used"):
                npu.ask(held)
            own_answer(npu)

        assert (got.text, got.outcome.reason) == ('{"a": 1}', FinishReason.STOP_EOS)
        assert "after 1 try" in got.outcome.warnings[-1]

    @every_interface
    def test_none_is_right(self, version: str, tmp_path: Path) -> None:
        """As often as was asked for, and then an error; nothing of the answers was heard."""
        held = Run(Sampling(choices=("yes", "no")), prompt="perhaps", structured_tries=3)
        heard: list[Chunk] = []
        with loaded(version, tmp_path) as npu:
            with pytest.raises(PreconditionError, match="None of 3 answers"):
                npu.ask(held, on_chunk=heard.append)
            runs = len(npu.calls("rkllm_run"))
            own_answer(npu)

        assert (heard, runs) == ([], 3)

    def test_a_grammar_is_not_judged(self, tmp_path: Path) -> None:
        """Nothing of ours reads one: refused, not dropped."""
        held = Run(Sampling(grammar='root ::= "a"'), prompt="a", structured_tries=3)
        with (
            loaded("1.3.1", tmp_path) as npu,
            pytest.raises(PreconditionError, match="grammar cannot be used"),
        ):
            npu.ask(held)


class TestSampling:
    """Each request gets its own."""

    @with_run_sampling
    def test_per_run(self, version: str, tmp_path: Path) -> None:
        """Since 1.3.0 every run carries its sampling; the handle stays."""
        sampling = Sampling(0.5, 7, 0.25, None, None, 1.5, None, 0.5, 0.75, 2, 4.0, 0.2)
        with loaded(version, tmp_path, answer="params") as npu:
            got = json.loads(npu.ask(Run(prompt="x", sampling=sampling)).text)
            again = json.loads(npu.ask(Run(prompt="x")).text)

            assert len(npu.calls("rkllm_init")) == 1
        assert (got["top_k"], got["top_p"], got["temperature"]) == (7, 0.25, 0.5)
        assert (got["frequency_penalty"], got["presence_penalty"]) == (0.75, 0.5)
        assert (got["mirostat"], got["mirostat_tau"], got["mirostat_eta"]) == (2, 4.0, 0.2)
        assert (again["top_k"], again["temperature"]) == (40, 0.8)

    @with_load_sampling
    def test_per_load(self, version: str, tmp_path: Path) -> None:
        """Before 1.3.0 another sampling means another handle, and a warning that says so."""
        with loaded(version, tmp_path, answer="params") as npu:
            got = npu.ask(Run(prompt="x", sampling=Sampling(top_k=7, temperature=0.5)))
            same = npu.ask(Run(prompt="x", sampling=Sampling(top_k=7, temperature=0.5)))

            assert len(npu.calls("rkllm_init")) == 2
        assert json.loads(got.text)["top_k"] == json.loads(same.text)["top_k"] == 7
        assert any("fixes sampling at load" in line for line in got.outcome.warnings)
        assert not any("fixes" in line for line in same.outcome.warnings)


class TestTemplates:
    """Which way messages go, and that one request's way does not stick."""

    @every_interface
    def test_the_runtimes_own(self, version: str, tmp_path: Path) -> None:
        """Raw and templated requests may alternate: a silenced template comes back."""
        with loaded(version, tmp_path) as npu:
            before = npu.ask(Run(messages=(Message("system", "S"), USER)))
            npu.ask(SHORT)
            after = npu.ask(Run(messages=(USER,)))
            runs = [one["own_template"] for one in npu.calls("rkllm_run")]

        since = FAMILIES[version] >= Family.V1_2_0
        assert (before.text, after.text) == ("S\n\nhi", "hi")
        assert before.outcome.template_way is (TemplateWay.RUNTIME if since else TemplateWay.RAW)
        assert runs == ([0, 1, 0] if since else [0, 0, 0])

    @with_tools
    def test_tools_do_not_stick(self, version: str, tmp_path: Path) -> None:
        """Tools of one request are not offered to the next one's model."""
        call = '<tool_call>{"name": "look", "arguments": {"at": 1}}</tool_call>'
        tool = Tool("look", "It looks.", "{}")
        with loaded(version, tmp_path, piece=5) as npu:
            got = npu.ask(Run(messages=(Message("user", call),), tools=(tool,)))
            set_to = npu.calls("rkllm_set_function_tools")
            after = npu.ask(Run(messages=(USER,)))

            assert len(npu.calls("rkllm_init")) == 2
        assert json.loads(set_to[0]["b"])[0]["function"]["name"] == "look"
        assert (got.text, got.outcome.reason) == ("", FinishReason.TOOL_CALL)
        calls = got.whole.tool_calls
        assert (calls[0].name, "".join(one.arguments for one in calls)) == ("look", '{"at": 1}')
        assert after.text == "hi"

    @with_tools
    def test_thinking_reaches_the_runtime(self, version: str, tmp_path: Path) -> None:
        """The switch of the runtime's own template is set for this run only."""
        with loaded(version, tmp_path) as npu:
            npu.ask(Run(messages=(USER,), thinking=True))
            npu.ask(Run(messages=(USER,)))

            assert [one["enable_thinking"] for one in npu.calls("rkllm_run")] == [1, 0]

    @every_interface
    def test_token_ids(self, version: str, tmp_path: Path) -> None:
        """With a tokenizer the runtime reads ids; usage is exact, and a shared prefix is cached."""
        write_tokenizer(tmp_path)
        config = {"chat_template": "<s>{{ messages[0].content }}"}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        with loaded(version, tmp_path, change={"tokenizer_folder": str(tmp_path)}) as npu:
            first = npu.ask(Run(messages=(Message("user", "hehehehe"),)))
            second = npu.ask(Run(messages=(Message("user", "hehehehex"),)))
            runs = npu.calls("rkllm_run")
            ids = npu.backend.tokenize("he", add_special=True, parse_special=True)

        assert runs[0]["tokens"] == [257, 256, 256, 256, 256]
        assert first.text == "257 256 256 256 256"
        assert first.outcome.usage.prompt_tokens == 5
        told = FAMILIES[version] >= Family.V1_2_1
        assert second.outcome.usage.cached_tokens == (5 if told else 0)
        assert first.outcome.template_way is TemplateWay.MODEL
        assert ids == (257, 256)

    def test_a_prompt_known_to_be_too_long(self, tmp_path: Path) -> None:
        """With a tokenizer the library is not even asked."""
        write_tokenizer(tmp_path)
        with loaded("1.3.0", tmp_path, change={"tokenizer_folder": str(tmp_path)}) as npu:
            with pytest.raises(BeyondRangeError) as caught:
                npu.ask(Run(prompt="x" * 2000))

            assert caught.value.metadata["prompt_tokens"] == "2001"
            assert npu.calls("rkllm_run") == []

    def test_the_oldest_turns_are_left_out_when_asked(self, tmp_path: Path) -> None:
        """Counted by its tokenizer and template; said in the outcome; a long last turn refused."""
        write_tokenizer(tmp_path)
        config = {"chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}"}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        turns = [Message("user", "a" * 200), Message("assistant", "b" * 200)] * 3
        run = Run(
            Sampling(max_tokens=8),
            messages=(Message("system", "s" * 50), *turns, Message("user", "c" * 100)),
            context_overflow=ContextOverflow.TRIM_OLDEST,
        )
        with loaded("1.3.0", tmp_path, change={"tokenizer_folder": str(tmp_path)}) as npu:
            got = npu.ask(run)
            with pytest.raises(BeyondRangeError, match="last turn"):
                npu.ask(replace(run, messages=(*turns, Message("user", "c" * 2000))))
            with pytest.raises(BeyondRangeError, match="prompt"):
                npu.ask(replace(run, context_overflow=ContextOverflow.REFUSE))

        assert got.outcome.usage.prompt_tokens == 50 + 2 * 400 + 100
        assert "1 user, 1 assistant messages" in got.outcome.warnings[-1]

    def test_without_a_tokenizer_nothing_can_be_left_out(self, tmp_path: Path) -> None:
        """Nobody can count, so the wish is refused by its name."""
        asked = Run(messages=(Message("user", "x"),), context_overflow=ContextOverflow.TRIM_OLDEST)
        with (
            loaded("1.3.0", tmp_path) as npu,
            pytest.raises(PreconditionError, match="context_overflow"),
        ):
            npu.ask(asked)


class TestEmbeddings:
    """Vectors from the last hidden layer."""

    @every_interface
    def test_vectors(self, version: str, tmp_path: Path) -> None:
        """One vector a text, of length 1, the same every time, other for another text."""
        with loaded(version, tmp_path, embd=16) as npu:
            got = npu.backend.embed(EmbedSpec(("one text", "another", "one text")))
            own_answer(npu)

        first, other, again = got.vectors
        assert (len(first), first) == (16, again)
        assert first != other
        assert math.isclose(sum(value * value for value in first), 1.0)
        assert got.prompt_tokens == 2 + 2 + 2

    @every_interface
    def test_nothing_to_read(self, version: str, tmp_path: Path) -> None:
        """An empty prompt is refused, not given to a library that gives up on it."""
        with loaded(version, tmp_path) as npu:
            with pytest.raises(InvalidInputError, match="should not be empty"):
                npu.ask(Run(prompt=""))
            with pytest.raises(InvalidInputError) as refused:
                npu.backend.embed(EmbedSpec(("a", "")))
            assert refused.value.violations[0].field == "inputs[1]"
            assert npu.calls("rkllm_run") == []

    @pytest.mark.parametrize("leaving", HASTY)
    def test_nobody_waits_for_them(self, tmp_path: Path, leaving: str) -> None:
        """Wherever the caller leaves, no further text is read, and the next one is served."""
        texts = EmbedSpec(tuple("abcdefgh"))
        with loaded("1.3.0", tmp_path, embd=16) as npu:
            with pytest.raises(InternalError, match="Nobody waits"):
                npu.backend.embed(texts, HASTY[leaving]())
            assert len(npu.calls("rkllm_run")) < len(texts.inputs)
            assert len(npu.backend.embed(texts).vectors) == len(texts.inputs)

    def test_a_text_cut_ends_as_the_model_wants_it(self, tmp_path: Path) -> None:
        """The vector is of the last token, which is the one that closes a text."""
        write_tokenizer(tmp_path, closed=True)
        with loaded("1.3.0", tmp_path, change={"tokenizer_folder": str(tmp_path)}) as npu:
            made = npu.backend.embed(EmbedSpec(("x" * 2000,), truncate=True))
            (run,) = npu.calls("rkllm_run")

        assert made.prompt_tokens == npu.loaded.context_tokens == run["n_tokens"]
        assert run["tokens"][0] == 257
        assert run["tokens"][-1] == 258

    def test_a_text_too_long_is_named(self, tmp_path: Path) -> None:
        """By its place among the others."""
        write_tokenizer(tmp_path)
        with loaded("1.3.0", tmp_path, change={"tokenizer_folder": str(tmp_path)}) as npu:
            with pytest.raises(BeyondRangeError) as caught:
                npu.backend.embed(EmbedSpec(("short", "x" * 2000)))

            assert caught.value.metadata["input"] == "1"
            assert caught.value.violations[0].field == "inputs[1]"
            cut = npu.backend.embed(EmbedSpec(("short", "x" * 2000), truncate=True))
            assert len(cut.vectors) == 2
            assert cut.prompt_tokens < 2000

    def test_a_text_of_unknown_length_is_not_cut(self, tmp_path: Path) -> None:
        """Without a tokenizer nobody knows where."""
        with loaded("1.3.0", tmp_path) as npu, pytest.raises(PreconditionError) as caught:
            npu.backend.embed(EmbedSpec(("short",), truncate=True))

        assert caught.value.metadata["capability"] == "truncate"

    def test_dimensions(self, tmp_path: Path) -> None:
        """Leading dimensions are kept, then made of length 1; or left as they are."""
        with loaded("1.3.0", tmp_path, embd=16) as npu:
            short = npu.backend.embed(EmbedSpec(("x",), dimensions=4)).vectors[0]
            plain = npu.backend.embed(EmbedSpec(("x",), normalize=False)).vectors[0]

        assert len(short) == 4
        assert math.isclose(sum(value * value for value in short), 1.0)
        assert all(value == int(value) for value in plain)


class TestRanking:
    """Yes against no, from the logits the library gives."""

    TEMPLATE = "<s>{query}|{document}"

    @pytest.fixture
    def beside(self, tmp_path: Path) -> dict[str, str]:
        """A tokenizer with both words and a template, as the load names them."""
        write_tokenizer(tmp_path, words=("yes", "no"))
        named = [{"name": "rerank", "template": self.TEMPLATE}]
        config = tmp_path / "tokenizer_config.json"
        config.write_text(json.dumps({"chat_template": named}))
        return {"tokenizer_folder": str(tmp_path)}

    @staticmethod
    def logit(tokens: list[int], token: int) -> float:
        """What the stand-in gives for *token* behind *tokens*."""
        return (sum(tokens) * 31 + token * 7) % 97 / 10 - 4.8

    @pytest.mark.parametrize("version", ["1.2.0", "1.2.3", "1.3.0"])
    def test_scores(self, version: str, tmp_path: Path, beside: dict[str, str]) -> None:
        """Log-odds of both words behind query and document, or the probability."""
        asked = RankSpec("ab", ("c", "defg"), normalize=False)
        with loaded(version, tmp_path, change=beside) as npu:
            raw = npu.backend.rank(asked)
            scaled = npu.backend.rank(replace(asked, normalize=True)).scores
            runs = npu.calls("rkllm_run")
            assert npu.ask(SHORT).outcome.reason is FinishReason.STOP_EOS  # it answers again

        assert [run["mode"] for run in runs] == [2] * 4
        assert raw.prompt_tokens == len("ab|c") + 1 + len("ab|defg") + 1
        for run, score, probability in zip(runs, raw.scores, scaled, strict=False):
            own = self.logit(run["tokens"], 259) - self.logit(run["tokens"], 260)
            assert score == pytest.approx(own, abs=1e-5)
            assert probability == pytest.approx(1 / (1 + math.exp(-own)), abs=1e-5)

    def test_what_does_not_fit_is_named_or_cut(
        self, tmp_path: Path, beside: dict[str, str]
    ) -> None:
        """To the token; one is left for the answer."""
        with loaded("1.3.0", tmp_path, change=beside) as npu:
            with pytest.raises(BeyondRangeError) as caught:
                npu.backend.rank(RankSpec("ab", ("c", "d" * 2000)))
            cut = npu.backend.rank(RankSpec("ab", ("d" * 2000,), truncate=True))

        assert caught.value.violations[0].field == "documents[1]"
        assert cut.prompt_tokens == npu.loaded.context_tokens - 1

    @pytest.mark.parametrize(
        ("version", "words", "template", "why"),
        [
            ("1.1.4", ("yes", "no"), TEMPLATE, "older than 1.2.0"),
            ("1.3.0", ("yes",), TEMPLATE, "no tokens 'yes' and 'no'"),
            ("1.3.0", ("yes", "no"), "{{ messages }}", "nor a template of a reranker"),
        ],
    )
    def test_who_cannot_is_told_why(
        self, tmp_path: Path, version: str, words: tuple[str, ...], template: str, why: str
    ) -> None:
        """CAPABILITY_UNSUPPORTED, before anything runs."""
        write_tokenizer(tmp_path, words=words)
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
        change = {"tokenizer_folder": str(tmp_path)}
        with loaded(version, tmp_path, change=change) as npu:
            with pytest.raises(PreconditionError, match=why) as caught:
                npu.backend.rank(RankSpec("ab", ("c",)))
            assert npu.calls("rkllm_run") == []

        assert caught.value.metadata["capability"] == "rerank"


class TestAdapters:
    """LoRA and prompt caches."""

    @every_interface
    def test_lora(self, version: str, tmp_path: Path) -> None:
        """An adapter is loaded with its scale, named in the run, and survives a reload."""
        adapter = tmp_path / "a.rkllm"
        adapter.write_bytes(b"x")
        change = {"adapters": (("mine", str(adapter), 0.5),)}
        with loaded(version, tmp_path, change=change) as npu:
            npu.ask(Run(prompt="x", lora=(("mine", 0.5),)))
            npu.ask(Run(prompt="x"))
            (call,) = npu.calls("rkllm_load_lora")

            assert (call["a"], call["b"], call["c"]) == (str(adapter), "mine", "0.5")
            assert [one["lora"] for one in npu.calls("rkllm_run")] == ["mine", "mine"]
            with pytest.raises(InvalidInputError, match="other"):
                npu.ask(Run(prompt="x", lora=(("other", 1.0),)))
            with pytest.raises(PreconditionError, match="scale"):
                npu.ask(Run(prompt="x", lora=(("mine", 1.0),)))

    def test_missing_lora(self, tmp_path: Path) -> None:
        """An adapter that cannot be read fails the load, with the library's words."""
        change = {"adapters": (("mine", str(tmp_path / "none"), 1.0),)}
        with (
            pytest.raises(PreconditionError, match="failed to open"),
            loaded("1.3.0", tmp_path, change=change),
        ):
            pass


def test_chunks_carry_token_ids(tmp_path: Path) -> None:
    """Each piece names the tokens it stands for."""
    with loaded("1.3.0", tmp_path, piece=4) as npu:
        got = npu.ask(Run(prompt="abcdefgh"))

    assert got.chunks == (
        Chunk("abcd", token_ids=(100,), tokens=1),
        Chunk("efgh", token_ids=(101,), tokens=1),
    )
