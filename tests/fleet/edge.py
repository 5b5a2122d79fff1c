"""Boards over the stand-in NPU, and HAProxy before them as `rkctl fleet haproxy` writes it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rkd_client import Client, RkdError

from tests.integration.daemon_process import DaemonProcess, wait_for
from tests.integration.npu_daemon import add_model
from tests.native import standin

MODELS = tuple(f"m{at}" for at in range(8))
MODELFILE = "FROM ./m.rkllm\nPARAMETER num_ctx 2048\n"
READY_S = 60.0
SHORT = "short"
"""A prompt that is answered by itself at once; others get an answer of minutes."""

LONG = {"answer": "count", "tokens": 1500, "token_us": 60_000, f"answer?{SHORT}": SHORT}


@dataclass(frozen=True, slots=True)
class Boards:
    """
    Three running daemons.

    Args:
        daemons: b0, b1, b2.
        home: where rkctl keeps its contexts of them.
    """

    daemons: tuple[DaemonProcess, ...]
    home: Path

    @property
    def endpoints(self) -> str:
        """All of them as one list."""
        return ",".join(address_of(one) for one in self.daemons)

    def rkctl(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run rkctl with the boards as contexts."""
        daemon = self.daemons[0].environment
        environment = {key: value for key, value in daemon.items() if key != "RKD_ENDPOINT"}
        environment |= {"XDG_CONFIG_HOME": str(self.home), **more}
        command = [sys.executable, "-m", "rkctl", *words]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=90
        )


@dataclass(frozen=True, slots=True)
class Edge:
    """A running HAProxy: where it listens, and the flags a client needs."""

    endpoint: str
    folder: Path

    def states(self, backend: str) -> dict[str, str]:
        """How HAProxy sees the boards of *backend*: UP, DOWN, NOLB …."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self.folder / "stats"))
            asking.sendall(b"show stat\n")
            told = b""
            while piece := asking.recv(1 << 16):
                told += piece
        rows = (line.split(",") for line in told.decode().splitlines())
        return {
            row[1]: row[17].split()[0]
            for row in rows
            if row[0] == backend and row[1] not in {"BACKEND", "FRONTEND"}
        }


def address_of(daemon: DaemonProcess) -> str:
    """Where it listens over TCP."""
    return daemon.addresses[1]


@contextmanager
def boards(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Boards]:
    """Run three daemons, each known to rkctl as a context."""
    home = folder / "home"
    given = {
        "RKD_RKLLM_LIBRARY": str(standin.build("1.3.0")),
        "RKD_CONFINE": "false",
        "RKD_LOOP_GUARD": "0",
        "RKD_FIRST_ANSWER": "0",
        "RKD_BACKEND": "npu",
        "RKD_STOP_GRACE": "50s",
        "RKD_OFFLINE": "1",
        **(settings or {}),
    }
    with ExitStack() as stack:
        daemons = []
        for at in range(3):
            daemon = DaemonProcess(folder / f"b{at}", {**given, "RKD_BOARD_NAME": f"rock{at}"})
            for model in (*MODELS, *(("only",) if at == 1 else ())):
                add_model(daemon.folder, model, MODELFILE, **LONG)
            daemons.append(stack.enter_context(daemon))
        running = Boards(tuple(daemons), home)
        for at, daemon in enumerate(daemons):
            added = running.rkctl("context", "add", f"b{at}", "--endpoint", address_of(daemon))
            assert added.returncode == 0, added.stderr
        yield running


@contextmanager
def edge(running: Boards, folder: Path, *flags: str, **more: str) -> Iterator[Edge]:
    """Run HAProxy as `rkctl fleet haproxy` with *flags* has it, on a port of the kernel's."""
    file, extra = folder / "haproxy.cfg", folder / "extra.cfg"
    extra.write_text(f"global\n    stats socket {folder}/stats level admin\n", encoding="utf-8")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        descriptor = listening.fileno()
        made = running.rkctl(
            "fleet", "haproxy", "--listen", f"fd@{descriptor}", "-o", str(file), *flags, **more
        )
        assert made.returncode == 0, made.stderr
        haproxy = shutil.which("haproxy")
        assert haproxy is not None
        judged = subprocess.run(
            [haproxy, "-c", "-f", str(file)],
            capture_output=True, text=True, check=False, pass_fds=(descriptor,),
        )  # fmt: skip
        assert (judged.returncode, "WARNING" in judged.stderr) == (0, False), judged.stderr
        log = (folder / "haproxy.log").open("wb")
        process = subprocess.Popen(
            [haproxy, "-db", "-f", str(file), "-f", str(extra)],
            stdout=log, stderr=log, pass_fds=(descriptor,),
        )  # fmt: skip
        port = listening.getsockname()[1]
        running_edge = Edge(f"127.0.0.1:{port}", folder)
        try:
            wait_for(
                lambda: process.poll() is not None or (folder / "stats").exists(),
                "haproxy",
                READY_S,
            )
            assert process.poll() is None, (folder / "haproxy.log").read_text()
            # Servers count as up until their first check: the model that one board has is told.
            wait_for(
                lambda: (
                    running_edge.states("model_only") == {"b0": "DOWN", "b1": "UP", "b2": "DOWN"}
                ),
                "the boards to be checked",
                READY_S,
            )
            yield running_edge
        finally:
            process.terminate()
            process.wait(30)
            log.close()


class Streams:
    """Long answers under way, each of which has begun."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.open: list[tuple[str, str, Any]] = []

    def begin(self, model: str) -> str:
        """Begin one, and return the board that took it."""
        answer = self._client.generate(model, "long", max_tokens=1500)
        events = answer.events()
        next(events)
        board = dict(answer._call.initial_metadata())["x-rkd-board"]
        self.open.append((model, board, (answer, events)))
        return str(board)

    def ids(self, *boards: str) -> list[str]:
        """The requests on *boards*."""
        return [one.accepted.request_id for _, at, (one, _) in self.open if at in boards]

    def by_board(self) -> Counter[str]:
        """How many each board has."""
        return Counter(board for _, board, _ in self.open)

    def ends(self, board: str) -> list[BaseException | None]:
        """Read those of *board* to their end, and return how they ended."""
        return [self._end(events) for _, at, (_, events) in self.open if at == board]

    def _end(self, events: Iterator[Any]) -> BaseException | None:
        try:
            for _ in events:
                pass
        except RkdError as error:
            return error
        return None

    def close(self) -> None:
        """Leave all of them."""
        for _, _, (answer, _) in self.open:
            answer.close()
        self.open = []


def asked(client: Client, model: str) -> str:
    """Ask *model* for a short answer; return the board that gave it."""
    answer = client.generate(model, SHORT)
    board = ""
    for _ in answer.events():
        board = str(dict(answer._call.initial_metadata())["x-rkd-board"])
    return board


def taken(client: Client, model: str) -> str:
    """Return the board that accepts a call of *model*, and leave: what runs there may take long."""
    with client.generate(model, SHORT) as answer:
        next(answer.events())
        return str(dict(answer._call.initial_metadata())["x-rkd-board"])


def residents(running: Boards) -> dict[str, list[str]]:
    """The boards that have each model in memory."""
    told = json.loads(running.rkctl("fleet", "ps", "--json").stdout)["boards"]
    found: dict[str, list[str]] = {}
    for one in told:
        for row in one["answer"]["residents"]:
            found.setdefault(row["model"], []).append(one["board"])
    return found
