"""
The one table of tool formats: how each family writes its calls, and how its template shows that.

Markers that are tokens of their own have to be asked for on both engines, so each row names all of
its own. Those that end a run (`<|eom_id|>`, `<|call|>`) are in none: asked for, they would show.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from rkd.backend.text.calls.form import CallForm
from rkd.backend.text.calls.forms import HERMES_FORM, form_of
from rkd.backend.text.calls.harmony import harmony
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
    deepseek,
    functionary,
    functionary_recipient,
    json_calls,
    kimi,
    llama,
    mistral,
)
from rkd.backend.text.calls.pythonic import gemma, pythonic
from rkd.backend.text.calls.sink import Sink, new_call_id
from rkd.backend.text.calls.tagged import functions, glm, invokes
from rkd.backend.text.calls.tape import Reading, Tape
from rkd.capability.call_formats import SHOWN, USUAL, call_format
from rkd.capability.think import ANALYSIS, THINK_MARKERS, Think, shown_in

Reader = Callable[[Tape, Sink], Reading]


@dataclass(frozen=True, slots=True)
class CallFormat:
    """
    One row.

    Args:
        name: of the row.
        families: whose it is, for people.
        readers: what opens a block of calls, and what reads it from there.
        markers: what else is a token and has to come as text.
        drops: marks around the text for people that are none of it.
        ends_thinking: a call may come before the reasoning is closed.
        starts: what opens calls at the very start of the answer only, and is itself part of them.
        prompt_end: the prompt opens a block by ending so.
        whole: reads the whole answer, reasoning and text too.
        think: how reasoning is marked, where *whole* reads it.
        thinks: ways of marking it besides the usual ones, which its template shows.
        answers: what an answer for people begins with, where *whole* wants that.
        form: how a call is written; the template chooses it where its family has several.
    """

    name: str
    families: str
    readers: tuple[tuple[str, Reader], ...] = ()
    markers: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    ends_thinking: bool = False
    starts: tuple[tuple[str, Reader], ...] = ()
    prompt_end: str = ""
    whole: Reader | None = None
    think: Think | None = None
    thinks: tuple[Think, ...] = ()
    answers: str = ""
    form: CallForm = HERMES_FORM

    @property
    def detect(self) -> tuple[tuple[str, ...], ...]:
        """A template is of this format when it holds all of one of these."""
        return SHOWN[self.name]


_HERMES = partial(json_calls, closes=("</tool_call>",))
_LLAMA = partial(json_calls, bare=True)
_DSML = "｜DSML｜"
_QWEN_CLOSE = ("</tool_call>",)
_SEED_CLOSE = ("</seed:tool_call>",)

_ROWS = (
    CallFormat(
        "gpt-oss",
        "gpt-oss",
        markers=("<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|constrain|>"),
        whole=harmony,
        think=ANALYSIS,
        answers="<|channel|>final<|message|>",
    ),
    CallFormat(
        "gemma-4",
        "Gemma 4",
        (
            (
                "<|tool_call>call:",
                partial(gemma, quote='<|"|>', opener="<|tool_call>call:", close="<tool_call|>"),
            ),
        ),
        markers=("<|tool_call>", "<tool_call|>", '<|"|>'),
        ends_thinking=True,
    ),
    CallFormat(
        "function-gemma",
        "FunctionGemma",
        (
            (
                "<start_function_call>call:",
                partial(
                    gemma,
                    quote="<escape>",
                    opener="<start_function_call>call:",
                    close="<end_function_call>",
                ),
            ),
        ),
        markers=("<start_function_call>", "<end_function_call>", "<escape>"),
    ),
    CallFormat(
        "functionary-3.2",
        "Functionary 3.2",
        ((">>>", functionary_recipient),),
        prompt_end=">>>",
    ),
    CallFormat(
        "functionary-3.1",
        "Functionary 3.1",
        (("<function=", functionary), ("<|python_tag|>", llama)),
        markers=("<|python_tag|>",),
    ),
    CallFormat(
        "kimi-k2",
        "Kimi K2",
        (("<|tool_calls_section_begin|>", kimi),),
        markers=(KIMI_BEGIN, KIMI_ARGUMENTS, KIMI_END, KIMI_ALL_END),
        ends_thinking=True,
    ),
    CallFormat(
        "command",
        "Command R7B, Command A",
        (("<|START_ACTION|>", partial(json_calls, closes=("<|END_ACTION|>",))),),
        markers=("<|END_ACTION|>",),
        drops=("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    ),
    CallFormat(
        "lfm2",
        "LFM2, LFM2.5",
        (("<|tool_call_start|>", partial(pythonic, closes=("<|tool_call_end|>",))),),
        markers=("<|tool_call_end|>",),
    ),
    CallFormat(
        "apertus",
        "Apertus",
        (("<|tools_prefix|>", partial(json_calls, closes=("<|tools_suffix|>",), keyed=True)),),
        markers=("<|tools_suffix|>",),
    ),
    CallFormat(
        "minimax-m2",
        "MiniMax M2",
        (
            (
                "<minimax:tool_call>",
                partial(invokes, prefix="", closes=("</minimax:tool_call>",)),
            ),
        ),
        markers=("</minimax:tool_call>",),
        ends_thinking=True,
    ),
    CallFormat(
        "seed-oss",
        "Seed-OSS",
        (
            (
                "<seed:tool_call>",
                partial(functions, opener="<seed:tool_call>", closes=_SEED_CLOSE),
            ),
        ),
        markers=_SEED_CLOSE,
        ends_thinking=True,
    ),
    CallFormat(
        "deepseek-3.2",
        "DeepSeek V3.2, V4",
        tuple(
            (
                f"<{_DSML}{block}>",
                partial(invokes, prefix=_DSML, closes=(f"</{_DSML}{block}>",)),
            )
            for block in ("function_calls", "tool_calls")
        ),
        markers=(_DSML,),
        ends_thinking=True,
    ),
    CallFormat(
        "deepseek",
        "DeepSeek V3, V3.1, R1 and its distillates",
        ((ALL_BEGIN, deepseek), (BEGIN, deepseek)),
        markers=(SEPARATOR, END, ALL_END),
        ends_thinking=True,
    ),
    CallFormat(
        "mistral",
        "Mistral 7B v0.3 and later, Nemo, Small, Devstral, Ministral, Magistral",
        (("[TOOL_CALLS]", mistral),),
        markers=("[CALL_ID]", "[ARGS]"),
    ),
    CallFormat(
        "nemotron-2",
        "Nemotron Nano v2",
        (("<TOOLCALL>", partial(json_calls, closes=("</TOOLCALL>",))),),
        markers=("</TOOLCALL>",),
    ),
    CallFormat(
        "glm-4.5",
        "GLM-4.5 to 4.7",
        (("<tool_call>", partial(glm, close="</tool_call>")),),
        markers=("</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"),
        ends_thinking=True,
    ),
    CallFormat(
        "qwen3-coder",
        "Qwen3-Coder, Qwen3.5, Nemotron 3",
        tuple(
            (opener, partial(functions, opener=opener, closes=_QWEN_CLOSE))
            for opener in ("<tool_call>", "<function=")
        ),
        markers=_QWEN_CLOSE,
        ends_thinking=True,
    ),
    CallFormat(
        "granite-3",
        "Granite 3.x",
        (
            ("<|tool_call|>", json_calls),
            ("<tool_call>", _HERMES),
        ),
        drops=("<response>", "</response>"),
    ),
    CallFormat(
        "phi-4-mini",
        "Phi-4-mini",
        (
            ("functools", json_calls),
            ("<|tool_call|>", partial(json_calls, closes=("<|/tool_call|>",))),
        ),
        markers=("<|/tool_call|>",),
    ),
    CallFormat(
        "smollm3",
        "SmolLM3",
        (("<tool_call>", _HERMES),),
        markers=("</tool_call>",),
    ),
    CallFormat(
        "hunyuan",
        "Hunyuan A13B",
        (("<tool_calls>", partial(json_calls, closes=("</tool_calls>",))),),
        markers=("</tool_calls>",),
        drops=("<answer>", "</answer>"),
    ),
    CallFormat(
        "hermes",
        "Hermes 2 and 3, Qwen2.5, Qwen3, QwQ, Granite 4, and templates of no other row",
        (("<tool_call>", _HERMES),),
        markers=("</tool_call>",),
    ),
    CallFormat(
        "pythonic",
        "Llama 3.2 and 4 with a template that asks for Python",
        (("<|python_start|>", partial(pythonic, closes=("<|python_end|>",))),),
        markers=("<|python_end|>",),
        starts=(("[", pythonic), ("{", _LLAMA)),
    ),
    CallFormat(
        "llama-3",
        "Llama 3.1 to 3.3",
        (("<|python_tag|>", llama),),
        starts=(("{", _LLAMA), ("[", pythonic)),
    ),
    CallFormat(
        "llama-4",
        "Llama 4 and others that write Python",
        (("<|python_start|>", partial(pythonic, closes=("<|python_end|>",))),),
        markers=("<|python_end|>",),
        starts=(("{", _LLAMA), ("[", pythonic)),
    ),
)

FORMATS = tuple(replace(row, form=form_of(row.name)) for row in _ROWS)
"""In the order in which templates are tried."""
_BY_NAME = {row.name: row for row in FORMATS}

HERMES = _BY_NAME[USUAL]


def format_of(template: str) -> CallFormat:
    """The format *template*, a Jinja text, shows; Hermes, the most spread, where it shows none."""
    row = _BY_NAME[call_format(template)]
    form = form_of(row.name, template)
    thinks = shown_in(template)
    return row if form is row.form and not thinks else replace(row, form=form, thinks=thinks)


def markers_of(row: CallFormat, *, tools: bool) -> tuple[str, ...]:
    """Every marker an answer of this format may hold: of reasoning, and with *tools* of calls."""
    if row.whole:
        return row.markers
    openers = tuple(opener for opener, _reader in row.readers)
    return (*THINK_MARKERS, *((*openers, *row.markers) if tools else ()))


def json_form(row: CallFormat) -> CallForm:
    """
    The form of a forced call whose arguments are held to JSON.

    Families that write none get the one with which most begin, behind their own opener.
    """
    if row.form.style == "json":
        return row.form
    opener = row.readers[0][0] + "\n" if row.readers else ""
    closes = next((one for one in row.markers if one != opener.strip()), "")
    return CallForm(opener + '{"name": "', '", "arguments": ', "}\n" + closes)


def write_call(row: CallFormat, name: str, arguments: str) -> str:
    """Write a call as the model itself would; *arguments* are JSON text."""
    form, _ = row.form.identified(name, count=0, fresh=new_call_id)
    if form.style == "json":
        return form.opening(name) + (arguments or "{}") + form.behind
    return form.write(name, json.loads(arguments or "{}"))
