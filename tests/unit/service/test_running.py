"""Inferences under way, by id."""

from __future__ import annotations

import pytest
from structlog.contextvars import clear_contextvars

from rkd import log
from rkd.errors import InvalidInputError
from rkd.service.running import RunningRequests


async def test_the_calls_own_id_is_used_and_logged() -> None:
    """What the client sent as x-request-id names the inference and every line of it."""
    clear_contextvars()
    log.bind_request("mine-1")
    with RunningRequests().entered("", "tiny") as running:
        assert running.request_id == log.request_id() == "mine-1"


async def test_an_id_of_the_options_wins() -> None:
    """And is what the lines carry from then on."""
    clear_contextvars()
    log.bind_request("mine-1")
    with RunningRequests().entered("other", "tiny") as running:
        assert running.request_id == log.request_id() == "other"


async def test_a_header_sent_twice_is_no_error() -> None:
    """A proxy may send one id for several calls; an id of the options must be unique."""
    clear_contextvars()
    log.bind_request("mine-1")
    requests = RunningRequests()
    with requests.entered("", "tiny"), requests.entered("", "tiny") as second:
        assert second.request_id != "mine-1"
        with pytest.raises(InvalidInputError), requests.entered("mine-1", "tiny"):
            pass
