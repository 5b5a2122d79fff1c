"""How much memory there is for us."""

from __future__ import annotations

from pathlib import Path

from rkd.board.memory import total_and_available

MIB = 1 << 20


def machine(root: Path, *, group: str) -> Path:
    """Make a machine of 1000 MiB, 600 available, with us in the control group *group*."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(
        f"MemTotal:       {1000 * 1024} kB\nMemAvailable:   {600 * 1024} kB\n"
    )
    (root / "proc/self/cgroup").write_text(f"1:name=systemd:/x\n0::{group}\n")
    return root


def limit(root: Path, group: str, *, limit_mib: int, used_mib: int, files_mib: int) -> None:
    """Limit *group*, of whose used memory *files_mib* are pages of files."""
    folder = root / "sys/fs/cgroup" / group
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit_mib * MIB}\n")
    (folder / "memory.current").write_text(f"{used_mib * MIB}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {files_mib * MIB}\nactive_file 0\n")


def test_the_machine(tmp_path: Path) -> None:
    """Without limits the machine's own numbers hold."""
    machine(tmp_path, group="/system.slice/rkd.service")

    assert total_and_available(tmp_path) == (1000 * MIB, 600 * MIB)


def test_a_limited_group(tmp_path: Path) -> None:
    """The group's limit is the total; mapped weights count as still available."""
    machine(tmp_path, group="/system.slice/rkd.service")
    limit(tmp_path, "system.slice/rkd.service", limit_mib=500, used_mib=400, files_mib=300)

    assert total_and_available(tmp_path) == (500 * MIB, 400 * MIB)


def test_a_limit_further_up(tmp_path: Path) -> None:
    """A limit of any group above ours counts, and `max` is none."""
    machine(tmp_path, group="/box/rkd")
    limit(tmp_path, "box", limit_mib=300, used_mib=250, files_mib=0)
    (tmp_path / "sys/fs/cgroup/box/rkd").mkdir()
    (tmp_path / "sys/fs/cgroup/box/rkd/memory.max").write_text("max\n")

    assert total_and_available(tmp_path) == (300 * MIB, 50 * MIB)
