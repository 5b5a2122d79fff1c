"""The ways reasoning is marked, and whether a prompt has opened it; pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Think:
    """
    How reasoning is opened and closed.

    Args:
        lead: stands before *close* where it is written in the model's place.
        after: stands between *close* and the answer.
    """

    open: str
    close: str
    lead: str = "\n"
    after: str = "\n\n"

    @property
    def opening(self) -> str:
        """What a model writes that opens it itself."""
        return self.open.removesuffix(self.lead) + self.lead


THINKS = (
    Think("<think>", "</think>"),
    Think("[THINK]", "[/THINK]"),
    Think("<seed:think>", "</seed:think>"),
    Think("<|START_THINKING|>", "<|END_THINKING|>"),
    Think("◁think▷", "◁/think▷"),
    Think("<|inner_prefix|>", "<|inner_suffix|>"),
    Think("<|channel>thought\n", "<channel|>"),
)
"""Every way but gpt-oss's, whose channels its own reader knows."""

SHOWN_THINKS = (
    Think("<thinking>", "</thinking>"),
    Think("<reasoning>", "</reasoning>"),
    Think("<thought>", "</thought>"),
    Think("<|thinking|>", "<|/thinking|>"),
    Think("<|begin_of_thought|>", "<|end_of_thought|>"),
)
"""
Further ones, for models whose templates show them: people ask other models to answer in such tags,
and get them as the text they are.
"""

ALL_THINKS = (*THINKS, *SHOWN_THINKS)

ANALYSIS = Think("<|channel|>analysis<|message|>", "<|end|>", lead="", after="<|start|>assistant")
"""gpt-oss's."""

THINK_MARKERS = tuple(
    marker for think in ALL_THINKS for marker in (think.open.removesuffix("thought\n"), think.close)
)


def shown_in(template: str) -> tuple[Think, ...]:
    """The ways besides the usual ones in which the model of *template* marks its reasoning."""
    return tuple(one for one in SHOWN_THINKS if one.open in template and one.close in template)


def opened(prompt: str) -> Think | None:
    """The reasoning that *prompt* ends inside, because its template has opened it."""
    bare = prompt.rstrip(" \t\r\n")
    return next((one for one in ALL_THINKS if bare.endswith(one.open.rstrip())), None)
