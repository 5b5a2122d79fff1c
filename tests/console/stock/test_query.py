"""What is asked of the Hub: every filter, links, and nothing a browser makes up."""

from __future__ import annotations

import pytest
from rkd_client.verbs import hub
from rkd_console.pages.stock.query import (
    FORMATS,
    LIMITS,
    SIZES,
    SORTS,
    Form,
    Place,
    asked,
    form_of,
    place_in,
)


def test_every_filter_reaches_the_daemon() -> None:
    """As the request of the contract has it."""
    given = {
        "words": " tiny ",
        "size": "7B",
        "quantization": "Q4_K_M",
        "format": "gguf",
        "sort": "likes",
        "limit": "50",
        "min_downloads": "10",
        "license": "mit",
        "gated": "open",
    }
    request = hub.search(**asked(form_of(given), "20")).request

    assert (request.query, request.quantization, request.license) == ("tiny", "Q4_K_M", "mit")
    assert (request.min_parameters, request.max_parameters) == (6_500_000_000, 8_500_000_000)
    assert (request.page_size, request.min_downloads, request.page_token) == (50, 10, "20")
    assert request.gated is False
    assert request.HasField("gated")
    assert (request.sort, request.format) == (2, 2)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sort", SORTS)
def test_every_choice_is_one_the_daemon_knows(size: str, sort: str) -> None:
    """Nothing on offer is refused."""
    for format_ in ("", *FORMATS):
        for limit in LIMITS:
            hub.search(**asked(Form(size=size, sort=sort, format=format_, limit=limit)))


@pytest.mark.parametrize("value", ["", "x", "-1", "1e9", "9" * 40, "٣", "<script>"])
def test_what_is_no_choice_means_any(value: str) -> None:
    """A browser may send anything."""
    given = dict.fromkeys(("size", "format", "sort", "limit", "min_downloads", "gated"), value)
    request = hub.search(**asked(form_of(given))).request

    assert request.page_size == 20
    assert request.min_downloads in {0, 3}
    assert not request.HasField("gated")


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("hf.co/u/r", Place("u/r", "", "hf.co/u/r", chosen=False)),
        (
            "https://huggingface.co/u/r:Q4_0",
            Place("u/r", "", "https://huggingface.co/u/r:Q4_0", True),
        ),
        (
            "https://hf.co/u/r/blob/dev/x.gguf",
            Place("u/r", "dev", "https://hf.co/u/r/blob/dev/x.gguf", True),
        ),
        (" u/r ", Place("u/r", "", "u/r", chosen=False)),
        ("u/r:Q4_0", Place("u/r", "", "u/r:Q4_0", chosen=True)),
        ("http://mirror/u/r", Place("http://mirror/u/r", "", "http://mirror/u/r", chosen=False)),
        ("qwen2.5", None),
        ("two words", None),
        ("a/b c", None),
        ("", None),
        ("x" * 10_000, None),
    ],
)
def test_a_link_is_told_from_words(words: str, place: Place | None) -> None:
    """Also with a file or a type in it."""
    assert place_in(words) == place
