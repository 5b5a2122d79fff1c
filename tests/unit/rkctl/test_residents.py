"""`rkctl ps`, `load`, `stop`, `pin`, `unpin`."""

from __future__ import annotations

import json

from rkd.v1 import pool_pb2 as pb
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl.fake_board import FakeBoard, Refusal, Rkctl

READY = pb.Resident(
    model="tiny",
    state=pb.RESIDENT_STATE_READY,
    backend=types.BACKEND_NPU,
    size_bytes=2_100_000_000,
    context_tokens=4096,
    slots=2,
    slots_used=1,
    pinned=True,
    npu_domain=0,
    pid=4242,
)


def test_ps_shows_the_pool(rkctl: Rkctl, board: FakeBoard) -> None:
    """Estimated sizes are marked, domain 0 is a domain, waiting requests are told."""
    board.answers["PoolService.ListResident"] = pb.ListResidentResponse(
        residents=[READY], queued=3, queue_limit=64
    )

    result = rkctl("ps")

    assert result.stdout == (
        "NAME  STATE  BACKEND      SIZE  CONTEXT  SLOTS  QUEUE  UNTIL   DOMAIN   PID\n"
        "tiny  ready  npu      ~2.10 GB     4096  1/2        0  pinned       0  4242\n"
    )
    assert result.stderr == "3 of at most 64 requests wait\n"


def test_ps_shows_what_is_kept_of_conversations(rkctl: Rkctl, board: FakeBoard) -> None:
    """Used, of the most; a dash for who keeps none."""
    cpu = pb.Resident(
        model="cpu",
        state=pb.RESIDENT_STATE_READY,
        prompt_cache_bytes=268_435_456,
        prompt_cache_used_bytes=14_000_000,
    )
    board.answers["PoolService.ListResident"] = pb.ListResidentResponse(residents=[cpu, READY])

    lines = rkctl("ps").stdout.splitlines()

    assert lines[0].split()[3:6] == ["SIZE", "CACHE", "CONTEXT"]
    assert "14.0 MB/268 MB" in lines[1]
    assert lines[2].split()[3:7] == ["~2.10", "GB", "-", "4096"]


def test_load_follows_to_residence(rkctl: Rkctl, board: FakeBoard) -> None:
    """Outside a terminal only the end is told; a fallback always."""
    falling = types.Loading(stage="falling-back", detail="the NPU is masked")
    board.answers["PoolService.Load"] = [
        pb.LoadResponse(loading=types.Loading(stage="loading", fraction=0.5)),
        pb.LoadResponse(loading=falling),
        pb.LoadResponse(resident=READY),
    ]

    result = rkctl("load", "tiny", "--backend", "npu", "--num-ctx", "512", "--keep-alive", "-1")

    assert result.stdout == ""
    assert result.stderr == (
        "falling back: the NPU is masked\ntiny is resident on the npu: 2.10 GB\n"
    )
    request = board.requests("PoolService.Load")[0]
    assert (request.backend, request.context_tokens) == (types.BACKEND_NPU, 512)
    assert request.keep_alive.seconds == -1


def test_load_plan_asks_and_does_nothing(rkctl: Rkctl, board: FakeBoard) -> None:
    """The sum and who would leave."""
    board.answers["PoolService.Plan"] = pb.PlanResponse(
        fits=True,
        backend=types.BACKEND_CPU,
        backend_reason="there is no NPU",
        needed_bytes=10**9,
        available_bytes=3 * 10**9,
        evicting=["a", "b"],
        context_tokens=4096,
        slots=1,
    )

    result = rkctl("load", "tiny", "--plan")

    assert result.stdout == (
        "fits         yes\n"
        "backend      cpu\n"
        "why          there is no NPU\n"
        "needs        1.00 GB (estimated)\n"
        "available    3.00 GB\n"
        "context      4096 tokens in each of 1 slots\n"
        "would leave  a, b\n"
    )
    assert board.requests("PoolService.Load") == []


def test_stop_pin_unpin_say_what_became(rkctl: Rkctl, board: FakeBoard) -> None:
    """One line each on stderr; JSON on stdout."""
    board.answers["PoolService.Unload"] = pb.UnloadResponse(was_resident=True)
    board.answers["PoolService.Pin"] = pb.PinResponse(resident=READY)
    board.answers["PoolService.Unpin"] = pb.UnpinResponse(was_pinned=False)

    assert rkctl("stop", "tiny", "--grace", "500ms").stderr == "tiny has left\n"
    assert rkctl("pin", "tiny").stderr == "tiny is pinned\n"
    assert rkctl("unpin", "tiny").stderr == "tiny was not pinned\n"
    assert json.loads(rkctl("unpin", "tiny", "--json").stdout) == {"was_pinned": False}
    assert board.requests("PoolService.Unload")[0].grace.nanos == 500_000_000


def test_no_room_says_when_to_try_again(rkctl: Rkctl, board: FakeBoard) -> None:
    """A refused load ends with its reason."""
    board.answers["PoolService.Load"] = Refusal(
        "RESOURCE_EXHAUSTED", "NO_EVICTABLE_MODEL", "Everything resident is pinned or busy."
    )

    result = rkctl("load", "tiny")

    assert result.stderr.startswith("rkctl: Everything resident is pinned or busy [NO_EVICTABLE")
    assert result.exit_code == 1


def test_a_bad_length_of_time_is_a_usage_error(rkctl: Rkctl) -> None:
    """With the forms that are allowed."""
    result = rkctl("load", "tiny", "--keep-alive", "soon")

    assert "write 30s, 5m, 1h30m or -1" in result.stderr
    assert result.exit_code == 2
