"""
The probability of a token that was made and not told of: asked for when the answer is done.

What may come behind a text does not hang on what came: the engine is given the text up to the
token and made to write a letter, and tells the chances of all tokens there. From the last one to
the first, so that each text is the beginning of what it has in its cache: one step of the model
for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rkd.backend.llamacpp.answer import EventAnswer
from rkd.backend.llamacpp.http import EngineHttp
from rkd.backend.llamacpp.record import logprob_of
from rkd.tokens import Logprob, TokenLogprobs

LIKELY = 64
"""So many candidates are asked for at first; for a token not among them, all of them."""
_LETTER = 'root ::= "a"'
"""A whole character: of a token that is none the engine would say nothing again."""


def complete(
    answer: EventAnswer,
    http: EngineHttp,
    asked: Mapping[str, Any],
    prompt: str | list[int],
    tokens: Callable[[str], Sequence[int]],
) -> None:
    """
    Find the probabilities that *answer*, which is done, lacks; nothing where it lacks none.

    Of an answer that took several requests what stands before a token is not known: it is left.

    Args:
        answer: what came.
        http: the engine.
        asked: a request of the same slot and adapters.
        prompt: what the engine was given.
        tokens: makes tokens of a prompt.

    Raises:
        EngineError: the engine refused or broke off.
    """
    record, fragments = answer.record, answer.fragments
    if not record.gaps or fragments is None or not answer.single:
        return
    before = prompt if isinstance(prompt, list) else list(tokens(prompt))
    alternatives = answer.alternatives
    for at in reversed(record.gaps):
        token = record.ids[at]
        for many in (max(LIKELY, alternatives), fragments.count):
            entry = http.post(
                "/completion",
                {
                    **asked,
                    "prompt": [*before, *record.ids[:at]],
                    "stream": False,
                    "n_predict": 1,
                    "n_probs": many,
                    "grammar": _LETTER,
                },
                bound_s=None,
            )["completion_probabilities"][0]
            likely = entry["top_logprobs"]
            found = next((one for one in likely if one["id"] == token), None)
            if found is not None:
                chosen = Logprob(token, fragments.text_of(token), float(found["logprob"]))
                best = tuple(logprob_of(one) for one in likely[:alternatives])
                record.fill(at, TokenLogprobs(chosen, best))
                break
