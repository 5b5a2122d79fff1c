"""
Calls and their results, back through templates of every shape the families have.

The templates are our own, each with what a family's own does otherwise: where a call stands, what
its arguments are to be, how a result names its call, and what it refuses.
"""

from __future__ import annotations

import pytest

from rkd.backend.prompt.chat import ChatTemplate
from rkd.model import Message, ToolCall

ONE = (ToolCall("a1b2c3d4e", "get_weather", '{"city": "Ulm"}'),)
TWO = (*ONE, ToolCall("f5g6h7i8j", "look", '{"city": "Bonn"}'))


def history(calls: tuple[ToolCall, ...], text: str = "") -> list[Message]:
    """A conversation in which *calls* were made and answered."""
    results = [
        Message("tool", f"result {at}", tool_name=call.name, tool_call_id=call.id)
        for at, call in enumerate(calls)
    ]
    asked = Message("user", "Weather?")
    return [asked, Message("assistant", text, tool_calls=calls), *results, Message("user", "So?")]


SHAPES = {
    "hermes: JSON in a tag, results as a turn of the user": (
        "{% for m in messages %}{% if m.role == 'tool' %}<|im_start|>user\n<tool_response>\n"
        "{{ m.content }}\n</tool_response>{% else %}<|im_start|>{{ m.role }}\n{{ m.content or '' }}"
        '{% for c in m.tool_calls or [] %}<tool_call>\n{"name": "{{ c.function.name }}", '
        '"arguments": {{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}{% endif %}'
        "<|im_end|>\n{% endfor %}"
    ),
    "llama: one call a turn, results as ipython": (
        "{% for m in messages %}{% if m.role == 'tool' or m.role == 'ipython' %}"
        "<|start|>ipython<|end|>{{ m.content | tojson }}{% elif m.tool_calls %}"
        "{% if m.tool_calls | length != 1 %}{{ raise_exception('only one') }}{% endif %}"
        '{% set c = m.tool_calls[0].function %}{"name": "{{ c.name }}", "parameters": '
        "{{ c.arguments | tojson }}}{% else %}<|start|>{{ m.role }}<|end|>{{ m.content }}"
        "{% endif %}"
        "<|eot|>{% endfor %}"
    ),
    "mistral: ids of nine letters, content in JSON": (
        "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }}[/INST]"
        "{% elif m.tool_calls %}[TOOL_CALLS] [{% for c in m.tool_calls %}"
        "{% if c.id is undefined or c.id | length != 9 %}{{ raise_exception('nine') }}{% endif %}"
        '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}, '
        '"id": "{{ c.id }}"}{% endfor %}]{% elif m.role == \'tool\' %}'
        '[TOOL_RESULTS] {"content": {{ m.content | tojson }}, '
        '"call_id": "{{ m.tool_call_id }}"}'
        "[/TOOL_RESULTS]{% else %}{{ m.content }}</s>{% endif %}{% endfor %}"
    ),
    "deepseek: arguments added as text, a call only where content is none": (
        "{% for m in messages %}{% if m.role == 'user' %}<U>{{ m.content }}"
        "{% elif m.role == 'assistant' and m.content is none %}"
        "{% for c in m.tool_calls %}{{ '<CALL>' + c.function.name + '\n```json\n' "
        "+ c.function.arguments + '\n```' }}{% endfor %}"
        "{% elif m.role == 'tool' %}{{ '<OUT>' + m.content + '</OUT>' }}"
        "{% else %}<A>{{ m.content }}{% endif %}{% endfor %}"
    ),
    "glm: arguments one by one": (
        "{% for m in messages %}{% if m.role == 'tool' %}<|observation|>{{ m.content }}"
        "{% else %}<|{{ m.role }}|>{{ m.content or '' }}{% for c in m.tool_calls or [] %}"
        "<tool_call>{{ c.function.name }}{% for k, v in c.function.arguments.items() %}"
        "<arg_key>{{ k }}</arg_key><arg_value>{{ v }}</arg_value>{% endfor %}</tool_call>"
        "{% endfor %}{% endif %}{% endfor %}"
    ),
    "kimi: a result named by its id": (
        "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'tool' %}"
        "## Return of {{ m.tool_call_id }}\n{% endif %}{{ m.content or '' }}"
        "{% for c in m.tool_calls or [] %}<|call|>{{ c.id }}:{{ c.function.name }}<|args|>"
        "{{ c.function.arguments if c.function.arguments is string "
        "else c.function.arguments | tojson }}{% endfor %}{% endfor %}"
    ),
    "gpt-oss: a result named by its tool": (
        "{% for m in messages %}{% if m.role == 'tool' %}<|start|>functions.{{ m.name }} "
        "to=assistant<|message|>{{ m.content | tojson }}<|end|>{% elif m.tool_calls %}"
        "{% for c in m.tool_calls %}<|start|>assistant to=functions.{{ c.function.name }}"
        "<|message|>{{ c.function.arguments | tojson }}<|call|>{% endfor %}{% else %}"
        "<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    ),
    "typed parts alone": (
        "{% for m in messages %}<{{ m.role }}>{% for p in m.content %}"
        "{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}"
        "{% for c in m.tool_calls or [] %}{{ c.function.name }}"
        "{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}"
    ),
    "no place for calls, no role for results": (
        "{% for m in messages %}{% if m.role not in ['system', 'user', 'assistant'] %}"
        "{{ raise_exception('role') }}{% endif %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    ),
    "roles take turns": (
        "{% for m in messages if m.role != 'tool' %}"
        "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns') }}"
        "{% endif %}<{{ m.role }}>{{ m.content or '' }}{% for c in m.tool_calls or [] %}"
        "{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}"
        "{% for r in messages if r.role == 'tool' and loop.first %}{% endfor %}{% endfor %}"
        "{% for r in messages if r.role == 'tool' %}<tool>{{ r.content }}{% endfor %}"
    ),
}


@pytest.mark.parametrize("calls", [ONE, TWO], ids=["one", "two"])
@pytest.mark.parametrize("text", ["", "I look."], ids=["", "with text"])
@pytest.mark.parametrize("shape", SHAPES)
def test_calls_and_results_are_shown(shape: str, calls: tuple[ToolCall, ...], text: str) -> None:
    """Every call by name and arguments, every result, and what was said beside: nothing is lost."""
    prompt = ChatTemplate(SHAPES[shape]).render(history(calls, text))

    for at, call in enumerate(calls):
        assert call.name in prompt
        assert ("Ulm", "Bonn")[at] in prompt
        assert f"result {at}" in prompt
    assert text in prompt
    assert "So?" in prompt
    assert prompt.index("Weather?") < prompt.index("Ulm") < prompt.index("result 0")
