"""What a llama-server lists, and what it is advised to be given."""

from __future__ import annotations

import pytest

from rkd.pool.deciding.llamaserver import advice, npu_in


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        ("Available devices:\n  RKNPU: Rockchip NPU (0 MiB, 0 MiB free)\n", "RKNPU"),
        ("Available devices:\n  RKNPU0: RK3588 (4096 MiB, 4096 MiB free)", "RKNPU0"),
        ("Available devices:\n  Vulkan0: Mali\n  NPU: Rockchip RK3588 (1 MiB)", "NPU"),
        ("Available devices:\n  CUDA0: NVIDIA (1 MiB)", ""),
        ("Available devices:\n", ""),
        ("", ""),
        ("I rknpu: driver found\n", ""),
        ("rknpu: driver found\nAvailable devices:\n\tRKNPU: x\r\n", "RKNPU"),
        ("Available devices:\nRKNPU: Rockchip NPU (0 MiB, 0 MiB free)\n", "RKNPU"),
        ("  - RKNPU0: Rockchip NPU\n  - RKNPU1: Rockchip NPU\n  - CPU: Cortex\n", "RKNPU0,RKNPU1"),
        ("  \x1b[1mRKNPU0\x1b[0m: Rockchip NPU\n  RKNPU0: Rockchip NPU\n", "RKNPU0"),
        ("  NPU0: RK3588S NPU, 3 cores (0 MiB, 0 MiB free)\n", "NPU0"),
        ("  Vulkan0: Mali-G610 of an RK3588 (8000 MiB, 8000 MiB free)\n", ""),
        ("  BLAS: OpenBLAS (0 MiB, 0 MiB free)\n", ""),
        ("error: unknown argument: --list-devices\n", ""),
        ("rockchip: error: no NPU here: sorry\n", ""),
        ("  RKNPU" + "x" * 100 + ": too long a name for a device of rknpu", ""),
        ("x" * 100_000 + "\n  RKNPU: behind too much", ""),
    ],
)
def test_the_npu_among_its_devices(listing: str, expected: str) -> None:
    """By its name or its description; what is printed besides is none."""
    assert npu_in(listing) == expected


@pytest.mark.parametrize(
    ("kind", "warned"),
    [("Q8_0", False), ("q4_0", False), ("F16", False), ("", False), ("Q4_K_M", True)],
)
def test_weights_it_leaves_to_the_cpu(kind: str, *, warned: bool) -> None:
    """Are told with each answer."""
    told = advice(kind)

    assert bool(told) is warned
    assert all(kind in line and "Q8_0" in line for line in told)
