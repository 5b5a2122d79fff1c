"""`python -m rkd.worker --fd N --parent PID …`: started by the daemon, never by hand."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from contextlib import nullcontext
from pathlib import Path

from rkd import openfiles
from rkd.backend import openmp
from rkd.worker import ahead, heap, landlock, leash, limits
from rkd.worker.crowd import Crowd
from rkd.worker.engines import make_backend, run_job
from rkd.worker.loop import WorkerLoop
from rkd.worker.spinning import Spinning


def main() -> None:
    """Take over the socket, tie ourselves to the daemon, and serve."""
    parser = _parser()
    given = parser.parse_args()
    if not leash.tie(given.parent):
        return
    # The daemon decides when we end; a Ctrl-C in its terminal reaches the whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leash.offer_to_oom()
    watches = not openmp.is_chosen(os.environ)
    if watches:
        openmp.switch(os.environ)
    openfiles.raise_limit()
    heap.share_one()
    with socket.socket(fileno=given.fd) as connection:
        if given.ahead:
            told = ahead.told(connection, given.ahead)
            if told is None:
                return
            given = parser.parse_args([*sys.argv[1:], *told])
        _bound(given)
        watched = Spinning(Crowd()).watched if watches else nullcontext
        WorkerLoop(connection, make_backend, run_job, watched=watched).serve()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rkd.worker")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--memory-bytes", type=int, default=0, help="of a model; 0 for a job")
    parser.add_argument("--confined", action="store_true", help="change only the working folder")
    parser.add_argument("--lease", type=Path, help="a file that may be written all the same")
    parser.add_argument("--ahead", default="", help="of an engine: the model will be told")
    return parser


def _bound(given: argparse.Namespace) -> None:
    """Give up what the model or job does not need; before any other thread starts."""
    if given.memory_bytes:
        limits.bound_model(given.memory_bytes)
    else:
        limits.bound_job(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if given.confined:
        leases = [given.lease] if given.lease else []
        for lease in leases:
            lease.touch()  # a right is given on what exists
        landlock.confine(Path.cwd(), leases)


if __name__ == "__main__":
    main()
