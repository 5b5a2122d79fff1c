"""
The configuration of HAProxy (2.6 and later) in front of several boards, as text: purely.

Every line that is not obvious says why. What the health checks send is HTTP/2 by hand, since
HAProxy's own HTTP check can send no body with a zero byte in it, which is how gRPC's begin.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from rkd_client.reach import REACHES, Reach

MAX_MODELS: Final = 200
"""Models a file may name: each is asked after on each board."""

FAILED_PRECONDITION: Final = 9
UNAUTHENTICATED: Final = 16


@dataclass(frozen=True, slots=True)
class Server:
    """
    One board.

    Args:
        name: what answers call it.
        address: `host:port`.
        host: the name its certificate is checked for; "" where none can be.
    """

    name: str
    address: str
    host: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """
    The proxy.

    Args:
        boards: behind it.
        models: known on at least one of them.
        listen: `host:port` or `:port`.
        certificate: PEM file with certificate and key of the edge; "" for plain text.
        client_ca: PEM file of the authority its clients' certificates are of; "" asks for none.
        boards_ca: PEM file of the authority of the boards' certificates; "" for plain boards.
        boards_pem: PEM file with certificate and key shown to the boards; "" for none.
        boards_name: one DNS name all boards' certificates have; "" for each its own.
        wants_token: calls without one are refused here.
        factor: most calls of a board, in percent of the mean.
    """

    boards: tuple[Server, ...]
    models: tuple[str, ...] = ()
    listen: str = ":7588"
    certificate: str = ""
    client_ca: str = ""
    boards_ca: str = ""
    boards_pem: str = ""
    boards_name: str = ""
    wants_token: bool = True
    factor: int = 110


def render(edge: Edge) -> str:
    """Return the whole file."""
    return "\n".join((*_head(edge), *_frontend(edge), *_backends(edge), ""))


def check_hex(service: str) -> str:
    """Return what asks a board after *service*: `grpc.health.v1.Health/Check`, in hexadecimal."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/grpc.health.v1.Health/Check",
        ":authority": "rkd",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    head = b"".join(
        b"\x00" + _text(name.encode()) + _text(value.encode()) for name, value in fields.items()
    )
    message = health_pb2.HealthCheckRequest(service=service).SerializeToString()
    body = b"\x00" + len(message).to_bytes(4, "big") + message
    sent = (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + _frame(4, 0, 0, b"")  # SETTINGS
        + _frame(1, 4, 1, head)  # HEADERS, END_HEADERS
        + _frame(0, 1, 1, body)  # DATA, END_STREAM
    )
    return sent.hex()


def _text(data: bytes) -> bytes:
    return bytes([len(data)]) + data


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
    )


def details(code: int, reason: str, message: str, remedy: str, **metadata: str) -> str:
    """Return a status with its reason, as `grpc-status-details-bin` carries it."""
    status = status_pb2.Status(code=code, message=message)
    info = error_details_pb2.ErrorInfo(reason=reason, domain="rkd", metadata=metadata)
    status.details.add().Pack(info)
    help_ = error_details_pb2.Help(links=[error_details_pb2.Help.Link(description=remedy)])
    status.details.add().Pack(help_)
    return base64.b64encode(status.SerializeToString(deterministic=True)).decode().rstrip("=")


def _refusal(condition: str, code: int, reason: str, *said: str, **metadata: str) -> str:
    message, remedy = said
    packed = details(code, reason, message, remedy, **metadata)
    # Answered before its request has ended a call is reset, and the client sees no reason.
    return (
        f"    http-request wait-for-body time 2s {condition}\n"
        "    http-request return status 200 content-type application/grpc lf-string %[str()] "
        f'hdr grpc-status "{code}" hdr grpc-message "{message}" '
        f'hdr grpc-status-details-bin "{packed}" {condition}'
    )


def _head(edge: Edge) -> Iterator[str]:
    names = " ".join(one.name for one in edge.boards)
    yield f"# rkd behind one address: {names}."
    yield "# Made by `rkctl fleet haproxy`; make it anew when boards or models come and go."
    yield from """\
global
    maxconn 4096

defaults
    mode http
    timeout connect 3s
    # The longest silence of a stream: waiting, loading, reading a long prompt; Watch says nothing
    # for hours.
    timeout client 1h
    timeout server 1h
    timeout queue 60s
    timeout http-request 10s
    timeout check 3s
    option http-no-delay
    # A call is sent again only where no connection came about: all else might be done twice.
    retries 2
    option redispatch 1
    retry-on conn-failure
""".splitlines()
    yield ""


def _frontend(edge: Edge) -> Iterator[str]:
    names = [one.name for one in edge.boards]
    yield "frontend rkd"
    if edge.certificate:
        clients = f" ca-file {edge.client_ca} verify required" if edge.client_ca else ""
        yield f"    bind {edge.listen} ssl crt {edge.certificate} alpn h2{clients}"
    else:
        yield f"    bind {edge.listen} proto h2"
    yield "    acl is_health path_beg /grpc.health.v1.Health/"
    if edge.wants_token:
        yield "    # Behind a certificate of role none there is nobody; said here at once."
        yield '    acl has_token req.hdr(authorization) -m beg -i "bearer "'
        said = "this address wants a token and the call has none"
        remedy = "give one with --token or RKD_TOKEN"
        condition = "unless is_health or has_token"
        yield _refusal(condition, UNAUTHENTICATED, "TOKEN_MISSING", said, remedy)
    yield "    # One board's own: it has to be named, by the metadata x-rkd-board."
    yield "    acl is_named req.hdr(x-rkd-board) -m found"
    yield f"    acl is_known req.hdr(x-rkd-board) -m str -i {' '.join(names)}"
    paths = sorted(path for path, reach in REACHES.items() if reach is not Reach.ANY)
    for _, of_service in groupby(paths, key=lambda path: path.rpartition("/")[0]):
        yield f"    acl is_one_boards path {' '.join(of_service)}"
    said = f"this address is several boards ({', '.join(names)}) and the call is about one"
    remedy = f"say which, behind the address: --endpoint HOST:PORT#{names[0]}"
    needed, listed = (FAILED_PRECONDITION, "BOARD_NEEDED"), ",".join(names)
    yield _refusal("if is_one_boards !is_named", *needed, said, remedy, boards=listed)
    said = f"the call is for none of the boards here ({', '.join(names)})"
    yield _refusal("if is_named !is_known", *needed, said, remedy, boards=listed)
    yield "    # Names know no case, and latest is no tag here: one model, one place on the ring."
    yield "    http-request set-var(txn.model) req.hdr(x-rkd-model),lower,regsub(:latest$,)"
    for name in names:
        yield f"    use_backend board_{name} if {{ req.hdr(x-rkd-board) -m str -i {name} }}"
    yield "    # A model that not every board has is looked for where it is."
    for model in edge.models:
        found = _backend_of(model)
        yield (
            f"    use_backend {found} if {{ var(txn.model) -m str {model.lower()} }} "
            f"{{ nbsrv({found}) ge 1 }} {{ nbsrv({found}) lt {len(names)} }}"
        )
    yield "    default_backend boards"
    yield ""


def _backend_of(model: str) -> str:
    return f"model_{re.sub(r'[^a-z0-9_.-]', '-', model.lower())}"


def _backends(edge: Edge) -> Iterator[str]:
    yield "# Each model has its place on the ring, and stays there until its board has more than"
    yield f"# {edge.factor} % of the mean: then the next board takes what is too much."
    yield "backend boards"
    # A board that hangs is down: what it streams would never end. One that drains is not.
    yield from _ring(edge, "", "inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions")
    for model in edge.models:
        yield ""
        yield f"backend {_backend_of(model)}"
        yield from _ring(edge, f"rkd.model.{model}", "inter 2s fall 1 rise 1")
    for one in edge.boards:
        yield ""
        yield f"backend board_{one.name}"
        yield "    http-request del-header x-rkd-board"
        yield "    http-response set-header x-rkd-board %s"
        yield f"    server {_server(edge, one)}"


def _ring(edge: Edge, service: str, check: str) -> Iterator[str]:
    yield "    balance hash var(txn.model)"
    yield "    hash-type consistent sdbm avalanche"
    yield f"    hash-balance-factor {edge.factor}"
    yield "    http-response set-header x-rkd-board %s"
    yield "    option tcp-check"
    connect = "tcp-check connect"
    if edge.boards_ca:
        name = edge.boards_name or edge.boards[0].host
        connect += f" ssl alpn h2 sni {name}"
    yield f"    {connect}"
    yield f"    tcp-check send-binary {check_hex(service)}"
    yield "    # SERVING is up, NOT_SERVING takes nothing new and finishes, anything else is down."
    yield "    tcp-check expect rbinary 0000000002080[12]"
    yield "    tcp-check expect min-recv 1 error-status L7OKC binary 00000000020801"
    for at, one in enumerate(edge.boards, 1):
        # The ids make the ring: the same in every backend, whatever comes and goes.
        yield f"    server {_server(edge, one)} id {at} check {check}"


def _server(edge: Edge, one: Server) -> str:
    if not edge.boards_ca:
        return f"{one.name} {one.address} proto h2"
    name = edge.boards_name or one.host
    shown = f" crt {edge.boards_pem}" if edge.boards_pem else ""
    return (
        f"{one.name} {one.address} ssl verify required ca-file {edge.boards_ca}{shown} "
        f"verifyhost {name} sni str({name}) alpn h2"
    )
