"""From the one configuration to what each room is given."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from rkd import config as configuration
from rkd.board.read import read_board
from rkd.board.telemetry import read_telemetry
from rkd.config import Config
from rkd.daemon.diagnosis import doctor_facts
from rkd.daemon.settings import (
    SPARE_BYTES,
    changes,
    pool_settings,
    worker_environment,
)
from rkd.model import BackendChoice
from rkd.telemetry.doctor import CHECKS, examine
from rkd.telemetry.finding import Severity

BOARD = read_board(Path("/nonexistent"), ())


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A user's defaults."""
    monkeypatch.setattr(configuration, "DEFAULT_FILE", tmp_path / "absent.toml")
    return configuration.read({"HOME": str(tmp_path)}, user_id=1000)


def test_the_pool_gets_its_part(config: Config) -> None:
    """Every value under its own name."""
    made = pool_settings(
        dataclasses.replace(
            config, backend="cpu", memory_fraction=0.5, memory_reserve=1, max_resident=2,
            keep_alive=3.0, max_queue=4, parallel=5, threads=6, max_context=77,
            kv_cache_type="q8_0", load_timeout=8.0, rkllm_version="1.3",
            llama_server=Path("/x"), spare_worker=False,
        ),
        BOARD,
    )  # fmt: skip

    assert (made.backend, made.memory_fraction, made.reserve_bytes) == (BackendChoice.CPU, 0.5, 1)
    assert (made.max_resident, made.keep_alive_s, made.max_queue, made.parallel) == (2, 3.0, 4, 5)
    assert (made.threads, made.default_context_tokens, made.kv_cache_type) == (6, 77, "q8_0")
    assert (made.load_timeout_s, made.runtime_version_override) == (8.0, "1.3")
    assert (made.llama_server, made.libraries, made.libraries_given) == ("/x", (), False)


def test_the_spare_worker_is_counted(config: Config) -> None:
    """What it takes is not the models' to take."""
    without = pool_settings(dataclasses.replace(config, spare_worker=False), BOARD)

    assert pool_settings(config, BOARD).reserve_bytes == without.reserve_bytes + SPARE_BYTES


def test_the_npu_is_leased_when_one_run_at_a_time_has_it(config: Config) -> None:
    """Several runs at once share it without a lease."""
    shared = dataclasses.replace(config, npu_parallel=2)

    assert pool_settings(config, BOARD).npu_lease_path == str(config.state_dir / "npu.lease")
    assert pool_settings(shared, BOARD).npu_lease_path == ""


def test_workers_do_not_get_the_daemons_secrets(config: Config) -> None:
    """Nor its line to the service manager; what the user set of OMP wins."""
    own = {"A": "1", "HF_TOKEN": "s", "NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "1"}

    assert worker_environment(config, own) == {"A": "1"}
    assert worker_environment(config, {"OMP_WAIT_POLICY": "active"}) == {
        "OMP_WAIT_POLICY": "active"
    }


def test_how_threads_wait_is_the_workers_to_see_to_unless_somebody_decides(config: Config) -> None:
    """In the file for rkd, in the environment for everything."""
    asleep = dataclasses.replace(config, omp_wait_policy="passive")

    assert worker_environment(asleep, {}) == {"OMP_WAIT_POLICY": "passive"}
    assert worker_environment(asleep, {"OMP_WAIT_POLICY": "active"}) == {
        "OMP_WAIT_POLICY": "active"
    }


def test_changes_are_applied_or_wait(config: Config) -> None:
    """By the table's own word on each setting; what is equal is not told."""
    new = dataclasses.replace(config, parallel=2, sysroot=Path("/s"), hf_token="hf_secret")
    told = changes(config, new)

    assert told.applied == ("parallel: 1 -> 2",)
    assert told.needs_restart == ("sysroot: / -> /s", "hf_token: changed")
    assert changes(config, config) == type(told)((), ())


def test_the_doctor_comes_also_where_the_models_are_gone(config: Config) -> None:
    """A stick that was pulled out: the disk's check says so, and the others are made."""
    gone = dataclasses.replace(config, models=Path("/nonexistent/models"))
    facts = doctor_facts(gone, BOARD, read_telemetry(Path("/nonexistent")), 0)
    found = {one.check: one.severity for one in examine(facts)}

    assert found["disk"] is Severity.ERROR
    assert len(found) == len(CHECKS)
