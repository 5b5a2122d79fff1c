"""
By what a template shows how its model writes tool calls; `backend/text/calls` reads them.

A template is of a format when it holds all the pieces of one of its alternatives; the first that
suits is it.
"""

from __future__ import annotations

SHOWN: dict[str, tuple[tuple[str, ...], ...]] = {
    "gpt-oss": (("<|channel|>",),),
    "gemma-4": (("<|tool_call>call:",),),
    "function-gemma": (("<start_function_call>",),),
    "functionary-3.2": ((">>>all",),),
    "functionary-3.1": (("has_code_interpreter",),),
    "kimi-k2": (("<|tool_calls_section_begin|>",),),
    "command": (("<|START_ACTION|>",),),
    "lfm2": (("<|tool_list_start|>",), ("List of tools: [",)),
    "apertus": (("<|tools_prefix|>",),),
    "minimax-m2": (("<minimax:tool_call>",),),
    "seed-oss": (("<seed:tool_call>",),),
    "deepseek-3.2": (("DSML",),),
    "deepseek": (("<｜tool▁calls▁begin｜>",),),  # noqa: RUF001 - its own token
    "mistral": (("[TOOL_CALLS]",),),
    "nemotron-2": (("<TOOLCALL>",),),
    "glm-4.5": (("<arg_key>",),),
    "qwen3-coder": (("<tool_call>", "<function=", "<parameter="),),
    "granite-3": (("<|tool_call|>", "available_tools"),),
    "phi-4-mini": (("<|tool|>",),),
    "smollm3": (("xml_tools",),),
    "hunyuan": (("<tool_calls>[",),),
    "hermes": (("<tool_call>",),),
    "pythonic": (("[func_name1(",),),
    "llama-3": (("<|start_header_id|>", '"parameters": '),),
    "llama-4": (("<|header_start|>",),),
}
"""By the name of the format, in the order they are tried."""

ABSENT = {"hermes": "]<]minimax[>["}
"""What a template of the format never holds."""

USUAL = "hermes"
"""The most spread: taken where a template shows none."""


def call_format(template: str) -> str:
    """Name the format *template*, a Jinja text, shows."""
    return next((name for name in SHOWN if _suits(name, template)), USUAL)


def _suits(name: str, template: str) -> bool:
    if name in ABSENT and ABSENT[name] in template:
        return False
    return any(all(piece in template for piece in one) for one in SHOWN[name])
