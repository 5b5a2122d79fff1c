"""One model, several libraries: what a request is given when the first of them will not do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rkd.board.facts import RuntimeLibrary
from rkd.errors import PreconditionError, Reason, RkdError, UnavailableError
from rkd.inference import FirstAnswer
from rkd.model import BackendKind
from rkd.pool.deciding.budget import GIB, Capacity
from rkd.pool.deciding.scheduler import Scheduler
from rkd.pool.deciding.state import (
    Actions,
    Announce,
    Grant,
    Launch,
    LoadFault,
    LoadPlan,
    Refuse,
)
from rkd.pool.deciding.table import Rules
from tests.unit.pool.fakes import at, loaded, plan, waiter

SEGV = UnavailableError(Reason.WORKER_CRASHED, "killed by SIGSEGV", metadata={"signal": "SIGSEGV"})
KILLED = UnavailableError(
    Reason.WORKER_CRASHED, "killed by SIGKILL", metadata={"signal": "SIGKILL"}
)
REFUSED = PreconditionError(Reason.LOAD_FAILED, "it refused the file", metadata={"cause": "x"})
WRONG_BOARD = PreconditionError(Reason.PLATFORM_MISMATCH, "made for another chip")
GARBAGE, SILENT, ANSWERED = FirstAnswer.GARBAGE, FirstAnswer.SILENT, FirstAnswer.ANSWERED


def npu(version: str, *, first: int = 0) -> LoadPlan:
    """The model on the NPU with that library."""
    library = RuntimeLibrary(Path(f"/lib/{version}.so"), version)
    made = plan(npu=GIB)
    spec = replace(made.spec, runtime_library=str(library.path), first_answer=first)
    return replace(made, spec=spec, library=library, fingerprint="f")


NEW, OLD, CPU = npu("1.3.1", first=8), npu("1.2.3", first=8), plan()


class Board:
    """A scheduler with room, and one model that is asked for."""

    def __init__(self) -> None:
        self.it = Scheduler(Capacity(8 * GIB), Rules(300.0, 64, 1, 0.0, 30.0))

    def ask(self, *plans: LoadPlan, ticket: int = 1) -> int:
        """Ask for it these ways; the generation that is launched."""
        return launched(self.it.on_request(waiter(ticket, *plans), at(0))).generation

    def hear(self, generation: int, first: FirstAnswer) -> Actions:
        """Its load ends, with that first answer."""
        ended = replace(loaded(), first_answer=first)
        return self.it.on_loaded(generation, ended, 0, at(1))

    def fail(self, generation: int, error: RkdError) -> Actions:
        """Its load fails."""
        died = error.reason is Reason.WORKER_CRASHED
        fault = LoadFault.CRASHED if died else LoadFault.REFUSED
        return self.it.on_load_failed(generation, error, fault, at(1))

    def gone(self, generation: int) -> Actions:
        """Its worker is gone; what is launched next."""
        return self.it.on_unloaded(generation, at(2))


def launched(actions: Actions) -> Launch:
    """The one launch in *actions*."""
    (launch,) = [one for one in actions if isinstance(one, Launch)]
    return launch


def plan_of(actions: Actions) -> LoadPlan:
    """The plan of the one launch in *actions*."""
    return launched(actions).plan


def refusal(actions: Actions) -> RkdError:
    """The one refusal in *actions*."""
    (refuse,) = [one for one in actions if isinstance(one, Refuse)]
    return refuse.error


def granted(actions: Actions) -> list[int]:
    """The tickets granted."""
    return [one.ticket for one in actions if isinstance(one, Grant)]


def failed(actions: Actions) -> list[str]:
    """What is announced as failed."""
    return [
        dict(one.detail)["reason"]
        for one in actions
        if isinstance(one, Announce) and one.action == "failed"
    ]


@pytest.mark.parametrize(
    ("heard", "plans", "next_way"),
    [
        (GARBAGE, (NEW, OLD), OLD.way),
        (GARBAGE, (NEW, CPU), CPU.way),
        (SILENT, (NEW, OLD), OLD.way),
    ],
)
def test_an_answer_that_is_none_gives_the_next_way(
    heard: FirstAnswer, plans: tuple[LoadPlan, ...], next_way: str
) -> None:
    """Garbage is worse than any other way; silence may be better with another library."""
    board = Board()
    generation = board.ask(*plans)
    actions = board.hear(generation, heard)
    after = plan_of((*actions, *board.gone(generation)))

    assert granted(actions) == []
    assert failed(actions) == ["LOAD_FAILED"]
    assert after.way == next_way


@pytest.mark.parametrize(
    ("heard", "plans"),
    [(ANSWERED, (NEW, OLD)), (SILENT, (NEW, CPU)), (SILENT, (NEW,)), (GARBAGE, (NEW,))],
)
def test_without_a_better_way_it_serves(heard: FirstAnswer, plans: tuple[LoadPlan, ...]) -> None:
    """An answer, a silence only the CPU might break, and garbage there is nothing besides."""
    board = Board()
    actions = board.hear(board.ask(*plans), heard)

    assert granted(actions) == [1]
    assert failed(actions) == []


def test_all_who_wait_need_another_way() -> None:
    """One that has this library alone is served, and so are the others; nobody waits: it stays."""
    alone, nobody = Board(), Board()
    generation = alone.ask(NEW, OLD)
    alone.it.on_request(waiter(2, NEW), at(0))
    served = alone.hear(generation, GARBAGE)
    left = nobody.ask(NEW, OLD)
    nobody.it.on_cancel(1, at(0))

    assert 1 in granted(served)
    assert failed(served) == []
    assert failed(nobody.hear(left, GARBAGE)) == []


def test_what_failed_before_is_told_with_the_answer_and_the_error() -> None:
    """Each library by its version, with why; the CPU says it as the reason it serves."""
    board = Board()
    first = board.ask(NEW, OLD, CPU)
    board.fail(first, REFUSED)
    second = launched(board.gone(first))
    board.fail(second.generation, REFUSED)
    third = plan_of(board.gone(second.generation))
    short = Board()
    generation = short.ask(NEW, OLD)
    short.fail(generation, REFUSED)
    last = short.fail(launched(short.gone(generation)).generation, REFUSED)

    sentence = "RKLLM 1.3.1 could not load it: it refused the file"
    assert second.plan.warnings == second.plan.tried == (sentence,)
    assert third.backend is BackendKind.CPU
    assert third.reason == "The NPU could not load it: it refused the file"
    assert refusal(last).message == f"it refused the file; before it: {sentence}"


def test_what_lies_at_the_board_is_tried_with_no_other_library() -> None:
    """No library mends another chip: the CPU is next at once."""
    board = Board()
    generation = board.ask(NEW, OLD, CPU)
    board.fail(generation, WRONG_BOARD)

    assert plan_of(board.gone(generation)).backend is BackendKind.CPU
    short = Board()
    assert refusal(short.fail(short.ask(NEW, OLD), WRONG_BOARD)).reason is Reason.PLATFORM_MISMATCH


def test_a_load_that_kills_its_worker_goes_another_way_once() -> None:
    """Two workers are enough: the third library is not tried by itself."""
    board = Board()
    first = board.ask(NEW, OLD, npu("1.1.4"))
    assert failed(board.fail(first, SEGV)) == ["WORKER_CRASHED"]
    second = launched(board.gone(first))
    assert second.plan.way == OLD.way
    board.fail(second.generation, SEGV)
    third = launched(board.gone(second.generation))
    last = board.fail(third.generation, SEGV)

    assert third.plan.library is not None
    assert refusal(last).reason is Reason.WORKER_CRASHED


def test_a_load_that_kills_its_worker_is_tried_again_unheard_where_there_is_no_other() -> None:
    """It may have been killed for memory; and if its first answer kills it, let it be its own."""
    board = Board()
    first = board.ask(NEW, CPU)
    assert failed(board.fail(first, SEGV)) == []
    again = launched(board.gone(first))
    last = board.fail(again.generation, SEGV)

    assert (again.plan.way, again.plan.spec.first_answer) == (NEW.way, 0)
    assert failed(last) == ["WORKER_CRASHED"]
    assert plan_of(board.gone(again.generation)).backend is BackendKind.CPU


def test_only_the_way_that_killed_is_loaded_unheard() -> None:
    """The other one is heard as before."""
    board = Board()
    cpu = replace(CPU, spec=replace(CPU.spec, first_answer=8))
    first = board.ask(NEW, cpu)
    board.fail(first, SEGV)
    again = launched(board.gone(first)).generation
    board.fail(again, SEGV)

    assert plan_of(board.gone(again)).spec.first_answer == 8


class TestDeathOfTheFirstAnswer:
    """A worker that dies before it has said anything to anybody."""

    def dies(self, board: Board, error: RkdError, *plans: LoadPlan, served: bool = False) -> bool:
        """Let a worker die at its first answer; whether the request has another library."""
        generation = board.ask(*plans)
        board.hear(generation, FirstAnswer.NOT_HEARD)
        if served:
            board.it.on_finished(1, at(1))
            board.it.on_request(waiter(2, *plans), at(1))
        board.it.on_worker_died(generation, error, at(2))
        return board.it.has_another_library(2 if served else 1)

    def test_the_request_goes_to_the_other_library(self) -> None:
        """With a word of what the first did."""
        board = Board()
        another = self.dies(board, SEGV, NEW, OLD)
        board.it.on_retry(1, at(3))
        after = plan_of(board.gone(1))

        assert another
        assert after.way == OLD.way
        assert after.tried == ("RKLLM 1.3.1 died of its first answer",)

    @pytest.mark.parametrize(
        ("error", "plans", "served"),
        [
            (KILLED, (NEW, OLD), False),
            (SEGV, (NEW, OLD), True),
            (SEGV, (NEW,), False),
            (SEGV, (NEW, CPU), False),
        ],
    )
    def test_else_it_is_given_the_same_again(
        self, error: RkdError, plans: tuple[LoadPlan, ...], *, served: bool
    ) -> None:
        """Killed for memory, after a good answer, or without another library."""
        board = Board()
        another = self.dies(board, error, *plans, served=served)
        board.it.on_retry(2 if served else 1, at(3))
        after = plan_of(board.gone(1))

        assert not another
        assert after.way == NEW.way
        assert after.tried == ()

    def test_who_was_not_granted_has_none(self) -> None:
        """Nor one that nobody knows."""
        board = Board()
        board.ask(NEW, OLD)

        assert not board.it.has_another_library(1)
        assert not board.it.has_another_library(99)
