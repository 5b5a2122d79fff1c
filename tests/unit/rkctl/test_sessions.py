"""`rkctl sessions`: what is kept of conversations with a name."""

from __future__ import annotations

import json

from google.protobuf.timestamp_pb2 import Timestamp

from rkd.v1 import pool_pb2 as pb
from tests.unit.rkctl.fake_board import FakeBoard, Rkctl


def test_what_is_kept_is_listed(rkctl: Rkctl, board: FakeBoard) -> None:
    """With or without the word; as JSON where that is asked for."""
    used = Timestamp()
    used.GetCurrentTime()
    one = pb.Session(name="talk", model="tiny", tokens=4001, size_bytes=92_000_000, used=used)
    board.answers["PoolService.ListSessions"] = pb.ListSessionsResponse(sessions=[one])

    for words in (("sessions",), ("sessions", "list")):
        head, row = rkctl(*words).stdout.splitlines()
        assert head.split() == ["NAME", "MODEL", "TOKENS", "SIZE", "USED"]
        assert row.split()[:5] == ["talk", "tiny", "4001", "92.0", "MB"]
    shown = json.loads(rkctl("sessions", "--json").stdout)
    assert shown["sessions"][0]["name"] == "talk"


def test_what_is_kept_is_removed_by_name(rkctl: Rkctl, board: FakeBoard) -> None:
    """Several at once; one that is not there is no error."""
    board.answers["PoolService.DeleteSession"] = pb.DeleteSessionResponse(deleted=1)

    result = rkctl("sessions", "rm", "talk", "other", "--model", "tiny")

    assert result.stderr == "talk: removed\nother: removed\n"
    asked = board.requests("PoolService.DeleteSession")
    assert [(one.session, one.model) for one in asked] == [("talk", "tiny"), ("other", "tiny")]
