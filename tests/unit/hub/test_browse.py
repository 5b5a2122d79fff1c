"""Searching and looking into repositories, online, cached and offline."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gguf
import numpy as np
import pytest

from rkd.errors import NotFoundError, PreconditionError, UnavailableError
from rkd.hub.browse import LONGEST_VALUE, MOST_KEYS, Browser, parse_card, toolkit_in
from rkd.hub.cache import KEPT_ANSWERS, AnswerCache
from rkd.hub.connection import Connection, Limits
from rkd.hub.headroom import Headroom
from rkd.hub.mover import Mover
from rkd.hub.search import Query, Sort, search
from rkd.model import Format
from tests.growth import assert_linear
from tests.hub.server import LocalHub
from tests.hub.store import Fault

BOARD = Headroom(6 << 30, 12 << 30, "rk3588", 4096)
CARD = b"---\nlicense: mit\ntags:\n- gguf\n- tiny\n---\n# Tiny\n\ntext\n"


def weights(path: Path) -> Path:
    """Write a GGUF of four layers and one tensor of some size."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(4)
    writer.add_context_length(2048)
    writer.add_embedding_length(64)
    writer.add_head_count(4)
    writer.add_tensor("token_embd.weight", np.zeros((1200, 1024), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    """Run a hub with three repositories."""
    with LocalHub() as hub:
        hub.add(
            "org/Tiny-1B-GGUF",
            {"t-Q4_K_M.gguf": weights(tmp_path / "w.gguf"), "README.md": CARD},
            downloads=500,
            likes=3,
            tags=["gguf"],
            gguf={"total": 1_100_000_000, "architecture": "llama", "context_length": 2048},
        )
        hub.add(
            "other/Big-8B-GGUF",
            {"b-Q8_0.gguf": os.urandom(5000)},
            downloads=90,
            likes=9,
            license="mit",
            tags=["gguf"],
            gguf={"total": 8_000_000_000},
        )
        hub.add("npu/Tiny-1B-rkllm", {"t-w8a8.rkllm": os.urandom(5000)}, downloads=100)
        hub.add("org/no-weights", {"README.md": b"nothing"}, tags=["gguf"], downloads=999)
        yield hub


class Bench:
    """A browser with a clock and a switch."""

    def __init__(self, hub: LocalHub, folder: Path) -> None:
        self.offline = False
        self.now = datetime(2026, 9, 1, tzinfo=UTC)
        self.connection = Connection(
            endpoint=hub.endpoint,
            token=lambda: None,
            offline=lambda: self.offline,
            home=folder / "hf",
            limits=lambda: Limits(30.0, 30.0, (0.0,)),
        )
        self.cache = AnswerCache(folder / "cache", self.connection, now=lambda: self.now)
        self.browser = Browser(self.connection, self.cache, Mover(self.connection))

    def ids(self, **wanted: object) -> list[str]:
        """Search; returns the ids found."""
        query = Query(**wanted)  # type: ignore[arg-type] - the test's own words
        return [one.id for one in search(self.connection, self.cache, query).found]


@pytest.fixture
def bench(hub: LocalHub, tmp_path: Path) -> Bench:
    """Aim a browser at the hub."""
    return Bench(hub, tmp_path)


def test_a_search_finds_what_rkd_can_run(bench: Bench) -> None:
    """Both formats, most downloaded first; repositories without weights do not count."""
    assert bench.ids() == ["org/Tiny-1B-GGUF", "npu/Tiny-1B-rkllm", "other/Big-8B-GGUF"]
    assert bench.ids(sort=Sort.LIKES)[0] == "other/Big-8B-GGUF"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"words": "tiny", "format": Format.GGUF}, ["org/Tiny-1B-GGUF"]),
        ({"format": Format.RKLLM}, ["npu/Tiny-1B-rkllm"]),
        ({"author": "other"}, ["other/Big-8B-GGUF"]),
        ({"min_parameters": 4_000_000_000}, ["other/Big-8B-GGUF"]),
        ({"max_parameters": 2_000_000_000}, ["org/Tiny-1B-GGUF", "npu/Tiny-1B-rkllm"]),
        ({"quantization": "q8_0"}, ["other/Big-8B-GGUF"]),
        ({"min_downloads": 300}, ["org/Tiny-1B-GGUF"]),
        ({"license": "mit"}, ["other/Big-8B-GGUF"]),
        ({"gated": True}, []),
    ],
)
def test_every_filter_narrows(bench: Bench, wanted: dict[str, object], expected: list[str]) -> None:
    """What the hub filters and what rkd filters itself come to the same."""
    assert bench.ids(**wanted) == expected


def test_facets_count_what_the_results_have(bench: Bench) -> None:
    """Quantizations, sizes and licences, most frequent first."""
    results = search(bench.connection, bench.cache, Query())

    assert dict(results.facets)["license"] == (("apache-2.0", 2), ("mit", 1))
    assert ("Q4_K_M", 1) in dict(results.facets)["quantization"]
    assert ("1B to 2B", 2) in dict(results.facets)["parameters"]


def test_answers_stay_fresh_for_a_while_and_serve_offline_for_ever(
    bench: Bench, hub: LocalHub
) -> None:
    """Within ten minutes no request; later one; offline, or with a dead hub, the old answer."""
    first = bench.ids()
    asked = len(hub.store.served)
    assert bench.ids() == first
    assert len(hub.store.served) == asked
    bench.now += timedelta(hours=1)
    bench.ids()
    assert len(hub.store.served) > asked
    bench.now += timedelta(days=30)
    bench.offline = True
    results = search(bench.connection, bench.cache, Query())
    assert [one.id for one in results.found] == first
    assert results.cached is not None
    with pytest.raises(PreconditionError):
        bench.ids(words="never asked")
    bench.offline = False
    hub.break_with(*(Fault("api", "close") for _ in range(30)))
    assert bench.ids() == first


def test_files_come_with_a_verdict_from_the_header(bench: Bench, hub: LocalHub) -> None:
    """Layers are read by ranges before a model is fetched, and far less than the file moves."""
    offer = bench.browser.offer("org/Tiny-1B-GGUF", "main", BOARD)

    assert offer.listing.commit == hub.store.repositories["org/Tiny-1B-GGUF"].head
    assert [one.variant.tag for one in offer.judgements] == ["Q4_K_M"]
    assert offer.judgements[0].recommended
    assert "context of 2048 tokens" in offer.judgements[0].detail
    assert 0 < hub.sent_bytes() <= 2 << 20
    sent = hub.sent_bytes()
    bench.offline = True
    assert bench.browser.offer("org/Tiny-1B-GGUF", "main", BOARD).judgements == offer.judgements
    assert hub.sent_bytes() == sent


def test_a_card_loses_its_front_matter(bench: Bench) -> None:
    """The text is for reading, the front matter for programs; a missing card is empty."""
    card = bench.browser.card("org/Tiny-1B-GGUF", "main")

    assert card.text == "# Tiny\n\ntext\n"
    assert card.metadata == {"license": "mit", "tags": "gguf, tiny"}
    assert bench.browser.card("npu/Tiny-1B-rkllm", "main").text == ""
    with pytest.raises(NotFoundError):
        bench.browser.card("org/Tiny-1B-GGUF", "no-such-revision")


def test_the_toolkit_of_an_rkllm_is_read_from_its_end(bench: Bench, hub: LocalHub) -> None:
    """Its last bytes tell the version; where they do not, the names or the card do."""
    made = os.urandom(9000) + b"rkllm-toolkit version: 1.2.1\0" + os.urandom(64)
    hub.add("npu/told", {"a-w8a8-rk3588.rkllm": made, "b-w8a8_g128.rkllm": os.urandom(9000)})
    hub.add("npu/card", {"c.rkllm": os.urandom(9000), "README.md": b"Made with RKLLM v1.1.4."})
    told = bench.browser.offer("npu/told", "main", BOARD).judgements
    card = bench.browser.offer("npu/card", "main", BOARD).judgements

    assert {one.variant.quantization: one.variant.toolkit for one in told} == {
        "w8a8": "1.2.1",
        "w8a8_g128": "",
    }
    assert card[0].variant.toolkit == "1.1.4"
    assert hub.sent_bytes() <= 3 * 4096 + 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Qwen-rkllm-1.1.4-w8a8.rkllm", "1.1.4"),
        ("using rkllm-toolkit version: 1.2.1b1", "1.2.1b1"),
        ("model v1.0.0 for people", ""),
    ],
)
def test_versions_in_words(text: str, expected: str) -> None:
    """Only the toolkit's own versions count."""
    assert toolkit_in(text) == expected


@pytest.mark.parametrize("text", ["", "# no front", "---\nnever: closed\n# x"])
def test_odd_cards_are_taken_as_they_are(text: str) -> None:
    """What is no front matter is text."""
    assert parse_card(text).text == text


def test_a_dead_hub_is_told_after_few_tries(bench: Bench, hub: LocalHub) -> None:
    """Questions are asked again, not for ever."""
    hub.break_with(*(Fault("api", "close") for _ in range(9)))
    with pytest.raises(UnavailableError, match="cannot be reached"):
        bench.browser.offer("org/Tiny-1B-GGUF", "main", BOARD)


def test_one_failure_of_the_api_is_asked_again(bench: Bench, hub: LocalHub) -> None:
    """huggingface_hub does not retry this one itself."""
    hub.break_with(Fault("api", "status", status=500))

    assert bench.browser.offer("org/Tiny-1B-GGUF", "main", BOARD).judgements


def test_the_cache_is_bounded(bench: Bench, tmp_path: Path) -> None:
    """The oldest answers go."""
    for number in range(KEPT_ANSWERS + 5):
        bench.cache.answer(f"question {number}", lambda: 1)

    assert len(list((tmp_path / "cache").iterdir())) == KEPT_ANSWERS


@pytest.mark.parametrize("line", ["- item\n", "key: value\n", "x\n", ":\n", "sdk 1"])
def test_cards_are_read_in_linear_time(line: str) -> None:
    """A list without end in the front matter costs no more than its length."""
    assert_linear(
        lambda size: "---\ntags:\n" + line * (size // len(line)) + "\n---\n# x",
        lambda text: (parse_card(text), toolkit_in(text)),
        most=4_000_000,
    )


def test_a_cards_front_matter_is_bounded() -> None:
    """Fields, items and lengths: what goes on the wire is small whatever a card holds."""
    many = "---\n" + "".join(f"k{number}: {'v' * 9000}\n" for number in range(500)) + "---\n"
    card = parse_card(many)

    assert len(card.metadata) == MOST_KEYS
    assert {len(value) for value in card.metadata.values()} == {LONGEST_VALUE}


@pytest.mark.parametrize("where", ["own", "base"])
def test_an_rkllms_context_is_judged_by_its_originals_shape(
    bench: Bench, hub: LocalHub, where: str
) -> None:
    """config.json of the repository, or of its base, tells layers and heads."""
    config = b'{"num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8,'
    config += b' "head_dim": 128, "hidden_size": 1024}'
    files: dict[str, bytes | Path] = {"q-w8a8-rk3588-ctx4096.rkllm": b"x" * 2000}
    hub.add("base/q", {"config.json": config})
    hub.add("npu/q", files | ({"config.json": config} if where == "own" else {}), base="base/q")
    offer = bench.browser.offer("npu/q", "main", BOARD)

    # 2 x 28 layers x 8 heads x 128 numbers x 4096 tokens of two bytes
    assert "470 MB context of 4096 tokens" in offer.judgements[0].detail


def test_an_original_checkpoint_alone_is_no_empty_list(bench: Bench, hub: LocalHub) -> None:
    """It is told as what it is, with the way to create from it."""
    hub.add("org/original", {"model.safetensors": b"x" * 9, "config.json": b"{}"})
    with pytest.raises(NotFoundError, match="checkpoint alone") as caught:
        bench.browser.offer("org/original", "main", BOARD)

    assert "rkctl create" in caught.value.remedy
