"""A board whose governors may be written, and kernels that refuse."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Final

from rkd.clocks.governors import Governors, Write, write_word
from rkd.clocks.saved import Saved

TREES: Final = Path(__file__).resolve().parents[2] / "data" / "board"
NPU: Final = "sys/class/devfreq/fdab0000.npu"
DDR: Final = "sys/class/devfreq/dmc"
POLICIES: Final = "sys/devices/system/cpu/cpufreq"

AS_THEY_WERE: Final = {
    f"{NPU}/governor": "rknpu_ondemand",
    f"{POLICIES}/policy0/scaling_governor": "schedutil",
    f"{POLICIES}/policy4/scaling_governor": "ondemand",
    f"{POLICIES}/policy6/scaling_governor": "ondemand",
    f"{DDR}/governor": "dmc_ondemand",
}
RAISED: Final = dict.fromkeys(AS_THEY_WERE, "performance")


class Board:
    """A copy of the ROCK 5B below *folder*."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "board"
        shutil.copytree(TREES / "rock-5b", self.root)
        self.saved = self.root / "run/rkd-clocks/saved"
        self.saved.parent.mkdir(parents=True)

    def put(self, path: str, text: str) -> None:
        """Write *text* to *path*."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(f"{text}\n")

    def get(self, path: str) -> str:
        """Read *path*."""
        return (self.root / path).read_text().strip()

    def governors(self) -> dict[str, str]:
        """Every governor by its file."""
        return {path: self.get(path) for path in AS_THEY_WERE}


class Kernel:
    """Takes what it is given, but for the files it refuses; remembers what was written."""

    def __init__(self) -> None:
        self.refuses: dict[str, int] = {}
        """Error number by the beginning of a file's name below the root; 0 takes and ignores."""
        self.written: list[tuple[str, str]] = []

    def __call__(self, path: Path, word: str) -> None:
        """Write *word*, or refuse."""
        for part, number in self.refuses.items():
            if part in str(path):
                if number:
                    raise OSError(number, os.strerror(number))
                return
        self.written.append((path.name, word))
        write_word(path, word)


class Told(list[str]):
    """What was said."""

    def __call__(self, text: str) -> None:
        """Say it."""
        self.append(text)


def governors(board: Board, kernel: Write | None = None, told: Told | None = None) -> Governors:
    """A new program over *board*, as after a crash of the one before."""
    return Governors(
        board.root, Saved(board.saved), Told() if told is None else told, kernel or Kernel()
    )


REFUSALS: Final = (errno.EACCES, errno.EINVAL, errno.EBUSY, errno.EROFS, errno.EIO, 0)
