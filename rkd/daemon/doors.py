"""What is looked at before the daemon opens its doors, and the door for scrapers."""

from __future__ import annotations

from rkd.board.telemetry import read_telemetry
from rkd.config import Config
from rkd.daemon.rooms import Rooms
from rkd.service.gate.auth import refuse_open_doors
from rkd.service.gate.server import AddressTakenError
from rkd.telemetry.metrics import MeterCollector, MetricsListener


def check_doors(config: Config, rooms: Rooms) -> None:
    """
    Refuse to be open to other machines unless the configuration file says `insecure = true`.

    Raises:
        InvalidInputError: INVALID_FIELD; also when the token file cannot be read.
    """
    tokens = rooms.tokens.current()
    if not config.insecure:
        refuse_open_doors(
            config.listen,
            tokens,
            has_tls=config.tls_cert is not None,
            has_client_ca=config.tls_client_ca is not None,
        )


async def open_metrics(config: Config, rooms: Rooms) -> MetricsListener | None:
    """
    Listen for Prometheus where the configuration says so.

    Raises:
        AddressTakenError: the address cannot be had.
        InvalidInputError: INVALID_FIELD, when the extra is not installed.
    """
    where = config.metrics_listen
    if where is None:
        return None

    listener = MetricsListener(
        MeterCollector(rooms.meters, rooms.activity, lambda: read_telemetry(config.sysroot))
    )
    try:
        port = await listener.start(where.host, where.port)
    except OSError as error:
        raise AddressTakenError(f"metrics_listen {where} cannot be bound: {error}") from error
    rooms.metrics_address = f"http://{where.host}:{port}/metrics"
    return listener
