"""
gRPC without its asyncio half, which `import grpc` brings along unasked.

Import grpc from here. `grpc.aio` is there all the same, once somebody uses it.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType


def _load() -> ModuleType:
    if "grpc" in sys.modules:  # somebody has paid already
        return sys.modules["grpc"]
    sys.modules["grpc.aio"] = ModuleType("grpc.aio")  # stands in while grpc is imported
    try:
        module = importlib.import_module("grpc")
    finally:
        del sys.modules["grpc.aio"]
    vars(module).pop("aio", None)
    vars(module)["__getattr__"] = _later
    return module


def _later(name: str) -> object:
    if name == "aio":
        return importlib.import_module("grpc.aio")
    raise AttributeError(f"module 'grpc' has no attribute {name!r}")


_load()

import grpc  # noqa: E402 - after the stand-in

__all__ = ["grpc"]
