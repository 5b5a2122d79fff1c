"""Models on the Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rkd.v1 import hub_pb2 as pb
from rkd_client.ask import HUB_S, Ask
from rkd_client.values import fill

if TYPE_CHECKING:
    from rkd_client.v1 import hub as v1

NOMINAL = (13 / 14, 17 / 14)
"""What is called a 7B has 6.5 to 8.5 billion parameters, and others in proportion."""


def search(
    query: str = "",
    *,
    author: str | None = None,
    parameters: int | None = None,
    min_parameters: int | None = None,
    max_parameters: int | None = None,
    quantization: str | None = None,
    format: Literal["gguf", "rkllm"] | None = None,  # noqa: A002 - the contract's word
    sort: Literal["downloads", "likes", "updated", "created"] | None = None,
    page_size: int | None = None,
    page_token: str | None = None,
    min_downloads: int | None = None,
    license: str | None = None,  # noqa: A002 - the contract's word
    gated: bool | None = None,
) -> Ask[pb.SearchResponse, v1.SearchResponse]:
    """
    Find repositories on the Hub with weights rkd can run, one page of them.

    *parameters* are about so many, as models are called: 7e9 finds those of 6.5e9 to 8.5e9; what
    *min_parameters* or *max_parameters* says wins.
    """
    if parameters is not None:
        least, most = (round(parameters * part) for part in NOMINAL)
        min_parameters, max_parameters = min_parameters or least, max_parameters or most
    request = fill(
        pb.SearchRequest(query=query),
        author=author,
        min_parameters=min_parameters,
        max_parameters=max_parameters,
        quantization=quantization,
        format=format,
        sort=sort,
        page_size=page_size,
        page_token=page_token,
        min_downloads=min_downloads,
        license=license,
        gated=gated,
    )
    return Ask(request, bound_s=HUB_S, repeatable=True)


def files(
    repository: str, *, revision: str = "", context_tokens: int | None = None
) -> Ask[pb.ListFilesResponse, v1.ListFilesResponse]:
    """List the weights of *repository*, each with a verdict for this board."""
    request = fill(
        pb.ListFilesRequest(repository=repository, revision=revision),
        context_tokens=context_tokens,
    )
    return Ask(request, bound_s=HUB_S, repeatable=True)


def card(repository: str, *, revision: str = "") -> Ask[pb.GetCardResponse, v1.GetCardResponse]:
    """Bring the model card of *repository*."""
    request = pb.GetCardRequest(repository=repository, revision=revision)
    return Ask(request, bound_s=HUB_S, repeatable=True)
