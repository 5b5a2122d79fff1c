"""A Rerank request as what a worker scores, and its scores as the answer; pure."""

from __future__ import annotations

from typing import Any

from rkd.inference import Ranking, RankSpec
from rkd.model import BackendKind
from rkd.service import onwire
from rkd.service.options import Checker
from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2 as types

MAX_DOCUMENTS = 1024
MAX_QUERY_BYTES = 64 << 10
"""It is read again with every document."""
MAX_INSTRUCTION_BYTES = 4096
"""The same."""


def read_rank(request: pb.RerankRequest) -> RankSpec:
    """
    What *request* asks a worker.

    Raises:
        InvalidInputError: INVALID_FIELD with every violation.
    """
    check = Checker()
    count = len(request.documents)
    check.need(0 < count <= MAX_DOCUMENTS, "documents", f"should be 1 to {MAX_DOCUMENTS}")
    for at, document in enumerate(request.documents[:MAX_DOCUMENTS]):
        check.need(document, f"documents[{at}]", "should not be empty")
    length = len(request.query.encode())
    fine = 0 < length <= MAX_QUERY_BYTES
    check.need(fine, "query", f"should have 1 to {MAX_QUERY_BYTES} bytes")
    length = len(request.instruction.encode())
    fine = length <= MAX_INSTRUCTION_BYTES
    check.need(fine, "instruction", f"should have at most {MAX_INSTRUCTION_BYTES} bytes")
    check.need(request.top_n >= 0, "top_n", "should not be negative")
    check.finish()
    return RankSpec(
        request.query,
        tuple(request.documents),
        normalize=request.normalize if request.HasField("normalize") else True,
        truncate=request.truncate,
        instruction=request.instruction,
    )


def ranked(ranking: Ranking, top_n: int, backend: BackendKind) -> pb.RerankResponse:
    """The best *top_n* of *ranking*, all for 0; those of equal score stay in their order."""
    scores: Any = ranking.scores
    order = sorted(range(len(scores)), key=lambda at: -scores[at])
    return pb.RerankResponse(
        results=[pb.RankedDocument(index=at, score=scores[at]) for at in order[: top_n or None]],
        usage=types.Usage(prompt_tokens=ranking.prompt_tokens),
        backend=onwire.backend(backend),
    )
