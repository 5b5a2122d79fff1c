"""`rkctl show`: everything about one model."""

from __future__ import annotations

import click
from rkd_client import quantity
from rkd_client.verbs import models as ask

from rkctl import naming
from rkctl.failure import Failure
from rkctl.screen import render
from rkctl.session import CommandSession
from rkctl.verb import verb
from rkctl.verbs.abilities import lines
from rkd.v1 import models_pb2 as pb
from rkd.v1 import types_pb2 as types

_PARTS = ("modelfile", "template", "system", "parameters", "license")


@verb("show")
@naming.MODEL
@click.option("--modelfile", "part", flag_value="modelfile", help="Only the Modelfile.")
@click.option("--template", "part", flag_value="template", help="Only the chat template.")
@click.option("--system", "part", flag_value="system", help="Only the system prompt.")
@click.option("--parameters", "part", flag_value="parameters", help="Only the parameters.")
@click.option("--license", "part", flag_value="license", help="Only the licence.")
@click.option("-v", "--verbose", is_flag=True, help="Also template and metadata.")
@click.option("--verify", is_flag=True, help="Read every byte and compare with the digests.")
def show(
    session: CommandSession, model: str, part: str | None, *, verbose: bool, verify: bool
) -> None:
    """Show everything about MODEL, or one part of it."""
    answer = session.call(ask.show(model, verify=verify))
    if session.json:
        render.out(render.to_json(answer))
    elif part:
        render.out(part_of(answer, part).removesuffix("\n"))
    else:
        describe(answer)
        if verbose:
            _section("template", answer.template)
            _section("metadata", "\n".join(f"{k} {v}" for k, v in sorted(answer.metadata.items())))
    if verify and not answer.verified:
        raise Failure(
            f"not every file of {model} is what it was",
            "DIGEST_MISMATCH",
            (f"bring it again: rkctl rm {model}, then pull or create it",),
        )


def part_of(answer: pb.ShowResponse, part: str) -> str:
    """Return one part of *answer* as text."""
    match part:
        case "parameters":
            return "\n".join(f"{one.key} {one.value}" for one in answer.parameters)
        case "license":
            return "\n\n".join(answer.licenses)
        case "template":
            return answer.template
        case "system":
            return answer.system
        case _:
            return answer.modelfile


def describe(answer: pb.ShowResponse) -> None:
    """Print the whole of *answer* for people."""
    one = answer.summary
    state = render.word(types.ModelState.Name(one.state), "MODEL_STATE_")
    revision = f" at {answer.revision[:12]}" if answer.revision else ""
    render.pairs(
        (
            ("name", one.name),
            ("state", f"{state}: {one.reason}" if one.reason else state),
            ("architecture", one.architecture),
            ("parameters", quantity.count(one.parameters)),
            ("quantization", one.quantization),
            ("context", f"{one.context_tokens} tokens" if one.context_tokens else ""),
            ("capabilities", ", ".join(answer.capabilities)),
            ("size", quantity.size(one.size_bytes)),
            ("modified", render.ago(one.modified)),
            ("digest", one.digest),
            ("from", f"{answer.repository}{revision}" if answer.repository else ""),
            ("tokenizer of", answer.huggingface_path),
            ("licence", "; ".join(text.strip().partition("\n")[0] for text in answer.licenses)),
        )
    )
    for weights in answer.weights:
        _file("weights", weights)
    if answer.HasField("projector"):
        _file("projector", answer.projector)
    abilities = (line for one in answer.backend_capabilities for line in lines(one))
    _section("capabilities", "\n".join(abilities))
    toolkit = answer.metadata.get("rkllm.toolkit", "")
    made = f", for a file of toolkit {toolkit}" if toolkit else ""
    libraries = "\n".join(_library(one) for one in answer.npu_libraries)
    _section(f"npu libraries{made}", libraries)
    _section("vision encoder", answer.metadata.get("encoder.file", ""))
    for half in ("projector", "encoder"):
        _section("sees no pictures", answer.metadata.get(f"{half}.problem", ""))
    _section("system", answer.system)
    _section("parameters", part_of(answer, "parameters"))
    _section("messages", "\n".join(f"{turn.role}: {turn.content}" for turn in answer.messages))
    if answer.modelfile_derived:
        render.note("there is no Modelfile: what --modelfile shows was derived from the weights")
    _section("verification", "\n".join(answer.verification))


def _library(one: pb.NpuLibrary) -> str:
    """One library in a line: the one the next load takes is marked."""
    mark = "*" if one.chosen else " "
    said = ": ".join(part for part in (one.outcome, one.detail) if part)
    return f"{mark} {one.version or 'unknown'}  {said}  {one.path}"


def _file(title: str, file: types.WeightsFile) -> None:
    kind = render.word(types.WeightsFormat.Name(file.format), "WEIGHTS_FORMAT_")
    _heading(title)
    render.out(f"  {file.name}  {kind}  {quantity.size(file.size_bytes)}  {file.digest}")


def _section(title: str, text: str) -> None:
    if text.strip():
        _heading(title)
        for line in text.strip("\n").splitlines():
            render.out(f"  {line}")


def _heading(title: str) -> None:
    click.echo()
    click.echo(render.styled(title, bold=True))
