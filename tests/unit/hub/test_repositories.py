"""The repositories of .rkllm files people really have: found, the right file taken, well named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rkd.hub.browse import Browser
from rkd.hub.cache import AnswerCache
from rkd.hub.connection import Connection, Limits
from rkd.hub.fit import Judgement
from rkd.hub.headroom import Headroom
from rkd.hub.listing import Listing
from rkd.hub.mover import Mover
from rkd.hub.search import Query, search
from rkd.hub.variants import select
from rkd.model import Format, ModelName
from rkd.operations.pull import name_of
from tests.hub.server import LocalHub

GIB = 1 << 30
DATA = Path(__file__).parents[2] / "data"
REPOSITORIES: dict[str, list[str]] = json.loads(
    (DATA / "rkllm_repositories.json").read_text(encoding="utf-8")
)
"""Repositories and their files as their pages showed them in autumn 2026."""

MORE: dict[str, dict[str, Any]] = json.loads(
    (DATA / "rkllm_repositories_more.json").read_text(encoding="utf-8")
)
"""Others, of the shapes people quote in threads and scripts, with what is right for each chip."""

FOR_3588 = {
    "c01zaut/Qwen2.5-1.5B-Instruct-rk3588-1.1.1": "w8a8-opt-1-hybrid-ratio-0.0.rkllm",
    "c01zaut/Qwen2.5-3B-Instruct-rk3588-1.1.1": "w8a8-opt-0-hybrid-ratio-1.0.rkllm",
    "c01zaut/Llama-3.2-1B-Instruct-rk3588-1.1.1": "w8a8_g128-opt-1-hybrid-ratio-0.0.rkllm",
    "dulimov/Qwen3-4B-rk3588-1.2.1-unsloth-16k": "w8a8-opt-1-hybrid-ratio-0.0.rkllm",
    "imkebe/DeepSeek-R1-Distill-Qwen-1.5B-rk3588-1.2.0": "W8A8_RK3588.rkllm",
    "HanzoHuang/Qwen3-VL-2B-Instruct-RKLLM": "w8a8_RK3588.rkllm",
    "romancone/rkllm-models": "rk3588/gemma-4-e2b-it-w8a8-8k.rkllm",
}
"""End of the file to take on an RK3588, where there is a choice."""

FOR_3576 = {
    "HanzoHuang/Qwen3-VL-2B-Instruct-RKLLM": "w4a16_RK3576.rkllm",
    "jerard-dev/Qwen3-8B-Instruct-RK3576": "w4a16_g128.rkllm",
    "romancone/rkllm-models": "rk3576/qwen3-0.6b-w4a16.rkllm",
}
UNTOLD = {
    "3ib0n/Qwen2-VL-2B-rkllm",
    "happyme531/Qwen2-Audio-rkllm",
    "happyme531/Qwen2.5-VL-3B-Instruct-RKLLM",
    "happyme531/InternVL3_5-2B-RKLLM",
    "FydeOS/Qwen-1_8B-Chat_rkLLM",
}
"""Those no name of which says for which chip they are."""

NAMES = {
    "c01zaut/Qwen2.5-1.5B-Instruct-rk3588-1.1.1": "qwen2.5-1.5b-instruct-w8a8",
    "c01zaut/internlm2_5-1_8b-chat-RK3588-1.1.4": "internlm2_5-1_8b-chat-w8a8",
    "punchnox/Tinnyllama-1.1B-rk3588-rkllm-1.1.4": "tinnyllama-1.1b-w8a8",
    "dulimov/Qwen3-4B-rk3588-1.2.1-unsloth-16k": "qwen3-4b-unsloth-16k-w8a8",
    "GatekeeperZA/Qwen3-VL-2B-Instruct-RKLLM-v1.2.3": "qwen3-vl-2b-instruct-w8a8",
    "happyme531/Qwen2-Audio-rkllm": "qwen2-audio",
    "jamescallander/deepseek-coder-1.3b-instruct_w8a8_g128_rk3588.rkllm": (
        "deepseek-coder-1.3b-instruct_w8a8_g128"
    ),
    "romancone/rkllm-models": "gemma-4-e2b-it-8k-w8a8",
    "FydeOS/Qwen-1_8B-Chat_rkLLM": "qwen-1_8b-chat",
}


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    """Run a hub with all of them; every third has no tag but what its name says."""
    with LocalHub() as hub:
        for number, (id_, paths) in enumerate(REPOSITORIES.items()):
            tagged = number % 3 or "RK3576" in id_
            files = {path: bytes([number]) * (1000 + at) for at, path in enumerate(paths)}
            hub.add(id_, {**files}, tags=["rkllm"] if tagged else [])
        yield hub


class Bench:
    """A browser for one board."""

    def __init__(self, hub: LocalHub, folder: Path, chip: str) -> None:
        self.capacity = Headroom(16 * GIB, 16 * GIB, chip, 4096)
        self.connection = Connection(
            endpoint=hub.endpoint,
            token=lambda: None,
            offline=lambda: False,
            home=folder / "hf",
            limits=lambda: Limits(30.0, 30.0, (0.0,)),
        )
        self.cache = AnswerCache(folder / "cache", self.connection)
        self.browser = Browser(self.connection, self.cache, Mover(self.connection))

    def found(self, words: str = "") -> set[str]:
        """Search for .rkllm files."""
        query = Query(words=words, format=Format.RKLLM)
        chip = self.capacity.platform
        return {one.id for one in search(self.connection, self.cache, query, chip=chip).found}

    def offer(self, id_: str) -> tuple[Listing, tuple[Judgement, ...]]:
        """List one repository's files, best first."""
        offer = self.browser.offer(id_, "main", self.capacity)
        return offer.listing, offer.judgements


@pytest.mark.parametrize("chip", ["rk3588", "rk3576"])
def test_they_are_found(hub: LocalHub, tmp_path: Path, chip: str) -> None:
    """By library, by chip or by name: 20 of 35 have no `rkllm` in their name."""
    bench = Bench(hub, tmp_path, chip)

    assert sum("rkllm" in id_.lower() for id_ in REPOSITORIES) < 20
    assert len(bench.found() & REPOSITORIES.keys()) >= 33
    assert {id_ for id_ in REPOSITORIES if "qwen3" in id_.lower()} <= bench.found("qwen3")


def test_the_right_file_is_taken_on_an_rk3588(hub: LocalHub, tmp_path: Path) -> None:
    """Everything but what is made for the RK3576; of several the advised one, with its reason."""
    bench = Bench(hub, tmp_path, "rk3588")
    taken = {}
    for id_ in REPOSITORIES:
        _, judged = bench.offer(id_)
        if judged[0].recommended:
            taken[id_] = judged[0]

    assert REPOSITORIES.keys() - taken.keys() == {"jerard-dev/Qwen3-8B-Instruct-RK3576"}
    for id_, end in FOR_3588.items():
        assert taken[id_].variant.name.endswith(end)
        assert taken[id_].advice


def test_the_right_file_is_taken_on_an_rk3576(hub: LocalHub, tmp_path: Path) -> None:
    """What is made for it, the advised type first, and what says nothing; the rest is named."""
    bench = Bench(hub, tmp_path, "rk3576")
    for id_ in REPOSITORIES:
        _, judged = bench.offer(id_)
        best = judged[0]
        assert best.recommended == (id_ in FOR_3576 or id_ in UNTOLD)
        if id_ in FOR_3576:
            assert best.variant.name.endswith(FOR_3576[id_])


def test_local_names_can_be_read(hub: LocalHub, tmp_path: Path) -> None:
    """No toolkit, no chip, no packaging; a collection's file gives the name."""
    bench = Bench(hub, tmp_path, "rk3588")
    names = {}
    for id_ in REPOSITORIES:
        listing, judged = bench.offer(id_)
        names[id_] = name_of(listing, judged[0].variant)
        assert ModelName.parse(names[id_]).text == names[id_]
        assert not {"rk3588", "rk3576", "rkllm"} & set(names[id_].split("-"))

    assert {id_: names[id_] for id_ in NAMES} == NAMES


def test_a_type_means_the_advised_of_those_that_differ_in_tuning(
    hub: LocalHub, tmp_path: Path
) -> None:
    """`:w8a8` of six files is one of them, not `several`."""
    id_ = "c01zaut/Qwen2.5-1.5B-Instruct-rk3588-1.1.1"
    listing, judged = Bench(hub, tmp_path, "rk3588").offer(id_)
    chosen = select(listing, [one.variant for one in judged], "w8a8")

    assert chosen.name.endswith("w8a8-opt-1-hybrid-ratio-0.0.rkllm")
    advice = next(one.advice for one in judged if one.variant == chosen)
    assert "the toolkit's own defaults" in advice
    assert "the advised type for the rk3588" in advice


@pytest.fixture(scope="module")
def further() -> Iterator[LocalHub]:
    """Run a hub with those the code was not written after."""
    with LocalHub() as hub:
        for number, (id_, said) in enumerate(MORE.items()):
            files = {path: bytes([number]) * (1000 + at) for at, path in enumerate(said["files"])}
            card = {"README.md": said["card"].encode()} if "card" in said else {}
            hub.add(id_, {**files, **card}, tags=said["tags"])
        yield hub


@pytest.mark.parametrize("chip", ["rk3588", "rk3576"])
def test_so_are_those_of_other_shapes(further: LocalHub, tmp_path: Path, chip: str) -> None:
    """Every one is found; the right file, or none, is taken; its name can be read."""
    bench = Bench(further, tmp_path, chip)

    assert bench.found() == MORE.keys()
    for id_, said in MORE.items():
        listing, judged = bench.offer(id_)
        best = judged[0]
        assert (best.variant.name if best.recommended else "") == said[chip], id_
        name = name_of(listing, best.variant)
        assert ModelName.parse(name).text == name
        assert not {"rk3588", "rk3576", "rkllm", "npu"} & set(name.split("-"))
        if chip == "rk3588":
            assert said.get("name", name) == name
