"""What a broken connection is said to be."""

from __future__ import annotations

import grpc
import pytest
from rkctl.failure import Exit, of_error
from rkd_client.transport import explain

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
PREFIX = "failed to connect to all addresses; last error: "


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("…SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: unable", "is not trusted"),
        ("Hostname Verification Check failed.", "is for another name"),
        ("SSL_ERROR_SSL: OPENSSL_internal:WRONG_VERSION_NUMBER", "speaks no TLS"),
        ("SSL_ERROR_SSL: TLSV1_ALERT_CERTIFICATE_REQUIRED", "wants a certificate of yours"),
        ("SSL_ERROR_SSL: odd", "no TLS connection"),
        ("Socket closed", "ends every TLS connection"),
    ],
)
def test_tls_trouble_has_a_sentence_and_a_remedy(message: str, said: str) -> None:
    """By what gRPC writes into the status."""
    failure = of_error(explain(UNAVAILABLE, PREFIX + message, "board:1", secure=True))

    assert said in failure.message
    assert failure.exit_code == Exit.UNAVAILABLE
    assert failure.remedy


def test_a_tls_port_asked_plainly_is_named() -> None:
    """It accepted the probe and closed the connection."""
    failure = of_error(explain(UNAVAILABLE, f"{PREFIX}Socket closed", "board:1", secure=False))

    assert "seems to speak TLS" in failure.message
    assert failure.remedy == ("say so: --endpoint https://board:1 --ca FILE",)


def test_a_daemon_that_goes_is_told() -> None:
    """In the middle of a call, over a socket."""
    failure = explain(UNAVAILABLE, "Socket closed", "unix:/x", secure=False)

    assert failure.message == "the connection to the daemon at unix:/x broke: Socket closed"
