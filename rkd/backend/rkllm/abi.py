"""Which declarations go with which family of runtime versions; the declarations are beside it."""

from __future__ import annotations

from rkd.backend.rkllm.abi_1_1 import ABI_1_1
from rkd.backend.rkllm.abi_1_2 import ABI_1_2_0, ABI_1_2_1, ABI_1_2_1B1
from rkd.backend.rkllm.abi_1_3 import ABI_1_3_0, ABI_1_3_1
from rkd.backend.rkllm.abi_shared import Abi
from rkd.librkllmrt import Family

ABIS: dict[Family, Abi] = {
    abi.family: abi for abi in (ABI_1_1, ABI_1_2_0, ABI_1_2_1B1, ABI_1_2_1, ABI_1_3_0, ABI_1_3_1)
}
"""One interface for each family."""
