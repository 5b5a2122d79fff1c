"""Scores, gaps and tokens from a running daemon, with both halves of the client library."""

from __future__ import annotations

from collections.abc import Iterator

import gguf
import pytest
from rkd_client import AsyncClient, Client
from rkd_client.errors import PreconditionError

from rkd.capability.infill import FAMILIES
from tests.integration.daemon_process import DaemonProcess
from tests.models import tiny, tiny_bert


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """One with a reranker, a model that fills in, and a plain one."""
    made = DaemonProcess(tmp_path_factory.mktemp("retrieval"))
    for name in ("ranker", "filler", "plain"):
        (made.models / name).mkdir()
    tiny_bert.write(made.models / "ranker" / "r.gguf", pooling=gguf.PoolingType.RANK)
    tiny.write(made.models / "filler" / "f.gguf", markers=FAMILIES[0].markers)
    tiny.write(made.models / "plain" / "p.gguf")
    with made:
        yield made


@pytest.fixture
def endpoint(daemon: DaemonProcess) -> str:
    """Where it listens."""
    return str(daemon.socket)


def test_tokens_cost_no_weights(endpoint: str) -> None:
    """Counted and spelt, there and back; afterwards nothing is in memory."""
    with Client(endpoint) as client:
        told = client.tokenize("plain", "hé<eos>", with_pieces=True)
        back = client.detokenize("plain", told.token_ids, with_data=True)
        resident = client.residents().residents

    assert told.count == len(told.token_ids) == 4
    assert told.pieces == (b"h", b"\xc3", b"\xa9", b"<eos>")
    assert (back.text, back.data) == ("hé<eos>", "hé<eos>".encode())
    assert resident == ()


def test_documents_are_ranked(endpoint: str) -> None:
    """The best first, as probabilities; log-odds have the same order."""
    documents = ["a cat", "dogs bark loudly", "x"]
    with Client(endpoint) as client:
        found = client.rerank("ranker", "what is a cat", documents).results
        raw = client.rerank("ranker", "what is a cat", documents, normalize=False, top_n=2).results

    assert sorted(one.index for one in found) == [0, 1, 2]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(0 <= one.score <= 1 for one in found)
    assert [one.index for one in raw] == [one.index for one in found[:2]]


async def test_a_gap_is_filled_in(endpoint: str) -> None:
    """Three tokens of the model's stand around both texts; others are refused before they wait."""
    async with AsyncClient(endpoint) as client:
        answer = client.generate("filler", "ab", suffix="cd", max_tokens=4, temperature=0)
        text = "".join([piece.text async for piece in answer])
        ranked = await client.rerank("ranker", "a", ["b", "c"])
        with pytest.raises(PreconditionError) as caught:
            await client.generate("plain", "ab", suffix="cd").text()

    assert text
    assert len(ranked.results) == 2
    assert caught.value.metadata["capability"] == "fim"
