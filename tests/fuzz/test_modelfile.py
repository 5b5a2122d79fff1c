"""Whatever a Modelfile holds, it is read, or refused as INVALID_MODELFILE with a place."""

from __future__ import annotations

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rkd.errors import InvalidInputError, Reason
from rkd.modelfile.commands import Dialect
from rkd.modelfile.gotemplate import UntranslatableError, to_jinja
from rkd.modelfile.lint import lint
from rkd.modelfile.parse import Modelfile, parse
from rkd.modelfile.render import inherit, render, render_env
from tests.fuzz import gotemplates
from tests.fuzz.frame import Fuzz, Target

OLLAMA = (
    b"FROM ./x.gguf\nPARAMETER temperature 0.5\nPARAMETER stop <|im_end|>\nSYSTEM hi\n",
    b'FROM "a b"\n# note\nTEMPLATE """{{ .System }}\n{{ .Prompt }}"""\nMESSAGE user hello\n',
    b"FROM hf.co/user/repo:Q4_K_M\nADAPTER ./a.gguf\nLICENSE MIT\nUNSET PARAMETER seed\n",
    "FROM x\r\nSYSTEM 你好👋\r\nPARAMETER seed 42\r\nREQUIRES 0.14\r\n".encode(),
    "FROM x\nSYSTEM é\n".encode("utf-16"),
)
OLLAMA_WORDS = (
    *(b"FROM ", b"PARAMETER ", b"SYSTEM ", b"TEMPLATE ", b"MESSAGE ", b"LICENSE ", b"UNSET "),
    *(b"HUGGINGFACE_PATH ", b'"""', b'"', b"#", b"\n", b"num_ctx ", b"stop ", b"seed ", b"top_p "),
    *(
        b"user ",
        b"tool ",
        b"\nFROM=x\n",
        b"{{ .Prompt }}",
        b"{% if x %}",
        b"hf.co/",
        b"https://hf.co/",
    ),
)
ENV = (
    b'FROM="x.rkllm"\nHUGGINGFACE_PATH="user/repo"\nSYSTEM=""\nTEMPERATURE=1.0\n',
    b'FROM=\'x.gguf\'\nexport TOP_K = 7 # note\nSTOP="[\\"a\\", \\"b\\"]"\nIMAGE_WIDTH=448\n',
    b'FROM="x.rkllm"\nMESSAGES="[[\\"user\\", \\"hi\\"]]"\nLICENSE="[\\"MIT\\"]"\nNOTE=a b\n',
)
ENV_WORDS = (
    *(b"FROM=", b"SYSTEM=", b"MESSAGES=", b"STOP=", b"SEED=", b"NOTE=", b"export ", b" #", b"\\n"),
    *(b'"', b"'", b"\\", b'[["user", "', b'"[', b']"', b"\\ud800", b"\n", b"\r", b"TEMPERATURE="),
)

REASONS = frozenset({Reason.INVALID_MODELFILE})


def read(data: bytes) -> None:
    """Do with a Modelfile all that is done with one; what it says can be put on the wire."""
    for problem in lint(data):
        assert problem.line >= 1
        assert problem.column >= 1
        problem.message.encode()
    modelfile = parse(data)
    str([source.repository for source in modelfile.sources]).encode()
    inherit(modelfile, modelfile)
    again(render_env(modelfile))
    if modelfile.dialect is Dialect.ENV:
        # A key given twice is written once.
        assert again(render(modelfile)) == again(render(again(render(modelfile))))
    else:
        said = [command.bare for command in again(render(modelfile)).commands]
        assert said == [command.bare for command in modelfile.commands]
    made = modelfile.recipe()
    texts = [made.system or "", made.template or "", *made.adapters, *made.licenses]
    for text in (*texts, *(str(value) for _, value in made.parameters)):
        text.encode()
    for turn in made.messages:
        turn.content.encode()


def again(written: str) -> Modelfile:
    """Read what we wrote ourselves: a refusal of that is no answer."""
    written.encode()
    try:
        return parse(written)
    except InvalidInputError as refused:
        raise AssertionError(f"not readable: {written[:200]!r}") from refused


def translate(data: bytes) -> None:
    """Translate a template: what comes out is Jinja, in proportion to what went in."""
    source = data.decode(errors="replace")
    made = to_jinja(source)
    assert len(made) <= 2_000 + 40 * len(source)
    if made is not source and len(made) < 5_000:
        ImmutableSandboxedEnvironment().from_string(made)


def test_ollama(fuzz: Fuzz) -> None:
    """Ollama's dialect."""
    fuzz(Target("modelfile-ollama", read, OLLAMA, OLLAMA_WORDS, reasons=REASONS))


def test_env(fuzz: Fuzz) -> None:
    """The dialect of rkllama."""
    fuzz(Target("modelfile-env", read, ENV, ENV_WORDS, reasons=REASONS))


def test_go_template(fuzz: Fuzz) -> None:
    """Templates of Go's kind."""
    fuzz(
        Target(
            "go-template",
            translate,
            gotemplates.EXAMPLES,
            gotemplates.WORDS,
            allowed=(UntranslatableError,),
            make=gotemplates.template,
        )
    )


@pytest.mark.parametrize("bom", [b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"])
def test_marks_alone(bom: bytes) -> None:
    """A byte order mark with nothing or half a character behind it is refused with a place."""
    for rest in (b"", b"\x00", b"\xd8", b"\x00\xd8"):
        with pytest.raises(InvalidInputError) as caught:
            parse(bom + rest)

        assert caught.value.reason is Reason.INVALID_MODELFILE
