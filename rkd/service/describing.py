"""Models as messages: pure."""

from __future__ import annotations

import hashlib

from rkd.library.facts import Facts
from rkd.model import Model, WeightsFile
from rkd.modelfile.render import text_of
from rkd.outside import escaped, shown
from rkd.pool.deciding.runtimes import LibraryReport
from rkd.service import onwire
from rkd.v1 import models_pb2 as pb
from rkd.v1 import types_pb2 as types

SUMMARY_BYTES = 1024
"""Longest text of a summary: the reason of a model that cannot be used."""


def summary(model: Model, *, resident: bool = False) -> types.ModelSummary:
    """Write *model* in short."""
    message = onwire.like(
        types.ModelSummary,
        model.details,
        SUMMARY_BYTES,
        name=model.name.text,
        state=model.state,
        reason=model.reason,
        size_bytes=model.size_bytes,
        formats=[file.format for file in model.weights],
        digest=digest(model),
        resident=resident,
        board="",
    )
    onwire.stamp(message.modified, model.modified)
    return message


def everything(model: Model, facts: Facts) -> pb.ShowResponse:
    """Write everything about *model* but its summary."""
    recipe = model.recipe
    recorded = dict(model.provenance.digests)
    return onwire.message(
        pb.ShowResponse,
        onwire.TEXT_BYTES,
        weights=[_weights(file, recorded) for file in model.weights],
        projector=_weights(model.projector, recorded) if model.projector else None,
        modelfile=model.modelfile_text,
        system=recipe.system or "",
        template=facts.template,
        parameters=[
            onwire.message(pb.Parameter, key=key, value=text_of(value))
            for key, value in recipe.parameters
        ],
        messages=[
            onwire.message(types.Message, onwire.TEXT_BYTES, role=turn.role, content=turn.content)
            for turn in recipe.messages
        ],
        licenses=recipe.licenses,
        huggingface_path=recipe.huggingface_path,
        capabilities=facts.capabilities,
        repository=model.provenance.repository,
        revision=model.provenance.revision,
        metadata=facts.metadata,
    )


def library(report: LibraryReport) -> pb.NpuLibrary:
    """Write how one NPU library stands to a model."""
    return onwire.message(
        pb.NpuLibrary,
        SUMMARY_BYTES,
        version=report.library.version,
        path=shown(str(report.library.path)),
        chosen=report.chosen,
        outcome=str(report.came or ""),
        detail=report.detail,
    )


def digest(model: Model) -> str:
    """Hash the recorded digests of *model*; "" while one of its weights has none."""
    recorded = dict(model.provenance.digests)
    if not model.weights or any(file.path.name not in recorded for file in model.weights):
        return ""
    lines = "".join(f"{name} {value}\n" for name, value in sorted(recorded.items()))
    text = lines + model.modelfile_text
    return f"sha256:{hashlib.sha256(escaped(text).encode()).hexdigest()}"


def _weights(file: WeightsFile, recorded: dict[str, str]) -> types.WeightsFile:
    return onwire.message(
        types.WeightsFile,
        name=shown(file.path.name),
        format=file.format,
        size_bytes=file.size_bytes,
        digest=recorded.get(file.path.name, ""),
    )
