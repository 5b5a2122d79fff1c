"""
What a reranker's number means, and which document is too long for it. Pure.

There are two kinds of number: log-odds, what a head of one output and the difference of "yes" and
"no" are, and probabilities, what heads with a softmax give. Each is made of the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from rkd.capability.ability import no, refusal
from rkd.capability.table import require
from rkd.capability.traits import Traits
from rkd.errors import BeyondRangeError, PreconditionError, Reason, Violation
from rkd.inference import RankSpec

YES, NO = "yes", "no"
"""What a model without a head says of a document."""
LEAST = 1e-38
"""Probabilities are floats where they come from, which end there."""
MOST_LOG_ODDS = 700.0
"""Beyond, `exp` has no number."""

Count = Callable[[str], int]
"""Tokens the engine reads for a document, with its query and all that stands around."""


def check_rank(spec: RankSpec, traits: Traits) -> None:
    """
    Refuse what the model cannot rank by.

    Raises:
        PreconditionError: CAPABILITY_UNSUPPORTED.
    """
    require("rerank", traits)
    if spec.instruction:
        require("instruction", traits)


def no_words() -> PreconditionError:
    """Make the error of a vocabulary in which yes and no are no tokens of their own."""
    why = f"its vocabulary has no tokens {YES!r} and {NO!r}"
    return refusal("rerank", no(why, "Use a model made to answer with them."))


def of_log_odds(number: float, *, normalize: bool) -> float:
    """Return the score for a head's *number*: a probability, or as it is."""
    if not normalize:
        return number
    return 1 / (1 + math.exp(-max(-MOST_LOG_ODDS, min(number, MOST_LOG_ODDS))))


def of_pair(yes: float, no: float, *, normalize: bool) -> float:
    """Return the score for the probabilities of *yes* and *no*, of which the sum may be any."""
    if normalize:
        return yes / (yes + no) if yes + no else 0.5
    return math.log(max(yes, LEAST)) - math.log(max(no, LEAST))


def fitted(at: int, document: str, count: Count, limit: int, *, truncate: bool) -> str:
    """
    Return the *document* at place *at*, or its beginning that fits *limit*, where that is wanted.

    Counts some thirty times at most, and never texts many times longer than what fits.

    Raises:
        BeyondRangeError: CONTEXT_LENGTH_EXCEEDED; `query` is named where not even nothing fits.
    """
    least = count(document[:1])
    if least > limit:
        raise too_long("query", least, limit, "Shorten it, or ask for")
    if truncate:
        return _beginning(document, count, limit)
    tokens = count(document)
    if tokens > limit:
        raise too_long(f"documents[{at}]", tokens, limit, "Shorten it, ask for `truncate`, or for")
    return document


def _beginning(document: str, count: Count, limit: int) -> str:
    """The longest beginning of *document* that fits, as far as longer ones have more tokens."""
    least, most = 1, min(len(document), limit)
    while count(document[:most]) <= limit:
        least = most
        if most == len(document):
            return document
        most = min(len(document), 2 * most)
    while most - least > 1:
        middle = (least + most) // 2
        if count(document[:middle]) <= limit:
            least = middle
        else:
            most = middle
    return document[:least]


def too_long(field: str, tokens: int, limit: int, remedy: str) -> BeyondRangeError:
    """Make the error for a *field* that makes *tokens* of which *limit* fit."""
    return BeyondRangeError(
        Reason.CONTEXT_LENGTH_EXCEEDED,
        f"{field} makes {tokens} tokens, the context holds {limit}.",
        remedy=f"{remedy} a longer context.",
        metadata={"prompt_tokens": str(tokens), "limit": str(limit), "field": field},
        violations=(Violation(field, f"makes {tokens} tokens; {limit} fit"),),
    )
