"""Exits with 0 when the daemon on its socket says SERVING; a container's health check."""

from __future__ import annotations

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

SOCKET = "unix:/tmp/rkd/rkd.sock"
BOUND_S = 5.0


def main(address: str = SOCKET) -> int:
    """Ask for the daemon as a whole, not for a model; no token is needed for that."""
    asked = health_pb2.HealthCheckRequest(service="")
    with grpc.insecure_channel(address) as channel:
        try:
            told = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=BOUND_S)
        except grpc.RpcError as error:
            print(f"{address}: {error.code().name}: {error.details()}", file=sys.stderr)
            return 1
    print(health_pb2.HealthCheckResponse.ServingStatus.Name(told.status))
    return int(told.status != health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
