"""Vectors of texts through `/v1/embeddings`, pooled as the model's file says."""

from __future__ import annotations

from collections.abc import Callable

from rkd.backend.backend import RunHandle, wanted
from rkd.backend.llamacpp.http import EngineError, EngineHttp
from rkd.backend.llamacpp.request import refusal_of
from rkd.backend.text.vectors import cut, shaped, too_long
from rkd.bounds import check_inputs
from rkd.capability.purpose import Purpose
from rkd.errors import Reason, RkdError
from rkd.inference import Embeddings, EmbedSpec

SPARE_TOKENS = 8
"""More than any model puts around a text by itself."""

Tokens = Callable[[str], tuple[int, ...]]
"""The tokens of a whole text, with those the model wants around it."""


class Embedder:
    """
    Makes vectors; safe from any thread.

    Args:
        http: the engine.
        purpose: what the model is for.
        context: tokens of a slot.
        tokens: tokenizes whole texts.
    """

    def __init__(self, http: EngineHttp, purpose: Purpose, context: int, tokens: Tokens) -> None:
        self._http = http
        self._tokens = tokens
        self._limit = context if purpose.whole else context - 1
        """Tokens of the longest text; a model with a cache keeps room for one more."""

    def embed(self, spec: EmbedSpec, handle: RunHandle) -> Embeddings:
        """
        Make a vector of each text.

        Raises:
            BeyondRangeError: CONTEXT_LENGTH_EXCEEDED, naming the text that is too long.
            InvalidInputError: INVALID_FIELD.
            InternalError: *handle* was cancelled.
        """
        check_inputs(spec.inputs)
        texts: list[str | list[int]] = list(spec.inputs)
        if spec.truncate:
            texts = [self._cut(text) for text in wanted(spec.inputs, handle)]
        body = {"input": texts, "embd_normalize": 2 if spec.normalize else -1}
        try:
            answer = self._http.compute("/v1/embeddings", body, handle)
        except EngineError as error:
            raise self._of_input(refusal_of(error), spec.inputs) from error
        ordered = sorted(answer["data"], key=lambda one: int(one["index"]))
        vectors = tuple(shaped(one["embedding"], spec) for one in ordered)
        return Embeddings(vectors, int(answer["usage"]["prompt_tokens"]))

    def _of_input(self, error: RkdError, inputs: tuple[str, ...]) -> RkdError:
        """Say which of *inputs* is the one that does not fit."""
        if error.reason is Reason.CONTEXT_LENGTH_EXCEEDED:
            for at, text in enumerate(inputs):
                tokens = len(self._tokens(text))
                if tokens > self._limit:
                    return too_long(at, tokens, self._limit)
        return error

    def _cut(self, text: str) -> str | list[int]:
        """Return *text* where it fits, else as many of its tokens as do."""
        if len(text.encode()) < self._limit - SPARE_TOKENS:
            return text  # no token is shorter than a byte
        tokens = self._tokens(text)
        if len(tokens) <= self._limit:
            return text
        return cut(tokens, self._tokens(""), self._limit)
