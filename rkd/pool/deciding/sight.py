"""Where pictures of a model are seen, and what an encoder on the NPU takes; pure."""

from __future__ import annotations

from dataclasses import replace

from rkd.inference import LoadSpec
from rkd.model import Model, VisionEncoder
from rkd.pool.deciding.settings import PoolSettings

NO_LIBRARY = "no librknnrt.so was found for its vision encoder (RKD_RKNN_LIBRARY)"


def npu_sees(model: Model, settings: PoolSettings) -> bool:
    """Whether *model* sees on the NPU."""
    return model.encoder is not None and bool(settings.rknn_library)


def with_encoder(spec: LoadSpec, model: Model, settings: PoolSettings) -> LoadSpec:
    """Return *spec*, of the NPU, with the encoder of *model*, or why there is none."""
    encoder = model.encoder
    if encoder is None:
        return replace(spec, blind_because=model.npu_blind_because)
    if not settings.rknn_library:
        return replace(spec, blind_because=NO_LIBRARY)
    tags = [model.recipe.parameter(f"img_{part}") or "" for part in ("start", "end", "content")]
    start, end, content = map(str, tags)
    vision = VisionEncoder(
        str(encoder.path), settings.rknn_library, settings.rknn_cores, (start, end, content)
    )
    return replace(spec, vision=vision)


def encoder_bytes(spec: LoadSpec, model: Model) -> int:
    """What the encoder of a load takes on the NPU, by its file."""
    return model.encoder.size_bytes if spec.vision and model.encoder else 0
