"""Which way messages become the runtime's input, and what each way cannot express."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rkd.backend.rkllm.prompt import NO_TEMPLATE, Prompts
from rkd.errors import InvalidInputError, PreconditionError, Reason
from rkd.inference import LoadSpec, Run, TemplateWay, Tool
from rkd.librkllmrt import Family
from rkd.model import BackendKind, Message
from tests.native.tokenizer import write_tokenizer

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    "{% for t in tools or [] %}({{ t.function.name }}){% endfor %}[assistant]"
    "{% if enable_thinking %}<think>{% endif %}"
)
USER = Message("user", "hi")
SYSTEM = Message("system", "brief")
TOOL = Tool("look", "It looks.", '{"type": "object"}')


def spec(folder: Path | None = None, template: str | None = None) -> LoadSpec:
    """A load with these files."""
    return LoadSpec(
        BackendKind.NPU, "m.rkllm", tokenizer_folder=str(folder or ""), template=template
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a tokenizer and a template."""
    write_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"chat_template": TEMPLATE, "bos_token": "<s>"})
    )
    return tmp_path


class TestWithTokenizer:
    """Our template and our tokens, past the runtime's own."""

    def test_messages(self, folder: Path) -> None:
        """The rendered text goes as token ids, with no special token added to it."""
        prompts = Prompts(spec(folder), Family.V1_3_0)
        got = prompts.prompt(Run(messages=(SYSTEM, USER)))

        assert prompts.tokenizer is not None
        assert got.text == "<s>[system]brief[user]hi[assistant]"
        assert got.tokens is not None
        assert prompts.tokenizer.decode(got.tokens) == got.text
        assert got.tokens.count(257) == 1
        assert (got.way, got.split, prompts.way) == (TemplateWay.MODEL, True, TemplateWay.MODEL)

    def test_raw(self, folder: Path) -> None:
        """A raw prompt gets the beginning the model expects, once, and its answer is not split."""
        prompts = Prompts(spec(folder), Family.V1_3_0)
        bare = prompts.prompt(Run(prompt="he"))
        own = prompts.prompt(Run(prompt="<s>he"))

        assert bare.tokens == own.tokens == (257, 256)
        assert (bare.way, bare.split) == (TemplateWay.RAW, False)

    def test_token_ids(self, folder: Path) -> None:
        """Token ids of the request go as they are."""
        got = Prompts(spec(folder), Family.V1_3_0).prompt(Run(prompt_tokens=(3, 1, 2)))

        assert got.tokens == (3, 1, 2)

    def test_modelfile_wins(self, folder: Path) -> None:
        """A TEMPLATE of the Modelfile replaces the model's, and sees its special tokens."""
        prompts = Prompts(spec(folder, "{{ bos_token }}M:{{ messages[0].content }}"), Family.V1_2_1)
        got = prompts.prompt(Run(messages=(USER,)))

        assert (got.text, got.way) == ("<s>M:hi", TemplateWay.MODELFILE)

    def test_the_requests_own_wins(self, folder: Path) -> None:
        """A template of the request replaces both; an empty one switches templates off."""
        prompts = Prompts(spec(folder), Family.V1_3_0)
        own = prompts.prompt(Run(messages=(USER,), template="R:{{ messages[0].content }}"))
        none = prompts.prompt(Run(messages=(SYSTEM, USER), template=""))

        assert own.text == "R:hi"
        assert (none.text, none.way, none.warnings) == (
            "brief\n\nhi",
            TemplateWay.RAW,
            (NO_TEMPLATE,),
        )

    def test_an_answer_that_has_begun(self, folder: Path) -> None:
        """It stands behind the prompt as tokens, and what comes is read on."""
        begun = Message("assistant", "So it")
        got = Prompts(spec(folder), Family.V1_3_0).prompt(Run(messages=(USER, begun)))

        assert got.text == "<s>[user]hi[assistant]So it"

    def test_thinking_opened(self, folder: Path) -> None:
        """A template that opens the reasoning says where the answer begins."""
        prompts = Prompts(spec(folder), Family.V1_3_0)

        assert prompts.prompt(Run(messages=(USER,), thinking=True)).thinking_open
        assert not prompts.prompt(Run(messages=(USER,))).thinking_open
        assert prompts.knows_thinking
        assert prompts.knows_tools

    def test_a_template_of_its_own_for_tools(self, folder: Path) -> None:
        """Models that bring two templates use the second one when tools are offered."""
        named = [
            {"name": "default", "template": "D"},
            {"name": "tool_use", "template": "U{{ tools[0].function.name }}"},
        ]
        (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
        prompts = Prompts(spec(folder), Family.V1_3_0)

        assert prompts.prompt(Run(messages=(USER,))).text == "D"
        assert prompts.prompt(Run(messages=(USER,), tools=(TOOL,))).text == "Ulook"


class TestWithout:
    """No tokenizer files: text, and what the runtime makes of it."""

    def test_modelfile_template(self) -> None:
        """A TEMPLATE of the Modelfile is rendered by us, the runtime's silenced."""
        got = Prompts(spec(template=TEMPLATE), Family.V1_2_1).prompt(
            Run(messages=(USER, Message("assistant", "yes"), USER))
        )

        assert (got.tokens, got.text, got.silent) == (
            None,
            "[user]hi[assistant]yes[user]hi[assistant]",
            True,
        )

    def test_the_runtimes_template(self) -> None:
        """The system turn goes before the user turn, which the runtime wraps itself."""
        prompts = Prompts(spec(), Family.V1_2_1)
        got = prompts.prompt(Run(messages=(SYSTEM, USER), thinking=True))

        assert (got.way, got.text, got.silent, got.thinking) == (
            TemplateWay.RUNTIME,
            "brief\n\nhi",
            False,
            True,
        )
        assert (prompts.knows_tools, prompts.knows_thinking) == (True, True)

    def test_no_history(self) -> None:
        """An assistant turn cannot be shown to the runtime's template: refused."""
        with pytest.raises(PreconditionError, match="assistant or tool turn") as caught:
            Prompts(spec(), Family.V1_3_1).prompt(
                Run(messages=(USER, Message("assistant", "yes"), USER))
            )

        assert caught.value.reason is Reason.CAPABILITY_UNSUPPORTED

    def test_tools(self) -> None:
        """Tools go to the runtime as JSON, the system turn with them."""
        got = Prompts(spec(), Family.V1_2_1).prompt(Run(messages=(SYSTEM, USER), tools=(TOOL,)))

        assert (got.system, got.text) == ("brief", "hi")
        assert json.loads(got.tools_json)[0]["function"]["parameters"] == {"type": "object"}

    @pytest.mark.parametrize("parameters", ["{", "[" * 100_000])
    def test_bad_tools(self, parameters: str) -> None:
        """A schema that is no JSON, or nested past all sense, is the request's fault."""
        with pytest.raises(InvalidInputError, match="look"):
            Prompts(spec(), Family.V1_2_1).prompt(
                Run(messages=(USER,), tools=(Tool("look", "", parameters),))
            )

    @pytest.mark.parametrize(
        "run",
        [Run(messages=(USER,), tools=(TOOL,)), Run(messages=(USER,), thinking=False)],
    )
    def test_older_runtimes(self, run: Run) -> None:
        """Before 1.2.1 the runtime has neither tools nor a switch for thinking."""
        prompts = Prompts(spec(), Family.V1_2_0)
        with pytest.raises(PreconditionError, match=r"older than 1\.2\.1"):
            prompts.prompt(run)

        assert not prompts.knows_tools
        assert not prompts.knows_thinking

    def test_oldest_runtimes(self) -> None:
        """Before 1.2.0 the runtime has no template at all: raw, with a warning."""
        prompts = Prompts(spec(), Family.V1_1)
        got = prompts.prompt(Run(messages=(SYSTEM, USER)))

        assert (prompts.way, got.text, got.warnings) == (
            TemplateWay.RAW,
            "brief\n\nhi",
            (NO_TEMPLATE,),
        )
        with pytest.raises(PreconditionError, match="tools"):
            prompts.prompt(Run(messages=(USER,), tools=(TOOL,)))
        with pytest.raises(PreconditionError, match="thinking"):
            prompts.prompt(Run(messages=(USER,), thinking=True))


def test_a_template_that_cannot_be_compiled_fails_who_needs_it() -> None:
    """The load, raw prompts and requests with a template of their own go on."""
    prompts = Prompts(spec(template="{% for %}"), Family.V1_3_0)

    assert prompts.prompt(Run(prompt="hi")).text == "hi"
    assert prompts.prompt(Run(messages=(USER,), template="{{ messages[0].content }}")).text == "hi"
    for _ in range(2):
        with pytest.raises(InvalidInputError, match="template"):
            prompts.prompt(Run(messages=(USER,)))
