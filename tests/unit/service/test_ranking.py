"""What of a Rerank request reaches a worker, and what is refused before one is loaded for it."""

from __future__ import annotations

from typing import Any

import pytest

from rkd.errors import InvalidInputError
from rkd.inference import RankSpec
from rkd.service.ranking import MAX_DOCUMENTS, MAX_INSTRUCTION_BYTES, MAX_QUERY_BYTES, read_rank
from rkd.v1 import inference_pb2 as pb


def asked(**fields: Any) -> pb.RerankRequest:
    """A good request but for *fields*."""
    return pb.RerankRequest(**{"model": "m", "query": "q", "documents": ["a", "b"], **fields})


def test_a_request_is_read_whole() -> None:
    """Probabilities unless log-odds are asked for; nothing is cut unless that is."""
    assert read_rank(asked()) == RankSpec("q", ("a", "b"))
    wanted = asked(normalize=False, truncate=True, instruction="i")
    assert read_rank(wanted) == RankSpec("q", ("a", "b"), False, True, "i")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"query": ""}, "query"),
        ({"query": "ü" * (MAX_QUERY_BYTES // 2 + 1)}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": ["a"] * (MAX_DOCUMENTS + 1)}, "documents"),
        ({"documents": ["a", ""]}, "documents[1]"),
        ({"top_n": -1}, "top_n"),
        ({"instruction": "i" * (MAX_INSTRUCTION_BYTES + 1)}, "instruction"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], named: str) -> None:
    """By its path in the request."""
    with pytest.raises(InvalidInputError) as caught:
        read_rank(asked(**fields))

    assert [one.field for one in caught.value.violations] == [named]
