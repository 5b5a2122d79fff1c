"""How a service finds a model: the library's own way, given to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rkd.model import Model, ModelName

Resolve = Callable[[ModelName], Awaitable[Model]]
"""Gives a usable model; raises MODEL_NOT_FOUND, MODELFILE_MISSING, MODEL_INCOMPLETE …"""
