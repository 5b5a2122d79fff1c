"""Whether the NPU of a board can be used, and if not, what stands in the way and what to do."""

from __future__ import annotations

from typing import Final

from rkd.board.facts import Board
from rkd.errors import PreconditionError, Reason
from rkd.weights.npu import TYPES

QUANTIZATIONS: Final = TYPES
"""What librkllmrt.so takes on each platform it is made for (`Board.platform`)."""

SUPPORTED_SOCS: Final = frozenset(QUANTIZATIONS)

VISION_ONLY: Final = frozenset(
    {"rk3566", "rk3568", "rk3567", "rv1103", "rv1106", "rv1109", "rv1126"}
)
"""SoCs with an NPU that runs convolutions alone: librknnrt drives it, no language model does."""

MINIMUM_DRIVER: Final = (0, 9, 0)
"""
Below it quantized matrix products fail (0.8.2). From here to 0.9.6 the runtime warns and goes on,
and models often answer: they are tried. Its documents ask for 0.9.8, see the doctor.
**Source:** messages of the runtime on boards.
"""


def version_numbers(text: str) -> tuple[int, ...]:
    """Return `0.9.8` as (0, 9, 8), to be compared; empty for anything else."""
    parts = text.split(".")
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else ()


def npu_obstacle(board: Board) -> PreconditionError | None:
    """
    Return the first thing that keeps the NPU from being used, or None when nothing does.

    An unknown driver version is no obstacle: many kernels tell it to root alone. One library that
    can be used is enough.
    """
    if not board.soc:
        return PreconditionError(
            Reason.NPU_UNAVAILABLE,
            "no Rockchip SoC is named in the device tree, by a driver or in /proc/cpuinfo",
            remedy="Run on an RK3588 board; in a container, unmask /proc/device-tree or ask for "
            "the NPU explicitly with RKD_BACKEND=npu and RKD_RKLLM_LIBRARY.",
        )
    if board.platform in VISION_ONLY:
        return PreconditionError(
            Reason.PLATFORM_MISMATCH,
            f"the NPU of the {board.soc} runs vision models (librknnrt.so), no language model",
            remedy="Use GGUF models on the CPU; Q4_0 of up to 2 billion parameters answer well.",
            metadata={"soc": board.soc},
        )
    if board.platform not in SUPPORTED_SOCS:
        return PreconditionError(
            Reason.PLATFORM_MISMATCH,
            f"the NPU of the {board.soc} is not one librkllmrt.so drives",
            remedy="Use the CPU backend on this board.",
            metadata={"soc": board.soc},
        )
    return _kernel_obstacle(board) or _library_obstacle(board)


def no_device_remedy(board: Board) -> str:
    """Say what to do where the NPU has no device file."""
    if board.npu_driver:
        return "Enable the NPU's overlay; in a container, pass its device: `--device /dev/dri`."
    return "Install a kernel with Rockchip's rknpu driver, or enable the NPU's overlay."


def _kernel_obstacle(board: Board) -> PreconditionError | None:
    if board.npu_mainline and not board.npu_nodes:
        return PreconditionError(
            Reason.NPU_UNAVAILABLE,
            "this kernel has the mainline NPU driver (rocket), which librkllmrt.so cannot use",
            remedy="Install a kernel with Rockchip's rknpu driver (a vendor or BSP kernel).",
        )
    if not board.npu_nodes:
        return PreconditionError(
            Reason.NPU_UNAVAILABLE,
            "the kernel offers no NPU device: neither /dev/rknpu nor a render node of RKNPU",
            remedy=no_device_remedy(board),
        )
    driver = version_numbers(board.npu_driver)
    if driver and driver < MINIMUM_DRIVER:
        return PreconditionError(
            Reason.NPU_UNAVAILABLE,
            f"the NPU driver {board.npu_driver} is too old",
            remedy="Update the kernel to one with rknpu 0.9.8 or newer.",
            metadata={"driver": board.npu_driver},
        )
    if not any(node.accessible for node in board.npu_nodes):
        node = board.npu_nodes[0]
        return PreconditionError(
            Reason.NPU_UNAVAILABLE,
            f"no permission on {node.path} (mode {node.mode:04o}, group {node.gid})",
            remedy="Install rkd's udev rules and run the service in the groups render and video.",
            metadata={"device": str(node.path)},
        )
    return None


def _library_obstacle(board: Board) -> PreconditionError | None:
    problems = [runtime.problem for runtime in board.runtimes]
    if None in problems:
        return None
    if problems:
        return problems[0]
    return PreconditionError(
        Reason.NPU_UNAVAILABLE,
        "librkllmrt.so was not found",
        remedy="Put Rockchip's librkllmrt.so into /usr/lib, or set RKD_RKLLM_LIBRARY to its path.",
    )
