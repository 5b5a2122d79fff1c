"""Which daemon a program stands before, and that none of its own rights are lent there."""

from __future__ import annotations

from collections.abc import Mapping

from rkd_client.contexts import Store
from rkd_client.where import Flags, Where, resolve

NOBODY = {"x-rkd-nobody": "1"}
"""Metadata that takes our own rights from a call."""


def lent_nothing(environment: Mapping[str, str]) -> Where:
    """
    Return where the daemon is; the token in the environment is not ours to lend.

    Raises:
        RkdError: RKD_ENDPOINT cannot be read.
    """
    own = {name: value for name, value in environment.items() if name != "RKD_CONTEXT"}
    return resolve(Flags(token=""), own, Store())
