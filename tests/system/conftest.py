"""Machines and packages for the system tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models import tiny
from tests.system.machine import (
    ROOT,
    SUITES,
    Machine,
    build_wheel,
    copy_of_the_source,
    wheelhouse,
    why_not,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here, and skip it with the reason where no machine can be booted."""
    reason = why_not()
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.system)
            item.add_marker(pytest.mark.timeout(600))
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Folders of packages, each with one rkd.

    `good` and `next` work, `next` with another default; `broken` starts, checks its configuration
    and dies before it is ready.
    """
    base = tmp_path_factory.mktemp("wheels")
    base.chmod(0o755)  # alice installs from there as well
    for name, version in (("good", "0.0.1"), ("next", "0.0.2"), ("broken", "0.0.3")):
        source = copy_of_the_source(base / "source" / name, version)
        if name == "next":
            config = source / "systemd" / "rkd.toml"
            config.write_text(config.read_text() + '# parallel = "1"\n')
        if name == "broken":
            daemon = source / "rkd" / "service" / "gate" / "limits.py"
            head = "def server_options() -> list[tuple[str, int]]:\n"
            before, found, after = daemon.read_text().partition(head)
            assert found, "what is to be broken has moved"
            daemon.write_text(f"{before}{found}    raise OSError('broken')\n{after}")
        target = base / name
        build_wheel(source, target)
        for wheel in wheelhouse().iterdir():
            (target / wheel.name).hardlink_to(wheel) if same_disk(wheel, target) else shutil.copy(
                wheel, target
            )
    return base


def same_disk(one: Path, other: Path) -> bool:
    """Tell whether a hard link between the two can be made."""
    return one.stat().st_dev == other.stat().st_dev


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `tiny.gguf`, quick, and `slow.gguf`, which takes a while for every token."""
    folder = tmp_path_factory.mktemp("models")
    folder.chmod(0o755)  # alice reads it as well
    tiny.write(folder / "tiny.gguf")
    tiny.write(folder / "slow.gguf", layers=96)
    for name in ("tiny", "slow"):
        (folder / f"Modelfile.{name}").write_text(f"FROM ./{name}.gguf\n")
    return folder


@pytest.fixture(scope="module", params=SUITES)
def machine(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    wheels: Path,
    models: Path,
) -> Iterator[Machine]:
    """A bare Debian with a user alice, who may use sudo and docker, running."""
    folder = tmp_path_factory.mktemp("machine") / "m"
    shared = {"/src": ROOT, "/wheels": wheels, "/weights": models}
    with Machine(folder, shared, suite=request.param) as booted:
        booted.run("useradd -m -s /bin/sh alice && echo key > /home/alice/secret")
        booted.run("groupadd -f docker && usermod -aG sudo,docker alice")
        booted.run("mknod -m 666 /dev/rknpu c 10 229 && mknod -m 666 /dev/other c 10 200")
        yield booted
