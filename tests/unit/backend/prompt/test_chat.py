"""A chat template turns messages into a prompt, and can do nothing else."""

from __future__ import annotations

import threading
from datetime import datetime

import pytest

from rkd.backend.prompt.chat import ChatTemplate
from rkd.capability.template import MAX_SOURCE_CHARACTERS
from rkd.errors import InvalidInputError, PreconditionError, Reason
from rkd.inference import Tool
from rkd.model import Message, ToolCall

CHATML = """\
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}{{ tool | tojson }}{% endfor %}
    {{- '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content }}
    {%- if message.tool_calls %}
        {%- for call in message.tool_calls %}
            {{- '<tool_call>' + call.function.name + call.function.arguments.city + '</>' }}
        {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""

REFUSES_SYSTEM = """\
{{ bos_token }}{% for message in messages %}
{% if message['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Roles must alternate') }}
{% endif %}
<{{ message['role'] }}>{{ message['content'] | trim }}</>
{% endfor %}"""

USER = Message("user", "Hi")


class TestRender:
    """What a prompt looks like."""

    def test_a_conversation(self) -> None:
        """Turns in order, then the opening of the assistant's next one."""
        got = ChatTemplate(CHATML).render(
            [Message("system", "Be brief."), USER, Message("assistant", "Hello."), USER]
        )

        assert got == (
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            "<|im_start|>assistant\n"
        )

    def test_thinking_off(self) -> None:
        """False reaches the template as `enable_thinking`; None leaves it undefined."""
        template = ChatTemplate(CHATML)

        assert template.render([USER], thinking=False).endswith("<think>\n\n</think>\n\n")
        assert template.render([USER]).endswith("<|im_start|>assistant\n")

    def test_tools_and_calls(self) -> None:
        """Tools are functions with parsed schemas, calls have parsed arguments; no HTML escapes."""
        got = ChatTemplate(CHATML).render(
            [
                USER,
                Message(
                    "assistant", "", tool_calls=(ToolCall("1", "weather", '{"city": "Köln"}'),)
                ),
                Message("tool", "<rain> & wind", tool_name="weather", tool_call_id="1"),
            ],
            [Tool("weather", "It's <here> & now", '{"type": "object"}')],
        )

        assert (
            '{"type": "function", "function": {"name": "weather", "description": '
            '"It\'s <here> & now", "parameters": {"type": "object"}}}'
        ) in got
        assert "<tool_call>weatherKöln</>" in got
        assert "tool\n<rain> & wind" in got

    def test_reasoning_of_earlier_turns(self) -> None:
        """Templates that keep reasoning see it as `reasoning_content`."""
        template = ChatTemplate("{% for m in messages %}{{ m.reasoning_content }}{% endfor %}")

        assert template.render([Message("assistant", "a", reasoning="because")]) == "because"

    def test_special_tokens(self) -> None:
        """The template sees the tokenizer's beginning and end."""
        template = ChatTemplate(
            "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}", "<s>", "</s>"
        )

        assert template.render([USER]) == "<s>Hi</s>"

    def test_the_date(self) -> None:
        """`strftime_now` shows the time given."""
        template = ChatTemplate(
            "{{ strftime_now('%d %b %Y') }}",
            now=lambda: datetime(2026, 11, 21),  # noqa: DTZ001
        )

        assert template.render([USER]) == "21 Nov 2026"

    def test_loop_controls_and_generation_blocks(self) -> None:
        """`break`, `continue` and `generation` blocks are understood, as templates use them."""
        template = ChatTemplate(
            "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}"
            "{% break %}{% endif %}{% generation %}{{ i ~ '-' ~ loop.last }} {% endgeneration %}"
            "{% endfor %}"
        )

        assert template.render([USER]) == "0-False 2-False "

    def test_json_as_trained_on(self) -> None:
        """`tojson` takes the options templates give it."""
        template = ChatTemplate("{{ {'b': 'é', 'a': [1]} | tojson(indent=2, sort_keys=true) }}")

        assert template.render([USER]) == '{\n  "a": [\n    1\n  ],\n  "b": "é"\n}'

    def test_half_characters_of_json_become_whole(self) -> None:
        """A call's arguments may hold an escape of half a pair; engines take no such text."""
        call = ToolCall("1", "f", '{"x": "\\ud83d"}')
        template = ChatTemplate("{{ messages[0].tool_calls[0].function.arguments.x }}!")

        assert template.render([Message("assistant", "", tool_calls=(call,))]) == "\ufffd!"

    def test_from_many_threads(self) -> None:
        """Renderings do not disturb each other."""
        template = ChatTemplate(CHATML)
        got: list[bool] = []

        def render(name: str) -> None:
            got.extend(name in template.render([Message("user", name)]) for _ in range(20))

        threads = [threading.Thread(target=render, args=(f"name{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert got == [True] * 80


class TestSystemTurns:
    """A system turn is never lost."""

    def test_refused(self) -> None:
        """A template that refuses the role gets it at the beginning of the user turn."""
        got = ChatTemplate(REFUSES_SYSTEM, "<s>").render([Message("system", "Brief."), USER])

        assert got == "<s><user>Brief.\n\nHi</>\n"

    def test_dropped(self) -> None:
        """A template that silently skips the role gets it there as well."""
        template = ChatTemplate(
            "{% for m in messages if m.role != 'system' %}[{{ m.content }}]{% endfor %}"
        )

        assert template.render([Message("system", "Brief."), USER]) == "[Brief.\n\nHi]"

    def test_alone(self) -> None:
        """Without a user turn the system turn becomes one."""
        got = ChatTemplate(REFUSES_SYSTEM).render([Message("system", "Brief.")])

        assert got == "<user>Brief.</>\n"


class TestRefusals:
    """What is wrong is said in the template's own words."""

    def test_roles(self) -> None:
        """Messages a template refuses are the request's fault."""
        with pytest.raises(InvalidInputError, match="Roles must alternate") as caught:
            ChatTemplate(REFUSES_SYSTEM).render([USER, USER])

        assert caught.value.reason is Reason.INVALID_FIELD
        assert caught.value.violations[0].field == "messages"

    def test_roles_with_system(self) -> None:
        """Merging the system turn does not hide another refusal."""
        with pytest.raises(InvalidInputError, match="Roles must alternate"):
            ChatTemplate(REFUSES_SYSTEM).render([Message("system", "x"), USER, USER])

    def test_syntax(self) -> None:
        """A text that is no Jinja is told with its line."""
        with pytest.raises(InvalidInputError, match=r"line 2") as caught:
            ChatTemplate("fine\n{% for %}")

        assert caught.value.violations[0].field == "template"

    def test_length(self) -> None:
        """A text longer than any template is not compiled at all."""
        with pytest.raises(InvalidInputError, match="characters long"):
            ChatTemplate(" " * (MAX_SOURCE_CHARACTERS + 1))

    @pytest.mark.parametrize(
        "source",
        [
            "{{ messages[0].content + 1 }}",
            "{{ messages[7].content }}",
            "{{ 1 / 0 }}",
            "{{ ''.join(3) }}",
            "{% include 'x' %}",
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "{% set _ = messages.append(1) %}",
            "{% set l = [1] %}{% for x in l %}{% set _ = l.append(x) %}{% endfor %}",
            "{% set l = [] %}{% set _ = l.append(l) %}{{ l | tojson }}",
            "{% set l = [] %}{% set _ = l.clear() %}",
            "{{ (range(9) | map('string'), messages[0].append) | tojson }}",
            "{{ messages.__class__.__mro__ }}{{ ().__class__.__bases__[0].__subclasses__() }}",
            "{{ nothing.at.all }}",
        ],
    )
    def test_faults(self, source: str) -> None:
        """A template that fails or reaches out is an error with words, never a traceback."""
        with pytest.raises(InvalidInputError, match=r"chat template (fails|is stopped)") as caught:
            ChatTemplate(source).render([USER])

        assert caught.value.reason is Reason.INVALID_FIELD

    def test_lists_of_its_own(self) -> None:
        """A template may keep lists that grow (Kimi's do), and write a filter's values as JSON."""
        grow = "{% for x in 'ab' %}{% set _ = l.a.append(x) %}{% endfor %}"
        kept = "{% set l = namespace(a=[]) %}" + grow

        assert ChatTemplate(f"{kept}{{{{ l.a | tojson }}}}").render([USER]) == '["a", "b"]'
        mapped = ChatTemplate("{{ messages | map(attribute='role') | tojson }}")
        assert mapped.render([USER]) == '["user"]'

    def test_tools_without_place(self) -> None:
        """Tools for a template that never shows them are refused, not ignored."""
        with pytest.raises(PreconditionError, match="tools") as caught:
            ChatTemplate(REFUSES_SYSTEM).render([USER], [Tool("f", "", "{}")])

        assert caught.value.reason is Reason.CAPABILITY_UNSUPPORTED

    def test_thinking_without_switch(self) -> None:
        """Asking for thoughts a template knows nothing of is refused."""
        with pytest.raises(PreconditionError, match="cannot be asked to think"):
            ChatTemplate(REFUSES_SYSTEM).render([USER], thinking=True)

    def test_thinking_always(self) -> None:
        """Asking for silence of a template that opens the reasoning itself is refused."""
        template = ChatTemplate("{{ messages[0].content }}<think>\n")

        assert template.render([USER], thinking=True) == "Hi<think>"
        with pytest.raises(PreconditionError, match="always thinks"):
            template.render([USER], thinking=False)

    def test_no_thinking_where_there_is_none(self) -> None:
        """Asking a model without thoughts not to think is granted."""
        assert ChatTemplate(REFUSES_SYSTEM).render([USER], thinking=False) == "<user>Hi</>\n"


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n-1) ~ m(n-1) }}{% endif %}{% endmacro %}{{ m(40) }}",
        "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x=n.x + n.x %}{% endfor %}",
        "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x=n.x ~ n.x %}{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x=n.x + n.x %}{% endfor %}",
        "{% set n = namespace(x=2) %}{% for i in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}",
        "{{ 'a' * 10000000000 }}",
        "{{ 10000000000 * [0] }}",
        "{{ 9 ** (9 ** 9) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%*d' % (1000000000, 1) }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ '{:{}}'.format(1, 1000000000) }}",
        "{{ 'a'.ljust(10000000000) }}",
        "{{ 'a' | indent(10000000000) }}",
        "{% for i in range(99999) %}{{ 'aaaaaaaaa' * 99 }}{% endfor %}",
        "{% for i in range(99999) recursive %}{{ loop(range(99999)) }}{% endfor %}",
    ],
)
def test_a_runaway_is_stopped(source: str) -> None:
    """Endless loops and exploding texts end in an error, soon and without the memory."""
    with pytest.raises(InvalidInputError, match="template"):
        ChatTemplate(source).render([USER])


DOUBLED = (
    "{% set n = namespace(x=[1], y=[1]) %}"
    "{% for i in range(60) %}{% set n.x=[n.x, n.x] %}{% set n.y=[n.y, n.y] %}{% endfor %}"
)
"""Two lists that are equal, and would be compared, or written, for hours."""
NESTED = (
    "{% set m = namespace(a=n) %}"
    "{% for i in range(60) %}{% set m.a = namespace(a=m.a, b=m.a) %}{% endfor %}"
)


@pytest.mark.parametrize(
    "source",
    [
        "{{ n.x == n.y }}",
        "{{ n.x != n.y }}",
        "{{ n.x < n.y }}",
        "{{ 1 < 2 < n.x == n.y }}",
        "{{ n.x in [n.y] }}",
        "{{ {'a': n.x} == {'a': n.y} }}",
        "{{ [n.x, n.y] | sort }}",
        "{{ [n.x, n.y] | max }}",
        "{{ [{'a': n.x}, {'a': n.y}] | sort(attribute='a') }}",
        "{{ [n.x] | select('equalto', n.y) | list }}",
        "{{ n.x is eq n.y }}",
        "{{ n.x is in [n.y] }}",
        "{{ [n.x].index(n.y) }}",
        "{{ [n.x].count(n.y) }}",
        "{{ 'a' if n.x == n.y else 'b' }}",
        "{{ messages[0].get(n.x) }}",
        "{{ messages[0][(n.x, 1)] }}",
        "{{ {(n.x, 1): 1} }}",
        "{{ n.x }}",
        "{{ n }}",
        "{{ n.x ~ '' }}",
        "{{ n.x | string }}",
        "{{ n.x | tojson }}",
        "{{ n.x | upper }}",
        "{{ [n.x] | join }}",
        "{{ ''.join([n.x]) }}",
        "{{ '%s' % n.x }}",
        "{{ '%s' % (n.x,) }}",
        "{{ '{}'.format(n.x) }}",
        "{{ '{a}'.format(a=n.x) }}",
        "{{ strftime_now(n.x) }}",
        "{{ raise_exception(n.x) }}",
        NESTED + "{{ m.a }}",
    ],
)
def test_a_comparison_without_end_is_not_begun(source: str) -> None:
    """What is compared, hashed or written is counted before, as often as it is reached."""
    with pytest.raises(InvalidInputError, match="compares or writes more than"):
        ChatTemplate(DOUBLED + source).render([USER])


def test_ordinary_comparisons_are_as_they_were() -> None:
    """Roles, lists, membership, sorting, undefined names, chains."""
    source = (
        "{{ messages[0].role == 'user' }} {{ [1, [2]] == [1, [2]] }} {{ 2 in [1, 2] }} "
        "{{ [3, 1] | sort }} {{ nothing == 1 }} {{ 1 < 2 <= 2 }} {{ {'a': 1} != {'a': 2} }} "
        "{{ [1, 2] | select('gt', 1) | list }} {{ 'a' is in 'abc' }} {{ [5, 6].index(6) }}"
    )
    said = "True True True [1, 3] False True True [2] True 1"

    assert ChatTemplate(source).render([USER]) == said


def test_many_mentions_of_a_long_text_are_not_put_together() -> None:
    """The characters of what is written are counted as its values are."""
    source = "{{ (['x' * 1000000] * 100000) | join }}"

    with pytest.raises(InvalidInputError, match="characters long"):
        ChatTemplate(source).render([USER])


def test_ordinary_values_are_written_as_they_were() -> None:
    """Lists, messages and macros of a usual size."""
    source = (
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m([1, {'a': none}]) }} {{ messages | tojson }} "
        "{{ '%s %s' % (1, [2]) }} {{ {1: 2}[1] }} {{ messages | length }} {{ namespace(a=1).a }}"
    )
    said = '[1, {\'a\': None}] [{"role": "user", "content": "Hi"}] 1 [2] 2 1 1'

    assert ChatTemplate(source).render([USER]) == said


def test_range_is_bounded_by_the_sandbox() -> None:
    """A range no template needs is refused."""
    with pytest.raises(InvalidInputError, match="template fails"):
        ChatTemplate("{{ range(10000000) | list | length }}").render([USER])
