"""What a failed run leaves behind in the library never reaches the next one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from rkd.backend.rkllm.prompt import Prompt
from rkd.backend.rkllm.resident import LoadedModel
from rkd.backend.rkllm.runtime import InitParams, RunParams, Runtime, Sink, StatusError
from rkd.backend.rkllm.sampling import DEFAULTS
from rkd.backend.rkllm.tap import Tap
from rkd.inference import TemplateWay
from rkd.librkllmrt import Family

TOKENS = Prompt(TemplateWay.RAW, (1, 2))
PARAMS = RunParams(tokens=(1, 2), sampling=DEFAULTS)


class FakeRuntime:
    """A library that counts how often it is made and returns what the test says."""

    def __init__(self) -> None:
        self.library = SimpleNamespace(
            family=Family.V1_3_0, version="1.3.0", path=Path("/r.so"), overridden=False
        )
        self.inits = 0
        self.status = 0
        self.loaded = False

    def init(self, params: InitParams) -> None:
        """Make the handle."""
        del params
        self.inits += 1
        self.loaded = True

    def destroy(self) -> None:
        """Give it back."""
        self.loaded = False

    def run(self, params: RunParams, sink: Sink) -> None:
        """Run."""
        del params, sink
        if self.status:
            raise StatusError("rkllm_run", self.status)


class FakeTap:
    """Prints nothing, and counts how often what was printed is dropped."""

    def __init__(self) -> None:
        self.forgotten = 0

    def take(self) -> tuple[str, ...]:
        """No lines."""
        return ()

    def forget(self) -> None:
        """Count it."""
        self.forgotten += 1


@pytest.fixture
def library() -> FakeRuntime:
    """A library that does as it should."""
    return FakeRuntime()


@pytest.fixture
def resident(library: FakeRuntime) -> LoadedModel:
    """A model loaded once."""
    params = InitParams(
        weights="/m.rkllm",
        context_tokens=1024,
        cpu_mask=1,
        domain=0,
        sampling=DEFAULTS,
    )
    made = LoadedModel(cast("Runtime", library), cast("Tap", FakeTap()), params, ())
    made.load()
    return made


def ignore(result: object, state: int) -> None:
    """Take no callback."""
    del result, state


def test_a_run_that_went_well_leaves_the_handle(
    library: FakeRuntime, resident: LoadedModel
) -> None:
    """Making it anew costs a load."""
    for _ in range(3):
        assert resident.prepare(TOKENS, DEFAULTS) == ()
        resident.run(PARAMS, ignore)

    assert library.inits == 1


def test_an_error_of_a_run_that_was_to_end_spoils_the_handle(
    library: FakeRuntime, resident: LoadedModel
) -> None:
    """Nobody is told of it, so nobody asks for its cause: the handle is made anew all the same."""
    library.status = -1
    with pytest.raises(StatusError):
        resident.run(PARAMS, ignore)
    library.status = 0

    assert "the run before it failed" in resident.prepare(TOKENS, DEFAULTS)[0]
    assert library.inits == 2
    assert resident.prepare(TOKENS, DEFAULTS) == ()
    assert library.inits == 2


def test_a_failure_told_by_a_callback_spoils_the_handle(
    library: FakeRuntime, resident: LoadedModel
) -> None:
    """The run returned 0, its last callback said ERROR."""
    resident.run(PARAMS, ignore)
    resident.failure(0)

    assert "the run before it failed" in resident.prepare(TOKENS, DEFAULTS)[0]
    assert library.inits == 2


def test_only_a_run_that_went_well_is_what_was_read_last(
    library: FakeRuntime, resident: LoadedModel
) -> None:
    """A conversation goes on from there; of one that failed nothing is known."""
    resident.run(PARAMS, ignore, read="one")
    first = resident.last
    library.status = -1
    with pytest.raises(StatusError):
        resident.run(PARAMS, ignore, read="two")

    assert (first, resident.last) == ("one", "")


def test_what_was_printed_before_a_run_is_none_of_its_words(resident: LoadedModel) -> None:
    """An old complaint does not explain a new failure."""
    tap = cast("FakeTap", resident._tap)
    before = tap.forgotten
    resident.run(PARAMS, ignore)

    assert tap.forgotten == before + 1
