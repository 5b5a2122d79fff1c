"""The wheel with llama.cpp, imported; whatever stands in the way is an error with a remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rkd.backend import openmp
from rkd.errors import PreconditionError, Reason


def import_wheel() -> Any:
    """
    Return the module; reads OMP_* from the environment when first imported.

    Raises:
        PreconditionError: CAPABILITY_UNSUPPORTED when it is not installed, LOAD_FAILED when the
            system lacks a library it is linked with.
    """
    openmp.preload()
    try:
        import xllamacpp  # noqa: PLC0415 - 100 MB, for workers that run it
    except ModuleNotFoundError as error:
        raise PreconditionError(
            Reason.CAPABILITY_UNSUPPORTED,
            "The llama.cpp engine is not installed.",
            remedy="Install it: in rkd's checkout, `pip install '.[daemon]'`.",
        ) from error
    except ImportError as error:
        raise openmp.refusal("llama.cpp", error) from error
    return xllamacpp


def library_of_wheel() -> Path:
    """
    Return where the library lies that `import_wheel` loaded.

    Raises:
        PreconditionError: as `import_wheel`.
    """
    return Path(import_wheel().xllamacpp.__file__)
