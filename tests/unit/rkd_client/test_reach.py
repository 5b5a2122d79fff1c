"""Which of several boards a call is for, for every call there is."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from typing import Any

import pytest
import rkd_client.verbs
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from rkd_client.ask import NAMING, Ask
from rkd_client.channel import Caller
from rkd_client.errors import PreconditionError
from rkd_client.reach import (
    REACHES,
    READS,
    Reach,
    board_needed,
    boards_of,
    reach_of,
    service_config,
    service_of,
)
from rkd_client.verbs import inference, models, operations, pool, system

import rkd.v1


def methods() -> dict[str, MethodDescriptor]:
    """Every method of every proto, by its path."""
    found = {}
    for module in pkgutil.iter_modules(rkd.v1.__path__):
        if module.name.endswith("_pb2"):
            file = importlib.import_module(f"rkd.v1.{module.name}").DESCRIPTOR
            for service in file.services_by_name.values():
                found |= {f"/{service.full_name}/{one.name}": one for one in service.methods}
    return found


def test_every_method_stands_in_the_table() -> None:
    """One that is added has to be judged."""
    assert set(REACHES) == set(methods())


def test_what_grpc_repeats_changes_nothing() -> None:
    """Every method of the retry policy is one the library calls repeatable."""
    named = {f"/rkd.v1.{name}/{one}" for name, all_ in READS.items() for one in all_.split()}
    repeatable = {
        ask.path
        for ask in (
            models.list(), models.show("m"), inference.embed("m", "x"),
            inference.rerank("m", "", ""), inference.tokenize("m", "x"),
            inference.detokenize("m", [1]), pool.residents(),
            pool.plan("m"), pool.sessions(), operations.operations(), operations.operation("x"),
            system.status(), system.doctor(),
        )
        if ask.repeatable
    }  # fmt: skip

    assert {one for one in named if "Hub" not in one} == repeatable


def test_watching_one_operation_finds_its_board() -> None:
    """All of them are one board's own log."""
    assert reach_of(operations.attach("id")) is Reach.SEEK
    assert reach_of(operations.watch_operations()) is Reach.ONE


@pytest.mark.parametrize(
    ("model", "service"),
    [
        ("m", "rkd.model.m"),
        ("m:latest", "rkd.model.m"),
        ("u/r:Q4", ""),
        ("qwen:1.5b", ""),
        ("", ""),
    ],
)
def test_the_health_of_the_model_is_asked_after(model: str, service: str) -> None:
    """By its own name; what only leads to a model, boards have to look up."""
    assert service_of(inference.generate(model, "x")) == service


def test_what_is_no_matter_of_a_model_goes_by_the_daemon() -> None:
    """A board that lacks the model can still be asked to delete it."""
    assert service_of(models.delete("m")) == ""


def test_grpc_is_told_to_check_and_to_repeat() -> None:
    """By the names of the service config."""
    config = json.loads(service_config("rkd.model.m"))

    assert config["healthCheckConfig"] == {"serviceName": "rkd.model.m"}
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]
    (method,) = config["methodConfig"]
    assert {"service": "rkd.v1.ModelService", "method": "List"} in method["name"]
    assert not [one for one in method["name"] if one["method"] in {"Generate", "Chat", "Delete"}]
    assert method["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]


def test_a_refusal_names_the_boards() -> None:
    """For programs too."""
    error = board_needed(models.delete("m"), ("a:1", "b:2"))

    assert str(error) == "a:1, b:2 are several boards, and Delete is about one [BOARD_NEEDED]"
    assert error.remedy.startswith("say which: --endpoint a:1")
    assert boards_of(error) == ("a:1", "b:2")
    assert boards_of(PreconditionError("MODEL_BUSY", "x", metadata={"boards": "a"})) == ()


def test_every_verb_is_a_call_of_the_contract() -> None:
    """The modules of the verbs are all looked at by the tests above."""
    found = {one.name for one in pkgutil.iter_modules(rkd_client.verbs.__path__)}

    assert found == {"access", "hub", "inference", "models", "operations", "pool", "system"}


def test_every_call_that_names_a_model_says_so() -> None:
    """In `x-rkd-model`: every verb with a model among its arguments, and those that lead to one."""
    for module in (inference, models, pool):
        for name, make in inspect.getmembers(module, inspect.isfunction):
            if make.__module__ != module.__name__:
                continue
            wanted = inspect.signature(make).parameters
            plain = {
                key: "x"
                for key, one in wanted.items()
                if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD
            }
            given = {**plain, **({"model": "smol"} if "model" in wanted else {})}
            if name == "detokenize":
                given["token_ids"] = [1]
            if name in {"copy", "pull"}:
                given |= {"source": "smol"} if name == "copy" else {"name": "smol"}
            ask = make(**given)
            named = dict(Caller().pairs(ask.model)).get("x-rkd-model")

            assert named == ("smol" if "smol" in given.values() else None), name


NO_MODEL = frozenset(
    {
        *("List", "Upload", "Migrate", "Watch", "Cancel", "ListResident", "ListSessions"),
        *("Search", "ListFiles", "GetCard", "Get", "Pause", "Resume", "GetStatus", "Doctor"),
        *("Reload", "WhoAmI", "ListTokens", "CreateToken", "RevokeToken"),
    }
)
"""Methods whose requests name no model of a board."""


@pytest.mark.parametrize("path", REACHES)
def test_every_method_of_the_contract_says_its_model(path: str) -> None:
    """Whoever asks it, however: by what the request itself holds, with no say of the caller's."""
    method = methods()[path]
    request = GetMessageClass(method.input_type)()
    ask: Any = Ask(request)
    if method.name in NO_MODEL:
        assert "model" not in method.input_type.fields_by_name
        assert ask.model == ""
        return
    field = NAMING.get(method.input_type.name, "model")
    setattr(request, field, "smol:latest")

    assert dict(Caller().pairs(ask.model))["x-rkd-model"] == "smol"
