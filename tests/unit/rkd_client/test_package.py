"""What importing the library costs and offers; whether it speaks all of the contract."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import rkd_client
from rkd_client import errors, options
from rkd_client.values import field_named, value_of

from rkd import errors as taxonomy
from rkd.v1 import types_pb2 as types

ROOT = Path(__file__).resolve().parents[3]
HOMES = ("types", "models", "inference", "hub", "pool", "operations", "system")


def python(script: str) -> str:
    """Run *script* in a process of its own and return what it prints."""
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin", "HOME": "/nowhere"}
    command = [sys.executable, "-c", script]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_the_sync_half_imports_no_asyncio_half() -> None:
    """Neither ours nor gRPC's; the latter is there for others all the same."""
    said = python(
        "import sys; from rkd_client import Client; Client('/nowhere')\n"
        "print('grpc.aio' in sys.modules, 'rkd_client.aio' in sys.modules)\n"
        "import grpc; print(grpc.aio.insecure_channel.__name__)\n"
        "from rkd_client import AsyncClient; print(AsyncClient.__name__)"
    )

    assert said == "False False\ninsecure_channel\nAsyncClient\n"


def test_errors_and_the_package_itself_import_no_grpc() -> None:
    """A program that only catches does not pay."""
    said = python("import sys, rkd_client; rkd_client.RkdError; print('grpc' in sys.modules)")

    assert said == "False\n"


def test_every_name_offered_is_there() -> None:
    """And nothing else is promised."""
    for name in rkd_client.__all__:
        assert getattr(rkd_client, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        _ = rkd_client.nothing_of_ours


def test_every_kind_of_the_taxonomy_has_its_class() -> None:
    """By name; every reason leads to the class of its kind."""
    for kind in taxonomy.RkdError.__subclasses__():
        assert kind.__name__ in rkd_client.__all__
        for reason in kind.reasons - {taxonomy.Reason.WORKER_CRASHED}:
            assert type(errors.of_reason(reason, "x")).__name__ == kind.__name__


def test_options_are_those_of_the_protos() -> None:
    """Every field of both messages, and nothing that is none."""
    named = set(options.Options.__annotations__) | set(options.RunOptions.__annotations__)
    fields = {
        f"{field.name}_s" if field_named(message.DESCRIPTOR, field.name) is None else field.name
        for message in (types.InferenceOptions, types.SamplingOptions)
        for field in message.DESCRIPTOR.fields
    }

    assert named == fields - {"sampling"}


@pytest.mark.parametrize("home", HOMES)
def test_every_answer_has_its_dataclass(home: str) -> None:
    """An empty message of each becomes the dataclass without arguments."""
    messages = importlib.import_module(f"rkd.v1.{home}_pb2")
    values = importlib.import_module(f"rkd_client.v1.{home}")
    for name in messages.DESCRIPTOR.message_types_by_name:
        if name.endswith("Request"):
            continue
        kind = getattr(values, name)
        made = value_of(getattr(messages, name)())

        assert dataclasses.is_dataclass(kind)
        assert made == kind()


def test_stubs_and_library_are_typed() -> None:
    """Checkers of programs that use them look into them."""
    for package in ("rkd/v1", "clients/rkd_client"):
        assert (ROOT / package / "py.typed").is_file()


def test_the_library_knows_no_program() -> None:
    """It imports nothing of rkctl, and nothing that only a terminal needs."""
    for path in (ROOT / "clients" / "rkd_client").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for foreign in ("rkctl", "click", "rich", "prompt_toolkit"):
            assert f"import {foreign}" not in text, path
            assert f"from {foreign}" not in text, path


def test_every_verb_is_typed_as_what_the_proto_answers() -> None:
    """The method follows from the request, so the types it promises are compared with it."""
    given = {"source": "u/r", "destination": "m", "token_ids": [1]}
    verbs = inspect.getmembers(rkd_client.Client, inspect.isfunction)
    asked = 0
    for name, make in verbs:
        promised = inspect.signature(make).return_annotation
        if "Ask[pb." not in promised:
            continue
        needed = inspect.signature(make).parameters.values()
        names = [one.name for one in needed if one.kind is one.POSITIONAL_OR_KEYWORD]
        ask = make(**{one: given.get(one, "m") for one in names})
        answer = type(ask.answer()).__name__
        asked += 1

        assert promised.endswith(f"Ask[pb.{answer}, v1.{answer}]"), name
        assert ask.path.startswith("/rkd.v1."), name
        assert ask.model == ("m" if "model" in names else given["source"] if name == "copy" else "")

    assert asked == sum(make.__module__.startswith("rkd_client.verbs.") for _, make in verbs)
