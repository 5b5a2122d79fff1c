"""What a search asks the hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rkd.hub.cache import AnswerCache
from rkd.hub.connection import Connection, Limits
from rkd.hub.search import Query, search
from rkd.model import Format
from tests.hub.server import LocalHub


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    """Run a hub with a model and its companions."""
    with LocalHub() as hub:
        hub.add(
            "org/Tiny-VL-2B-GGUF",
            {"VL-2B-Q8_0.gguf": b"x" * 99, "VL-2B-F16-mmproj.gguf": b"y", "imatrix.gguf": b"z"},
            tags=["gguf"],
            gguf={"total": 2_000_000_000},
        )
        hub.add("org/only-a-projector-GGUF", {"mmproj-F16.gguf": b"x"}, tags=["gguf"])
        yield hub


def asked(hub: LocalHub, folder: Path, query: Query) -> list[tuple[str, tuple[str, ...]]]:
    """Search; returns ids and quantizations found."""
    connection = Connection(
        endpoint=hub.endpoint,
        token=lambda: None,
        offline=lambda: False,
        home=folder / "hf",
        limits=lambda: Limits(30.0, 30.0, (0.0,)),
    )
    cache = AnswerCache(folder / "cache", connection)
    return [(one.id, one.quantizations) for one in search(connection, cache, query).found]


def test_companions_are_no_weights(hub: LocalHub, tmp_path: Path) -> None:
    """A projector makes no repository, and its type no quantization."""
    assert asked(hub, tmp_path, Query(format=Format.GGUF)) == [("org/Tiny-VL-2B-GGUF", ("Q8_0",))]


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [
        (7, 0, ""),
        (500_000_000, 0, "min:0.5B"),
        (6_500_000_000, 8_500_000_000, "min:6.5B,max:8.5B"),
        (0, 10**18, "max:1000000000B"),
    ],
)
def test_bounds_are_written_as_the_hub_reads_them(
    hub: LocalHub, tmp_path: Path, least: int, most: int, expected: str
) -> None:
    """Billions without an exponent; what is too small for that rkd filters itself."""
    asked(hub, tmp_path, Query(format=Format.GGUF, min_parameters=least, max_parameters=most))

    assert hub.store.queries[-1].get("num_parameters", [""])[0] == expected


def test_an_rkllm_is_looked_for_in_every_way(hub: LocalHub, tmp_path: Path) -> None:
    """By the library cards name, by the word, by the chip; the user's words in each."""
    asked(hub, tmp_path, Query(words="qwen3 rkllm", format=Format.RKLLM))
    questions = [
        (query.get("search", [""])[0], query.get("filter", [""])[0]) for query in hub.store.queries
    ]

    assert questions == [
        ("qwen3 rkllm", "rkllm"),
        ("qwen3 rkllm", "rkllm-runtime"),
        ("qwen3 rkllm", ""),
        ("qwen3 rkllm rk3588", ""),
    ]


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ("qwen3:8b", "qwen3 8b"),
        ("llama 3.2, 1b!", "llama 3.2 1b"),
        ("'tiny' & \"vl\"", "tiny vl"),
        ("org/Tiny-VL", "org/Tiny-VL"),
        ("tiny%20vl?#*[", "tiny 20vl"),
        ("a\u200bb", "a b"),
        ("千问", "千问"),
        ("*", "*"),
    ],
)
def test_words_are_sent_as_names_have_them(
    hub: LocalHub, tmp_path: Path, words: str, sent: str
) -> None:
    """What no name of a repository holds parts words; words of nothing else find nothing."""
    found = asked(hub, tmp_path, Query(words=words, format=Format.GGUF))

    assert hub.store.queries[-1]["search"] == [sent]
    assert bool(found) == all(word in "org/tiny-vl-2b-gguf" for word in sent.lower().split())


@pytest.mark.parametrize(
    "kind", ["Q4_K_M", "q4km", "q4-k-m", "Q4_K_XL", "ud-q4_k_xl", "w8a8", "int8"]
)
def test_a_type_is_filtered_in_every_spelling(hub: LocalHub, tmp_path: Path, kind: str) -> None:
    """And found where it is told: in the file, its folder, a .rkllm's repository."""
    ids = {"Q4_K_M": "o/folders", "Q4_K_XL": "o/mixes", "w8a8": "o/qwen-rk3588-w8a8"}
    hub.add("o/folders", {"Q4_K_M/model-00001-of-00001.gguf": b"x"}, tags=["gguf"])
    hub.add("o/mixes", {"m-UD-Q4_K_XL.gguf": b"x"}, tags=["gguf"])
    hub.add("o/qwen-rk3588-w8a8", {"qwen.rkllm": b"x"})
    found = asked(hub, tmp_path, Query(quantization=kind))

    wanted = "Q4_K_XL" if "xl" in kind.lower() else "w8a8" if "8" in kind else "Q4_K_M"
    assert found == [(ids[wanted], (wanted,))]
