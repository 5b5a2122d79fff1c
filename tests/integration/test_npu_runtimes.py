"""Several NPU libraries and one file: the pool finds the one that gets on with it, by itself."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from rkd.errors import PreconditionError, Reason, RkdError, UnavailableError
from rkd.library.header import marked
from rkd.model import BackendChoice, BackendKind, Model
from rkd.pool.deciding.placement import Wish
from rkd.pool.deciding.runtimes import Came
from rkd.pool.pairings import Pairings
from rkd.pool.ticket import Ask, Served
from rkd.v1 import models_pb2, models_pb2_grpc, system_pb2, system_pb2_grpc
from tests.integration.npu_daemon import add_model, make_board, running
from tests.integration.pool_board import Board, answer, board
from tests.native import standin

VERSIONS = ("1.2.0", "1.2.3", "1.3.1")
NPU = Wish(BackendChoice.NPU)


def met(
    it: Board, name: str, *, gguf: bool = False, toolkit: str = "1.2.0", **settings: object
) -> Model:
    """A model as the library finds it: its toolkit in the tail, its fingerprint taken."""
    made = it.model(name, gguf=gguf, toolkit=toolkit, **settings)
    with made.weights[0].path.open("ab") as file:
        file.write(f"\nrkllm-toolkit version: {toolkit}".encode())
    return Model(**{**_fields(made), "weights": marked(made.weights)})


def _fields(made: Model) -> dict[str, object]:
    return {name: getattr(made, name) for name in Model.__dataclass_fields__}


def remembered(it: Board, made: Model) -> dict[str, Came]:
    """What the pool wrote down about the libraries with *made*."""
    pairings = Pairings(it.folder / "runtimes.json")
    found = {}
    for version in VERSIONS:
        library = next(one for one in it.libraries if one.version == version)
        if known := pairings.of(made.weights[0].fingerprint, library):
            found[version] = known.came
    return found


async def ask(it: Board, made: Model, prompt: str = "hi", wish: Wish = NPU) -> tuple[str, Served]:
    """Ask *made*."""
    return await answer(it.pool, Ask(made, wish), prompt)


async def gone(it: Board, made: Model) -> None:
    """Let *made* leave memory."""
    await it.pool.unload(made.name.key)


async def test_the_newest_that_fits_serves_and_is_remembered(tmp_path: Path) -> None:
    """After one first answer of a few tokens, heard once; the request's own tokens are its own."""
    log = tmp_path / "calls"
    async with board(tmp_path, versions=VERSIONS) as it:
        made = met(it, "alpha", log=log)
        text, served = await ask(it, made)
        await gone(it, made)
        await ask(it, made)

    assert (text, served.loaded.runtime) == ("hi", "rkllm 1.3.1")
    assert served.outcome.usage.completion_tokens == 1
    runs = [call["prompt"] for call in standin.calls(log, "rkllm_run")]
    assert [run == "hi" for run in runs] == [False, True, True]
    assert remembered(it, made) == {"1.3.1": Came.SERVED}


@pytest.mark.parametrize(
    ("trouble", "came"),
    [
        ({"init_rc@1.3.1": -1, "init_line@1.3.1": "E rkllm: invalid rkllm model!"}, Came.REFUSED),
        ({"init_crash@1.3.1": "segv"}, Came.CRASHED),
        ({"run_crash@1.3.1": "abrt"}, Came.CRASHED),
        ({"answer@1.3.1": "&&&&&&&&&&&&&&&&", "piece@1.3.1": 1, "token_id@1.3.1": 7}, Came.GARBAGE),
        ({"run_rc@1.3.1": -1}, Came.GARBAGE),
        ({"answer@1.3.1": "nan nan nan nan ", "piece@1.3.1": 2}, Came.GARBAGE),
        ({"answer@1.3.1": ""}, Came.SILENT),
    ],
)
async def test_what_goes_wrong_moves_to_the_next(
    tmp_path: Path, trouble: dict[str, object], came: Came
) -> None:
    """In one request, which is answered, told why, and not again by the next one."""
    log = tmp_path / "calls"
    async with board(tmp_path, versions=VERSIONS) as it:
        made = met(it, "alpha", log=log, **trouble)
        text, served = await ask(it, made)
        await gone(it, made)
        inits = len(standin.calls(log, "rkllm_init"))
        _, again = await ask(it, made)

    assert (text, served.loaded.runtime, again.loaded.runtime) == (
        "hi",
        "rkllm 1.2.3",
        "rkllm 1.2.3",
    )
    assert any("1.3.1" in warning for warning in served.plan.warnings)
    assert not any("1.3.1" in warning for warning in again.plan.warnings)
    assert len(standin.calls(log, "rkllm_init")) == inits + 1
    assert remembered(it, made) == {"1.3.1": came, "1.2.3": Came.SERVED}


async def test_a_library_that_hangs_is_left(tmp_path: Path) -> None:
    """After the load's bound the next one is tried, and tried first from then on."""
    log = tmp_path / "calls"
    async with board(tmp_path, versions=VERSIONS, load_timeout_s=8.0) as it:
        made = met(it, "alpha", log=log, **{"init_hang@1.3.1": 1})
        text, served = await ask(it, made)
        await gone(it, made)
        await ask(it, made)

    assert (text, served.loaded.runtime) == ("hi", "rkllm 1.2.3")
    versions = [call["version"] for call in standin.calls(log, "rkllm_init")]
    assert versions == ["1.3.1", "1.2.3", "1.2.3"]
    assert remembered(it, made) == {"1.3.1": Came.CRASHED, "1.2.3": Came.SERVED}


async def test_the_error_names_each_try(tmp_path: Path) -> None:
    """Three libraries, three ways to fail: all of them are told, with their words."""
    trouble = {
        "init_rc@1.3.1": -1,
        "init_line@1.3.1": "E rkllm: invalid rkllm model!",
        "init_crash@1.2.3": "segv",
        "init_rc@1.2.0": -7,
    }
    async with board(tmp_path, versions=VERSIONS) as it:
        made = met(it, "alpha", **trouble)
        with pytest.raises(RkdError) as caught:
            await ask(it, made)

    assert caught.value.metadata["status"] == "-7"
    assert "RKLLM 1.3.1 could not load it: " in caught.value.message
    assert "invalid rkllm model" in caught.value.message
    assert "RKLLM 1.2.3 could not load it: " in caught.value.message
    assert "SIGSEGV" in caught.value.message


async def test_the_error_names_each_death(tmp_path: Path) -> None:
    """Also where they die of the request itself, not heard before."""
    async with board(tmp_path, versions=VERSIONS, first_answer=0) as it:
        made = met(it, "alpha", run_crash="segv")
        with pytest.raises(UnavailableError) as caught:
            await ask(it, made)

    assert "SIGSEGV; before it: " in caught.value.message
    for version in ("1.3.1", "1.2.3"):
        assert f"RKLLM {version} died of its first answer" in caught.value.message


async def test_a_model_that_says_nothing_with_any_library(tmp_path: Path) -> None:
    """Each is asked once; its silence is then the model's own, and the newest is taken."""
    log = tmp_path / "calls"
    async with board(tmp_path, versions=VERSIONS) as it:
        made = met(it, "alpha", log=log, answer="")
        text, _ = await ask(it, made)
        await gone(it, made)
        _, served = await ask(it, made)

    assert (text, served.loaded.runtime, served.plan.warnings) == ("", "rkllm 1.3.1", ())
    assert len(standin.calls(log, "rkllm_init")) == len(VERSIONS) + 1


async def test_a_crash_in_the_first_answer_to_somebody(tmp_path: Path) -> None:
    """Without the first answer heard: the one who asked is given the next library in silence."""
    log = tmp_path / "calls"
    async with board(tmp_path, versions=VERSIONS, first_answer=0) as it:
        made = met(it, "alpha", log=log, **{"run_crash@1.3.1": "segv"})
        text, served = await ask(it, made)

    assert (text, served.loaded.runtime) == ("hi", "rkllm 1.2.3")
    assert remembered(it, made) == {"1.3.1": Came.CRASHED, "1.2.3": Came.SERVED}
    assert [call["version"] for call in standin.calls(log, "rkllm_init")] == ["1.3.1", "1.2.3"]


async def test_each_library_is_killed_once_and_no_more(tmp_path: Path) -> None:
    """Where every one dies of the file, one request costs as many workers as there are."""
    log = tmp_path / "calls"
    async with board(tmp_path, versions=VERSIONS) as it:
        made = met(it, "alpha", log=log, init_crash="segv")
        with pytest.raises(UnavailableError) as caught:
            await ask(it, made)

    assert caught.value.reason is Reason.WORKER_CRASHED
    assert [call["version"] for call in standin.calls(log, "rkllm_init")] == [
        "1.3.1",
        "1.2.3",
        "1.2.0",
    ]


async def test_one_library_alone_is_not_judged_before_the_request(tmp_path: Path) -> None:
    """It dies of its first answer; the second worker serves unheard, and what it says is said."""
    async with board(tmp_path, versions=("1.3.1",)) as it:
        made = met(it, "alpha", at_token=1, at="crash", piece=1)
        text, _ = await ask(it, made, "[[at_token=-1]]hi")

    assert text.endswith("hi")


async def test_garbage_and_nothing_else_to_try(tmp_path: Path) -> None:
    """It serves, with a warning; a GGUF beside it is the better answer, also the next time."""
    garbage: dict[str, object] = {"answer": "&&&&&&&&", "piece": 1, "token_id": 7}
    async with board(tmp_path, versions=("1.3.1",)) as it:
        alone = met(it, "alone", **garbage)
        _, served = await ask(it, alone)
        await gone(it, alone)
        _, again = await ask(it, alone)
        beside = met(it, "beside", gguf=True, another="file", **garbage)
        _, on_cpu = await ask(it, beside, wish=Wish())
        await gone(it, beside)
        _, later = await ask(it, beside, wish=Wish())

    assert "no text" in " ".join(served.loaded.warnings)
    assert "no text" in " ".join(again.plan.warnings)
    assert on_cpu.plan.backend is later.plan.backend is BackendKind.CPU
    assert "no text" in on_cpu.plan.reason
    assert "1.3.1 garbage" in later.plan.reason


async def test_what_no_other_library_helps_against(tmp_path: Path) -> None:
    """A file of another chip is refused once, not once a library."""
    log = tmp_path / "calls"
    async with board(tmp_path, versions=VERSIONS) as it:
        made = met(it, "alpha", log=log, target="RK3576")
        with pytest.raises(PreconditionError) as caught:
            await ask(it, made)

    assert caught.value.reason is Reason.PLATFORM_MISMATCH
    assert len(standin.calls(log, "rkllm_init")) == 1


async def test_a_load_by_hand_tries_what_was_ruled_out(tmp_path: Path) -> None:
    """`rkctl load` forgets what went wrong."""
    control = tmp_path / "control"
    async with board(tmp_path, versions=("1.3.1", "1.2.3")) as it:
        made = met(it, "alpha", gguf=True, init_rc=-1, init_line="E rkllm: invalid rkllm model!")
        _, served = await ask(it, made, wish=Wish())
        assert served.plan.backend is BackendKind.CPU
        await gone(it, made)
        forgiven = [item async for item in it.pool.load(Ask(made, Wish()))]
        assert len(standin.calls(control)) == 0
        assert forgiven
        (here,) = it.pool.residents()
        assert "invalid rkllm model" in here.reason


def test_the_daemon_shows_it_and_knows_it_after_a_restart(tmp_path: Path) -> None:
    """`Show` and `Doctor` tell what came of each library; the next life hears no first answer."""
    settings = {"init_crash@1.3.1": "segv", "toolkit": "1.2.0"}
    add_model(tmp_path, "qwen", "FROM ./m.rkllm\n", **settings)
    weights = tmp_path / "models/qwen/m.rkllm"
    weights.write_bytes(weights.read_bytes() + b"\nrkllm-toolkit version: 1.2.0")
    root = make_board(tmp_path / "root")
    for life in range(2):
        (tmp_path / "ready").unlink(missing_ok=True)
        with running(tmp_path, VERSIONS, sysroot=root) as daemon:
            _, finished = daemon.ask("qwen", "hi")
            with grpc.insecure_channel(f"unix:{tmp_path}/rkd.sock") as channel:
                models = models_pb2_grpc.ModelServiceStub(channel)
                system = system_pb2_grpc.SystemServiceStub(channel)
                shown = models.Show(models_pb2.ShowRequest(model="qwen")).npu_libraries
                found = system.Doctor(system_pb2.DoctorRequest()).findings
        assert finished.runtime == "rkllm 1.2.3"
        assert any("1.3.1" in warning for warning in finished.warnings) is (life == 0)
        assert {one.version: one.outcome for one in shown} == {
            "1.2.0": "", "1.2.3": "served", "1.3.1": "crashed",
        }  # fmt: skip
        assert [one.version for one in shown if one.chosen] == ["1.2.3"]
        (told,) = (one for one in found if one.check == "npu-models")
        assert "qwen is loaded with 1.2.3: 1.3.1 crashed" in told.message
    calls = standin.calls(tmp_path / "qwen.jsonl", "rkllm_run")

    assert [call["prompt"] == "hi" for call in calls] == [False, True, True]
