"""Files of this machine that are none: pipes, devices, folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rkd_client.errors import InvalidInputError
from rkd_client.files import open_regular, read_bounded
from rkd_client.upload import digest_of


def odd(folder: Path) -> list[Path]:
    """A pipe nobody writes to, a device without an end, a folder."""
    os.mkfifo(folder / "pipe")
    return [folder / "pipe", Path("/dev/zero"), folder]


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    """A pipe would hold its reader for ever, a device fill its memory."""
    for path in odd(tmp_path):
        with pytest.raises(OSError, match=r"regular|directory"):
            open_regular(path)
        with pytest.raises(InvalidInputError, match="cannot be read"):
            digest_of(path)


def test_a_text_is_read_to_one_byte_past_its_bound(tmp_path: Path) -> None:
    """Enough to see that it is too long, whatever its size."""
    path = tmp_path / "Modelfile"
    path.write_bytes(b"x" * 100)

    assert read_bounded(path, 10) == b"x" * 11
    assert read_bounded(path, 100) == b"x" * 100
