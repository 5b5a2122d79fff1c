"""Tokens: who may do what."""

from __future__ import annotations

from nicegui import ui

from rkd_console.visit import Visit


def build(visit: Visit) -> None:
    """Build the page."""
    ui.label(visit.text("shell.empty"))
