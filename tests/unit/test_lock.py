"""The lock: what is installed is what pyproject.toml asks for, not what an index likes better."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "packaging" / "lock"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = sorted(PROJECT["optional-dependencies"].keys() - {"dev", "release"})
DIGEST = re.compile(r"--hash=sha256:[0-9a-f]{64}$")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def blocks(extra: str) -> Iterator[tuple[Requirement, list[str]]]:
    """Yield each package of a lock file with what stands behind it."""
    text = (LOCK / f"{extra}.txt").read_text()
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    for line in text.replace("\\\n", "").splitlines():
        head, *digests = line.split("--hash")
        yield Requirement(head.strip()), [f"--hash{digest}".strip() for digest in digests]


def pinned(extra: str, python: str) -> dict[str, str]:
    """Return name and version of what the extra has for a Python, rkctl's own needs included."""
    machine = {"python_version": python, "python_full_version": f"{python}.0"}
    return {
        canonicalize_name(package.name): str(package.specifier).removeprefix("==")
        for name in ("client", extra)
        for package, _ in blocks(name)
        if package.marker is None or package.marker.evaluate(machine)
    }


def test_every_extra_has_a_lock() -> None:
    """And no file is left of one that went."""
    assert {file.stem for file in LOCK.iterdir()} == {"client", "build", *EXTRAS}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", ["client", *EXTRAS])
def test_what_is_asked_for_is_pinned_within_its_bounds(extra: str, python: str) -> None:
    """When this fails, pyproject.toml has changed: run packaging/lock.py (uv is in `release`)."""
    have = pinned(extra, python)
    asked = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"].get(extra, [])]
    for need in map(Requirement, asked):
        assert canonicalize_name(need.name) in have, f"{need} is not in the lock"
        assert have[canonicalize_name(need.name)] in need.specifier, str(need)


@pytest.mark.parametrize("extra", ["client", *EXTRAS])
def test_what_those_ask_for_is_pinned_as_well(extra: str) -> None:
    """Packages are installed without asking what they need: all of it has to be named."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    have = pinned(extra, python)
    missing = []
    for name in have:
        try:
            needs = requires(name) or []
        except PackageNotFoundError:
            continue  # of an extra this environment does not have
        for need in map(Requirement, needs):
            wanted = need.marker is None or need.marker.evaluate({"extra": ""})
            if wanted and canonicalize_name(need.name) not in have:
                missing.append(f"{name} wants {need}")

    assert missing == []


@pytest.mark.parametrize("extra", ["client", "build", *EXTRAS])
def test_every_package_has_one_version_and_digests(extra: str) -> None:
    """Nothing is taken for its name alone."""
    for package, digests in blocks(extra):
        assert re.fullmatch(r"==[\w.!+]+", str(package.specifier)), str(package)
        assert digests, str(package)
        assert all(DIGEST.match(digest) for digest in digests), str(package)


def test_one_version_serves_every_extra() -> None:
    """Two extras installed together do not want two versions of a package."""
    for python in PYTHONS:
        versions: dict[str, set[str]] = {}
        for extra in EXTRAS:
            for name, version in pinned(extra, python).items():
                versions.setdefault(name, set()).add(version)

        assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_wheels_are_chosen_for_the_machine_they_are_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Markers are read for that Python and architecture, not for ours, and are gone then."""
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))
    wanted = runpy.run_path(str(ROOT / "packaging" / "wheels.py"))["wanted"]
    old = wanted(["client", "daemon"], "3.11", "aarch64")
    new = wanted(["client", "daemon"], "3.13", "x86_64")

    def numpy(pins: list[str]) -> str:
        (one,) = [pin for pin in pins if pin.startswith("numpy==")]
        return one

    assert not any(";" in pin for pin in (*old, *new))
    assert any(pin.startswith("hf-xet==") for pin in old)
    assert numpy(old).split()[0] == f"numpy=={pinned('daemon', '3.11')['numpy']}"
    assert numpy(new).split()[0] == f"numpy=={pinned('daemon', '3.13')['numpy']}"


def small_wheel(folder: Path, name: str, *, files: dict[str, str]) -> Path:
    """Write a wheel of a package that is nothing but *files*."""
    wheel = folder / f"{name}-1-py3-none-any.whl"
    facts = f"{name}-1.dist-info"
    tag = "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(wheel, "w") as packed:
        for path, text in files.items():
            packed.writestr(path, text)
        packed.writestr(f"{facts}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        packed.writestr(f"{facts}/WHEEL", tag)
        packed.writestr(f"{facts}/RECORD", "")
    return wheel


@pytest.mark.parametrize("tampered", [False, True])
def test_a_package_of_another_digest_is_refused(
    tmp_path: Path,
    tampered: bool,  # noqa: FBT001 - a table
) -> None:
    """Nothing of it is run, and nothing else is installed; the right one is taken."""
    shutil.copy(ROOT / "install.sh", tmp_path)
    shutil.copytree(ROOT / "packaging" / "install", tmp_path / "packaging" / "install")
    (tmp_path / "packaging" / "lock").mkdir()
    (tmp_path / "pyproject.toml").touch()
    house = tmp_path / "house"
    house.mkdir()
    wheel = small_wheel(house, "leaf", files={"leaf.py": "yes = 1\n"})
    digest = sha256(wheel.read_bytes()).hexdigest()
    for extra in ("client", "daemon", "build"):
        line = f"leaf==1 --hash=sha256:{digest}\n"
        (tmp_path / "packaging" / "lock" / f"{extra}.txt").write_text(line)
    if tampered:
        small_wheel(house, "leaf", files={"leaf.py": "yes = 2\n"})
    done = subprocess.run(
        ["/bin/sh", "install.sh", "--demo", "--wheelhouse", str(house)],
        cwd=tmp_path,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert done.returncode == 1
    assert "packages could not be installed" in done.stderr
    # this one goes on to its own end: there is no rkd in this folder to build
    assert ("DO NOT MATCH THE HASHES" in done.stderr) == tampered
    assert bool([*tmp_path.glob(".venv/lib/*/site-packages/leaf.py")]) != tampered
