"""
Builds what is published: `packaging/release [--out DIR] [--only KIND]… [--sign KEY]`.

From the last commit, whatever lies in the work tree: the source archive and the wheel, the Debian
packages, the image, a list of everything inside (SBOM, CycloneDX) and the digests of it all. Every
file is dated as the commit is, so that whoever builds it again gets the same bytes; the image as
long as Debian's packages are the same, which `--debian` keeps. What cannot be built here is named
and ends it with 1, the rest is there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import wheels
from lock import LOCK, pins

ROOT = Path(__file__).resolve().parents[1]
SUMS = "SHA256SUMS"
NOT_HERE = 77


class CannotBuildError(Exception):
    """Something is missing on this machine; the text says what."""


def run(*command: object, where: Path = ROOT) -> None:
    """Run a command; 77 says that this machine cannot."""
    code = subprocess.run([str(word) for word in command], cwd=where, check=False).returncode
    if code == NOT_HERE:
        raise CannotBuildError("see above")
    if code:
        raise SystemExit(f"release: {command[0]} ended with {code}")


def needs(*tools: str) -> None:
    """Refuse where a program is missing."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise CannotBuildError(f"not installed: {', '.join(missing)}")


def source(folder: Path) -> Path:
    """Unpack the last commit; every file dated as that is."""
    archive = folder / "source.tar"
    run("git", "archive", "--format=tar", f"--output={archive}", "HEAD")
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "source", filter="data")
    return folder / "source"


def python_files(tree: Path, out: Path) -> Path:
    """Build the source archive and the wheel, and return the wheel."""
    for target in ("sdist", "wheel"):
        run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", out, where=tree)
    (wheel,) = out.glob("rkd_llm-*.whl")
    return wheel


def sbom(tree: Path, version: str, out: Path) -> None:
    """List every package of the lock with its digests, once."""
    extras = [name for name in wheels.extras() if name != "build"]
    everything = {pin for name in extras for pin in pins((LOCK / f"{name}.txt").read_text())}
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("\n".join(sorted(everything)) + "\n")
        listed.flush()
        run(
            *("cyclonedx-py", "requirements", "--output-reproducible", "--output-format=JSON"),
            *(f"--pyproject={tree}/pyproject.toml", "--mc-type=application"),
            *("-o", out / f"rkd-llm_{version}.cdx.json", listed.name),
        )


def image(tree: Path, architecture: str, wheel: Path, out: Path, kept: Path | None) -> None:
    """Build the image for an architecture, emulated where it is not ours."""
    needs("mmdebstrap", "buildah", "zstd")
    if os.geteuid() != 0:
        raise CannotBuildError("building an image needs root")
    debian = ["--debian", kept / f"debian-{architecture}.tar"] if kept else []
    build = (sys.executable, tree / "packaging/container/build.py", wheel, out, *debian)
    run(tree / "packaging/emulated", architecture, *build, "--arch", architecture)


def sums(out: Path, key: str | None) -> None:
    """Write the digests of what was built, and sign them."""
    built = sorted(file for file in out.iterdir() if not file.name.startswith(SUMS))
    lines = [f"{sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in built]
    (out / SUMS).write_text("".join(lines))
    (out / f"{SUMS}.asc").unlink(missing_ok=True)
    if key:
        needs("gpg")
        signing = ("gpg", "--batch", "--yes", "--armor", "--detach-sign", "--local-user", key)
        run(*signing, out / SUMS)


def main() -> int:
    """Do as asked."""
    asked = argparse.ArgumentParser(description="Build what is published.")
    asked.add_argument("--out", type=Path, default=ROOT / "dist")
    asked.add_argument("--sign", metavar="KEY", help="sign the digests with this key of GnuPG")
    asked.add_argument("--debian", type=Path, help="keep the image's Debian in this folder")
    kinds = ("debs", "image-amd64", "image-arm64", "sbom")
    asked.add_argument(
        "--only", action="append", choices=kinds, help="besides the wheel; default: all"
    )
    options = asked.parse_args()
    out: Path = options.out.resolve()
    if out.exists() and any(out.iterdir()):
        raise SystemExit(f"release: {out} is not empty")
    out.mkdir(parents=True, exist_ok=True)
    dated = subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=ROOT, text=True)
    os.environ.setdefault("SOURCE_DATE_EPOCH", dated.strip())
    kept = options.debian.resolve() if options.debian else None
    left_out = []
    with tempfile.TemporaryDirectory() as folder:
        tree = source(Path(folder))
        wheel = python_files(tree, out)
        version = wheel.name.split("-")[1]
        builders: dict[str, Callable[[], None]] = {
            "debs": lambda: run(sys.executable, tree / "packaging/deb/build.py", wheel, out),
            "image-amd64": lambda: image(tree, "amd64", wheel, out, kept),
            "image-arm64": lambda: image(tree, "arm64", wheel, out, kept),
            "sbom": lambda: sbom(tree, version, out),
        }
        for kind in options.only or kinds:
            try:
                builders[kind]()
            except CannotBuildError as error:
                left_out.append(f"{kind}: {error}")
    sums(out, options.sign)
    for line in left_out:
        print(f"release: left out: {line}", file=sys.stderr)
    return int(bool(left_out))


if __name__ == "__main__":
    sys.exit(main())
