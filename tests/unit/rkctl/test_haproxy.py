"""The configuration of HAProxy, as text."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from google.rpc import status_pb2
from rkctl.fleet.haproxy import Edge, Server, check_hex, details, render
from rkd_client.reach import REACHES, Reach

ROOT = Path(__file__).resolve().parents[3]
BOARDS = (Server("rock1", "10.0.0.1:7588"), Server("rock2", "10.0.0.2:7588"))


def test_the_check_is_what_was_tried() -> None:
    """One connection, one call, the message of the health service; the name of a model fits in."""
    plain = bytes.fromhex(check_hex(""))
    named = bytes.fromhex(check_hex("rkd.model.m"))

    assert plain.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert plain.endswith(b"\x00\x00\x05\x00\x01\x00\x00\x00\x01" + b"\x00" * 5)
    assert named.endswith(b"\x00\x00\x00\x00\x0d\x0a\x0brkd.model.m")


def test_the_longest_name_fits_the_frame() -> None:
    """Names of models have at most 128 characters; with the prefix the length is two bytes."""
    service = f"rkd.model.{'m' * 128}"
    sent = bytes.fromhex(check_hex(service))

    assert sent.endswith(b"\x0a" + _varint(len(service)) + service.encode())


def _varint(number: int) -> bytes:
    return bytes([number & 127 | 128, number >> 7]) if number > 127 else bytes([number])


def test_every_call_about_one_board_is_refused_without_it() -> None:
    """All of the contract that is not any board's, and no other."""
    text = render(Edge(BOARDS))
    named = set(re.findall(r"/rkd\.v1\.\w+/\w+", text))

    assert named == {path for path, reach in REACHES.items() if reach is not Reach.ANY}


def test_a_refusal_has_its_reason_and_its_boards() -> None:
    """As the boards themselves tell errors."""
    packed = details(9, "BOARD_NEEDED", "said", "do", boards="a,b")
    status = status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))

    assert (status.code, status.message, len(status.details)) == (9, "said", 2)
    assert b"BOARD_NEEDED" in status.details[0].value


def test_names_know_no_case() -> None:
    """One model, one backend, one place on the ring."""
    text = render(Edge(BOARDS, models=("SmolLM2",)))

    assert "use_backend model_smollm2 if { var(txn.model) -m str smollm2 }" in text
    assert check_hex("rkd.model.SmolLM2") in text


def test_ids_make_the_ring() -> None:
    """The same in every backend."""
    text = render(Edge(BOARDS, models=("m",)))

    assert re.findall(r"server (\w+) .* id (\d)", text) == [
        ("rock1", "1"), ("rock2", "2"), ("rock1", "1"), ("rock2", "2"),
    ]  # fmt: skip


def test_the_example_is_what_is_made() -> None:
    """deploy/haproxy/haproxy.cfg: three boards with TLS, tokens, and one model."""
    example = (ROOT / "deploy/haproxy/haproxy.cfg").read_text(encoding="utf-8")
    boards = tuple(Server(f"rock{at}", f"rock{at}.lan:7588", f"rock{at}.lan") for at in (1, 2, 3))
    edge = Edge(
        boards,
        ("smollm2",),
        certificate="/etc/haproxy/edge.pem",
        boards_ca="/etc/haproxy/ca.crt",
        boards_pem="/etc/haproxy/boards.pem",
    )

    assert example == render(edge)
