"""The engine's HTTP over a private socket: answers, refusals, and streams that break or are cut."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rkd.backend.llamacpp.http import EngineError, EngineHttp


class FakeEngine:
    """Answers each connection with the next of its scripted replies, then closes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replies: list[bytes] = []
        self.asked: list[bytes] = []
        self.hold = threading.Event()
        self.hold.set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.asked.append(request_of(connection))
                connection.sendall(self.replies.pop(0))
                self.hold.wait(10)

    def close(self) -> None:
        """Stop accepting; the thread ends with its accept."""
        self.hold.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


def request_of(connection: socket.socket) -> bytes:
    """The head, and the body it announces."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    announced = re.search(rb"Content-Length: (\d+)", data)
    length = int(announced[1]) if announced else 0
    while len(data.partition(b"\r\n\r\n")[2]) < length:
        data += connection.recv(65536)
    return data


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeEngine]:
    """An engine that answers as it is told."""
    made = FakeEngine(tmp_path / "s")
    yield made
    made.close()


def reply(body: bytes, status: str = "200 OK") -> bytes:
    """A whole answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def chunked(*events: str, end: bool = True) -> bytes:
    """Events as the engine streams them; without *end* it dies behind the last."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = [f"data: {one}\n\n".encode() for one in events]
    body = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in parts)
    return head + body + (b"0\r\n\r\n" if end else b"")


def test_get_and_post_return_json(engine: FakeEngine) -> None:
    """And send it."""
    engine.replies = [reply(b'{"a": 1}'), reply(b"[2]")]
    http = EngineHttp(engine.path)

    assert (http.get("/props"), http.post("/tokenize", {"content": "x"})) == ({"a": 1}, [2])
    assert engine.asked[0].startswith(b"GET /props ")
    assert engine.asked[1].startswith(b"POST /tokenize ")
    assert engine.asked[1].endswith(b'{"content": "x"}')


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b'{"error": {"type": "t", "message": "m"}}', "t", "m"),
        (b'{"error": "plain"}', "", "plain"),
        (b'{"error": {}}', "", "the engine gave no reason"),
        (b"not json", "", "not json"),
        (b"[]", "", "[]"),
        (b"", "", "HTTP status 400"),
    ],
)
def test_a_refusal_keeps_the_engines_words(
    engine: FakeEngine, body: bytes, kind: str, said: str
) -> None:
    """In whatever form they come, of a short answer and of a stream."""
    engine.replies = [reply(body, "400 Bad Request")] * 2
    http = EngineHttp(engine.path)
    with pytest.raises(EngineError) as short:
        http.get("/x")
    with pytest.raises(EngineError) as streamed:
        http.stream("/x", {})

    assert (short.value.status, short.value.kind, str(short.value)) == (400, kind, said)
    assert (streamed.value.status, str(streamed.value)) == (400, said)


def test_an_engine_that_is_not_there_is_said(tmp_path: Path) -> None:
    """No socket, no answer."""
    http = EngineHttp(tmp_path / "none")
    with pytest.raises(EngineError, match="does not answer") as short:
        http.get("/x")
    with pytest.raises(EngineError, match="does not answer"):
        http.stream("/x", {})

    assert short.value.status == 0


@pytest.mark.parametrize("last", ['{"content": "", "stop": true}', "[DONE]"])
def test_a_stream_gives_its_events(engine: FakeEngine, last: str) -> None:
    """Up to the last one, which says that it is."""
    engine.replies = [chunked('{"content": "a"}', last)]
    stream = EngineHttp(engine.path).stream("/completion", {"stream": True})
    events = [event["content"] for event in stream]
    stream.close()

    assert "".join(events) == "a"
    assert json.loads(engine.asked[0].partition(b"\r\n\r\n")[2]) == {"stream": True}


def test_an_error_in_a_stream_is_raised(engine: FakeEngine) -> None:
    """With the engine's status and words."""
    engine.replies = [chunked('{"error": {"code": 503, "message": "m"}}')]
    stream = EngineHttp(engine.path).stream("/completion", {})
    with pytest.raises(EngineError, match="m") as caught:
        list(stream)
    stream.close()

    assert caught.value.status == 503


@pytest.mark.parametrize("end", [True, False])
def test_an_engine_that_dies_is_no_end(engine: FakeEngine, *, end: bool) -> None:
    """A stream without its last event is broken, however quietly it ends."""
    engine.replies = [chunked('{"content": "a"}', end=end)]
    stream = EngineHttp(engine.path).stream("/completion", {})
    with pytest.raises(EngineError, match="before its last event"):
        list(stream)
    stream.close()


def test_a_cut_ends_the_reading(engine: FakeEngine) -> None:
    """From another thread, while the engine is silent; and again when all is over."""
    engine.hold.clear()
    engine.replies = [chunked('{"content": "a"}', end=False)]
    stream = EngineHttp(engine.path).stream("/completion", {})
    events = iter(stream)
    assert next(events)["content"] == "a"
    cutter = threading.Thread(target=stream.cut)
    cutter.start()
    with pytest.raises(EngineError):
        next(events)
    cutter.join(10)
    stream.cut()
    stream.close()
    stream.cut()
