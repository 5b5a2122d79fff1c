"""TLS of the TCP listeners: certificate, key and the CA clients must show a certificate of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import structlog

from rkd.errors import InvalidInputError, bad_field
from rkd.outside import read_regular

_MAX_PEM_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the PEM files are; client_ca None asks clients for no certificate."""

    certificate: Path
    key: Path
    client_ca: Path | None


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """
    Build credentials that follow the files: a renewed certificate serves the next connection.

    Raises:
        InvalidInputError: INVALID_FIELD, when a file cannot be read or is not PEM.
    """
    follower = _Follower(files)
    return grpc.dynamic_ssl_server_credentials(
        follower.initial,
        follower.renewed,  # type: ignore[arg-type] # None means no change, its own docs say
        require_client_authentication=files.client_ca is not None,
    )


class _Follower:
    """
    Hands gRPC a new configuration when the files changed.

    `renewed` runs on a thread of gRPC at every handshake, before the peer has said anything: three
    `stat` calls. A renewal that fails to read keeps what serves now.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._log = structlog.get_logger("rkd.service")
        self._seen = self._state()
        self.initial = _configuration(files)

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the files' new configuration, or None when nothing changed."""
        state = self._state()
        if state == self._seen:
            return None
        self._seen = state
        try:
            return _configuration(self._files)
        except InvalidInputError as error:
            self._log.error("tls.renewal-failed", message=error.message)
            return None

    def _state(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(
            _mark(path)
            for path in (self._files.certificate, self._files.key, self._files.client_ca)
            if path is not None
        )


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _configuration(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    certificate = _read(files.certificate, "CERTIFICATE")
    key = _read(files.key, "PRIVATE KEY")
    client_ca = _read(files.client_ca, "CERTIFICATE") if files.client_ca else None
    return grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca)


def _read(path: Path, label: str) -> bytes:
    """Read a PEM file that holds a *label*: gRPC's own error for a wrong one names nothing."""
    try:
        data = read_regular(path, most_bytes=_MAX_PEM_BYTES)
    except OSError as error:
        what = f"the TLS file {path} cannot be read: {error.strerror}"
        remedy = "Correct the path, or give the daemon's user read access."
        raise bad_field(str(path), what, what, remedy=remedy) from error
    if f"{label}-----".encode() not in data:
        what = f"{path} holds no {label.lower()} in PEM form"
        raise bad_field(str(path), what, what, remedy="Make certificates with `rkctl cert init`.")
    return data
