"""`/api/create` and `/api/push`: a model made of what was sent, and one sent to the Hub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from rkd_client import AsyncClient
from rkd_client.errors import InvalidInputError

from rkd.errors import InvalidInputError as NoModelfileError
from rkd.modelfile.commands import Command, Dialect
from rkd.modelfile.parse import Modelfile
from rkd.modelfile.render import render
from rkd_gateway.endpoint import Call, HttpAnswer, Lines
from rkd_gateway.fields import Fields
from rkd_gateway.ollama.shape import NDJSON, failed, line
from rkd_gateway.problems import bad_field, unsupported

WEIGHTS: Final = (".gguf", ".rkllm")
CHECKPOINT: Final = "config.json"
"""Among files that were sent: they are one checkpoint as the Hub has them."""


async def create(call: Call) -> HttpAnswer:
    """Make a model of another one, of the Hub's, or of files that were sent before."""
    fields = call.fields
    name = fields.name_of_model("model", "name")
    fields.skip("name")
    streamed = fields.yes("stream") is not False
    quantize = fields.text("quantize") or fields.text("quantization") or ""
    fields.skip("quantization")
    files = _files(fields, "files")
    adapters = _files(fields, "adapters")
    text = _modelfile(fields, files, adapters)
    fields.skip("remote_host", "renderer", "parser", "requires", "info")
    fields.end()
    steps = _making(call.client, name, text, {**files, **adapters}, quantize)
    return await _told(steps, streamed=streamed)


async def push(call: Call) -> HttpAnswer:
    """Send the model `repo` to the repository `user/repo` of the Hub."""
    fields = call.fields
    repository = fields.name_of_model("model", "name")
    fields.skip("name", "username", "password")
    streamed = fields.yes("stream") is not False
    if fields.yes("insecure"):
        raise bad_field("insecure", "left out: the Hub is spoken to over TLS")
    fields.end()
    _, slash, name = repository.rpartition("/")
    if not slash:
        raise bad_field("model", "user/repo: the model repo goes to that repository of the Hub")
    return await _told(_pushing(call.client, name, repository), streamed=streamed)


async def _told(steps: AsyncIterator[dict[str, Any]], *, streamed: bool) -> HttpAnswer:
    if streamed:
        return Lines(_lines(steps), NDJSON, failed)
    async for _ in steps:
        pass
    return {"status": "success"}


async def _lines(steps: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    told: dict[str, Any] = {}
    async for step in steps:
        if step != told:
            yield line(step)
        told = step
    yield line({"status": "success"})


async def _making(
    client: AsyncClient, name: str, text: str, files: dict[str, str], quantize: str
) -> AsyncIterator[dict[str, Any]]:
    stream = client.create(name, text, files=files, quantize=quantize, replace=True)
    async with stream:
        async for step in stream:
            yield _step(step.operation.progress, "making")


async def _pushing(client: AsyncClient, name: str, repository: str) -> AsyncIterator[Any]:
    async with client.push(name, repository) as stream:
        async for step in stream:
            yield _step(step.operation.progress, "pushing")


def _step(progress: Any, usual: str) -> dict[str, Any]:
    said: dict[str, Any] = {"status": progress.stage or usual}
    if progress.total_bytes:
        said |= {"total": progress.total_bytes, "completed": progress.done_bytes}
    return said


def _files(fields: Fields, name: str) -> dict[str, str]:
    inner = fields.inner(name)
    found = {} if inner is None else inner.everything()
    for key, digest in found.items():
        if not isinstance(digest, str):
            raise bad_field(f"{name}.{key[:40]}", "the digest of a blob that was sent")
    return found


def _modelfile(fields: Fields, files: dict[str, str], adapters: dict[str, str]) -> str:
    """Take what a Modelfile would say out of *fields*, and say it as one."""
    whole = fields.text("modelfile")
    if whole is not None:
        return whole
    commands = [Command("FROM", source) for source in _sources(fields.text("from"), files)]
    commands += [Command("ADAPTER", adapter) for adapter in adapters]
    for keyword, name in (("TEMPLATE", "template"), ("SYSTEM", "system")):
        said = fields.text(name)
        if said is not None:
            commands.append(Command(keyword, said))
    licence = fields.take("license")
    licences = licence if isinstance(licence, list) else [licence] if licence else []
    commands += [Command("LICENSE", str(one)) for one in licences]
    inner = fields.inner("parameters")
    for key, value in ({} if inner is None else inner.everything()).items():
        values = value if isinstance(value, list) else [value]
        commands += [Command("PARAMETER", _text(one), key) for one in values]
    for turn in fields.objects("messages"):
        commands.append(Command("MESSAGE", turn.text("content") or "", turn.text("role") or ""))
        turn.end()
    try:
        return render(Modelfile(tuple(commands), Dialect.OLLAMA))
    except NoModelfileError as error:
        raise InvalidInputError(error.reason, error.message, remedy=error.remedy) from error


def _sources(origin: str | None, files: dict[str, str]) -> list[str]:
    if origin is not None:
        return [origin.removesuffix(":latest")]
    if CHECKPOINT in files:
        return ["."]
    weights = [name for name in files if name.lower().endswith(WEIGHTS)]
    if not weights:
        raise unsupported("files", "there is no model among them", "send a GGUF, or `from`")
    return weights


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
