"""The decoder, imported when the first picture comes; whatever stands in the way has a remedy."""

from __future__ import annotations

from typing import Any

from rkd.errors import PreconditionError, Reason


def import_pillow() -> Any:
    """
    Return Pillow's `Image`.

    Raises:
        PreconditionError: CAPABILITY_UNSUPPORTED, it is not installed or lacks a library.
    """
    try:
        from PIL import Image  # noqa: PLC0415 - 12 MB, for workers that get pictures
    except ImportError as error:
        raise PreconditionError(
            Reason.CAPABILITY_UNSUPPORTED,
            "The decoder of pictures (Pillow) is not installed.",
            remedy="Install it: in rkd's checkout, `pip install '.[daemon]'`.",
            metadata={"capability": "vision"},
        ) from error
    # How many there may be was judged by the daemon, from the header the decoder is held to.
    Image.MAX_IMAGE_PIXELS = None
    return Image
