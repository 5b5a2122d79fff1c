"""
Builds the container image without a registry: `packaging/container/build.py WHEEL DIR`.

`rkd-llm_VERSION_ARCH.image.tar.zst`, for `podman load` and `docker load`: the Containerfile over a
Debian that mmdebstrap makes, with WHEEL and the wheels the lock names. For another architecture it
is run through `packaging/emulated`. Wants root, mmdebstrap, buildah and zstd. With
SOURCE_DATE_EPOCH the same image byte for byte, as long as Debian's packages are the same.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "packaging"))
import wheels  # noqa: E402 - beside this folder

SUITE, PYTHON = "trixie", "3.13"
PACKAGES = "python3,python3-venv,libgomp1,libstdc++6,ca-certificates"
ARCHITECTURES = {"arm64": "aarch64", "amd64": "x86_64"}
CONTEXT = ("Containerfile", "packaging", "pyproject.toml")
KEPT_OUT = ("__pycache__",)


def debian(architecture: str, epoch_s: int, target: Path) -> None:
    """Make the system below: a tar of a Debian with Python and what the wheels want of C."""
    command = [
        *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={PACKAGES}"),
        *(f"--architectures={architecture}", "--dpkgopt=path-exclude=/usr/share/doc/*"),
        *("--dpkgopt=path-include=/usr/share/doc/*/copyright", SUITE, str(target)),
    ]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch_s)}
    subprocess.run(command, check=True, env=environment)


def context(folder: Path, wheel: Path, architecture: str, house: Path | None) -> None:
    """Lay out what the Containerfile copies: the wheels, and how they are put in."""
    for name in CONTEXT:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns(*KEPT_OUT)
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder)
    (folder / "wheels").mkdir()
    extras = [name for name in wheels.extras() if name != "build"]
    wheels.fetch(folder / "wheels", extras, PYTHON, ARCHITECTURES[architecture], house)
    shutil.copy(wheel, folder / "wheels")


def image(scratch: Path, architecture: str, name: str, epoch_s: int) -> Path:
    """Build the image from `tree.tar` and `context/` in *scratch*, in a store of its own there."""
    store = ("--root", f"{scratch}/store", "--runroot", f"{scratch}/run", "--storage-driver", "vfs")
    dated = ("--timestamp", str(epoch_s), "--format", "docker")

    def buildah(verb: str, *words: str) -> str:
        command = ["buildah", *store, verb, *words]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout.strip()

    base = buildah("from", "--arch", architecture, "scratch")
    buildah("add", base, f"{scratch}/tree.tar", "/")
    buildah("commit", "--quiet", "--rm", *dated, base, "localhost/debian")
    buildah(
        *("bud", "--quiet", "--isolation", "chroot", "--pull-never"),
        *("--arch", architecture, "--build-arg", "BASE=localhost/debian", *dated),
        *("--tag", name, "--file", f"{scratch}/context/Containerfile", f"{scratch}/context"),
    )
    made, target = scratch / "made.tar", scratch / "image.tar"
    buildah("push", "--quiet", name, f"docker-archive:{made}:{name}")
    settled(made, target)
    return target


def settled(made: Path, target: Path) -> None:
    """Write the archive *made* anew, without the container and host this build happened to have."""
    with tarfile.open(made) as old, tarfile.open(target, "w") as new:

        def read(name: str) -> IO[bytes]:
            found = old.extractfile(name)
            if found is None:
                raise SystemExit(f"the image has no {name}")
            return found

        def put(name: str, content: IO[bytes], size_bytes: int) -> None:
            entry = tarfile.TarInfo(name)
            entry.size = size_bytes
            new.addfile(entry, content)

        (manifest,) = json.load(read("manifest.json"))
        config = json.load(read(manifest["Config"]))
        for name in ("container", "container_config", "parent"):
            config.pop(name, None)
        config["config"].pop("Hostname", None)
        text = json.dumps(config, sort_keys=True).encode()
        manifest["Config"] = f"{sha256(text).hexdigest()}.json"
        listed = json.dumps([manifest], sort_keys=True).encode()
        put("manifest.json", io.BytesIO(listed), len(listed))
        put(manifest["Config"], io.BytesIO(text), len(text))
        for layer in manifest["Layers"]:
            put(layer, read(layer), old.getmember(layer).size)


def packed(source: Path, target: Path) -> None:
    """Compress. Not with gzip, which podman 4.3, Debian 12's, cannot read here."""
    subprocess.run(["zstd", "-q", "-f", "-9", "-o", str(target), str(source)], check=True)


def main() -> None:
    """Do as asked."""
    asked = argparse.ArgumentParser(description="Build the container image.")
    asked.add_argument("wheel", type=Path)
    asked.add_argument("out", type=Path)
    asked.add_argument("--wheelhouse", type=Path, help="take wheels from here alone")
    asked.add_argument(
        "--debian", type=Path, help="keep the Debian below here, and use it if there"
    )
    native = {machine: name for name, machine in ARCHITECTURES.items()}[platform.machine()]
    asked.add_argument("--arch", choices=ARCHITECTURES, default=native)
    options = asked.parse_args()
    epoch_s = int(os.environ.get("SOURCE_DATE_EPOCH", datetime.now(UTC).timestamp()))
    architecture = options.arch
    version = options.wheel.name.split("-")[1]
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        tree = scratch / "tree.tar"
        kept = options.debian
        if kept is None or not kept.exists():
            debian(architecture, epoch_s, tree)
            if kept is not None:
                shutil.copy(tree, kept)
        else:
            tree.symlink_to(kept.resolve())
        (scratch / "context").mkdir()
        context(scratch / "context", options.wheel, architecture, options.wheelhouse)
        made = image(scratch, architecture, f"localhost/rkd:{version}", epoch_s)
        packed(made, options.out / f"rkd-llm_{version}_{architecture}.image.tar.zst")


if __name__ == "__main__":
    main()
