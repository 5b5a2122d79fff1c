"""An answer of the engine's own server, counted for a given time."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from pathlib import Path

POLL_S = 0.01
LOOK_S = 0.2


def tokens_within(path: Path, seconds: float, over: threading.Event | None = None) -> int:
    """
    Ask the server at *path*, count the tokens that come within *seconds*, and hang up.

    Returns once it computes nothing more. *over* ends it before.
    """
    body = {
        "prompt": "hello there",
        "n_predict": 1000,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "cache_prompt": False,
    }
    until = time.monotonic() + seconds
    connection = _connected(path)
    connection.request("POST", "/completion", json.dumps(body))
    told, tokens = b"", 0
    asked = connection.sock
    while (left := until - time.monotonic()) > 0 and not (over is not None and over.is_set()):
        asked.settimeout(min(left, LOOK_S))
        try:
            piece = asked.recv(65536)
        except TimeoutError:
            continue
        if not piece:
            break
        told += piece
        *lines, told = told.split(b"\n")
        tokens += sum(line.startswith(b"data: ") for line in lines)
    connection.close()
    while _computes(path):
        time.sleep(POLL_S)
    return tokens


def _connected(path: Path) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("engine")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    return connection


def _computes(path: Path) -> bool:
    connection = _connected(path)
    connection.request("GET", "/slots")
    slots = json.loads(connection.getresponse().read())
    connection.close()
    return any(one["is_processing"] for one in slots)
