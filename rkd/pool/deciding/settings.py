"""What the daemon tells the pool; `daemon/settings.py` fills it from the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from rkd import kvcache
from rkd.board.facts import RuntimeLibrary
from rkd.model import BackendChoice
from rkd.pool.deciding.budget import Capacity
from rkd.pool.deciding.table import Rules


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """
    The pool's part of the configuration.

    Args:
        memory_fraction: share of the machine's RAM models may take together, over 0 up to 1.
        reserve_bytes: what must stay available whatever the fraction.
        max_resident: most models in memory at once; 0 leaves it to memory.
        keep_alive_s: idle seconds before a model leaves; 0 at once, `math.inf` never by itself (no
            pin: it leaves when another needs its room).
        max_queue: most requests waiting, over all models; at least 1.
        parallel: slots of a CPU model.
        threads: CPU threads of an engine; 0 leaves it to the backend.
        default_context_tokens: context of a slot where neither request nor Modelfile says.
        kv_cache_type: one of `kvcache.CHOICES`.
        image_tokens: most tokens a picture becomes on the CPU; 0 leaves it to the model.
        prompt_cache_bytes: memory a CPU model may keep the caches of conversations in that have no
            slot now; 0 for none.
        backend: what `auto` requests of models that do not say get.
        npu_parallel_runs: NPU runs at once, over all models; 0 lets them all.
        npu_lease_path: file locked around each NPU run, shared by everything on the machine that
            uses the NPU; "" for none.
        libraries: RKLLM runtimes, the preferred first.
        libraries_given: they were named by the configuration, not found in the usual folders: an
            explicit `npu` is then always tried.
        loop_guard: tokens of a circle after which an NPU answer is ended; 0 for never.
        first_answer: tokens heard when a model first meets an NPU library; 0 for none.
        rknn_library: the librknnrt.so for encoders beside .rkllm files, or "".
        rknn_cores: mask of the NPU cores they run on; 0 leaves it to the library.
        llama_device: its NPU by name, `none` where it has one and is not to use it, or "".
        llama_server: a native llama-server in place of the wheel, or "".
        runtime_version_override: see `rkd.inference.LoadSpec`.
        cpu_mask: the fast cores, for NPU models, and for CPU models whose number of threads nobody
            has set; 0 leaves it to the backend.
        load_timeout_s: longest silence of a load; every sign of progress extends it.
        max_wait_s: longest wait in the queue of a request without deadline.
        turn_s: how long a model in demand serves before another may ask it to leave.
        ageing_s: after each this many seconds of waiting a request climbs one priority class.
    """

    memory_fraction: float = 0.8
    reserve_bytes: int = 256 * 1024 * 1024
    max_resident: int = 0
    keep_alive_s: float = 300.0
    max_queue: int = 64
    parallel: int = 1
    threads: int = 0
    default_context_tokens: int = 4096
    kv_cache_type: str = kvcache.AUTO
    image_tokens: int = 0
    prompt_cache_bytes: int = 0
    backend: BackendChoice = BackendChoice.AUTO
    npu_parallel_runs: int = 1
    npu_lease_path: str = ""
    libraries: tuple[RuntimeLibrary, ...] = ()
    libraries_given: bool = False
    first_answer: int = 8
    loop_guard: int = 400
    rknn_library: str = ""
    rknn_cores: int = 0
    llama_server: str = ""
    llama_device: str = ""
    runtime_version_override: str = ""
    cpu_mask: int = 0
    load_timeout_s: float = 300.0
    max_wait_s: float = 900.0
    turn_s: float = 3.0
    ageing_s: float = 30.0

    @property
    def llama_on_npu(self) -> bool:
        """Whether CPU models are computed on the NPU in part, by a llama-server that can."""
        return self.llama_device not in {"", "none"}

    def capacity(self, total_bytes: int) -> Capacity:
        """What there is for models on a machine with *total_bytes* of RAM."""
        ram_bytes = int(total_bytes * self.memory_fraction)
        return Capacity(ram_bytes, self.reserve_bytes, self.max_resident)

    @property
    def rules(self) -> Rules:
        """The numbers the scheduler goes by."""
        return Rules(
            keep_alive_s=self.keep_alive_s,
            max_queue=self.max_queue,
            npu_parallel_runs=self.npu_parallel_runs,
            turn_s=self.turn_s,
            ageing_s=self.ageing_s,
        )
