"""What is read of files and settings before anything is judged."""

from __future__ import annotations

from rkd.capability.judges import vision
from rkd.capability.traits import npu_traits
from rkd.inference import LoadSpec
from rkd.librkllmrt import Family
from rkd.model import BackendKind


def test_why_nothing_is_seen_on_the_npu_is_told_as_it_is() -> None:
    """A library that is missing, not a file that is there."""
    spec = LoadSpec(BackendKind.NPU, "/m.rkllm", blind_because="no librknnrt.so was found")

    assert vision(npu_traits(spec, Family.V1_3_0)).reason == "no librknnrt.so was found"
    plain = vision(npu_traits(LoadSpec(BackendKind.NPU, "/m.rkllm"), Family.V1_3_0))
    assert "no vision encoder" in plain.reason
