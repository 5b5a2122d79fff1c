"""What is told of a model's ways before anybody loads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rkd.board.facts import RuntimeLibrary
from rkd.errors import PreconditionError, Reason
from rkd.model import BackendChoice, BackendKind, Details, Format, Model, WeightsFile
from rkd.pool.deciding.budget import GIB, MIB, NPU_DOMAIN_BYTES, Capacity, Held, Need, find_domain
from rkd.pool.deciding.placement import Placement, Wish
from rkd.pool.deciding.runtimes import Came, Pairing
from rkd.pool.deciding.settings import PoolSettings
from rkd.pool.deciding.state import Phase, Residence
from rkd.weights.estimate import CPU_OVERHEAD_BYTES
from rkd.words import size
from tests.unit.pool.fakes import model

LIBRARY = RuntimeLibrary(Path("/lib/rkllm.so"), "1.2.3")
NEWER = RuntimeLibrary(Path("/lib/newer.so"), "1.3.0")
NO_NPU = PreconditionError(Reason.PLATFORM_MISMATCH, "no such NPU", remedy="Use the CPU.")
BOTH, NPU_ALONE = model(rkllm=MIB), model(gguf=0, rkllm=MIB)
CPU_ALONE, NOTHING = model(), model(gguf=0)


def placement(
    *libraries: RuntimeLibrary,
    obstacle: PreconditionError | None = None,
    garbage: tuple[RuntimeLibrary, ...] = (),
    **fields: object,
) -> Placement:
    """A placement with these libraries, some of which answered with garbage."""

    def remembered(_fingerprint: str, library: RuntimeLibrary) -> Pairing | None:
        if library not in garbage:
            return None
        return Pairing(library.version, Came.GARBAGE, detail="& 8 times")

    settings = PoolSettings(libraries=libraries, **fields)  # type: ignore[arg-type]
    return Placement(settings, obstacle, lambda _key: None, remembered)


def known(made: Model) -> Model:
    """The model with weights whose fingerprint was taken."""
    weights = tuple(replace(one, fingerprint="f") for one in made.weights)
    return replace(made, weights=weights)


class TestProspects:
    """How each backend would load it, and what keeps it."""

    def test_both_ways_are_open(self) -> None:
        """With what each would be told to load; the Modelfile's choice hides neither."""
        for asked in (BOTH, model(rkllm=MIB, parameters=(("backend", "cpu"),))):
            npu, cpu = placement(LIBRARY).prospects(asked)

            assert (npu.backend, npu.obstacle) == (BackendKind.NPU, None)
            assert npu.load is not None
            assert npu.load.runtime_library == str(LIBRARY.path)
            assert (cpu.backend, cpu.obstacle) == (BackendKind.CPU, None)
            assert cpu.load is not None
            assert cpu.load.weights.endswith(".gguf")

    def test_one_is_where_it_runs_unless_asked_otherwise(self) -> None:
        """By the board, the Modelfile and the daemon's settings; none where nothing can be."""
        on_cpu = model(rkllm=MIB, parameters=(("backend", "cpu"),))
        first = [
            [one.backend for one in place.prospects(asked) if one.first]
            for place, asked in (
                (placement(LIBRARY), BOTH),
                (placement(LIBRARY), on_cpu),
                (placement(LIBRARY, backend=BackendChoice.CPU), BOTH),
                (placement(), BOTH),
                (placement(LIBRARY, garbage=(LIBRARY,)), known(BOTH)),
                (placement(), NPU_ALONE),
                (placement(LIBRARY), NOTHING),
            )
        ]

        assert first == [
            [BackendKind.NPU],
            *([[BackendKind.CPU]] * 4),
            *([[]] * 2),
        ]

    def test_without_a_library_it_names_none(self) -> None:
        """What would be loaded is known all the same; why it is not stands beside."""
        npu, cpu = placement().prospects(BOTH)

        assert npu.load is not None
        assert npu.load.runtime_library == "."
        assert npu.obstacle is not None
        assert "no librkllmrt.so" in npu.obstacle.message
        assert cpu.obstacle is None

    @pytest.mark.parametrize(
        ("made", "npu", "cpu"),
        [
            (CPU_ALONE, Reason.NPU_UNAVAILABLE, None),
            (NPU_ALONE, None, Reason.CAPABILITY_UNSUPPORTED),
            (NOTHING, Reason.MODEL_INCOMPLETE, Reason.MODEL_INCOMPLETE),
        ],
    )
    def test_what_no_weights_allow(
        self, made: Model, npu: Reason | None, cpu: Reason | None
    ) -> None:
        """No load, and the reason."""
        told = placement(LIBRARY).prospects(made)

        for prospect, reason in zip(told, (npu, cpu), strict=True):
            said = prospect.obstacle.reason if prospect.obstacle else None
            assert said is reason
            assert (prospect.load is None) is (reason is not None)


class TestVocabularies:
    """Of which files its tokens can be read."""

    @pytest.mark.parametrize(
        ("made", "choice", "expected"),
        [
            (BOTH, None, ["npu", "cpu"]),
            (BOTH, BackendChoice.NPU, ["npu"]),
            (BOTH, BackendChoice.CPU, ["cpu"]),
            (NPU_ALONE, None, ["npu"]),
            (CPU_ALONE, None, ["cpu"]),
        ],
    )
    def test_no_board_is_needed(
        self, made: Model, choice: BackendChoice | None, expected: list[str]
    ) -> None:
        """The files lie beside the weights; best first."""
        found = placement(obstacle=NO_NPU).vocabularies(made, Wish(choice))

        assert [str(one.backend) for one in found] == expected
        assert all(one.vocabulary_only and one.tokenizer_folder for one in found)

    @pytest.mark.parametrize(
        ("made", "choice", "reason"),
        [
            (CPU_ALONE, BackendChoice.NPU, Reason.NPU_UNAVAILABLE),
            (NPU_ALONE, BackendChoice.CPU, Reason.CAPABILITY_UNSUPPORTED),
            (NOTHING, None, Reason.MODEL_INCOMPLETE),
            (NOTHING, BackendChoice.CPU, Reason.MODEL_INCOMPLETE),
        ],
    )
    def test_what_is_not_there_is_said(
        self, made: Model, choice: BackendChoice | None, reason: Reason
    ) -> None:
        """As a load would say it."""
        with pytest.raises(PreconditionError) as caught:
            placement(LIBRARY).vocabularies(made, Wish(choice))

        assert caught.value.reason is reason


class TestLibraries:
    """What stands between a model and the libraries of the board."""

    def test_each_is_told(self) -> None:
        """Which is next, and what is remembered of the others; none without weights for it."""
        made = known(replace(BOTH, recipe=replace(BOTH.recipe, parameters=())))
        it = placement(LIBRARY, NEWER, garbage=(NEWER,))
        told = {one.library.version: one for one in it.libraries(made)}

        assert {version: one.chosen for version, one in told.items()} == {
            "1.2.3": True,
            "1.3.0": False,
        }
        assert told["1.3.0"].came is Came.GARBAGE
        assert it.libraries(CPU_ALONE) == it.ways(CPU_ALONE) == ()

    def test_the_modelfiles_version_is_said(self) -> None:
        """The one it names, and that the others are not it."""
        made = known(model(rkllm=MIB, parameters=(("rkllm_version", "1.2"),)))
        told = placement(LIBRARY, NEWER).libraries(made)

        assert [one.detail for one in told] == [
            "the Modelfile asks for it",
            "the Modelfile asks for 1.2",
        ]

    def test_where_none_will_do_the_cpu_serves_and_says_why(self) -> None:
        """Unless there is no GGUF, or the NPU was asked for: then the best of them is tried."""
        it = placement(LIBRARY, garbage=(LIBRARY,))
        (plan,) = it.candidates(known(BOTH), Wish())
        (alone,) = it.candidates(known(NPU_ALONE), Wish())
        (asked,) = it.candidates(known(BOTH), Wish(BackendChoice.NPU))
        first, second = placement(LIBRARY).candidates(known(BOTH), Wish())

        assert plan.backend is BackendKind.CPU
        assert (
            "no RKLLM library here gets on with its file: 1.2.3 garbage (& 8 times)" in plan.reason
        )
        assert (alone.backend, asked.backend) == (BackendKind.NPU, BackendKind.NPU)
        assert alone.warnings == ("what RKLLM 1.2.3 answers with this file is no text",)
        assert (first.backend, first.warnings) == (BackendKind.NPU, ())
        assert (second.backend, second.reason) == (BackendKind.CPU, "")


def test_a_llama_server_that_computes_on_the_npu_takes_its_first_domain() -> None:
    """All its weights, one slot, and the lease of the NPU."""
    given = {"npu_lease_path": "/run/npu", "parallel": 4, "llama_server": "/bin/x"}
    (plain,) = placement(**given).candidates(CPU_ALONE, Wish())
    (none,) = placement(llama_device="none", **given).candidates(CPU_ALONE, Wish())
    (plan,) = placement(llama_device="RKNPU", **given).candidates(CPU_ALONE, Wish())

    for cpu in (plain, none):
        assert (cpu.need.npu_bytes, cpu.need.first_domain_only, cpu.spec.slots) == (0, False, 4)
        assert cpu.spec.npu_lease_path == ""
    assert plan.need.npu_bytes == 100 * MIB
    assert (plan.need.first_domain_only, plan.spec.slots) == (True, 1)
    assert (plan.spec.npu_lease_path, plan.spec.llama_device) == ("/run/npu", "RKNPU")


def test_an_encoder_without_its_library_takes_nothing() -> None:
    """It is not loaded."""
    encoder = WeightsFile(Path("/models/alpha/v.rknn"), Format.RKLLM, 900 * MIB, 0)
    seeing = replace(NPU_ALONE, encoder=encoder)
    blind = placement(LIBRARY).candidates(seeing, Wish())[0].need
    sees = placement(LIBRARY, rknn_library="/l.so").candidates(seeing, Wish())[0].need

    assert (blind.encoder_bytes, sees.encoder_bytes) == (0, 900 * MIB)


@pytest.mark.parametrize(
    ("name", "came", "heard"),
    [
        ("m.rkllm", None, 8),
        ("m.rkllm", Came.SERVED, 0),
        ("m-embed.rkllm", None, 0),
        ("m-embed.rkllm", Came.SERVED, 0),
    ],
)
def test_a_first_answer_is_heard_of_what_can_speak(
    name: str, came: Came | None, heard: int
) -> None:
    """Once for a file and a library; an embedder has none."""
    weights = WeightsFile(Path("/models") / name, Format.RKLLM, MIB, 0, fingerprint="f")
    made = replace(NPU_ALONE, weights=(weights,))
    settings = PoolSettings(libraries=(LIBRARY,), first_answer=8)
    it = Placement(
        settings, None, lambda _: None, lambda *_: Pairing("1.2.3", came) if came else None
    )

    assert it.candidates(made, Wish())[0].spec.first_answer == heard


def test_the_sum_in_words_counts_what_sees() -> None:
    """Beside the engine's own; what nobody set is nothing."""
    projector = WeightsFile(Path("/models/alpha/mmproj.gguf"), Format.GGUF, GIB, 0)
    (plain,) = placement().candidates(CPU_ALONE, Wish())
    (sees,) = placement().candidates(replace(CPU_ALONE, projector=projector), Wish())
    rest_bytes = sees.need.ram_bytes - plain.need.ram_bytes + CPU_OVERHEAD_BYTES

    assert sees.total.endswith(f" + {size(rest_bytes)} besides")
    assert (plain.spec.batch_tokens, plain.spec.lookup_tokens, plain.spec.cpu_mask) == (0, 0, 0)
    (given,) = placement(threads=2, cpu_mask=0xF0).candidates(CPU_ALONE, Wish())
    assert (given.spec.threads, given.spec.cpu_mask) == (2, 0)


@pytest.mark.parametrize(
    ("first", "now", "used"),
    [(0, 0, 0), (0, 9 * MIB, 0), (5 * MIB, 9 * MIB, 4 * MIB), (MIB, GIB, 8 * MIB), (9, 5, 0)],
)
def test_what_a_worker_grew_by_is_its_prompt_cache(first: int, now: int, used: int) -> None:
    """Within its room; nothing before its first answer."""
    (load,) = placement(prompt_cache_bytes=8 * MIB).candidates(
        model(details=Details(layers=4, kv_heads=4, head_size=64)), Wish()
    )
    resident = Residence(1, load, -1, Phase.READY, 300.0, 0.0, now_bytes=now, first_bytes=first)

    assert resident.prompt_cache_used_bytes == used


def test_who_computes_on_the_npu() -> None:
    """Rockchip's runtime, whatever it takes, and a llama-server that can, from one byte on."""
    (npu,) = placement(LIBRARY).candidates(NPU_ALONE, Wish())
    (cpu,) = placement().candidates(CPU_ALONE, Wish())
    told = [
        Residence(1, replace(load, need=Need(1, taken)), 0, Phase.READY, 300.0, 0.0).on_npu
        for load in (npu, cpu)
        for taken in (0, 1)
    ]

    assert told == [True, True, False, True]


def test_encoders_may_fill_the_first_domain() -> None:
    """To its last byte, and not beyond."""
    board = Capacity(64 * GIB)
    held = (Held(Need(1, GIB, encoder_bytes=NPU_DOMAIN_BYTES - MIB), 1),)

    assert find_domain(Need(1, GIB, encoder_bytes=MIB), held, board) == 2
    assert find_domain(Need(1, GIB, encoder_bytes=MIB + 1), held, board) is None
