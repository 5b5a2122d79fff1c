"""A daemon killed again and again in the middle of a pull goes on, and fetches nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rkd.operations.journal import from_json
from rkd.operations.operation import OperationState
from tests.hub.server import LocalHub
from tests.hub.store import Fault

MEBI = 1 << 20
FILE = "tiny-Q4_K_M.gguf"
WEIGHTS = b"GGUF" + os.urandom(24 * MEBI)
CHUNK_BYTES = MEBI
KILLS = 5
BOUND_S = 30.0


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    """Run a hub at the speed of a good line."""
    with LocalHub(rate_bytes_per_s=25 * MEBI) as hub:
        hub.add("org/tiny-GGUF", {FILE: WEIGHTS, "LICENSE": b"free"})
        yield hub


class Pulling:
    """A process that pulls, or goes on with what an earlier one began."""

    def __init__(self, hub: LocalHub, folder: Path) -> None:
        self.hub = hub
        self.folder = folder
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.hub.rooms",
                hub.endpoint,
                folder,
                "org/tiny-GGUF",
                "tiny",
            ],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.DEVNULL,
        )

    def kill_after(self, arrived_bytes: int) -> None:
        """Kill it, without a word, once the part on disk has that many bytes."""
        deadline = time.monotonic() + BOUND_S
        while self.part_bytes() < arrived_bytes:
            assert self.process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline, f"only {self.part_bytes()} bytes came"
            time.sleep(0.005)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(BOUND_S)

    def part_bytes(self) -> int:
        """How much of the weights is on disk."""
        parts = self.folder.glob("models/.rkd-stage-*/.have-*.part")
        return max((part.stat().st_size for part in parts if part.exists()), default=0)


@pytest.mark.parametrize("faulty", [False, True], ids=["kills alone", "kills and broken lines"])
def test_five_kills_cost_at_most_five_chunks(
    hub: LocalHub, tmp_path: Path, *, faulty: bool
) -> None:
    """Every restart goes on at the byte it stood at; the model appears once, whole."""
    chance = random.Random(7)  # noqa: S311 - the same chances in every run
    breaks = 0
    for number in range(1, KILLS + 1):
        if faulty:
            hub.break_with(Fault("cdn", chance.choice(["drop", "reset"]), at_bytes=MEBI))
            breaks += 1
        pulling = Pulling(hub, tmp_path)
        pulling.kill_after(number * 4 * MEBI)
        assert not (tmp_path / "models" / "tiny").exists()
    last = Pulling(hub, tmp_path)
    assert last.process.wait(BOUND_S) == 0

    assert (tmp_path / "models" / "tiny" / FILE).read_bytes() == WEIGHTS
    assert hub.sent_bytes(FILE) <= len(WEIGHTS) + (KILLS + breaks) * CHUNK_BYTES
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["tiny"]
    operations = [from_json(path.read_text()) for path in (tmp_path / "state").glob("*/*.json")]
    assert [one.state for one in operations] == [OperationState.SUCCEEDED]


def test_a_kill_while_the_folder_is_put_together_is_gone_on_with(
    hub: LocalHub, tmp_path: Path
) -> None:
    """Killed at random instants around the end, the weights are never fetched again."""
    hub.rate_bytes_per_s = 100 * MEBI
    chance = random.Random(11)  # noqa: S311 - the same chances in every run
    for _ in range(4):
        pulling = Pulling(hub, tmp_path)
        deadline = time.monotonic() + BOUND_S
        while (
            not list(tmp_path.glob("models/.rkd-stage-*/.have-*"))
            and pulling.process.poll() is None
        ):
            assert time.monotonic() < deadline
        time.sleep(chance.uniform(0, 0.06))
        pulling.process.kill()
        pulling.process.wait(BOUND_S)
    assert Pulling(hub, tmp_path).process.wait(BOUND_S) == 0

    assert (tmp_path / "models" / "tiny" / FILE).read_bytes() == WEIGHTS
    assert hub.sent_bytes(FILE) <= len(WEIGHTS) + 4 * CHUNK_BYTES
