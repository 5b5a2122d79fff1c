"""The wheel called directly, with nothing of ours between: what a backend's answers are held to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xllamacpp


class Oracle:
    """
    The engine with one model, asked for vectors of token ids and scores of texts.

    Args:
        weights: a GGUF.
        folder: for its socket.
        context: tokens of its one slot, computed at once.
        rank: it is asked for scores.
    """

    def __init__(self, weights: Path, folder: Path, *, context: int, rank: bool = False) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = str(weights)
        params.hostnames = [str(folder / "oracle.sock")]
        params.n_ctx = params.n_batch = params.n_ubatch = context
        params.n_parallel = params.cpuparams.n_threads = 1
        params.embedding = True
        params.ui = params.warmup = params.fit_params = False
        params.verbosity = 0
        if rank:
            params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
        self._server: Any = xllamacpp.Server(params)

    def vector(self, tokens: Sequence[int]) -> tuple[float, ...]:
        """The pooled state of *tokens*, of whatever length it has."""
        asked = {"input": list(tokens), "embd_normalize": -1}
        return tuple(self._server.handle_embeddings(asked)["data"][0]["embedding"])

    def scores(self, query: str, documents: Sequence[str]) -> tuple[float, ...]:
        """What the head gives for each document, in their order."""
        answer = self._server.handle_rerank({"query": query, "documents": list(documents)})
        found = {one["index"]: float(one["relevance_score"]) for one in answer["results"]}
        return tuple(found[at] for at in range(len(documents)))
