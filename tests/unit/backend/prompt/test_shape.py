"""A template is shown each thing once and then given what it understands."""

from __future__ import annotations

import json
import re

import pytest

from rkd.backend.prompt.chat import ChatTemplate
from rkd.backend.text.calls.table import format_of
from rkd.errors import InvalidInputError, PreconditionError
from rkd.inference import Run, Tool
from rkd.model import Message, ToolCall

ULM = '{"city": "Ulm"}'
TOOL = Tool("get_weather", "", '{"type": "object", "properties": {"city": {"type": "string"}}}')
NOW = Tool("now", "", "{}")
CALL = ToolCall("call_0123456789abcdef", "get_weather", ULM)
SECOND = ToolCall("call_fedcba9876543210", "now", "{}")


def history(content: str = "", *calls: ToolCall) -> tuple[Message, ...]:
    """A question, calls, their results."""
    made = calls or (CALL,)
    return (
        Message("user", "How is it?"),
        Message("assistant", content, tool_calls=made),
        *(
            Message("tool", f"result of {call.name}", tool_name=call.name, tool_call_id=call.id)
            for call in made
        ),
    )


def turns(body: str) -> str:
    """A template that writes every turn by *body*."""
    return "{{ tools }}{% for m in messages %}[{{ m.role }}]" + body + "{% endfor %}"


AS_DICT = turns(
    "{{ m.content or '' }}{% for c in m.tool_calls or [] %}<tool_call>{{ c.function.name }}:"
    "{% for k, v in c.function.arguments.items() %}{{ k }}={{ v }}{% endfor %}{% endfor %}"
)
AS_TEXT = turns(
    "{{ m.content or '' }}{% for c in m.tool_calls or [] %}"
    "{{ '<｜tool▁calls▁begin｜>' + c.function.name + c.function.arguments }}{% endfor %}"
)
AS_JSON = turns(
    "{{ m.content or '' }}{% for c in m.tool_calls or [] %}<tool_call>"
    "{{ c.function | tojson }}{% endfor %}"
)
IF_NONE = turns(
    "{% if m.content is none %}{% for c in m.tool_calls %}<tool_call>{{ c.function.name }}"
    "{{ c.function.arguments | tojson }}{% endfor %}{% else %}{{ m.content }}{% endif %}"
)
ONE_A_TURN = turns(
    "{% if m.tool_calls %}{% if m.tool_calls | length > 1 %}"
    "{{ raise_exception('one call a turn') }}{% endif %}<|start_header_id|>"
    "{{ m.tool_calls[0].function.name }}{{ m.tool_calls[0].function.arguments | tojson }}"
    "{% else %}{{ m.content }}{% endif %}"
)
DROPS = turns("{{ m.content }}<|tool_call|>available_tools")
PARTS = (
    "{% for m in messages %}[{{ m.role }}]{% for p in m.content %}"
    "{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}{% endfor %}"
)
NINE = turns(
    "{{ m.content or '' }}{% for c in m.tool_calls or [] %}"
    "{% if c.id | length != 9 %}{{ raise_exception('nine') }}{% endif %}"
    "[TOOL_CALLS]{{ c.function.name }}{{ c.function.arguments | tojson }}({{ c.id }}){% endfor %}"
    "{% if m.tool_call_id %}({{ m.tool_call_id }}){% endif %}"
)
NO_TOOL_ROLE = turns("{% if m.role in ['user', 'assistant'] %}{{ m.content }}{% endif %}")


@pytest.mark.parametrize(
    "source", [AS_DICT, AS_TEXT, AS_JSON, IF_NONE, ONE_A_TURN, DROPS, NINE, NO_TOOL_ROLE]
)
class TestNothingIsLost:
    """Whatever a template understands, every part of the history is in the prompt."""

    def test_a_call(self, source: str) -> None:
        """Name, arguments once encoded, result."""
        text = ChatTemplate(source).render(history(), (TOOL, NOW))

        assert "get_weather" in text
        assert "Ulm" in text
        assert '\\"city' not in text
        assert "result of get_weather" in text

    def test_a_call_beside_text(self, source: str) -> None:
        """Both are shown."""
        text = ChatTemplate(source).render(history("I look."), (TOOL, NOW))

        assert "Ulm" in text
        if source is not ONE_A_TURN:
            assert "I look." in text

    def test_two_calls(self, source: str) -> None:
        """Each with its result behind it."""
        text = ChatTemplate(source).render(history("", CALL, SECOND), (TOOL, NOW))
        found = [text.rindex(word) for word in ("result of get_weather", "result of now")]

        assert "Ulm" in text
        assert found == sorted(found)

    def test_no_arguments(self, source: str) -> None:
        """An empty object breaks no template."""
        assert "now" in ChatTemplate(source).render(history("", SECOND), (TOOL, NOW))


def test_typed_parts() -> None:
    """A template that takes only typed parts shows the user's text."""
    assert ChatTemplate(PARTS).render([Message("user", "Hi")]) == "[user]Hi"


def test_ids_of_nine() -> None:
    """Foreign ids become nine letters and digits, the same for a call and its result."""
    text = ChatTemplate(NINE).render(history("", CALL, SECOND), (TOOL, NOW))
    ids = re.findall(r"\(([A-Za-z0-9]{9})\)", text)

    assert len(ids) == 4
    assert (ids[0], ids[1]) == (ids[2], ids[3])
    assert ids[0] != ids[1]


def test_results_follow_their_calls_where_a_turn_has_one() -> None:
    """Call, result, call, result: paired by id, whatever order the results came in."""
    call, first, second = (
        Message("assistant", "", tool_calls=(CALL, SECOND)),
        Message("tool", "r1", tool_call_id=CALL.id),
        Message("tool", "r2", tool_call_id=SECOND.id),
    )
    text = ChatTemplate(ONE_A_TURN).render([Message("user", "q"), call, second, first], (TOOL,))

    assert [text.index(word) for word in ("get_weather{", "r1", "now{", "r2")] == sorted(
        text.index(word) for word in ("get_weather{", "r1", "now{", "r2")
    )


def test_reasoning_of_gpt_oss() -> None:
    """It reads `thinking`, and never beside content and calls."""
    source = turns(
        "<|channel|>{% if m.tool_calls and m.content and m.thinking %}"
        "{{ raise_exception('both') }}{% endif %}{{ m.thinking }}{{ m.content }}"
        "{% for c in m.tool_calls or [] %}{{ c.function.name }}"
        "{{ c.function.arguments | tojson }}{% endfor %}"
    )
    message = Message("assistant", "So.", reasoning="hm", tool_calls=(CALL,))
    text = ChatTemplate(source).render([Message("user", "q"), message], (TOOL,))

    assert "hm" in text
    assert "So." in text


def test_tools_in_the_system_turn() -> None:
    """Phi-4-mini looks for them there, as text; where there is no such turn one is made."""
    source = (
        "{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message %}"
        "{{ message['content'] }}<|tool|>{{ message['tools'] }}<|/tool|>{% else %}"
        "{{ message['content'] }}{% endif %}{% endfor %}"
    )
    for leading in ((), (Message("system", "Be brief."),)):
        text = ChatTemplate(source).render([*leading, Message("user", "q")], (TOOL,))

        assert json.loads(text.split("<|tool|>")[1].split("<|/tool|>")[0])[0]["function"]


class TestVariables:
    """Effort and further variables."""

    SOURCE = "{{ reasoning_effort }}|{{ keep }}|{{ messages[0].content }}"

    def test_given(self) -> None:
        """They reach the template."""
        run = Run(
            messages=(Message("user", "q"),),
            reasoning_effort="high",
            template_arguments='{"keep": 3}',
        )

        assert ChatTemplate(self.SOURCE).prompt(run) == "high|3|q"

    def test_an_effort_nobody_reads(self) -> None:
        """A capability the template lacks."""
        with pytest.raises(PreconditionError, match="reasoning_effort"):
            ChatTemplate("{{ messages }}").prompt(
                Run(messages=(Message("user", "q"),), reasoning_effort="low")
            )

    def test_a_variable_nobody_reads(self) -> None:
        """Refused, with what the template does read."""
        with pytest.raises(InvalidInputError, match="keep"):
            ChatTemplate(self.SOURCE).prompt(
                Run(messages=(Message("user", "q"),), template_arguments='{"kepp": 3}')
            )


def test_the_format_is_that_of_the_template() -> None:
    """A template says whose it is."""
    assert ChatTemplate("{{ tools }}[TOOL_CALLS]").format is format_of("[TOOL_CALLS]")
