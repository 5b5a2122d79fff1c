"""A status becomes an error: the daemon's own, or what a broken line looks like."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import status_pb2
from rkd_client import InternalError, InvalidInputError, NotBuiltError, UnavailableError
from rkd_client.status import error_of


class FakeCall:
    """A failed call with *details* in its trailing metadata."""

    def __init__(self, code: grpc.StatusCode, message: str = "", details: bytes = b"") -> None:
        self._code, self._message, self._details = code, message, details

    def code(self) -> grpc.StatusCode:
        """Its status."""
        return self._code

    def details(self) -> str:
        """Its message."""
        return self._message

    def trailing_metadata(self) -> object:
        """Its end."""
        return (("grpc-status-details-bin", self._details),) if self._details else None


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (grpc.StatusCode.UNAVAILABLE, "Socket closed"),
        (grpc.StatusCode.UNKNOWN, "Stream removed"),
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2"),
        (grpc.StatusCode.CANCELLED, "Received RST_STREAM with error code 8"),
        (grpc.StatusCode.UNKNOWN, ""),
    ],
)
def test_a_broken_connection_is_one_thing(code: grpc.StatusCode, message: str) -> None:
    """Whatever gRPC calls it."""
    error = error_of(FakeCall(code, message), "unix:/x")

    assert type(error) is UnavailableError
    assert error.reason == "UNAVAILABLE"
    assert "the connection to the daemon at unix:/x broke" in error.message


def test_an_answer_of_another_version_is_no_broken_connection() -> None:
    """Trying again would not help."""
    code = grpc.StatusCode.INTERNAL
    error = error_of(FakeCall(code, "Exception deserializing response!"), "unix:/x")

    assert type(error) is InternalError


@pytest.mark.parametrize("details", [b"\xff\xff", status_pb2.Status(code=3).SerializeToString()])
def test_details_that_are_none_are_left_alone(details: bytes) -> None:
    """Bytes of a proxy, or of another status: the code alone speaks."""
    error = error_of(FakeCall(grpc.StatusCode.UNIMPLEMENTED, "no", details), "board:1")

    assert type(error) is NotBuiltError
    assert "does not know this call" in error.message


def test_a_status_without_words_says_whose_it_is() -> None:
    """Never an empty sentence."""
    error = error_of(FakeCall(grpc.StatusCode.INVALID_ARGUMENT), "board:1")

    assert type(error) is InvalidInputError
    assert error.message == "board:1 says invalid argument and no more"
