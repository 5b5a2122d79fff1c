"""
Scores of documents: by the model's head through `/rerank`, or by its "yes" and "no".

The engine's own `/rerank` serves heads alone. Of a model that answers, the next token's chances
are asked for through `/completion`, with both words pushed so far up that nothing else is left:
what remains are exactly their chances against each other (tried on b11549, to 1e-5).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from rkd.backend.backend import WANTED, RunHandle, wanted
from rkd.backend.llamacpp.embedder import SPARE_TOKENS
from rkd.backend.llamacpp.http import EngineError, EngineHttp
from rkd.backend.llamacpp.request import refusal_of
from rkd.backend.prompt.rank_template import RerankTemplate
from rkd.backend.text.scores import NO, YES, fitted, no_words, of_log_odds, of_pair
from rkd.capability.purpose import Purpose
from rkd.errors import InternalError, Reason
from rkd.inference import Ranking, RankSpec

PUSH = 200.0
"""Added to the logits of both words: more than lies between any two logits of a model, and little
enough that a float still tells them apart to 1.5e-5."""
TOGETHER = 16
"""Documents of one request to the engine: a slot is never idle, a query is not held 1,000 times."""

_PLACE = "{document}"
Tokens = Callable[[str, bool], tuple[int, ...]]
"""The tokens of a text without any around it; whether special ones are read in it."""


class HeadRanker:
    """
    Asks the head of the model; safe from any thread.

    Args:
        http: the engine.
        purpose: what the model is for.
        context: tokens of a slot.
        tokens: tokenizes.
    """

    def __init__(self, http: EngineHttp, purpose: Purpose, context: int, tokens: Tokens) -> None:
        self._http = http
        self._probability = purpose.probability
        self._template = purpose.rank_template
        self._limit = context if purpose.encoder else context - 1
        """Tokens of the longest pair; a model with a cache keeps room for one more."""
        self._tokens = tokens

    def rank(self, spec: RankSpec, handle: RunHandle) -> Ranking:
        """Score the documents of *spec*; raises as `Backend.rank`."""
        documents = _fitted(spec, lambda one: self._count(spec.query, one), self._limit, handle)
        scores: list[float] = []
        read = 0
        for group in _groups(documents):
            answer = self._ask(spec.query, group, handle)
            found = {one["index"]: float(one["relevance_score"]) for one in answer["results"]}
            scores += [self._score(found[at], spec) for at in range(len(group))]
            read += int(answer["usage"]["prompt_tokens"])
        return Ranking(tuple(scores), read)

    def _ask(self, query: str, documents: list[str], handle: RunHandle) -> Any:
        if self._template:
            # The engine fills the places one after the other, those in the query too.
            query = query.replace(_PLACE, "{ document }")
        body = {"query": query, "documents": documents}
        return _asked(self._http, "/rerank", body, handle)

    def _score(self, number: float, spec: RankSpec) -> float:
        if self._probability:
            return of_pair(number, 1 - number, normalize=spec.normalize)
        return of_log_odds(number, normalize=spec.normalize)

    def _count(self, query: str, document: str) -> int:
        if self._template:
            query = query.replace(_PLACE, "{ document }")
            text = self._template.replace("{query}", query).replace(_PLACE, document)
            return _short(text, self._limit) or len(self._tokens(text, True))
        if sure := _short(query + document, self._limit):
            return sure
        return self._around + self._of(query) + len(self._tokens(document, False))

    @functools.cached_property
    def _around(self) -> int:
        """Tokens the engine puts around and between the two texts: it does not tell them."""
        answer = self._ask("a", ["a"], WANTED)
        return int(answer["usage"]["prompt_tokens"]) - 2 * self._of("a")

    @functools.lru_cache(maxsize=1)  # noqa: B019 - as long-lived as the process
    def _of(self, query: str) -> int:
        return len(self._tokens(query, False))


class AnswerRanker:
    """
    Asks the model whether a document is relevant; safe from any thread.

    Args:
        http: the engine.
        template: puts query and document together.
        context: tokens of a slot.
        tokens: tokenizes.
        bos: the token's text the engine puts before a prompt itself, or "".

    Raises:
        PreconditionError: CAPABILITY_UNSUPPORTED, the words are no tokens of the model.
    """

    def __init__(
        self,
        http: EngineHttp,
        template: RerankTemplate,
        context: int,
        tokens: Tokens,
        bos: str,
    ) -> None:
        self._http = http
        self._template = template
        self._limit = context - 1
        """One is left for the answer."""
        self._tokens = tokens
        self._bos = bos
        self._yes, self._no = (self._word(word) for word in (YES, NO))

    def _word(self, word: str) -> int:
        tokens = self._tokens(word, True)
        if len(tokens) != 1:
            raise no_words()
        return tokens[0]

    def rank(self, spec: RankSpec, handle: RunHandle) -> Ranking:
        """Score the documents of *spec*; raises as `Backend.rank`."""

        def count(document: str) -> int:
            prompt = self._prompt(spec, document)
            sure = _short(prompt, self._limit)
            return sure or len(self._tokens(prompt, True)) + bool(self._bos)

        scores: list[float] = []
        read = 0
        for group in _groups(_fitted(spec, count, self._limit, handle)):
            answers = self._ask([self._prompt(spec, document) for document in group], handle)
            scores += [self._score(one, spec) for one in answers]
            read += sum(int(one["tokens_evaluated"]) for one in answers)
        return Ranking(tuple(scores), read)

    def _prompt(self, spec: RankSpec, document: str) -> str:
        # The engine puts one before the text itself.
        return self._template.prompt(spec, document).removeprefix(self._bos)

    def _ask(self, prompts: list[str], handle: RunHandle) -> list[Any]:
        body = {
            "prompt": prompts,
            "n_predict": 1,
            "n_probs": 2,
            "post_sampling_probs": True,
            "samplers": ["top_k", "temperature"],
            "top_k": 2,
            "temperature": 1.0,
            "logit_bias": [[self._yes, PUSH], [self._no, PUSH]],
            "cache_prompt": True,
        }
        answer = _asked(self._http, "/completion", body, handle)
        ordered = answer if isinstance(answer, list) else [answer]
        return sorted(ordered, key=lambda one: int(one["index"]))

    def _score(self, answer: Any, spec: RankSpec) -> float:
        first = answer["completion_probabilities"][0]["top_probs"]
        found = {int(one["id"]): float(one["prob"]) for one in first}
        if not found.keys() <= {self._yes, self._no}:
            raise InternalError(Reason.INTERNAL, "The engine answered with another word.")
        yes, no = (found.get(word, 0.0) for word in (self._yes, self._no))
        return of_pair(yes, no, normalize=spec.normalize)


def _fitted(
    spec: RankSpec, count: Callable[[str], int], limit: int, handle: RunHandle
) -> tuple[str, ...]:
    """The documents as they fit beside the query."""
    return tuple(
        fitted(at, document, count, limit, truncate=spec.truncate)
        for at, document in enumerate(wanted(spec.documents, handle))
    )


def _short(text: str, limit: int) -> int:
    """More tokens than *text* can make, where even so many fit; else 0: none is under a byte."""
    most = len(text.encode()) + SPARE_TOKENS
    return most if most <= limit else 0


def _groups(documents: tuple[str, ...]) -> Iterator[list[str]]:
    for at in range(0, len(documents), TOGETHER):
        yield list(documents[at : at + TOGETHER])


def _asked(http: EngineHttp, path: str, body: dict[str, Any], handle: RunHandle) -> Any:
    try:
        return http.compute(path, body, handle)
    except EngineError as error:
        raise refusal_of(error) from error
