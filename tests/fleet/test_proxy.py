"""Three daemons behind one plain address: where calls go, and what goes wrong."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from pathlib import Path

import pytest
from rkd_client import Client, ConnectionBrokenError, PreconditionError, UnavailableError

from tests.fleet.edge import MODELS, SHORT, Boards, Edge, Streams, asked, residents, taken
from tests.integration.daemon_process import wait_for

PATIENCE_S = 60.0
pytestmark = pytest.mark.timeout(100)


def test_each_model_stays_on_one_board(three: Boards, address: Edge) -> None:
    """Eight models, asked in turn: each answers, and is in memory, on one board alone."""
    with Client(address.endpoint) as client:
        seen = {model: {asked(client, model) for _ in range(3)} for model in MODELS}
        spelled = {asked(client, word) for word in ("m3", "M3", "m3:latest")}

    assert [len(boards) for boards in seen.values()] == [1] * 8
    assert spelled == seen["m3"]
    assert residents(three) == {model: [*boards] for model, boards in seen.items()}


def test_a_hot_model_is_spread_evenly(address: Edge) -> None:
    """Twenty-four streams of one, one of each other: no board above 1.2 of the mean."""
    with Client(address.endpoint) as client:
        streams = Streams(client)
        hot = Counter(streams.begin("m0") for _ in range(24))
        others = {model: streams.begin(model) for model in MODELS[1:]}
        load = streams.by_board()
        streams.close()

    assert len(hot) == 3
    assert len(others) == 7
    assert max(load.values()) <= 1.2 * sum(load.values()) / 3, load


def test_a_model_on_one_board_is_found_there(three: Boards, address: Edge) -> None:
    """By its health; through the proxy, and from a list of the boards."""
    with Client(address.endpoint) as client, Client(three.endpoints) as listed:
        through = {asked(client, "only") for _ in range(6)}
        direct = {asked(listed, "only") for _ in range(3)}
        with pytest.raises(Exception, match="MODEL_NOT_FOUND"):
            asked(client, "nowhere")

    assert (through, direct) == ({"b1"}, {"rock1"})


def test_a_board_that_is_killed_takes_only_its_streams(three: Boards, address: Edge) -> None:
    """They end typed; those of the others go on, and no new call fails."""
    with Client(address.endpoint) as client:
        streams = Streams(client)
        for _ in range(9):
            streams.begin("m0")
        before = streams.by_board()
        three.daemons[0].kill()
        after = {taken(client, model) for model in MODELS}
        ended = streams.ends("b0")
        others = [client.cancel(one).cancelled for one in streams.ids("b1", "b2")]
        went_on = streams.ends("b1") + streams.ends("b2")

    assert len(ended) == before["b0"] >= 1
    assert {type(one) for one in ended} == {ConnectionBrokenError}
    assert all(others)
    assert went_on == [None] * (before["b1"] + before["b2"])
    assert "b0" not in after


def test_a_board_that_hangs_is_given_up(three: Boards, address: Edge) -> None:
    """Its streams end typed instead of hanging with it; new calls go elsewhere."""
    with Client(address.endpoint) as client:
        streams = Streams(client)
        for _ in range(6):
            streams.begin("m0")
        three.daemons[2].signal(signal.SIGSTOP)
        try:
            ended = streams.ends("b2")
            after = {taken(client, model) for model in MODELS}
        finally:
            three.daemons[2].signal(signal.SIGCONT)
        streams.close()

    assert ended
    assert {type(one) for one in ended} == {ConnectionBrokenError}
    assert "b2" not in after


def test_a_board_that_drains_finishes_and_gets_nothing_new(three: Boards, address: Edge) -> None:
    """Its stream goes on to its own end, while every new call is answered elsewhere."""
    with Client(address.endpoint) as client:
        streams = Streams(client)
        while "b1" not in streams.by_board():
            streams.begin("m0")
        request_ids = streams.ids("b1")
        three.daemons[1].signal(signal.SIGTERM)
        new = Counter(taken(client, model) for model in MODELS * 2)
        wait_for(lambda: address.states("boards")["b1"] == "NOLB", "it to drain", PATIENCE_S)
        drained = Client(f"{address.endpoint}#b1")
        cancelled = drained.cancel(*request_ids).cancelled
        drained.close()
        ended = streams.ends("b1")
        code = three.daemons[1].wait()
        streams.close()

    assert sum(new.values()) == 16
    assert "b1" not in new
    assert set(cancelled) == set(request_ids)
    assert (ended, code) == ([None] * len(request_ids), 0)


def test_what_is_one_boards_own_is_whole_or_refused(
    three: Boards, address: Edge, tmp_path: Path
) -> None:
    """Lists are of all boards, cancels find theirs; a file and its model go to the board named."""
    del three
    file = tmp_path / "x.gguf"
    file.write_bytes(b"GGUF no weights")
    with Client(address.endpoint) as client, Client(f"{address.endpoint}#b2") as second:
        listed = {(one.board, one.name) for one in client.list().models}
        with pytest.raises(PreconditionError, match="BOARD_NEEDED") as caught:
            client.upload(file)
        second.upload(file)
        copied = second.copy("m0", "mine").model.name
        found = {one.board for one in client.list("mine").models}
        answer = client.generate("m1", "long", max_tokens=1500)
        events = answer.events()
        next(events)
        assert answer.accepted is not None
        cancelled = client.cancel(answer.accepted.request_id).cancelled
        *_, last = events

    assert {("b0", "m0"), ("b1", "only"), ("b2", "m7")} <= listed
    assert ("b0", "only") not in listed
    assert caught.value.metadata["boards"] == "b0,b1,b2"
    assert (copied, found) == ("mine", {"b2"})
    assert cancelled == (answer.accepted.request_id,)
    assert last.finish_reason == "cancelled"


def test_nobody_there_is_said_of_the_proxy(three: Boards, address: Edge) -> None:
    """In words, not as a status of HTTP."""
    for daemon in three.daemons:
        daemon.kill()
    wait_for(
        lambda: set(address.states("boards").values()) == {"DOWN"}, "all to be down", PATIENCE_S
    )
    with Client(address.endpoint) as client, pytest.raises(UnavailableError, match="the proxy at"):
        asked(client, "m0")


def test_a_list_of_boards_does_the_same_without_a_proxy(three: Boards) -> None:
    """One killed and one drained while twelve threads ask: only begun answers may fail, typed."""
    failed: list[BaseException] = []
    said: Counter[str] = Counter()
    stop = threading.Event()
    lock = threading.Lock()

    def work(client: Client) -> None:
        while not stop.is_set():
            try:
                board = asked(client, "m0")
            except BaseException as error:  # noqa: BLE001 - judged below
                with lock:
                    failed.append(error)
            else:
                with lock:
                    said[board] += 1

    with Client(three.endpoints) as client:
        assert client.generate("m0", SHORT).text() == SHORT
        threads = [threading.Thread(target=work, args=(client,)) for _ in range(12)]
        for thread in threads:
            thread.start()
        try:
            wait_for(lambda: len(said) == 3, "every board to be asked", PATIENCE_S)
            three.daemons[0].kill()
            three.daemons[1].signal(signal.SIGTERM)
            code = three.daemons[1].wait()
            at = said["rock2"]
            wait_for(lambda: said["rock2"] > at + 24, "the last one to go on", PATIENCE_S)
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)

    assert code == 0
    assert {type(one) for one in failed} <= {ConnectionBrokenError}, failed
    assert len(failed) <= 12
