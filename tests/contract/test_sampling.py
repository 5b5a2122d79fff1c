"""Every documented value of every sampling parameter, on the engine of the wheel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.inference import LoadSpec, Run
from rkd.model import BackendKind, Recipe
from rkd.modelfile.sampling import SAMPLING, SamplingParameter, ValueKind
from rkd.service.options import read_options
from rkd.v1 import types_pb2 as pb
from rkd.worker.handle import Handle
from tests.models import tiny


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCppBackend]:
    """One with a tiny model."""
    folder = tmp_path_factory.mktemp("engine")
    made = LlamaCppBackend(lambda: None, folder)
    weights = tiny.write(folder / "tiny.gguf")
    spec = LoadSpec(BackendKind.CPU, str(weights), context_tokens=256, threads=1)
    made.load(spec, lambda _: None)
    yield made
    made.close()


def test_the_defaults_are_the_engines(engine: LlamaCppBackend) -> None:
    """What the table says is taken when nothing is said."""
    settings = engine._http.get("/props")["default_generation_settings"]["params"]

    for row in SAMPLING:
        if row.cpu is not None:
            assert settings[row.engine or row.name] == pytest.approx(row.cpu), row.name


@pytest.mark.parametrize("row", SAMPLING, ids=lambda row: str(row.name))
def test_what_is_documented_is_accepted(engine: LlamaCppBackend, row: SamplingParameter) -> None:
    """Both ends of the range and each value with a meaning of its own give an answer."""
    for value in (row.domain.low, row.domain.high, *row.means):
        number = int(value) if row.domain.kind is ValueKind.INT else value
        asked = pb.InferenceOptions(sampling=pb.SamplingOptions(max_tokens=4))
        setattr(asked.sampling, row.name, number)
        sampling = read_options(asked, Recipe()).sampling
        outcome = engine.run(Run(sampling, prompt="Hi"), Handle(), lambda _: None)

        assert outcome.usage.prompt_tokens > 0
