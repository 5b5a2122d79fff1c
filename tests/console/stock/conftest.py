"""Tests of models and the Hub that need no browser; they want the extra `console`."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("nicegui") and find_spec("nh3") else ["test_*.py"]
