"""
The trained forms of calls, by the rows of the table of formats; several where templates show it.

**Sources**: what the published chat templates of each family make of a call in the history.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from rkd.backend.text.calls.form import PLACE_OF_COUNT, PLACE_OF_ID, CallForm
from rkd.backend.text.calls.jsons import (
    ALL_BEGIN,
    ALL_END,
    BEGIN,
    END,
    KIMI_ALL_END,
    KIMI_ARGUMENTS,
    KIMI_BEGIN,
    KIMI_END,
    SEPARATOR,
)

_DSML = "｜DSML｜"
HERMES_FORM = CallForm('<tool_call>\n{"name": "', '", "arguments": ', "}\n</tool_call>")
_LLAMA = CallForm('{"name": "', '", "parameters": ', "}")
_raw = partial(CallForm, style="raw")
_python = partial(CallForm, named="(", style="python", value="=", between=", ")
_gemma = partial(CallForm, named="{", style="gemma", value=":", between=",")
_GLM = _raw(
    "<tool_call>",
    "\n",
    "</tool_call>",
    key="<arg_key>",
    value="</arg_key>\n<arg_value>",
    after="</arg_value>\n",
)


def _listed(opener: str, closer: str) -> CallForm:
    """JSON calls in a list."""
    return CallForm(f'{opener}[{{"name": "', '", "arguments": ', "}]" + closer)


def _functions(block: str, before: str, after: str) -> CallForm:
    return _raw(
        f"<{block}>\n<function=",
        ">\n",
        f"</function>\n</{block}>",
        key="<parameter=",
        value=">" + before,
        after=after + "</parameter>\n",
    )


def _dsml(block: str) -> CallForm:
    return _raw(
        f'<{_DSML}{block}>\n<{_DSML}invoke name="',
        '">\n',
        f"</{_DSML}invoke>\n</{_DSML}{block}>",
        key=f'<{_DSML}parameter name="',
        value='" string="true">',
        other='" string="false">',
        after=f"</{_DSML}parameter>\n",
    )


_MISTRAL = CallForm("[TOOL_CALLS]", "[ARGS]")
_DEEPSEEK = CallForm(ALL_BEGIN + BEGIN, SEPARATOR, END + ALL_END)

FORMS: dict[str, tuple[tuple[str, CallForm], ...]] = {
    "gpt-oss": (
        (
            "",
            CallForm("<|channel|>commentary to=functions.", " <|constrain|>json<|message|>"),
        ),
    ),
    "gemma-4": (("", _gemma("<|tool_call>call:", behind="}<tool_call|>", quote='<|"|>')),),
    "function-gemma": (
        (
            "",
            _gemma("<start_function_call>call:", behind="}<end_function_call>", quote="<escape>"),
        ),
    ),
    "functionary-3.2": (("", CallForm("", "\n")),),
    "functionary-3.1": (("", CallForm("<function=", ">", "</function>")),),
    "kimi-k2": (
        (
            "",
            CallForm(
                f"<|tool_calls_section_begin|>{KIMI_BEGIN}functions.",
                f":{PLACE_OF_COUNT}{KIMI_ARGUMENTS}",
                KIMI_END + KIMI_ALL_END,
                ident="functions.{name}:{count}",
            ),
        ),
    ),
    "command": (
        (
            "",
            CallForm(
                '<|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "',
                '", "parameters": ',
                "}\n]<|END_ACTION|>",
            ),
        ),
    ),
    "lfm2": (("", _python("<|tool_call_start|>[", behind=")]<|tool_call_end|>")),),
    "apertus": (("", CallForm('<|tools_prefix|>[{"', '": ', "}]<|tools_suffix|>")),),
    "minimax-m2": (
        (
            "",
            _raw(
                '<minimax:tool_call>\n<invoke name="',
                '">\n',
                "</invoke>\n</minimax:tool_call>",
                key='<parameter name="',
                value='">',
                after="</parameter>\n",
            ),
        ),
    ),
    "seed-oss": (("", _functions("seed:tool_call", "", "")),),
    "deepseek-3.2": (("function_calls>", _dsml("function_calls")), ("", _dsml("tool_calls"))),
    "deepseek": (
        (
            "```json",
            replace(
                _DEEPSEEK,
                before=f"{ALL_BEGIN}{BEGIN}function{SEPARATOR}",
                named="\n```json\n",
                behind=f"\n```{END}{ALL_END}",
            ),
        ),
        ("", _DEEPSEEK),
    ),
    "mistral": (
        ("[CALL_ID]", replace(_MISTRAL, named=f"[CALL_ID]{PLACE_OF_ID}[ARGS]")),
        ("[ARGS]", _MISTRAL),
        ("", _listed("[TOOL_CALLS]", "")),
    ),
    "nemotron-2": (("", _listed("<TOOLCALL>", "</TOOLCALL>")),),
    "glm-4.5": (
        ("</arg_key>\n<arg_value>", _GLM),
        ("", replace(_GLM, named="", value="</arg_key><arg_value>", after="</arg_value>")),
    ),
    "qwen3-coder": (("", _functions("tool_call", "\n", "\n")),),
    "granite-3": (("", _listed("<|tool_call|>", "")),),
    "phi-4-mini": (
        ("functools", _listed("functools", "")),
        ("", _listed("<|tool_call|>", "<|/tool_call|>")),
    ),
    "smollm3": (("", HERMES_FORM),),
    "hunyuan": (("", _listed("<tool_calls>", "</tool_calls>")),),
    "hermes": (("", HERMES_FORM),),
    "pythonic": (("", _python("[", behind=")]")),),
    "llama-3": (("", _LLAMA),),
    "llama-4": (("", _LLAMA),),
}
"""Of each row: what a template shows of a form, and the form; the last one is for all others."""


def form_of(row: str, template: str = "") -> CallForm:
    """The form of a row's models; of several the first whose mark is in *template*."""
    return next(form for mark, form in FORMS[row] if mark in template)
