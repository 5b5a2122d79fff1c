"""What a pull is asked for, written down and read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from rkd.errors import InvalidInputError
from rkd.hub.reference import Reference
from rkd.operations.operation import OperationKind, OperationState
from rkd.operations.pull_order import PullOrder, start_pull
from rkd.operations.stages import stage_of, stages_in_use
from tests.unit.operations.transfers import operation


class FakeOperations:
    """What is started is the answer."""

    async def start(self, kind: OperationKind, **facts: Any) -> Any:
        """Say what was to be started."""
        return kind, facts


def order(source: str = "Org/Tiny:Q4_K_M", **more: Any) -> PullOrder:
    """An order for *source*."""
    return PullOrder.of(source, endpoint="", **({"replace": False} | more))


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("name", ["", "Mine"])
def test_it_is_read_back_as_it_was_written(name: str, *, replace: bool) -> None:
    """With everything it says."""
    written = order(name=name, revision="dev", replace=replace)

    assert written == PullOrder(Reference("Org/Tiny", "Q4_K_M", "dev"), name, replace)
    assert PullOrder.restored(written.request()) == written


@pytest.mark.parametrize(
    "damaged", [{"name": "a b"}, {"repository": "/etc/passwd"}, {"replace": None}]
)
def test_a_damaged_record_is_refused(damaged: Mapping[str, str | None]) -> None:
    """A forged name or repository, or a field that is gone."""
    request = order(name="x").request() | damaged
    kept = {key: value for key, value in request.items() if value is not None}

    with pytest.raises(InvalidInputError):
        PullOrder.restored(kept)


def test_a_name_that_is_none_is_refused() -> None:
    """Before anything is written down."""
    with pytest.raises(InvalidInputError):
        order(name="a b")


def test_the_key_tells_downloads_apart_and_ignores_case() -> None:
    """Repository, selection, revision and name; not whether something may go."""
    same = {order(one).key for one in ("org/tiny:q4_k_m", "Org/Tiny:Q4_K_M")}
    others = {
        order(replace=True).key,
        order("org/tiny").key,
        order(revision="dev").key,
        order(name="X").key,
        order(name="y").key,
    }

    assert same == {"org/tiny:q4_k_m@main->"}
    assert others == {
        "org/tiny:q4_k_m@main->",
        "org/tiny@main->",
        "org/tiny:q4_k_m@dev->",
        "org/tiny:q4_k_m@main->x",
        "org/tiny:q4_k_m@main->y",
    }


@pytest.mark.parametrize(("name", "subject"), [("", "Org/Tiny:Q4_K_M"), ("mine", "mine")])
async def test_it_is_started_about_its_name_or_its_source(name: str, subject: str) -> None:
    """Under its key, with all it needs after a restart."""
    given = order(name=name)
    started = await start_pull(FakeOperations(), given)  # type: ignore[arg-type]

    assert started == (
        OperationKind.PULL,
        {"key": given.key, "subject": subject, "request": given.request()},
    )


def test_stages_of_what_can_go_on_are_kept() -> None:
    """Also of a failed pull, which may be resumed; not of what ended well, nor of other kinds."""
    pulls = {
        state: operation(OperationKind.PULL, {}, key=f"key {state}", state=state)
        for state in OperationState
    }
    create = operation(OperationKind.CREATE, {}, key="create")
    kept = stages_in_use((*pulls.values(), create))
    going_on = set(OperationState) - {OperationState.SUCCEEDED, OperationState.CANCELLED}

    assert kept == {stage_of(pulls[state]) for state in going_on}
    assert len(kept) == 4
    assert {len(one) for one in kept} == {len("pull-") + 16}
