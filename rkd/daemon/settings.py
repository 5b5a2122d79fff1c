"""From the one configuration to what each room is given; pure but for reading the machine."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

from rkd.board.facts import Board
from rkd.board.runtime import find_rknn
from rkd.config import SECRET, SETTINGS, Config
from rkd.model import BackendChoice
from rkd.pool.deciding.llamaserver import npu_in
from rkd.pool.deciding.settings import PoolSettings
from rkd.pool.workers.launcher import NOT_FOR_WORKERS
from rkd.service.parts import PictureLimits
from rkd.service.system import Reloaded
from rkd.telemetry import engine


def llama_device(config: Config, board: Board) -> str:
    """
    The NPU of the native llama-server, `none` where it is not to use it, "" where there is none.

    Runs the server once, in a child, where one is configured on a board with Rockchip's NPU.
    """
    if config.llama_server is None or not board.npu_nodes:
        return ""
    listed = engine.listed_devices(config.llama_server, worker_environment(config, os.environ))
    found = npu_in(listed)
    return found if config.llama_server_npu or not found else "none"


SPARE_BYTES = 32 << 20
"""What a worker takes that waits for its model: 27 MB resident (x86-64, Python 3.11)."""


def pool_settings(config: Config, board: Board, llama_device: str = "") -> PoolSettings:
    """The pool's part; *llama_device* as of the function of that name."""
    usable = tuple(one for one in board.runtimes if one.problem is None)
    # A library named by the configuration is offered even when it looks wrong: the error a
    # request for the NPU gets then says what is wrong with it.
    named = board.runtimes if config.rkllm_library else usable
    return PoolSettings(
        memory_fraction=config.memory_fraction,
        reserve_bytes=config.memory_reserve + SPARE_BYTES * config.spare_worker,
        max_resident=config.max_resident,
        keep_alive_s=config.keep_alive,
        max_queue=config.max_queue,
        parallel=config.parallel,
        threads=config.threads,
        default_context_tokens=config.max_context,
        kv_cache_type=config.kv_cache_type,
        image_tokens=config.max_image_tokens,
        rknn_library=str(find_rknn(config.rknn_library) or ""),
        rknn_cores=config.rknn_cores,
        prompt_cache_bytes=config.prompt_cache,
        backend=BackendChoice(config.backend),
        npu_parallel_runs=config.npu_parallel,
        npu_lease_path=str(config.state_dir / "npu.lease") if config.npu_parallel == 1 else "",
        libraries=named,
        libraries_given=bool(config.rkllm_library),
        first_answer=config.first_answer,
        loop_guard=config.loop_guard,
        llama_server=str(config.llama_server or ""),
        llama_device=llama_device,
        runtime_version_override=config.rkllm_version,
        cpu_mask=board.cpu.big_mask,
        load_timeout_s=config.load_timeout,
    )


def worker_environment(config: Config, own: Mapping[str, str]) -> dict[str, str]:
    """
    What workers inherit: the daemon's environment, without what only the daemon needs.

    With `omp_wait_policy = "auto"` nothing is said of OpenMP: a worker sees to it by itself.
    """
    kept = {name: value for name, value in own.items() if name not in NOT_FOR_WORKERS}
    if config.omp_wait_policy == "auto":
        return kept
    return {"OMP_WAIT_POLICY": config.omp_wait_policy, **kept}


def picture_limits(config: Config) -> PictureLimits:
    """What the pictures of one request may be."""
    pixels = config.max_picture_megapixels * 1_000_000
    return PictureLimits(config.max_pictures, pixels, config.max_picture_bytes)


def live_part(started: Config, read: Config) -> Config:
    """What is in force after a reload: *started*, but for the settings that can change live."""
    live = {row.key: getattr(read, row.key) for row in SETTINGS if row.live}
    return replace(started, **live)


def changes(in_force: Config, read: Config) -> Reloaded:
    """What differs: settings a reload applies, and those that wait, however often they are read."""
    live = {row.key for row in SETTINGS if row.live}
    applied: list[str] = []
    waiting: list[str] = []
    for field in fields(Config):
        name, before, after = field.name, getattr(in_force, field.name), getattr(read, field.name)
        if before == after:
            continue
        words = f"{name}: changed" if name in SECRET else f"{name}: {before} -> {after}"
        (applied if name in live else waiting).append(words)
    return Reloaded(tuple(applied), tuple(waiting))


def with_service_file(environment: Mapping[str, str], file: Path) -> tuple[dict[str, str], str]:
    """
    Add what systemd would read from the EnvironmentFile *file*; what is set here goes first.

    Returns:
        The environment, and what to say about it, as comments of TOML.
    """
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return dict(environment), ""
    except OSError as error:
        return dict(environment), f"# {file} cannot be read: {error.strerror}\n"
    said = {}
    for line in lines:
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith(("#", ";")):
            said[name.strip()] = _unquoted(value.strip())
    mine = sorted(
        name for name in said.keys() & environment.keys() if said[name] != environment[name]
    )
    told = f"# with {file}, as the service\n"
    if mine:
        told += f"# but {', '.join(mine)} from this shell, which the service does not see\n"
    return {**said, **environment}, told


def _unquoted(value: str) -> str:
    try:
        return "".join(shlex.split(value)) if value[:1] in {"'", '"'} else value
    except ValueError:
        return value
