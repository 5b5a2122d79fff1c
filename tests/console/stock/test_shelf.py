"""The list of models: one page of it, filtered and sorted, however long it is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rkd_client.v1.pool import Resident
from rkd_client.v1.types import ModelSummary
from rkd_console.pages.stock.shelf import (
    PAGE,
    SORTINGS,
    ShelfRow,
    Sorting,
    Want,
    rows_of,
    shown,
    with_residents,
)

MANY = tuple(
    ShelfRow(
        ModelSummary(
            name=f"m{number:04}",
            state="ready",
            size_bytes=number,
            parameters=number * 7,
            modified=datetime.fromtimestamp(number, UTC) if number else None,
        )
    )
    for number in range(5_000)
)


def test_a_page_is_all_that_is_held() -> None:
    """Of five thousand models fifty rows."""
    page = shown(MANY, Want(page=2))

    assert [row.name for row in page.rows] == [f"m{n:04}" for n in range(2 * PAGE, 3 * PAGE)]
    assert (page.pages, page.matching, page.total) == (100, 5_000, 5_000)


@pytest.mark.parametrize("page", [-3, 10**9])
def test_a_page_that_is_not_there_is_the_nearest(page: int) -> None:
    """Models went while somebody looked at the last page."""
    assert shown(MANY, Want(page=page)).page in {0, 99}
    assert shown((), Want(page=page)).rows == ()


@pytest.mark.parametrize("sorting", SORTINGS)
def test_every_order_is_whole(sorting: Sorting) -> None:
    """The largest, newest first; names by their letters; nobody lost."""
    first = shown(MANY, Want(sorting=sorting)).rows[0].name

    assert first == ("m0000" if sorting == "name" else "m4999")


def test_words_are_looked_for_in_what_is_shown() -> None:
    """All of them, in any case."""
    model = ModelSummary(name="Qwen-x", architecture="qwen2", quantization="Q4_K_M")
    rows = (*MANY[:9], ShelfRow(model))

    assert [row.name for row in shown(rows, Want(words="q4_k QWEN")).rows] == ["Qwen-x"]
    assert shown(rows, Want(words="qwen m0001")).rows == ()
    assert shown(rows, Want(words="x" * 10_000_000)).rows == ()


def test_what_is_kept() -> None:
    """In memory, ready, to be mended."""
    models = [
        ModelSummary(name=state or "none", state=state)
        for state in ("ready", "needs_modelfile", "invalid", "incoming")
    ]
    rows = rows_of(models, [Resident(model="ready", state="loading"), Resident(model="gone")])

    assert [row.name for row in shown(rows, Want(kept="resident")).rows] == ["ready"]
    assert rows[0].state == "memory.loading"
    assert len(shown(rows, Want(kept="mend")).rows) == 2
    assert with_residents(rows, ())[0].state == "disk.ready"
