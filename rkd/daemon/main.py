"""The `rkd` command: arguments, configuration, the lock on the state directory, exit codes."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import rkd
from rkd import config as configuration
from rkd import log
from rkd.config import Config
from rkd.daemon.life import Daemon
from rkd.errors import RkdError
from rkd.notify import Notifier
from rkd.service.gate.server import AddressTakenError

EXIT_CONFIG = 78
"""EX_CONFIG of sysexits.h: the unit tells systemd not to restart on it."""


class AnotherDaemonError(Exception):
    """Another daemon holds the state directory."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon; returns the exit code: 0 after a stop, 78 when the configuration is wrong."""
    parser = argparse.ArgumentParser(prog="rkd", description="LLM service for RK3588 boards.")
    parser.add_argument("--check-config", action="store_true", help="validate, print, and leave")
    parser.add_argument("--version", action="version", version=f"rkd {rkd.__version__}")
    given = parser.parse_args(arguments)
    try:
        config = configuration.read(os.environ)
        if given.check_config:
            sys.stdout.write(configuration.describe(config) + "\n")
            return 0
        log.configure(
            config.log_level, log.choose_output(os.environ.get("JOURNAL_STREAM", ""), sys.stderr)
        )
        with _locked(config.state_dir):
            asyncio.run(_life(config))
    except RkdError as error:
        return _cannot_start(f"{error.message} {error.remedy}".strip())
    except (AddressTakenError, AnotherDaemonError) as error:
        return _cannot_start(str(error))
    except OSError as error:
        return _cannot_start(f"{error.filename or 'the system'}: {error.strerror}")
    return 0


def _cannot_start(why: str) -> int:
    sys.stderr.write(f"rkd cannot start: {why}\n")
    return EXIT_CONFIG


async def _life(config: Config) -> None:
    daemon = Daemon(config, Notifier(os.environ.get("NOTIFY_SOCKET")))
    try:
        await daemon.start()
        await daemon.until_stopped()
    finally:
        await daemon.stop()


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
        held.seek(0)
        held.truncate()
        held.write(f"{os.getpid()}\n")
        held.flush()
        yield
