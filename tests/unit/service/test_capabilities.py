"""What a model can do, told per backend from its files, judged once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rkd.capability.table import ROWS, abilities
from rkd.capability.traits import Traits, traits_of
from rkd.errors import PreconditionError, Reason
from rkd.inference import LoadSpec
from rkd.model import BackendChoice, BackendKind, ModelState
from rkd.pool.deciding.placement import Wish
from rkd.pool.deciding.prospect import Prospect
from rkd.service.capabilities import MOST_REMEMBERED, Capabilities, Judged, judge, words
from rkd.v1 import types_pb2 as pb
from tests.models import tiny
from tests.unit.pool.fakes import model

NPU = LoadSpec(BackendKind.NPU, "m.rkllm")


class Counted:
    """Judges at once and counts."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, call: object, load: LoadSpec) -> Judged:
        """As a thread would."""
        assert call is judge
        self.times += 1
        return judge(load)


async def test_the_message_says_what_the_table_says(tmp_path: Path) -> None:
    """Each row in its field, parameters of sampling by name."""
    load = LoadSpec(BackendKind.CPU, str(tiny.write(tmp_path / "t.gguf")), embeddings=True)
    message = (await Capabilities(lambda _model: ()).of(load, "1")).message
    expected = abilities(traits_of(load)[0])

    for row in ROWS:
        said = message.sampling[row.name] if row.sampling else getattr(message, row.name)
        ability = expected[row.name]
        assert (said.supported, said.reason, said.remedy, dict(said.details)) == (
            ability.supported,
            ability.reason,
            ability.remedy,
            ability.details,
        )
    assert (message.backend, message.available, message.runtime) == (
        pb.BACKEND_CPU,
        True,
        "llama.cpp",
    )


async def test_files_are_read_once_a_version() -> None:
    """Another context is the same model; another version is read anew, and old ones forgotten."""
    counted = Counted()
    capabilities = Capabilities(lambda _model: (), counted)
    await capabilities.of(NPU, "1")
    await capabilities.of(replace(NPU, context_tokens=64), "1")
    assert counted.times == 1
    for version in range(2, MOST_REMEMBERED + 2):
        await capabilities.of(NPU, str(version))
    await capabilities.of(NPU, "1")
    assert counted.times == MOST_REMEMBERED + 2


async def test_each_backend_says_what_is_in_its_way() -> None:
    """One without weights says only that; one that cannot be loaded now is judged all the same."""
    away = PreconditionError(Reason.NPU_UNAVAILABLE, "no driver", remedy="Install it.")
    none = PreconditionError(Reason.CAPABILITY_UNSUPPORTED, "no GGUF", remedy="Pull it.")
    prospects = (Prospect(BackendKind.NPU, NPU, away), Prospect(BackendKind.CPU, None, none))
    npu, cpu = await Capabilities(lambda _model: prospects, Counted()).everywhere(model())

    assert (npu.available, npu.reason, npu.remedy) == (False, "no driver", "Install it.")
    assert npu.generate.supported
    assert (cpu.available, cpu.reason, cpu.remedy) == (False, "no GGUF", "Pull it.")
    assert not cpu.HasField("generate")


async def test_a_model_that_cannot_be_used_is_available_nowhere() -> None:
    """Whatever its weights; the reason is the library's."""
    broken = replace(model(), state=ModelState.NEEDS_MODELFILE, reason="it has no Modelfile")
    judged = Capabilities(lambda _model: (Prospect(BackendKind.NPU, NPU),), Counted())
    (npu,) = await judged.everywhere(broken)

    assert (npu.available, npu.reason) == (False, "it has no Modelfile")


@pytest.mark.parametrize(
    ("npu_lacks", "cpu_lacks", "beyond"),
    [
        ((), (), ()),
        (("history", "vision"), (), ("history",)),
        (("history",), ("history",), ()),
        ((), ("rerank",), ()),
    ],
)
async def test_only_what_the_cpu_alone_can_do_goes_past_the_npu(
    npu_lacks: tuple[str, ...], cpu_lacks: tuple[str, ...], beyond: tuple[str, ...]
) -> None:
    """And only where both could be loaded."""
    cpu = Prospect(BackendKind.CPU, LoadSpec(BackendKind.CPU, "m.gguf"))
    away = PreconditionError(Reason.NPU_UNAVAILABLE, "no driver")

    def lacks(traits: Traits) -> tuple[str, ...]:
        return npu_lacks if traits.on_npu else cpu_lacks

    for npu, expected in (
        (Prospect(BackendKind.NPU, NPU), beyond),
        (Prospect(BackendKind.NPU, NPU, away), ()),
        (Prospect(BackendKind.NPU), ()),
    ):
        both = (npu, cpu)
        capabilities = Capabilities(lambda _model, both=both: both, Counted())
        both_ways = model(rkllm=1)
        assert (await capabilities.placed(both_ways, Wish(), lacks)).beyond_npu == expected
        asked = Wish(BackendChoice.NPU)
        assert await capabilities.placed(both_ways, asked, lacks) == asked
        assert await capabilities.placed(model(), Wish(), lacks) == Wish()


YES = pb.Capability(supported=True)


@pytest.mark.parametrize(
    ("of_files", "told", "expected"),
    [
        (["completion", "tools"], [], ["completion", "tools"]),
        (["completion"], [pb.Capabilities(reason="no weights")], ["completion"]),
        (
            ["completion", "chat", "tools"],
            [pb.Capabilities(generate=YES, chat=YES), pb.Capabilities(generate=YES, fim=YES)],
            ["completion", "chat", "insert"],
        ),
        (
            ["completion"],
            [
                pb.Capabilities(
                    generate=YES, chat=pb.Capability(supported=True, details={"template": "none"})
                )
            ],
            ["completion"],
        ),
        (["embedding"], [pb.Capabilities(generate=YES, embed=YES)], ["embedding"]),
        (["embedding"], [pb.Capabilities(generate=pb.Capability(), rerank=YES)], ["rerank"]),
    ],
)
def test_the_short_list_is_what_some_backend_supports(
    of_files: list[str], told: list[pb.Capabilities], expected: list[str]
) -> None:
    """Of the files alone only where nothing was judged."""
    assert words(of_files, told) == expected
