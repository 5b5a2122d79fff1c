"""Go templates of Ollama's kind come out of Jinja as they came out of Go."""

from __future__ import annotations

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rkd.modelfile.gotemplate import UntranslatableError, is_go, to_jinja

CHATML = """{{- if .System }}<|im_start|>system
{{ .System }}<|im_end|>
{{ end }}{{ if .Prompt }}<|im_start|>user
{{ .Prompt }}<|im_end|>
{{ end }}<|im_start|>assistant
{{ .Response }}<|im_end|>
"""
MESSAGES = """{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 }}
{{- if eq .Role "user" }}<u>{{ .Content }}</u>
{{- else if eq .Role "assistant" }}<a>{{ .Content }}{{ if not $last }}</a>{{ end }}
{{- else if or (eq .Role "tool") (ne .Role "system") }}<t>{{ .Content }}</t>
{{- end }}
{{- if and (ne .Role "assistant") $last }}<a>{{ end }}
{{- end }}"""
TOOLS = """{{ if .Tools }}T:{{ range .Tools }}{{ . }};{{ end }}{{ end }}
{{- range .Messages }}{{ if .ToolCalls }}{{ range .ToolCalls }}
{{- .Function.Name }}({{ json .Function.Arguments }}){{ end }}{{ else }}{{ .Content }}{{ end }}
{{- end }}"""

SYSTEM = {"role": "system", "content": "Be brief."}
HI = {"role": "user", "content": "hi"}
YO = {"role": "assistant", "content": "yo"}
BYE = {"role": "user", "content": "bye"}


def rendered(source: str, messages: list[dict[str, object]], **more: object) -> str:
    """Render as a backend does; block trimming on, as HuggingFace's renderer has it."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(to_jinja(source)).render(messages=messages, **more)


def test_one_turn() -> None:
    """The last turn ends where the model goes on."""
    assert rendered(CHATML, [SYSTEM, HI]) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_older_style_repeats_for_every_turn() -> None:
    """System, prompt and response of each turn are shown once, in order."""
    assert rendered(CHATML, [HI, YO, BYE]) == (
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nyo<|im_end|>\n"
        "<|im_start|>user\nbye<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("chat", ["{{ .Prompt }}", "{{ range .Messages }}{{ .Content }}{{ end }}"])
def test_a_gap_is_filled_in_by_both_styles(chat: str) -> None:
    """`.Prompt` and `.Suffix` are what stands around it; without one the chat is as ever."""
    gap = "<p>{{ .Prompt }}<s>{{ .Suffix }}<m>"
    source = f"{{{{ if .Suffix }}}}{gap}{{{{ else }}}}{chat}{{{{ end }}}}"

    assert rendered(source, [HI], prompt="hi", suffix="end") == "<p>hi<s>end<m>"
    assert rendered(source, [HI]) == "hi"


def test_response_is_added_where_it_is_missing() -> None:
    """A template without .Response gets it at its end, as in Ollama."""
    assert rendered("[{{ .Prompt }}]", [HI, YO, BYE]) == "[hi]yo[bye]"


def test_turns_of_one_role_are_joined() -> None:
    """Two user turns in a row are one prompt with an empty line between them."""
    assert rendered("[{{ .Prompt }}]", [HI, BYE]) == "[hi\n\nbye]"


def test_response_inside_a_block_still_cuts() -> None:
    """What stands behind .Response is cut wherever it stands."""
    source = "{{ if .Prompt }}{{ .Prompt }}>{{ .Response }};{{ end }}!"

    assert rendered(source, [HI, YO, BYE]) == "hi>yo;!bye>"


def test_messages_style() -> None:
    """Range, variables, slices, comparisons and else-if chains mean what they mean in Go."""
    assert rendered(MESSAGES, [SYSTEM, HI, YO, BYE]) == "<u>hi</u><a>yo</a><u>bye</u><a>"
    assert rendered(MESSAGES, [HI, YO]) == "<u>hi</u><a>yo"


def test_system_of_a_messages_template() -> None:
    """$.System is all system turns joined, inside and outside of ranges."""
    source = "{{ $.System }}|{{ range .Messages }}{{ $.System }}{{ end }}"

    assert rendered(source, [SYSTEM]) == "Be brief.|Be brief."


def test_tools_are_printed_as_json() -> None:
    """Tools, calls and their arguments print as JSON, names as text."""
    call = {"function": {"name": "f", "arguments": {"x": 1}}}
    turn: dict[str, object] = {"role": "assistant", "content": None, "tool_calls": [call]}

    assert rendered(TOOLS, [HI, turn], tools=[{"type": "function"}]) == (
        'T:{"type": "function"};hif({"x": 1})'
    )
    assert rendered(TOOLS, [HI]) == "hi"


def test_with_assignment_and_comments() -> None:
    """With moves the dot, = changes a variable from inside a range, comments vanish."""
    source = (
        "{{/* note */}}{{ $n := 0 }}{{ range $i, $m := .Messages }}{{ $n = $i }}{{ end }}{{ $n }}"
        '{{ with .System }}({{ . }}){{ end }}{{ "{{" }}{{ `"raw"` }}{{ .System | json }}'
    )

    assert rendered(source, [SYSTEM, HI]) == '1(Be brief.){{"raw""Be brief."'


def test_smaller_functions() -> None:
    """Index, print, nil, escapes and an empty range mean what they mean in Go."""
    source = (
        '{{ (index .Messages 0).Content }}{{ print "\\n\\"" }}{{ if ne .System nil }}!{{ end }}'
        "{{ range .Tools }}tool{{ else }}none{{ end }}"
    )

    assert rendered(source.replace("(index .Messages 0).Content", "print .System"), [SYSTEM]) == (
        'Be brief.\n"!none'
    )
    assert rendered("{{ with index .Messages 1 }}{{ .Content }}{{ end }}", [SYSTEM, HI]) == "hi"


@pytest.mark.parametrize(
    "source",
    [
        "{% for m in messages %}{{ m.content }}{% endfor %}",
        "{{ bos_token }}{{ messages[0]['content'] }}",
        "{# note #}{{ .x }}",
        "plain",
    ],
)
def test_jinja_stays(source: str) -> None:
    """Jinja is told by its marks and left alone."""
    assert not is_go(source)
    assert to_jinja(source) == source


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ .Prompt", "unclosed action"),
        ("{{ if .Prompt }}x", "never closed"),
        ("{{ .Prompt }}{{ end }}", "unexpected {{ end }}"),
        ("{{ if .Prompt }}{{ else with .System }}{{ end }}", "else with"),
        ("{{ .Prompt | shout }}", 'function "shout" not defined'),
        ("{{ .Missing }}", "unknown variable .Missing"),
        ("{{ $x }}{{ .Prompt }}", "undefined variable $x"),
        ('{{ template "a" }}{{ .Prompt }}', "template"),
        ('{{ define "a" }}{{ end }}', "define"),
        ("{{ range .System }}{{ end }}", "range over"),
        ("{{ (.Prompt }}", "parenthesis"),
        ('{{ "a\\q" }}{{ .Prompt }}', "escape"),
        ("{{ . }}", "dot itself"),
        ("{{ .Prompt .System }}", "takes no arguments"),
        ("{{ not }}{{ .Prompt }}", 'function "not"'),
        ("{{ if .Prompt }}" * 50, "nested deeper"),
        ("{{ " + "(" * 50 + ".Prompt" + ")" * 50 + " }}", "nested deeper"),
        ("{{ if }}{{ .Prompt }}{{ end }}", "empty expression"),
        ("{{ if .Prompt }}{{ else }}a{{ else }}b{{ end }}", "unexpected {{ else }}"),
        ("{{ range $a, $b, $c := .Messages }}{{ end }}", "range"),
        ("{{ .Prompt ? }}", "cannot read '?'"),
        ("{{ | json }}{{ .Prompt }}", "empty expression"),
        ("{{ if , }}{{ .Prompt }}{{ end }}", "cannot read ','"),
        ("{{ if .Prompt }}a{{ end .Prompt }}", "{{ end .Prompt }} is not supported"),
        ('{{ "a }}{{ .Prompt }}', "string is never closed"),
        ("{{ `a }}{{ .Prompt }}", "string is never closed"),
        ("{{/* a }}{{ .Prompt }}", "unclosed comment"),
        ("{{/* a */ .Prompt }}", "unclosed comment"),
        ("{{ .Prompt " + "| json " * 50 + "}}", "nested deeper"),
        ("{{ and" + " .Prompt" * 50 + " }}", "nested deeper"),
        ("{{ range .Messages }}" * 20 + "x" + "{{ end }}" * 20, "ranges nested deeper"),
        ("{{ slice 1 2 }}{{ .Prompt }}", "slice of 1"),
        ("{{ if eq .Prompt 010 }}a{{ end }}", "cannot read '010'"),
        ("{{ if eq .Prompt 1" + "0" * 20 + " }}a{{ end }}", "cannot read '10"),
        ("{{ .Prompt }}" * 10_001, "more than 10000 pieces"),
        ("{{ .Prompt }}" + "x" * 262_144, "longer than 262144 bytes"),
        ("{{ ." + "x" * 10_000 + " }}", "unknown variable .xxxx"),
    ],
)
def test_the_rest_is_refused_by_name(source: str, message: str) -> None:
    """What cannot be translated is refused with the part that cannot."""
    with pytest.raises(UntranslatableError) as caught:
        to_jinja(source)

    assert message in str(caught.value)


def test_refusals_say_where_and_little() -> None:
    """The offset of the action at fault is known, and no error repeats a long template."""
    sources = (
        "a{{ if .Prompt }}\n{{ ?",
        "a{{ .Prompt }}\n   {{ .Missing }}",
        "{{ .Prompt }}{{ end }}",
    )
    for source, at in zip(sources, (18, 18, 13), strict=True):
        with pytest.raises(UntranslatableError) as caught:
            to_jinja(source)

        assert caught.value.at == at
    with pytest.raises(UntranslatableError) as caught:
        to_jinja("{{ ." + "x" * 10_000 + " }}")

    assert len(str(caught.value)) < 200


def test_eq_compares_its_first_with_each() -> None:
    """As in Go, eq is true where the first equals any of the others; it is written once."""
    source = '{{ if eq .Prompt "a" "hi" "b" }}yes{{ else }}no{{ end }}'

    assert rendered(source, [HI]) == "yes"
    assert rendered(source, [BYE]) == "no"
    assert to_jinja(source).count("turn.prompt") == 1


def test_with_of_an_expression_is_made_once() -> None:
    """The dot of a `with` is the value, however often it is used and nested."""
    source = (
        '{{ with and .System .Prompt }}{{ . }}{{ with or "" . }}[{{ . }}{{ . }}]{{ end }}{{ . }}'
        "{{ end }}{{ with slice .Prompt 1 }}{{ . }}{{ end }}"
    )

    assert rendered(source, [SYSTEM, HI]) == "hi[hihi]hii"
    assert rendered(source, [HI]) == "i"


def test_blanks_of_unicode_are_text() -> None:
    """A trim mark takes blanks, tabs and line ends, and nothing else."""
    assert rendered("\u00a0 {{- .Prompt -}} \n\u00a0x", [HI]) == "\u00a0hi\u00a0x"


def test_deepest_template_still_compiles() -> None:
    """Jinja and Python below it have bounds of their own: ours come first."""
    deep = "(not " * 39 + "$.Prompt" + ")" * 39
    source = "{{ range $.Messages }}" * 12 + f"{{{{ if {deep} }}}}" * 28 + "x" + "{{ end }}" * 40

    assert rendered(source, [HI]) in {"", "x"}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("quote", ["`", '"'])
def test_the_template_that_never_ended(quote: str) -> None:
    """Sixty quotes without closing braces once took for ever."""
    with pytest.raises(UntranslatableError):
        to_jinja("{{ .System " + quote * 60)
    with pytest.raises(UntranslatableError):
        to_jinja("{{ .Prompt }}" + "{{ " * 60_000)


@pytest.mark.parametrize(
    "template",
    [
        "{{ range $i, $._ := .Messages }}{{ end }}",
        "{{ range $ := .Messages }}{{ end }}",
        "{{ $.x := .System }}",
    ],
)
def test_only_a_name_is_assigned_to(template: str) -> None:
    """A field of a variable is no variable; what Jinja could not read is not made."""
    with pytest.raises(UntranslatableError):
        to_jinja(template)
