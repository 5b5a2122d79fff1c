"""The `rkd` command: arguments, configuration, the lock on the state directory, exit codes."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

import rkd
from rkd import config as configuration
from rkd import log
from rkd.config import Config
from rkd.daemon.life import Daemon
from rkd.daemon.settings import with_service_file
from rkd.errors import RkdError
from rkd.notify import Notifier
from rkd.service.gate.server import AddressTakenError

EXIT_CONFIG = 78
"""EX_CONFIG of sysexits.h: the unit tells systemd not to restart on it."""


EXIT_OVERDUE = 75
"""EX_TEMPFAIL: told to stop, and something did not end within the bound."""

SERVICE_FILE = "rkd.env"
"""Beside the configuration: the unit's EnvironmentFile."""


class AnotherDaemonError(Exception):
    """Another daemon holds the state directory, or nobody could tell whether one does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon; returns the exit code: 0 after a stop, 78 when the configuration is wrong."""
    parser = argparse.ArgumentParser(prog="rkd", description="LLM service for RK3588 boards.")
    parser.add_argument("--check-config", action="store_true", help="validate, print, and leave")
    parser.add_argument("--version", action="version", version=f"rkd {rkd.__version__}")
    given = parser.parse_args(arguments)
    try:
        if given.check_config:
            sys.stdout.write(_described())
            return 0
        config = configuration.read(os.environ)
        log.configure(
            config.log_level, log.choose_output(os.environ.get("JOURNAL_STREAM", ""), sys.stderr)
        )
        with _locked(config.state_dir):
            asyncio.run(_life(config))
    except RkdError as error:
        told = (
            error.message if error.message.endswith((".", "!", "?", ":")) else f"{error.message}."
        )
        return _cannot_start(f"{told} {error.remedy}".strip())
    except (AddressTakenError, AnotherDaemonError) as error:
        return _cannot_start(str(error))
    except OSError as error:
        return _cannot_start(f"{error.filename or 'the system'}: {error.strerror}")
    return 0


def _described() -> str:
    """Write down what the service would use: for root, with the file systemd reads for it."""
    environment, told = dict(os.environ), ""
    if os.geteuid() == 0:
        folder = Path(environment.get("RKD_CONFIG") or configuration.DEFAULT_FILE).parent
        environment, told = with_service_file(environment, folder / SERVICE_FILE)
    return f"{told}{configuration.describe(configuration.read(environment))}\n"


def _cannot_start(why: str) -> int:
    sys.stderr.write(f"rkd cannot start: {why}\n")
    return EXIT_CONFIG


async def _life(config: Config) -> None:
    daemon = Daemon(config, Notifier(os.environ.get("NOTIFY_SOCKET")))
    try:
        await daemon.start()
        await daemon.until_stopped()
    finally:
        # Whatever hangs, a native call or a thread that the end of the process waits for.
        bound = threading.Timer(daemon.stop_bound_s, _give_up)
        bound.daemon = True
        bound.start()
        await daemon.stop()


def _give_up() -> None:
    """End the process at once; its workers end with it."""
    structlog.get_logger("rkd.daemon").error("rkd.stop_overdue")
    os._exit(EXIT_OVERDUE)


@contextmanager
def _locked(state_dir: Path) -> Iterator[None]:
    """
    Hold the state directory for this process.

    Raises:
        AnotherDaemonError: it is held, by whom.
    """
    state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    path = state_dir / "lock"
    with path.open("a+", encoding="ascii") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            held.seek(0)
            holder = held.read().strip() or "unknown"
            raise AnotherDaemonError(
                f"another rkd (pid {holder}) runs on the state directory {state_dir}: stop it, or "
                "set RKD_STATE_DIR"
            ) from error
        except OSError as error:
            raise AnotherDaemonError(
                f"the state directory {state_dir} cannot be locked ({error.strerror}), as on NFS "
                "without its lock daemon: set RKD_STATE_DIR to a folder of this board"
            ) from error
        held.seek(0)
        held.truncate()
        held.write(f"{os.getpid()}\n")
        held.flush()
        yield
