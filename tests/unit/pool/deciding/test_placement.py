"""Where a model runs and with what: the whole table of choices."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from rkd.board.facts import RuntimeLibrary
from rkd.errors import PreconditionError, Reason
from rkd.model import (
    BackendChoice,
    BackendKind,
    Details,
    Format,
    Recipe,
    VisionEncoder,
    WeightsFile,
)
from rkd.modelfile.parse import parse
from rkd.pool.deciding.budget import GIB, MIB, Capacity, Held, find_domain
from rkd.pool.deciding.placement import Placement, Wish
from rkd.pool.deciding.settings import PoolSettings
from rkd.weights.estimate import CPU_OVERHEAD_BYTES, NPU_OVERHEAD_BYTES, SIGHT_OVERHEAD_BYTES
from tests.unit.pool.fakes import model

OLD = RuntimeLibrary(Path("/lib/old.so"), "1.1.4")
LIBRARY = RuntimeLibrary(Path("/lib/rkllm.so"), "1.2.3")
NEWER = RuntimeLibrary(Path("/lib/newer.so"), "1.3.0")
NO_NPU = PreconditionError(
    Reason.PLATFORM_MISMATCH, "the NPU of the rk3399 is no good", remedy="Use the CPU."
)
AUTO, NPU, CPU = BackendChoice.AUTO, BackendChoice.NPU, BackendChoice.CPU


def placement(
    *libraries: RuntimeLibrary,
    obstacle: PreconditionError | None = None,
    measured: dict[str, int] | None = None,
    given: bool = False,
    **fields: object,
) -> Placement:
    """A placement with these libraries."""
    settings = PoolSettings(libraries=libraries, libraries_given=given, **fields)  # type: ignore[arg-type]
    return Placement(settings, obstacle, (measured or {}).get)


def backends(it: Placement, weights: str, choice: BackendChoice | None) -> list[str]:
    """Where a model with `n`pu and/or `c`pu weights may run, best first."""
    made = model(gguf=MIB if "c" in weights else 0, rkllm=MIB if "n" in weights else 0)
    return [str(one.backend) for one in it.candidates(made, Wish(choice))]


class TestChoice:
    """auto, npu, cpu by daemon, model and request."""

    @pytest.mark.parametrize(
        ("weights", "choice", "expected"),
        [
            ("nc", AUTO, ["npu", "cpu"]),
            ("nc", None, ["npu", "cpu"]),
            ("nc", NPU, ["npu"]),
            ("nc", CPU, ["cpu"]),
            ("n", AUTO, ["npu"]),
            ("c", AUTO, ["cpu"]),
            ("c", CPU, ["cpu"]),
        ],
    )
    def test_on_a_board(
        self, weights: str, choice: BackendChoice | None, expected: list[str]
    ) -> None:
        """NPU first, the CPU behind it; explicit is explicit."""
        assert backends(placement(LIBRARY), weights, choice) == expected

    @pytest.mark.parametrize(
        ("weights", "choice", "reason"),
        [
            ("c", NPU, Reason.NPU_UNAVAILABLE),
            ("n", CPU, Reason.CAPABILITY_UNSUPPORTED),
            ("", AUTO, Reason.MODEL_INCOMPLETE),
            ("", NPU, Reason.MODEL_INCOMPLETE),
            ("", CPU, Reason.MODEL_INCOMPLETE),
        ],
    )
    def test_what_no_weights_allow(
        self, weights: str, choice: BackendChoice, reason: Reason
    ) -> None:
        """Each refusal says what is missing and what to do."""
        with pytest.raises(PreconditionError) as caught:
            backends(placement(LIBRARY), weights, choice)
        assert caught.value.reason is reason
        assert caught.value.remedy

    def test_without_an_npu_the_cpu_says_why(self) -> None:
        """The board's own words."""
        (plan,) = placement(LIBRARY, obstacle=NO_NPU).candidates(model(rkllm=MIB), Wish())
        assert plan.backend is BackendKind.CPU
        assert "the NPU of the rk3399 is no good" in plan.reason

    def test_the_cpu_asked_for_gives_no_reason(self) -> None:
        """There is nothing to explain."""
        (plan,) = placement(LIBRARY).candidates(model(rkllm=MIB), Wish(CPU))
        assert plan.reason == ""

    def test_what_the_npu_cannot_do_goes_to_the_cpu(self) -> None:
        """Where it is the request's own, there is a GGUF and nobody insists; it says why."""
        both, board = model(rkllm=MIB), placement(LIBRARY)
        beyond = Wish(beyond_npu=("json_schema", "thinking_budget"))
        (plan,) = board.candidates(both, beyond)
        (asked,) = board.candidates(both, replace(beyond, backend=NPU))
        (alone,) = board.candidates(model(rkllm=MIB, gguf=0), beyond)
        (plain,) = board.candidates(model(gguf=MIB), beyond)

        assert (plan.backend, plan.choice) == (BackendKind.CPU, CPU)
        assert "cannot do json_schema and thinking_budget" in plan.reason
        assert (asked.backend, alone.backend) == (BackendKind.NPU, BackendKind.NPU)
        assert (plain.backend, plain.reason) == (BackendKind.CPU, "")

    @pytest.mark.parametrize("choice", [AUTO, NPU])
    def test_only_npu_weights_and_no_npu(self, choice: BackendChoice) -> None:
        """The board's reason is kept."""
        with pytest.raises(PreconditionError, match="rk3399") as caught:
            backends(placement(LIBRARY, obstacle=NO_NPU), "n", choice)
        assert caught.value.reason is Reason.PLATFORM_MISMATCH
        assert caught.value.remedy == "Use the CPU."

    def test_an_explicit_npu_with_a_named_library_is_always_tried(self) -> None:
        """A container hides its device tree: the runtime's own answer decides."""
        hidden = placement(LIBRARY, obstacle=NO_NPU, given=True)
        assert backends(hidden, "nc", NPU) == ["npu"]
        assert backends(hidden, "nc", AUTO) == ["cpu"]
        daemon = placement(LIBRARY, obstacle=NO_NPU, given=True, backend=NPU)
        assert backends(daemon, "nc", None) == ["npu"]

    def test_no_library(self) -> None:
        """NPU_UNAVAILABLE, naming the setting."""
        with pytest.raises(PreconditionError) as caught:
            backends(placement(), "nc", NPU)
        assert caught.value.reason is Reason.NPU_UNAVAILABLE
        assert "RKD_RKLLM_LIBRARY" in caught.value.remedy

    def test_request_over_model_over_daemon(self) -> None:
        """The nearer one wins."""
        asks_cpu = model(rkllm=MIB, parameters=(("backend", "cpu"),))
        it = placement(LIBRARY, backend=NPU)
        assert [one.backend for one in it.candidates(asks_cpu, Wish())] == [BackendKind.CPU]
        assert [one.backend for one in it.candidates(asks_cpu, Wish(NPU))] == [BackendKind.NPU]


class TestLibraries:
    """Several runtimes side by side."""

    @pytest.mark.parametrize(
        ("wanted", "path"),
        [
            (None, "/lib/rkllm.so"),
            ("1.3", "/lib/newer.so"),
            ("1.3.0", "/lib/newer.so"),
            (1.2, "/lib/rkllm.so"),
        ],
    )
    def test_a_model_asks_for_a_version(self, wanted: str | float | None, path: str) -> None:
        """`PARAMETER rkllm_version`, a prefix at a point; else the first."""
        asked = () if wanted is None else (("rkllm_version", wanted),)
        (plan,) = placement(LIBRARY, NEWER).candidates(
            model(gguf=0, rkllm=MIB, parameters=asked), Wish()
        )
        assert plan.spec.runtime_library == path

    def test_a_version_that_is_not_there(self) -> None:
        """RUNTIME_MISMATCH with what there is; AUTO goes to the CPU saying so."""
        asks = model(rkllm=MIB, parameters=(("rkllm_version", "1.20"),))
        it = placement(LIBRARY, NEWER)
        with pytest.raises(PreconditionError, match=r"1\.2\.3, 1\.3\.0") as caught:
            it.candidates(asks, Wish(NPU))
        assert caught.value.reason is Reason.RUNTIME_MISMATCH
        (plan,) = it.candidates(asks, Wish())
        assert plan.backend is BackendKind.CPU
        assert "1.20" in plan.reason

    def test_the_oldest_runtime_keeps_to_the_first_domain(self) -> None:
        """1.1 crashes with another one."""
        (plan,) = placement(OLD).candidates(model(gguf=0, rkllm=MIB), Wish())
        assert plan.need.first_domain_only


class TestLoad:
    """Context, slots, cache, memory."""

    @pytest.mark.parametrize(
        ("asked", "num_ctx", "own", "default", "expected"),
        [
            (None, None, 0, 4096, 4096),
            (None, None, 2048, 4096, 2048),
            (None, None, 2048, 1024, 1024),
            (None, 8192, 0, 4096, 8192),
            (None, 8192, 4000, 4096, 4000),
            (512, 8192, 0, 4096, 512),
            (99999, None, 32768, 4096, 32768),
            (1, None, 0, 4096, 64),
        ],
    )
    def test_context(
        self, asked: int | None, num_ctx: int | None, own: int, default: int, expected: int
    ) -> None:
        """Request, Modelfile, setting; never more than the model was made for."""
        made = model(
            parameters=(("num_ctx", num_ctx),) if num_ctx else (),
            details=Details(context_tokens=own),
        )
        it = placement(default_context_tokens=default)
        (plan,) = it.candidates(made, Wish(CPU, context_tokens=asked))
        assert plan.spec.context_tokens == expected
        assert plan.exact_context == (asked is not None)
        cut = (asked or num_ctx or 0) > expected
        assert bool(plan.warnings) == cut

    def test_the_npu_counts_in_thirty_twos(self) -> None:
        """Rounded down, never to nothing."""
        (plan,) = placement(LIBRARY).candidates(model(gguf=0, rkllm=MIB), Wish(context_tokens=1000))
        assert plan.spec.context_tokens == 992

    def test_a_models_own_settings(self) -> None:
        """num_parallel, kv_cache_type, keep_alive, num_thread, draft_num_predict."""
        made = model(
            parameters=(
                ("num_parallel", 4),
                ("kv_cache_type", "q8_0"),
                ("keep_alive", -1),
                ("num_thread", 3),
                ("draft_num_predict", 8),
            )
        )
        (plan,) = placement(parallel=2).candidates(made, Wish(CPU))
        assert (plan.spec.slots, plan.spec.kv_cache_type, plan.spec.threads) == (4, "q8_0", 3)
        assert plan.keep_alive_s == math.inf
        assert plan.spec.lookup_tokens == 8

    def test_the_prompt_cache(self) -> None:
        """Told to the engine, counted, beside what was measured too; none beside adapters."""
        shape = Details(layers=4, kv_heads=4, head_size=64)
        made = model(details=shape)
        styled = replace(made, recipe=replace(made.recipe, adapters=("style.gguf",)))
        (with_,) = placement(prompt_cache_bytes=8 * MIB).candidates(made, Wish(CPU))
        (none,) = placement().candidates(made, Wish(CPU))
        (adapted,) = placement(prompt_cache_bytes=8 * MIB).candidates(styled, Wish(CPU))
        seen = {with_.calibration_key: 500 * MIB}
        (known,) = placement(prompt_cache_bytes=8 * MIB, measured=seen).candidates(made, Wish(CPU))

        assert (with_.spec.prompt_cache_bytes, none.spec.prompt_cache_bytes) == (8 * MIB, 0)
        assert with_.need.ram_bytes - none.need.ram_bytes == 8 * MIB
        assert "8 MB prompt cache" in with_.total
        assert adapted.spec.prompt_cache_bytes == 0
        assert known.need.ram_bytes == 508 * MIB

    @pytest.mark.parametrize(
        ("setting", "own", "mask", "expected"),
        [
            (0, "", 0xF0, (0, 0xF0)),
            (0, "PARAMETER num_thread 8\n", 0xF0, (8, 0)),
            (6, "", 0xF0, (6, 0)),
            (0, "", 1 << 70, (0, 0)),
        ],
    )
    def test_the_cpu_engine_gets_the_fast_cores(
        self, setting: int, own: str, mask: int, expected: tuple[int, int]
    ) -> None:
        """Unless somebody says how many threads; a mask no load can carry is left out."""
        recipe = parse("FROM x.gguf\n" + own).recipe()
        it = placement(threads=setting, cpu_mask=mask)
        (made,) = it.candidates(replace(model(), recipe=recipe), Wish())

        assert (made.spec.threads, made.spec.cpu_mask) == expected

    @pytest.mark.parametrize(
        ("text", "keep_s"), [("-1", math.inf), ("forever", math.inf), ("0", 0.0), ("2m", 120.0)]
    )
    def test_what_a_modelfile_says_takes_effect(self, text: str, keep_s: float) -> None:
        """`PARAMETER keep_alive` and `PARAMETER backend`, from the file to the plan."""
        asked = parse(f"FROM x\nPARAMETER keep_alive {text}\nPARAMETER backend cpu").recipe()
        made = model(rkllm=MIB, parameters=asked.parameters)
        (plan,) = placement(LIBRARY, backend=NPU).candidates(made, Wish())

        assert (plan.backend, plan.keep_alive_s) == (BackendKind.CPU, keep_s)

    def test_memory_is_weights_cache_and_the_rest(self) -> None:
        """Until it was measured."""
        details = Details(layers=2, kv_heads=2, head_size=64)
        made = model(gguf=MIB, rkllm=5 * GIB, details=details)
        npu, cpu = placement(LIBRARY).candidates(made, Wish())
        cache = 2 * 2 * 2 * 64 * 2 * 4096
        assert cpu.need.ram_bytes == MIB + cache + CPU_OVERHEAD_BYTES
        assert npu.need.ram_bytes == 5 * GIB + cache + NPU_OVERHEAD_BYTES
        assert npu.need.npu_bytes == 5 * GIB + cache
        assert npu.need.domains == 2
        assert not cpu.measured
        assert cpu.total == "1 MB weights + 4 MB cache of 4096 tokens + 134 MB besides"

    def test_measured_memory_corrects_the_estimate(self) -> None:
        """Both ways on the CPU; upwards only on the NPU, whose buffers a process does not show."""
        made = model(gguf=MIB, rkllm=GIB)
        npu, cpu = placement(LIBRARY).candidates(made, Wish())
        seen = {cpu.calibration_key: 3 * MIB, npu.calibration_key: 5 * MIB}
        npu2, cpu2 = placement(LIBRARY, measured=seen).candidates(made, Wish())
        assert cpu2.need.ram_bytes == 3 * MIB
        assert cpu2.measured
        assert cpu2.total == ""
        assert npu2.need.ram_bytes == npu.need.ram_bytes
        assert not npu2.measured

    def test_another_context_is_another_measurement(self) -> None:
        """Keys tell model, context and runtime apart."""
        it = placement(LIBRARY, NEWER)
        wishes = (Wish(), Wish(context_tokens=512))
        keys = {one.calibration_key for wish in wishes for one in it.candidates(model(), wish)}
        assert len(keys) == 2

    def test_seen_as_thought_is_measured(self) -> None:
        """From the very byte on; then there is no sum to tell."""
        made = model(gguf=0, rkllm=GIB)
        (npu,) = placement(LIBRARY).candidates(made, Wish())
        seen = {npu.calibration_key: npu.need.ram_bytes}
        (again,) = placement(LIBRARY, measured=seen).candidates(made, Wish())
        assert (again.measured, again.total) == (True, "")
        assert npu.total != ""

    def test_several_slots_are_several_caches(self) -> None:
        """The words say so."""
        made = model(parameters=(("num_parallel", 2),))
        (cpu,) = placement().candidates(made, Wish(CPU))
        assert "cache of 8192 tokens" in cpu.total

    def test_what_the_worker_is_told(self) -> None:
        """Embedding is always on; the exact context, the batch and a single slot as asked for."""
        made = model(rkllm=MIB, parameters=(("num_batch", 256), ("num_parallel", 1)))
        npu, cpu = placement(LIBRARY, parallel=4).candidates(made, Wish(context_tokens=512))
        assert (npu.spec.embeddings, cpu.spec.embeddings) == (True, True)
        assert (npu.exact_context, cpu.exact_context) == (True, True)
        assert (cpu.spec.batch_tokens, cpu.spec.slots) == (256, 1)
        npu, cpu = placement(LIBRARY).candidates(model(rkllm=MIB), Wish())
        assert (npu.exact_context, cpu.exact_context) == (False, False)
        assert cpu.spec.batch_tokens == 0

    def test_a_context_as_large_as_it_may_be_is_no_cut(self) -> None:
        """Nothing is warned of."""
        made = model(details=Details(context_tokens=2048))
        (plan,) = placement().candidates(made, Wish(CPU, context_tokens=2048))
        assert (plan.spec.context_tokens, plan.warnings) == (2048, ())

    def test_an_unknown_backend_is_as_none(self) -> None:
        """The daemon's setting holds."""
        made = model(rkllm=MIB, parameters=(("backend", "gpu"),))
        assert placement(LIBRARY, backend=NPU).candidates(made, Wish())[0].choice is NPU

    def test_the_first_mask_that_no_load_can_carry(self) -> None:
        """2^63 is one too many."""
        (plan,) = placement(cpu_mask=1 << 63).candidates(model(), Wish(CPU))
        assert plan.spec.cpu_mask == 0

    def test_what_a_modelfile_says_of_sampling_and_adapters(self) -> None:
        """Old NPU runtimes fix sampling when they load; adapters are loaded with the weights."""
        made = model(rkllm=MIB, parameters=(("temperature", 0.5),))
        made = replace(made, recipe=replace(made.recipe, adapters=("lora.gguf",)))
        npu, _ = placement(LIBRARY).candidates(made, Wish())
        assert npu.spec.sampling is not None
        assert npu.spec.sampling.temperature == 0.5
        assert npu.spec.adapters == (("lora", "/models/alpha/lora.gguf", 1.0),)


class TestPictures:
    """Where they are seen, and what that takes."""

    PROJECTOR = WeightsFile(Path("/models/alpha/mmproj.gguf"), Format.GGUF, 30 * MIB, 0)

    def test_a_request_with_pictures_goes_where_they_are_seen(self) -> None:
        """The CPU, with the reason; text goes to the NPU as before; asked for there, it refuses."""
        both = replace(model(rkllm=MIB), projector=self.PROJECTOR)
        it = placement(LIBRARY)

        (plan,) = it.candidates(both, Wish(pictures=True))
        assert plan.backend is BackendKind.CPU
        assert plan.reason.endswith("its runtime cannot do pictures")
        assert it.candidates(both, Wish())[0].backend is BackendKind.NPU
        with pytest.raises(PreconditionError) as error:
            it.candidates(both, Wish(NPU, pictures=True))
        assert error.value.reason is Reason.CAPABILITY_UNSUPPORTED
        assert error.value.metadata["capability"] == "vision"

    def test_the_projector_is_loaded_and_counted(self) -> None:
        """With its cap of tokens; a measurement without it is not taken for one with it."""
        plain, seeing = model(), replace(model(), projector=self.PROJECTOR)
        it = placement(image_tokens=77)
        (without,), (plan,) = it.candidates(plain, Wish()), it.candidates(seeing, Wish())

        assert (plan.spec.projector, plan.spec.image_tokens) == ("/models/alpha/mmproj.gguf", 77)
        assert (without.spec.projector, without.spec.image_tokens) == ("", 0)
        more = plan.need.ram_bytes - without.need.ram_bytes
        assert more == 30 * MIB + SIGHT_OVERHEAD_BYTES
        assert plan.calibration_key != without.calibration_key


class TestEncoder:
    """An encoder beside the .rkllm: seen on the NPU, counted, and placed apart."""

    ENCODER = WeightsFile(Path("/models/alpha/vision.rknn"), Format.RKLLM, 900 * MIB, 0)

    def test_pictures_go_to_the_npu_where_it_sees(self) -> None:
        """With what the worker needs; a GGUF that sees nothing is no fallback for them."""
        both = replace(model(rkllm=MIB), encoder=self.ENCODER)
        parameters = (("img_start", "<a>"), ("img_end", "<b>"), ("img_content", "<c>"))
        tagged = replace(both, recipe=Recipe(parameters=parameters))
        it = placement(LIBRARY, rknn_library="/lib/librknnrt.so", rknn_cores=7)

        (plan,) = it.candidates(tagged, Wish(pictures=True))
        assert plan.spec.vision == VisionEncoder(
            "/models/alpha/vision.rknn", "/lib/librknnrt.so", 7, ("<a>", "<b>", "<c>")
        )
        assert len(it.candidates(both, Wish())) == 2

    def test_without_the_library_it_is_blind_there(self) -> None:
        """And says why."""
        seeing = replace(model(gguf=0, rkllm=MIB), encoder=self.ENCODER)
        it = placement(LIBRARY)

        assert "librknnrt.so" in it.candidates(seeing, Wish())[0].spec.blind_because
        with pytest.raises(PreconditionError) as error:
            it.candidates(seeing, Wish(pictures=True))
        assert error.value.metadata["capability"] == "vision"

    def test_the_encoder_counts_and_lies_in_the_first_domain(self) -> None:
        """Its model in another, and no other model beside it."""
        seeing = replace(model(gguf=0, rkllm=MIB), encoder=self.ENCODER)
        it = placement(LIBRARY, rknn_library="/lib/librknnrt.so")
        need = it.candidates(seeing, Wish())[0].need
        plain = it.candidates(model(gguf=0, rkllm=MIB), Wish())[0].need
        board = Capacity(64 * GIB)

        assert need.ram_bytes - plain.ram_bytes == need.encoder_bytes == 900 * MIB
        assert need.npu_bytes == plain.npu_bytes
        assert find_domain(need, (), board) == 1
        assert find_domain(plain, (), board) == 0
        assert find_domain(plain, (Held(need, 1),), board) == 2
        assert find_domain(need, (Held(plain, 0),), board) is None
        assert find_domain(need, (Held(need, 1),), board) == 2
        full = tuple(Held(need, at) for at in range(1, 5))
        assert find_domain(need, full, board) is None
        old = replace(need, first_domain_only=True)
        assert find_domain(old, (), board) == 0
