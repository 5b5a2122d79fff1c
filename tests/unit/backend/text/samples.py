"""An answer of each family as its model writes it: reasoning, text, two calls."""

from __future__ import annotations

from dataclasses import dataclass

from rkd.inference import Tool

SCHEMA = (
    '{"type": "object", "properties": {"city": {"type": "string"}, "n": {"type": "integer"}, '
    '"note": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}'
)
TOOLS = (Tool("get_weather", "", SCHEMA), Tool("now", "", "{}"))
ULM = '{"city": "Ulm", "n": 3}'
"""The arguments of the first call of each sample."""


@dataclass(frozen=True)
class Sample:
    """
    What one family writes.

    Args:
        row: of the table.
        answer: a call of get_weather with ULM; text before or after it where the family has such.
        text, reasoning: what else is in it.
        calls: names of the calls.
        opened: what the prompt ends with.
    """

    row: str
    answer: str
    text: str = ""
    reasoning: str = ""
    calls: tuple[str, ...] = ("get_weather",)
    opened: str = ""


CALL = '{"name": "get_weather", "arguments": ' + ULM + "}"
NOW = '{"name": "now", "arguments": {}}'
BOTH = ("get_weather", "now")
B, S, E = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"
BB, EE = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
D = "｜DSML｜"
XML = (
    "<function=get_weather>\n<parameter=city>\nUlm\n</parameter>\n"
    "<parameter=n>\n3\n</parameter>\n</function>"
)
INVOKE = (
    '<{0}invoke name="get_weather">\n<{0}parameter name="city"{1}>Ulm</{0}parameter>\n'
    '<{0}parameter name="n"{2}>3</{0}parameter>\n</{0}invoke>\n'
)
K = "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
KA, KE, KEE = "<|tool_call_argument_begin|>", "<|tool_call_end|>", "<|tool_calls_section_end|>"

SAMPLES = (
    Sample("hermes", f"I look.\n<tool_call>\n{CALL}\n</tool_call>", "I look.\n"),
    Sample(
        "hermes",
        f"<think>\nr\n</think>\n\n<tool_call>\n{CALL}\n</tool_call>\n<tool_call>\n{NOW}\n"
        "</tool_call>\n",
        reasoning="r",
        calls=BOTH,
    ),
    Sample("qwen3-coder", f"<tool_call>\n{XML}\n</tool_call>"),
    Sample("qwen3-coder", f"t\n{XML}\n</tool_call>", "t\n"),
    Sample(
        "qwen3-coder",
        f"r\n<tool_call>\n{XML}\n</tool_call>\n<tool_call><function=now></function></tool_call>",
        reasoning="r",
        calls=BOTH,
        opened="<think>\n",
    ),
    Sample("llama-3", '{"name": "get_weather", "parameters": ' + ULM + "}"),
    Sample(
        "llama-3",
        f'<|python_tag|>{CALL}; {{"name": "now", "parameters": {{}}}}',
        calls=BOTH,
    ),
    Sample("llama-3", '<|python_tag|>get_weather.call(city="Ulm", n=3)'),
    Sample("pythonic", '[get_weather(city="Ulm", n=3), now()]', calls=BOTH),
    Sample("llama-4", '[get_weather(city="Ulm", n=3), now()]', calls=BOTH),
    Sample("llama-4", "<|python_start|>[get_weather(city='Ulm', n=3)]<|python_end|>"),
    Sample("mistral", f'[TOOL_CALLS] [{CALL[:-1]}, "id": "aB3dE6gH9"}}, {NOW}]', calls=BOTH),
    Sample("mistral", f"t[TOOL_CALLS]get_weather[CALL_ID]aB3dE6gH9[ARGS]{ULM}", "t"),
    Sample(
        "mistral",
        f"[THINK]r[/THINK][TOOL_CALLS]get_weather[ARGS]{ULM}[TOOL_CALLS]now[ARGS]{{}}",
        reasoning="r",
        calls=BOTH,
    ),
    Sample(
        "deepseek",
        f"t{BB}{B}function{S}get_weather\n```json\n{ULM}\n```{E}\n{B}function{S}now\n```json\n{{}}\n"
        f"```{E}{EE}",
        "t",
        calls=BOTH,
    ),
    Sample("deepseek", f"r</think>{BB}{B}get_weather{S}{ULM}{E}{EE}", "", "r", opened="<think>\n"),
    Sample(
        "deepseek-3.2",
        f"<{D}function_calls>\n"
        + INVOKE.format(D, ' string="true"', ' string="false"')
        + f"</{D}function_calls>",
    ),
    Sample(
        "minimax-m2",
        "r\n</think>\n\n<minimax:tool_call>\n"
        + INVOKE.format("", "", "")
        + '<invoke name="now">\n</invoke>\n</minimax:tool_call>',
        reasoning="r",
        calls=BOTH,
        opened="<think>\n",
    ),
    Sample(
        "glm-4.5",
        "<think>r</think>\n<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Ulm"
        "</arg_value>\n<arg_key>n</arg_key>\n<arg_value>3</arg_value>\n</tool_call>\n"
        "<tool_call>now</tool_call>",
        reasoning="r",
        calls=BOTH,
    ),
    Sample(
        "gpt-oss",
        "<|channel|>analysis<|message|>r<|end|><|start|>assistant<|channel|>commentary "
        f"to=functions.get_weather <|constrain|>json<|message|>{ULM}",
        reasoning="r",
    ),
    Sample(
        "gpt-oss",
        "<|channel|>commentary<|message|>t<|end|><|start|>assistant to=functions.get_weather"
        f"<|channel|>commentary json<|message|>{ULM}<|call|>",
        "t",
    ),
    Sample("granite-3", f"<|tool_call|>[{CALL}, {NOW}]", calls=BOTH),
    Sample("granite-3", f"<think>r</think><response>t</response><tool_call>[{CALL}]", "t", "r"),
    Sample("phi-4-mini", f"functools[{CALL}]"),
    Sample("phi-4-mini", f"<|tool_call|>[{CALL},{NOW}]<|/tool_call|>", calls=BOTH),
    Sample(
        "command",
        '<|START_THINKING|>r<|END_THINKING|><|START_ACTION|>[\n    {"tool_call_id": "0", '
        f'"tool_name": "get_weather", "parameters": {ULM}}}\n]<|END_ACTION|>',
        reasoning="r",
    ),
    Sample(
        "kimi-k2",
        f"{K}{KA}{ULM}{KE}<|tool_call_begin|>functions.now:1{KA}{{}}{KE}{KEE}",
        calls=BOTH,
    ),
    Sample("kimi-k2", f"r{K}{KA}{ULM}{KE}{KEE}", "", "r", opened="<think>"),
    Sample(
        "lfm2",
        "<|tool_call_start|>[get_weather(city='Ulm', n=3), now()]<|tool_call_end|>t",
        "t",
        calls=BOTH,
    ),
    Sample(
        "functionary-3.1",
        f"<function=get_weather>{ULM}</function><function=now>{{}}</function>",
        calls=BOTH,
    ),
    Sample("functionary-3.2", f"all\nt>>>get_weather\n{ULM}", "t", opened=">>>"),
    Sample("nemotron-2", f"r</think><TOOLCALL>[{CALL}]</TOOLCALL>", "", "r", opened="<think>\n"),
    Sample(
        "gemma-4",
        '<|channel>thought\nr<channel|><|tool_call>call:get_weather{city:<|"|>Ulm<|"|>,n:3}'
        "<tool_call|><|tool_call>call:now{}<tool_call|>",
        reasoning="r",
        calls=BOTH,
    ),
    Sample(
        "function-gemma",
        "<start_function_call>call:get_weather{city:<escape>Ulm<escape>,n:3}<end_function_call>",
    ),
    Sample("smollm3", f"<tool_call>{CALL}</tool_call>"),
    Sample(
        "hunyuan", f"<think>r</think><answer>t</answer><tool_calls>[{CALL}]</tool_calls>", "t", "r"
    ),
    Sample(
        "seed-oss",
        f"<seed:think>r</seed:think><seed:tool_call>\n{XML}\n</seed:tool_call>",
        reasoning="r",
    ),
    Sample(
        "apertus",
        f'<|inner_prefix|>r<|inner_suffix|><|tools_prefix|>[{{"get_weather": {ULM}}}]'
        "<|tools_suffix|>",
        reasoning="r",
    ),
)
