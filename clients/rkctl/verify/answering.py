"""Rows about answers: characters, templates, caches, tools, vectors."""

from __future__ import annotations

import math

from rkd_client.errors import RkdError

from rkctl.verify.heard import Heard, reason_of
from rkctl.verify.probe import NotApplicableError, Probe
from rkctl.verify.row import Found, differs, holds, not_applicable

COUNT = "Count to five."
SIGNS = "Repeat these signs: 天地玄黄 😀 Grüße 🚀"
LONG = "Say what this is about: " + "The keeper of the lighthouse looks at the sea. " * 40
BEGINNINGS = ("Once again. ", "A second time. ", "For the last time. ")
"""Of prompts that share nothing; the fastest counts, since a busy board is slow by chance."""

SHORT_SHARE = 0.6
"""A second first token takes less than this part of the first one."""
CACHED_SHARE = 0.5
LEAST_MS = 20.0
"""Shorter prefills tell nothing."""

WEATHER: dict[str, object] = {
    "name": "get_weather",
    "description": "Tells the weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


def sensible(board: Probe) -> Found:
    """Row 4: sampling reaches the library unshifted."""
    board.need()
    trouble = board.ask(board.main, COUNT).trouble
    return differs(trouble) if trouble else holds("a text")


def greedy(board: Probe) -> Found:
    """Row 26: temperature 0 gives equal answers."""
    board.need()
    first, second = (board.ask(board.main, COUNT) for _ in range(2))
    for one in (first, second):
        if one.error is not None:
            return not_applicable(reason_of(one.error))
    same = first.text == second.text
    return holds("two equal answers") if same else differs("two answers that differ")


def whole_characters(board: Probe) -> Found:
    """Row 18: no character is missing."""
    text = _signs(board).text
    if any(ord(letter) > 0x7F and letter != "\ufffd" for letter in text):  # noqa: PLR2004 - ASCII
        return holds("characters of more than one byte came whole")
    return differs("not one character of more than one byte came")


def joined_characters(board: Probe) -> Found:
    """Row 19: parts of characters are joined."""
    broken = _signs(board).text.count("\ufffd")
    return differs(f"{broken} characters came broken") if broken else holds("none came broken")


def _signs(board: Probe) -> Heard:
    board.need()
    heard = board.ask(board.main, SIGNS)
    if heard.error is not None:
        raise NotApplicableError(reason_of(heard.error))
    return heard


def token_ids(board: Probe) -> Found:
    """Row 20: token ids go past the library's template."""
    heard = board.ask(board.tokenized, "Say what a lighthouse is.")
    if heard.error is not None:
        return not_applicable(reason_of(heard.error))
    way = heard.finished.template_source or heard.accepted.template_source
    trouble = heard.trouble
    return differs(trouble) if trouble else holds(f"a text, by the template of the {way}")


def as_it_is(board: Probe) -> Found:
    """Row 22: a raw prompt stays raw."""
    board.need()
    heard = board.ask(board.plain, "1, 2, 3,", raw=True, max_tokens=12)
    if heard.error is not None:
        return not_applicable(reason_of(heard.error))
    return holds("it goes on with 4") if "4" in heard.text else differs("it does not go on with 4")


def cached_tokens(board: Probe) -> Found:
    """Row 23: what came from the cache is not counted as computed."""
    model = board.tokenized
    first, second = (board.ask(model, LONG, max_tokens=4) for _ in range(2))
    for one in (first, second):
        if one.error is not None:
            return not_applicable(reason_of(one.error))
    used = second.finished.usage
    if not first.finished.timings.prefill.ToNanoseconds() or not _counts(
        second.finished.runtime.removeprefix("rkllm ")
    ):
        return not_applicable("this library counts nothing")
    seen = f"{used.cached_tokens} of {used.prompt_tokens} tokens"
    enough = used.cached_tokens >= CACHED_SHARE * used.prompt_tokens
    return holds(seen) if enough else differs(seen)


def prefix(board: Probe) -> Found:
    """Row 24: the same beginning is not read twice."""
    board.need()
    waits_ms: tuple[list[float], list[float]] = ([], [])
    for beginning in BEGINNINGS:
        for waited_ms in waits_ms:
            heard = board.ask(board.main, beginning + LONG, max_tokens=4)
            if heard.error is not None:
                return not_applicable(reason_of(heard.error))
            waited_ms.append(heard.finished.timings.first_token.ToNanoseconds() / 1e6)
    first_ms, again_ms = map(min, waits_ms)
    seen = f"{first_ms:.0f} ms, then {again_ms:.0f} ms to the first token"
    if first_ms < LEAST_MS:
        return not_applicable(f"too fast to tell: {seen}")
    return holds(seen) if again_ms < SHORT_SHARE * first_ms else differs(seen)


def apart(board: Probe) -> Found:
    """Row 25: requests know nothing of each other."""
    board.need()
    board.ask(board.main, "My name is Adalbertus. Greet me.")
    heard = board.ask(board.main, "What is my name?")
    if heard.error is not None:
        return not_applicable(reason_of(heard.error))
    knows = "adalbertus" in heard.text.casefold()
    return differs("it knows the name") if knows else holds("it does not know the name")


def tools(board: Probe) -> Found:
    """Row 27: tools of the library's own template."""
    board.need()
    heard = board.chat(board.plain, "What is the weather in Paris?", (WEATHER,))
    if heard.error is not None:
        return not_applicable(reason_of(heard.error))
    seen = f"it ended with {heard.reason}"
    return holds(seen) if heard.reason == "TOOL_CALL" else differs(seen)


def tools_back(board: Probe) -> Found:
    """Row 28: after them a plain request is a plain one."""
    board.need()
    called = board.chat(board.plain, "What is the weather in Paris?", (WEATHER,))
    if called.error is not None:
        return not_applicable(reason_of(called.error))
    heard = board.chat(board.plain, "A plain question: what is two and two?")
    if heard.error is not None:
        return differs(reason_of(heard.error))
    anew = any("loaded anew" in warning for warning in heard.finished.warnings)
    seen = "with a new handle" if anew else "with the same handle"
    if "<tool_call>" in heard.text or heard.reason == "TOOL_CALL":
        return differs(f"it calls a tool nobody offered, {seen}")
    return holds(f"a plain answer, {seen}")


def vectors(board: Probe) -> Found:
    """Row 29: the last state is the embedding."""
    board.need()
    try:
        king, queen, spoon = board.embed(board.main, ["a king", "a queen", "a spoon"])
    except RkdError as error:
        return not_applicable(reason_of(error))
    near, far = _likeness(king, queen), _likeness(king, spoon)
    seen = f"{near:.3f} against {far:.3f}"
    return holds(seen) if near > far else differs(seen)


def no_markers(board: Probe) -> Found:
    """Row 36: markers of turns are not shown."""
    heard = board.ask(board.tokenized, "Say hi.")
    if heard.error is not None:
        return not_applicable(reason_of(heard.error))
    shown = [mark for mark in ("<|im_end|>", "<|im_start|>", "<|eot_id|>") if mark in heard.text]
    return differs(f"{', '.join(shown)} is shown") if shown else holds("none is shown")


def _counts(version: str) -> bool:
    """Whether a library tells what it computed: since 1.2.1."""
    return not version.startswith(("1.1.", "1.2.0", "1.2.1b"))


def _likeness(one: list[float], other: list[float]) -> float:
    lengths = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / lengths if lengths else 0.0
