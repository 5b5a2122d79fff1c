"""Types the NPUs run."""

from __future__ import annotations

from rkd.weights import npu
from tests.unit.test_docs_tables import rows


def test_the_page_names_what_each_chip_runs() -> None:
    """docs/hub.md holds the table, the advised type first."""
    expected = [[f"`{chip}`", ", ".join(types)] for chip, types in npu.TYPES.items()]

    assert rows("hub.md", "npu-types") == expected


def test_the_advised_type_comes_first_and_the_unknown_is_not_refused() -> None:
    """What nobody knows anything of is the engine's to judge."""
    assert npu.rank("rk3588", "w8a8") == npu.rank("rk3576", "w4a16") == 0
    assert not npu.runs("rk3588", "w4a16")
    assert npu.runs("rk3599", "w2a2")
    assert npu.runs("rk3588", "")
