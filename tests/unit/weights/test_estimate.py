"""One estimate of memory, for what the hub offers and for what is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.board.facts import RuntimeLibrary
from rkd.hub.fit import judge
from rkd.hub.headroom import Headroom
from rkd.hub.listing import RemoteFile
from rkd.hub.variants import Variant
from rkd.model import BackendChoice, Details, Format
from rkd.pool.deciding.placement import Placement, Wish
from rkd.pool.deciding.settings import PoolSettings
from rkd.weights.estimate import estimate, kv_cache_bytes
from tests.unit.pool.fakes import model

GIB = 1 << 30
SMOL = Details(layers=30, heads=9, kv_heads=3, head_size=64, embedding_size=576)


@pytest.mark.parametrize(
    ("kind", "bytes_a_token"), [("f16", 23040), ("q8_0", 12240), ("q4_0", 6480)]
)
def test_kv_cache_of_a_known_model(kind: str, bytes_a_token: int) -> None:
    """30 layers, 3 heads of 64, keys and values: llama.cpp reports the same sizes."""
    assert kv_cache_bytes(SMOL, 4096, kind) == 4096 * bytes_a_token


def test_estimate_grows_with_context_and_slots() -> None:
    """Each slot has a context of its own; an unknown shape is given a fixed share."""
    one = estimate(SMOL, 10**8, Format.GGUF, context_tokens=1024)
    four = estimate(SMOL, 10**8, Format.GGUF, context_tokens=1024, slots=4)
    unknown = estimate(Details(), 10**8, Format.GGUF, context_tokens=1024)

    assert four.kv_bytes == 4 * one.kv_bytes
    assert one.total_bytes == 10**8 + one.kv_bytes + one.overhead_bytes
    assert unknown.kv_bytes > 0


def test_conversations_that_wait_are_counted() -> None:
    """In whole MiB, never more than eight whole contexts, and none on the NPU."""
    bare = estimate(SMOL, 10**8, Format.GGUF, context_tokens=4096)
    kept = estimate(SMOL, 10**8, Format.GGUF, context_tokens=4096, prompt_cache_bytes=256 << 20)
    odd = estimate(SMOL, 10**8, Format.GGUF, context_tokens=4096, prompt_cache_bytes=(3 << 19) + 7)
    small = estimate(SMOL, 10**8, Format.GGUF, context_tokens=256, prompt_cache_bytes=256 << 20)
    npu = estimate(SMOL, 10**8, Format.RKLLM, context_tokens=4096, prompt_cache_bytes=256 << 20)

    assert kept.total_bytes - bare.total_bytes == kept.prompt_cache_bytes == 256 << 20
    assert odd.prompt_cache_bytes == 1 << 20
    assert small.prompt_cache_bytes == 8 * small.kv_bytes == 45 << 20
    assert npu.prompt_cache_bytes == 0


def test_estimate_of_an_npu_model() -> None:
    """A .rkllm costs its file and a share."""
    found = estimate(Details(), 10**9, Format.RKLLM, context_tokens=4096)

    assert 1.1e9 < found.total_bytes < 1.3e9


class TestEstimates:
    """Memory before it is measured."""

    LLAMA = Details(layers=32, kv_heads=8, head_size=128)

    @pytest.mark.parametrize(
        ("kind", "expected"), [("auto", 131072), ("f16", 131072), ("q8_0", 69632), ("q4_0", 36864)]
    )
    def test_the_cache_of_a_known_shape(self, kind: str, expected: int) -> None:
        """2 x layers x kv_heads x head_size values a token, in blocks of the cache's type."""
        assert kv_cache_bytes(self.LLAMA, 1, kind) == expected

    def test_slots_and_context_multiply(self) -> None:
        """Four slots of 1024 take what one of 4096 takes."""
        four = estimate(self.LLAMA, 0, Format.GGUF, context_tokens=1024, slots=4)
        assert four.kv_bytes == kv_cache_bytes(self.LLAMA, 4096, "f16")

    def test_an_unknown_shape_is_guessed_from_the_weights(self) -> None:
        """About 28 KB a token for a file of 1.9 GB."""
        guess = kv_cache_bytes(Details(), 1, "f16", weights_bytes=1_900_000_000)
        assert 25_000 < guess < 32_000


LLAMA_8B = Details(layers=32, heads=32, kv_heads=8, head_size=128, embedding_size=4096)


def needs(
    form: Format, details: Details, tokens: int, *, slots: int = 1, kv_type: str = "auto", kept: int
) -> tuple[int, int]:
    """What 8.5 GB of *form* need: as `files` says before a pull, as `load` admits them."""
    weights_bytes = 8_500_000_000
    settings = PoolSettings(
        libraries=(RuntimeLibrary(Path("/lib/rkllm.so"), "1.2.3"),),
        default_context_tokens=tokens,
        parallel=slots,
        kv_cache_type=kv_type,
        prompt_cache_bytes=kept,
    )
    offered = Variant((RemoteFile(f"m.{form}", weights_bytes, "sha256", "0" * 64),), form, "w8a8")
    board = Headroom(1 << 40, 1 << 40, "rk3588", tokens, slots, kv_type, kept)
    on_npu = form is Format.RKLLM
    made = model(
        gguf=0 if on_npu else weights_bytes,
        rkllm=weights_bytes if on_npu else 0,
        details=details,
    )
    choice = BackendChoice.NPU if on_npu else BackendChoice.CPU
    (plan,) = Placement(settings, None, lambda _: None).candidates(made, Wish(choice))
    return judge(offered, details, board).needed_bytes, plan.need.ram_bytes


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("details", [Details(), LLAMA_8B], ids=["unknown", "known"])
@pytest.mark.parametrize(
    ("tokens", "slots", "kv_type", "kept"),
    [(16384, 1, "auto", 0), (1000, 1, "f16", 256 << 20), (4096, 4, "q8_0", 1 << 20)],
)
def test_files_and_load_say_one_number(
    form: Format, details: Details, tokens: int, slots: int, *, kv_type: str, kept: int
) -> None:
    """Whatever the shape, the context, the slots and the cache's type."""
    offered, admitted = needs(form, details, tokens, slots=slots, kv_type=kv_type, kept=kept)

    assert offered == admitted


def test_an_8b_on_the_npu_at_16k() -> None:
    """Weights, two GiB of cache and the runtime's own, whoever asks."""
    offered, _ = needs(Format.RKLLM, LLAMA_8B, 16384, kept=256 << 20)

    assert f"{offered / GIB:.2f}" == "9.98"


def test_projectors_have_their_place() -> None:
    """What sees for a model is counted, on the NPU in its address space too."""
    plain = estimate(LLAMA_8B, GIB, Format.RKLLM, context_tokens=4096)
    seeing = estimate(LLAMA_8B, GIB, Format.RKLLM, context_tokens=4096, projector_bytes=GIB)

    assert seeing.total_bytes - plain.total_bytes == GIB
    assert seeing.npu_bytes - plain.npu_bytes == GIB
    assert estimate(SMOL, GIB, Format.GGUF, context_tokens=64, projector_bytes=7).npu_bytes == 0
