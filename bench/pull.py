"""
The mover against plain curl: the same file from the same local server, hashing included.

Prints one line per link speed: medians and the ratio. `python bench/pull.py [MB] [ROUNDS]`.
The server is a process of its own (sendfile), so that its work is the same for both.
"""

from __future__ import annotations

import hashlib
import http.server
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rkd.hub.connection import Connection
from rkd.hub.mover import Mover, Wanted
from rkd.hub.stop import StopSign

COMMIT = "c" * 40
BLOCK_BYTES = 1 << 20
CURL = shutil.which("curl") or "/usr/bin/curl"


class _Origin(http.server.BaseHTTPRequestHandler):
    """Serves one file for every address, as the hub does a file at a commit."""

    protocol_version = "HTTP/1.1"
    path_served: str
    rate_bytes_per_s: int

    def do_GET(self) -> None:
        """Send the file, at the link's rate."""
        with open(self.path_served, "rb") as file:  # noqa: PTH123 - a plain path for sendfile
            size = os.fstat(file.fileno()).st_size
            self.send_response(200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.flush()
            begun, sent = time.monotonic(), 0
            while sent < size:
                if self.rate_bytes_per_s:
                    due = begun + sent / self.rate_bytes_per_s
                    time.sleep(max(0.0, due - time.monotonic()))
                sent += os.sendfile(self.connection.fileno(), file.fileno(), sent, BLOCK_BYTES)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


def serve(path: str, rate_bytes_per_s: int, port: multiprocessing.Queue[int]) -> None:
    """Serve *path* until the process is ended."""
    facts = {"path_served": path, "rate_bytes_per_s": rate_bytes_per_s}
    handler = type("Origin", (_Origin,), facts)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    port.put(server.server_port)
    server.serve_forever()


def curl(url: str, target: Path) -> float:
    """Fetch with curl; returns seconds."""
    begun = time.monotonic()
    subprocess.run([CURL, "-sS", "-o", target, url], check=True)
    return time.monotonic() - begun


def move(mover: Mover, wanted: Wanted, target: Path) -> float:
    """Fetch with the mover, sha256 checked; returns seconds."""
    begun = time.monotonic()
    mover.fetch(wanted, target, progress=lambda _: None, stop=StopSign())
    return time.monotonic() - begun


def compare(content: Path, folder: Path, digest: str, rate: int, rounds: int) -> None:
    """Measure both at one speed, taking turns."""
    context = multiprocessing.get_context("spawn")
    port: multiprocessing.Queue[int] = context.Queue()
    server = context.Process(target=serve, args=(str(content), rate, port), daemon=True)
    server.start()
    try:
        endpoint = f"http://127.0.0.1:{port.get(timeout=20)}"
        connection = Connection(
            endpoint=endpoint, token=lambda: None, offline=lambda: False, home=folder
        )
        size = content.stat().st_size
        wanted = Wanted("org/repo", COMMIT, "x.gguf", size, "sha256", digest)
        url = connection.resolve_url("org/repo", COMMIT, "x.gguf")
        target, mover = folder / "out", Mover(connection)
        took: dict[str, list[float]] = {"curl": [], "mover": []}
        for _ in range(rounds):
            target.unlink(missing_ok=True)
            took["curl"].append(size / curl(url, target) / 1e6)
            target.unlink()
            took["mover"].append(size / move(mover, wanted, target) / 1e6)
        middle = {name: statistics.median(values) for name, values in took.items()}
        link = f"{rate / 1e6:.0f} MB/s link" if rate else "loopback"
        print(
            f"{link}: mover {middle['mover']:.0f} MB/s, curl {middle['curl']:.0f} MB/s, "
            f"ratio {middle['mover'] / middle['curl']:.2f} (medians of {rounds})"
        )
    finally:
        server.terminate()
        server.join()


def main(megabytes: int, rounds: int) -> None:
    """Compare on a gigabit link, a 2.5 gigabit link, and as fast as loopback goes."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        content = folder / "content"
        digest = hashlib.sha256()
        with content.open("wb") as file:
            for _ in range(megabytes):
                block = os.urandom(1_000_000)
                digest.update(block)
                file.write(block)
        for rate in (118_000_000, 295_000_000, 0):
            compare(content, folder, digest.hexdigest(), rate, rounds)


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["500", "5"][len(sys.argv) - 1 :])))
