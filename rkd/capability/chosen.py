"""Which chat template a model's conversations get: the one order, for runs and for Show; pure."""

from __future__ import annotations

from rkd.inference import TemplateWay
from rkd.model import BackendKind

CHAT_TEMPLATE = "tokenizer.chat_template"
"""The key in a GGUF's header."""


def chosen(modelfile: str | None, brought: str) -> tuple[TemplateWay, str]:
    """
    Return which template is used, and its text.

    Args:
        modelfile: the Modelfile's TEMPLATE; "" is none at all, None leaves it to the model.
        brought: what the model brings for its backend, see `brought_for`, or "".
    """
    if modelfile is not None:
        return (TemplateWay.MODELFILE if modelfile else TemplateWay.RAW), modelfile
    return (TemplateWay.MODEL if brought else TemplateWay.RAW), brought


def brought_for(backend: BackendKind, *, in_header: str, beside: str) -> str:
    """
    Return what a model brings for *backend*.

    On the CPU what stands in the GGUF's header, whatever files lie beside it; on the NPU what
    stands beside the weights: a .rkllm holds none that can be read.
    """
    return in_header if backend is BackendKind.CPU else beside
