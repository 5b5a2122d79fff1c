"""The table of equivalents follows from the tables of parameters, and the page shows it."""

from __future__ import annotations

from rkd.inference import Sampling
from rkd.modelfile.dialects import OLLAMAS, OTHERS, RKLLAMAS, rows
from rkd.modelfile.env import KNOWN_KEYS
from rkd.modelfile.parameters import PARAMETERS, Effect
from rkd.modelfile.sampling import SAMPLING
from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2 as types
from tests.unit.modelfile.test_docs import rows_of


def test_the_page_has_every_row() -> None:
    """As the code makes them."""
    assert rows_of("sampling.md", "What others call them") == rows()


def test_every_field_of_sampling_has_a_row() -> None:
    """And every row a field of a request, or a parameter of a Modelfile."""
    asked = {
        name
        for message in (
            types.SamplingOptions,
            types.InferenceOptions,
            pb.GenerateRequest,
            pb.ChatRequest,
        )
        for name in message.DESCRIPTOR.fields_by_name
    }
    named = [row[0] for row in rows() if row[0]]

    assert len(named) == len(set(named))
    assert set(named) <= asked
    assert set(types.SamplingOptions.DESCRIPTOR.fields_by_name) <= set(named)
    assert set(Sampling.__dataclass_fields__) - {"of_model"} <= set(named)


def test_every_parameter_of_a_modelfile_has_a_row() -> None:
    """Those of a request and of a load, once."""
    listed = [row[1] for row in rows() if row[1] and not row[1].isupper()]
    heeded = {key for key, one in PARAMETERS.items() if one.effect in {Effect.REQUEST, Effect.LOAD}}

    assert len(listed) == len(set(listed))
    assert set(listed) == heeded


def test_names_of_others_are_names() -> None:
    """Ollama's keys are keys of ours, rkllama's are read."""
    assert set(PARAMETERS) >= OLLAMAS
    assert RKLLAMAS | {row.rkllama for row in OTHERS if row.rkllama} <= KNOWN_KEYS
    assert {row.env_key for row in SAMPLING} >= RKLLAMAS
