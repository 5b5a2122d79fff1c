"""Why a model cannot run where it was asked to, or where it would run best. Pure."""

from __future__ import annotations

from rkd.board.facts import RuntimeLibrary
from rkd.errors import PreconditionError, Reason, RkdError
from rkd.model import Format, Model

NO_RKLLM = PreconditionError(
    Reason.NPU_UNAVAILABLE,
    "it has no .rkllm weights",
    remedy="Pull or convert an .rkllm of this model for this board.",
)
NO_LIBRARY = PreconditionError(
    Reason.NPU_UNAVAILABLE,
    "no librkllmrt.so was found",
    remedy="Install Rockchip's runtime into /usr/lib, or name it in RKD_RKLLM_LIBRARY.",
)
BLIND = PreconditionError(
    Reason.CAPABILITY_UNSUPPORTED,
    "it sees no pictures on the NPU",
    remedy="Ask for the CPU, or leave the backend to rkd.",
    metadata={"capability": "vision"},
)


def no_such_version(model: Model, libraries: tuple[RuntimeLibrary, ...]) -> RkdError:
    """RUNTIME_MISMATCH: the Modelfile asks for a library that is not here."""
    wanted = model.recipe.parameter("rkllm_version")
    known = ", ".join(one.version or "unknown" for one in libraries)
    return PreconditionError(
        Reason.RUNTIME_MISMATCH,
        f"{model.name} asks for rkllm runtime {wanted}, there is {known}",
        remedy="Add a library of that version to RKD_RKLLM_LIBRARY, or change "
        "`PARAMETER rkllm_version`.",
        metadata={"model": str(model.name), "wanted": str(wanted), "available": known},
    )


def not_on_npu(model: Model, why: RkdError) -> RkdError:
    """Say of *model* what *why* says of the NPU."""
    return PreconditionError(
        why.reason,
        f"{model.name} cannot run on the NPU: {why.message.strip().removesuffix('.')}",
        remedy=why.remedy,
        metadata={**why.metadata, "model": str(model.name)},
    )


def beyond(model: Model, wanted: tuple[str, ...]) -> RkdError | None:
    """Why a model with weights for the NPU does not run there this time."""
    if model.weights_of(Format.RKLLM) is None:
        return None
    asked = " and ".join(wanted)
    why = PreconditionError(Reason.CAPABILITY_UNSUPPORTED, f"its runtime cannot do {asked}")
    return not_on_npu(model, why)


def no_weights(model: Model) -> RkdError:
    """MODEL_INCOMPLETE."""
    return PreconditionError(
        Reason.MODEL_INCOMPLETE,
        f"{model.name} has no weights",
        remedy=f"`rkctl pull {model.name}` or put a .rkllm or .gguf file into its folder.",
        metadata={"model": str(model.name)},
    )


def no_gguf(model: Model) -> RkdError:
    """CAPABILITY_UNSUPPORTED: the CPU was asked for."""
    return PreconditionError(
        Reason.CAPABILITY_UNSUPPORTED,
        f"{model.name} has no GGUF weights to run on the CPU",
        remedy="Ask for the NPU, or put a .gguf of this model beside its .rkllm.",
        metadata={"model": str(model.name)},
    )
