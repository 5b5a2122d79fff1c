"""Named conversations through a real daemon: they outlive requests, unloads and restarts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from rkd.v1 import inference_pb2 as pb
from rkd.v1 import models_pb2 as models
from rkd.v1 import pool_pb2 as pool
from rkd.v1 import types_pb2 as types
from rkd.v1.inference_pb2_grpc import InferenceServiceStub
from rkd.v1.pool_pb2_grpc import PoolServiceStub
from tests.integration.daemon_process import DaemonProcess, wait_for
from tests.models import tiny

LONG = "ab" * 120
MORE = LONG + " and now?"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    """With one model, on the CPU."""
    made = DaemonProcess(tmp_path, {"RKD_BACKEND": "cpu", "RKD_PROMPT_CACHE": "0"})
    (made.models / "m").mkdir(parents=True)
    tiny.write(made.models / "m" / "m.gguf")
    with made:
        yield made


def ask(stub: InferenceServiceStub, prompt: str, session: str = "chat") -> types.Finished:
    """One turn; how it ended."""
    options = types.InferenceOptions(
        session=session, sampling=types.SamplingOptions(temperature=0, max_tokens=4)
    )
    request = pb.GenerateRequest(model="m", prompt=prompt, raw=True, options=options)
    *_, last = stub.Generate(request)
    return last.finished


def cached(ended: types.Finished) -> int:
    """Tokens that were not read again."""
    return ended.usage.cached_tokens


def restarted(daemon: DaemonProcess) -> None:
    """The next life of the daemon."""
    daemon.stop()
    daemon.start()


def test_a_conversation_outlives_everything(daemon: DaemonProcess) -> None:
    """Another request in its slot, an unload, a restart; the model's removal ends it."""
    kept = daemon.folder / "state" / "sessions"
    with daemon.stubs() as stubs:
        assert cached(ask(stubs.inference, LONG)) == 0
        ask(stubs.inference, "something else" * 8, session="")
        assert cached(ask(stubs.inference, LONG)) >= len(LONG) - 1
        stubs.pool.Unload(pool.UnloadRequest(model="m"))
        assert cached(ask(stubs.inference, MORE)) >= len(LONG) - 1
    restarted(daemon)
    with daemon.stubs() as stubs:
        assert cached(ask(stubs.inference, MORE + "!")) >= len(MORE) - 1
        assert len(list(kept.glob("*.cache"))) == 1
        stubs.models.Delete(models.DeleteRequest(model="m", drain=True))
        wait_for(lambda: not list(kept.iterdir()), "the conversation to be gone")


def test_of_two_callers_each_has_his_own(daemon: DaemonProcess) -> None:
    """A name is no key to what another has said: not even its length shows."""
    with daemon.stubs() as stubs:
        ask(stubs.inference, LONG)
    restarted(daemon)
    address = next(one for one in daemon.addresses if "unix" not in one)
    with grpc.insecure_channel(address) as channel:
        other = InferenceServiceStub(channel)
        assert cached(ask(other, MORE)) == 0


def test_each_caller_sees_and_removes_his_own(daemon: DaemonProcess) -> None:
    """Listed with their model, paged, removed by name; nobody else's is touched or shown."""
    address = next(one for one in daemon.addresses if "unix" not in one)
    with daemon.stubs() as stubs, grpc.insecure_channel(address) as channel:
        other = PoolServiceStub(channel)
        for name in ("one", "two"):
            ask(stubs.inference, LONG, name)
        everything = pool.ListSessionsRequest()
        wait_for(  # each is written behind its answer
            lambda: len(stubs.pool.ListSessions(everything).sessions) == 2, "both to be kept"
        )
        listing = pool.ListSessionsRequest(page_size=1)
        first = stubs.pool.ListSessions(listing)
        listing.page_token = first.next_page_token
        second = stubs.pool.ListSessions(listing)
        nothing = other.DeleteSession(pool.DeleteSessionRequest(session="one"))
        gone = stubs.pool.DeleteSession(pool.DeleteSessionRequest(session="one", model="m"))
        left = stubs.pool.ListSessions(everything)

        assert [one.name for one in (*first.sessions, *second.sessions)] == ["one", "two"]
        assert first.sessions[0].model == "m"
        assert first.sessions[0].tokens >= len(LONG)
        assert first.sessions[0].size_bytes > 0
        assert list(other.ListSessions(everything).sessions) == []
        assert (nothing.deleted, gone.deleted) == (0, 1)
        assert [one.name for one in left.sessions] == ["two"]


def test_a_changed_model_and_a_damaged_file_are_read_from_the_beginning(
    daemon: DaemonProcess,
) -> None:
    """Without a word, and the next turn is quick again."""
    kept = daemon.folder / "state" / "sessions"
    with daemon.stubs() as stubs:
        ask(stubs.inference, LONG)
    daemon.stop()
    (file,) = kept.glob("*.cache")
    content = file.read_bytes()
    file.write_bytes(content[:-9] + b"x" + content[-8:])
    daemon.start()
    with daemon.stubs() as stubs:
        assert cached(ask(stubs.inference, MORE)) == 0
    daemon.stop()
    tiny.write(daemon.models / "m" / "m.gguf", seed=2)
    daemon.start()
    with daemon.stubs() as stubs:
        assert cached(ask(stubs.inference, MORE)) == 0
    restarted(daemon)
    with daemon.stubs() as stubs:
        assert cached(ask(stubs.inference, MORE)) >= len(MORE) - 1


def test_a_name_that_is_none_is_refused(daemon: DaemonProcess) -> None:
    """By its field."""
    with daemon.stubs() as stubs:
        for name in ("../x", "a b", "x" * 129, "é"):
            with pytest.raises(grpc.RpcError) as caught:
                ask(stubs.inference, LONG, name)
            assert "options.session" in str(caught.value.details())
