"""What a template reads is found in one pass over its text."""

from __future__ import annotations

from datetime import datetime

import pytest
from jinja2 import meta

from rkd.backend.prompt.sandbox import ChatEnvironment
from rkd.capability.jinja_names import names_read
from tests.growth import assert_linear

LLAMA_31 = """{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content']|trim %}
{%- else %}{%- set system = "" %}{%- endif %}
{%- for t in tools %}{{- t | tojson(indent=4) }}{% endfor %}"""


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}", {"messages"}),
        ("{{ '{{ tools }}' }}{# {{ tools }} #}{% raw %}{{ tools }}{% endraw %}", set()),
        ("{{ {'a': {'b': tools}} }}{{ x }}", {"tools", "x"}),
        ("{% macro f(tools) %}{{ tools }}{% endmacro %}{{ f(1) }}", set()),
        ("{% macro f(tools) %}{{ tools }}{% endmacro %}{{ f(tools) }}", {"tools"}),
        ("{% set tools = none %}{{ tools }}", set()),
        ("{% if a %}{% set tools = 1 %}{% endif %}{{ tools }}", {"a", "tools"}),
        ("{{ message.tools | tojson(tools=1) if x is not mapping }}", {"message", "x"}),
        ("{%- set on = enable_thinking | default(true) -%}", {"enable_thinking"}),
        (LLAMA_31, {"custom_tools", "tools", "messages"}),
        ("{{ 'never closed \\", set()),
        ("", set()),
    ],
)
def test_names(source: str, names: set[str]) -> None:
    """Variables, and no attribute, filter, test, keyword, text or comment."""
    assert names_read(source) == names


def test_the_compiler_finds_them_too() -> None:
    """On a template of a usual kind; of branches that leave a name open it says more."""
    parsed = ChatEnvironment(datetime.now).parse(LLAMA_31)

    assert names_read(LLAMA_31) == meta.find_undeclared_variables(parsed) - {"system"}


@pytest.mark.parametrize(
    "piece",
    [
        "{%if a%}",
        "{{ '\\'",
        "{{'\\'\\'\\'",
        "{{ {",
        "{% set a = b %}",
        "{% for x in y %}",
        "{%",
        "{#",
    ],
)
def test_hostile_templates_cost_their_length(piece: str) -> None:
    """Nothing unclosed, nested or quoted makes it look twice."""
    assert_linear(lambda size: piece * size, names_read, most=200_000)
