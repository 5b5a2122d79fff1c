"""Tests of the chat; they want what the extra `console` brings."""

from __future__ import annotations

from importlib.util import find_spec

NEEDED = ("nicegui", "nh3", "pydantic", "pypdf")
collect_ignore_glob = [] if all(map(find_spec, NEEDED)) else ["test_*.py"]
