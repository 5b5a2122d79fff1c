"""
Builds the Debian packages: `packaging/deb/build.py WHEEL DIR [--arch arm64]…`.

`rkd-llm_VERSION_ARCH.deb` for each architecture and `rkd-llm-client_VERSION_all.deb`, from rkd's
own WHEEL and those the lock names, with `dpkg-deb` alone, on any architecture. Each carries the
wheels for every Python of `PYTHONS`; the environment is made of them where it is installed. With
SOURCE_DATE_EPOCH the same packages byte for byte.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from email.utils import format_datetime
from hashlib import md5
from pathlib import Path
from zipfile import ZipFile

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "packaging"))
import wheels  # noqa: E402 - beside this folder
from lock import LOCK  # noqa: E402

ARCHITECTURES = {"arm64": "aarch64", "amd64": "x86_64"}
"""What Debian calls an architecture, and what Python does."""
PYTHONS = ("3.11", "3.12", "3.13")
"""Of Debian 12, Ubuntu 24.04, Debian 13."""
MAINTAINER = "The rkd maintainers <rkd@packages.example.org>"
PLACE = {"rkd-llm": "/usr/lib/rkd", "rkd-llm-client": "/usr/lib/rkd-client"}
COMMANDS = {"rkd-llm": ("rkd", "rkctl", "rkd-gateway", "rkd-console"), "rkd-llm-client": ("rkctl",)}
COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/rkctl",
    "zsh": "usr/share/zsh/vendor-completions/_rkctl",
    "fish": "usr/share/fish/vendor_completions.d/rkctl.fish",
}
FUNCTIONS = re.compile(r"^@FUNCTIONS (.*)@$", re.MULTILINE)


@dataclass(frozen=True)
class Build:
    """
    What every package of one run is made of.

    Attributes:
        own: rkd's wheel.
        unpacked: that wheel, unpacked.
        version: as Debian writes it.
        epoch_s: what every file is dated.
        out: where the packages go.
        house: a folder of wheels to take instead of asking an index; None asks.
    """

    own: Path
    unpacked: Path
    version: str
    epoch_s: int
    out: Path
    house: Path | None

    @property
    def shared(self) -> Path:
        """What the wheel installs beside its modules."""
        (found,) = self.unpacked.glob("*.data/data/share")
        return found

    @property
    def commands(self) -> frozenset[str]:
        """The commands the wheel has."""
        (entries,) = self.unpacked.glob("*.dist-info/entry_points.txt")
        return frozenset(re.findall(r"^([\w-]+) *=", entries.read_text(), re.MULTILINE))


def put(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)


def packed(text: str | bytes) -> bytes:
    """Compress as Debian wants documents: as small as can be, with no date."""
    return gzip.compress(text.encode() if isinstance(text, str) else text, 9, mtime=0)


def filled(template: str, values: dict[str, str]) -> str:
    """Fill in a template's `@NAME@`."""
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def functions(names: str) -> str:
    """Return functions of the installer's remove.sh: both ways remove alike."""
    text = (ROOT / "packaging" / "install" / "remove.sh").read_text()
    found = []
    for name in names.split():
        match = re.search(rf"(?:^#.*\n)*^{name}\(\) \{{\n.*?^\}}$", text, re.MULTILINE | re.DOTALL)
        if match is None:
            raise SystemExit(f"remove.sh has no function {name}")
        found.append(match.group())
    return "\n\n".join(found)


def stage_program(build: Build, package: str, tree: Path, pairs: list[tuple[str, str]]) -> None:
    """Lay out the wheels, and what makes an environment of them."""
    place = tree / PLACE[package].lstrip("/")
    extras = ["client"] if package == "rkd-llm-client" else sorted({*wheels.extras()} - {"build"})
    (place / "wheels").mkdir(parents=True)
    for python, architecture in pairs:
        wheels.fetch(place / "wheels", extras, python, architecture, build.house)
    shutil.copy(build.own, place / "wheels")
    for extra in extras:
        put(place / "lock" / f"{extra}.txt", (LOCK / f"{extra}.txt").read_bytes())
    values = {
        "LIB": PLACE[package],
        "VERSION": build.version,
        "EXTRAS": " ".join(extras),
        "COMMAND": COMMANDS[package][0],
    }
    put(place / "environment", filled((HERE / "environment").read_text(), values), 0o755)
    put(place / "slim.py", (ROOT / "packaging" / "install" / "slim.py").read_bytes())
    for command in build.commands.intersection(COMMANDS[package]):
        launcher = filled((HERE / "launcher").read_text(), {**values, "COMMAND": command})
        put(tree / "usr/bin" / command, launcher, 0o755)


def stage_client(build: Build, tree: Path) -> None:
    """Lay out rkctl's manual and completions."""
    manual = next(build.unpacked.glob("*.data/data/share/man/man1/rkctl.1")).read_bytes()
    put(tree / "usr/share/man/man1/rkctl.1.gz", packed(manual))
    for shell, path in COMPLETIONS.items():
        command = [sys.executable, "-m", "rkctl", "completion", shell]
        environment = {**os.environ, "PYTHONPATH": str(build.unpacked)}
        told = subprocess.run(command, env=environment, check=True, capture_output=True)
        put(tree / path, told.stdout)


def stage_service(build: Build, tree: Path) -> list[str]:
    """Lay out units, rules and configuration; return the units besides rkd.service."""
    systemd = build.shared / "rkd" / "systemd"

    def ours(path: Path) -> str:
        text = path.read_text().replace("/opt/rkd/", f"{PLACE['rkd-llm']}/")
        return text.replace("Owned by install.sh", "Owned by the package")

    others = []
    for unit in sorted([*systemd.glob("*.service"), *systemd.glob("*.socket")]):
        put(tree / "usr/lib/systemd/system" / unit.name, ours(unit))
        others.append(unit.name)
    for unit in systemd.glob("user/*.service"):
        put(tree / "usr/lib/systemd/user" / unit.name, ours(unit))
    put(tree / "usr/lib/udev/rules.d/60-rkd.rules", ours(systemd / "60-rkd.rules"))
    put(tree / "usr/lib/sysusers.d/rkd.conf", ours(systemd / "rkd.sysusers"))
    put(tree / "usr/lib/tmpfiles.d/rkd.conf", ours(systemd / "rkd.tmpfiles"))
    config = filled(ours(systemd / "rkd.toml"), {"MODELS": "/var/lib/rkd/models"})
    put(tree / "etc/rkd/rkd.toml", config)
    variables = "# Variables for the service, one a line: RKD_BACKEND=cpu\n"
    put(tree / "etc/rkd/rkd.env", variables, 0o640)
    others.remove("rkd.service")
    return others


def licences(tree: Path) -> Iterator[tuple[str, str]]:
    """Yield name and licence of each package inside, as they say themselves."""
    told: dict[str, str] = {}
    for wheel in sorted(tree.rglob("*.whl")):
        with ZipFile(wheel) as opened:
            (path,) = [n for n in opened.namelist() if re.fullmatch(r"[^/]+info/METADATA", n)]
            facts: Message = HeaderParser().parsestr(opened.read(path).decode())
        named = facts["License-Expression"] or (facts["License"] or "").partition("\n")[0].strip()
        classes = [c.split(" :: ")[-1] for c in facts.get_all("Classifier", []) if "License" in c]
        told[facts["Name"]] = named or ", ".join(classes) or "see the wheel"
    yield from sorted(told.items(), key=lambda pair: pair[0].lower())


def stage_documents(build: Build, package: str, tree: Path) -> None:
    """Lay out licences and the changelog."""
    documents = tree / "usr/share/doc" / package
    lines = "".join(f"  {name}: {licence}\n" for name, licence in licences(tree))
    put(
        documents / "copyright",
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
        f"Upstream-Name: rkd\nComment: Inside is, with the texts in the wheels:\n"
        f"{lines}\nFiles: *\nCopyright: 2026 the rkd maintainers\nLicense: Apache-2.0\n"
        " On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.\n",
    )
    date = format_datetime(datetime.fromtimestamp(build.epoch_s, UTC))
    put(
        documents / "changelog.gz",
        packed(
            f"rkd-llm ({build.version}) unstable; urgency=medium\n\n"
            f"  * See CHANGELOG.md of rkd.\n\n -- {MAINTAINER}  {date}\n"
        ),
    )


def control(build: Build, package: str, tree: Path, values: dict[str, str]) -> None:
    """Write what dpkg reads."""
    folder = tree / "DEBIAN"
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    sums = (f"{md5(f.read_bytes()).hexdigest()}  {f.relative_to(tree)}\n" for f in files)  # noqa: S324 - dpkg's
    put(folder / "md5sums", "".join(sums))
    conffiles = [f"/{path.relative_to(tree)}\n" for path in files if tree / "etc" in path.parents]
    if conffiles:
        put(folder / "conffiles", "".join(conffiles))
    values |= {
        "VERSION": build.version,
        "LIB": PLACE[package],
        "MAINTAINER": MAINTAINER,
        "SIZE": str(sum(-(-file.stat().st_size // 1024) for file in files)),
        "PYTHON_AFTER": f"3.{int(PYTHONS[-1].partition('.')[2]) + 1}",
    }
    for template in (HERE / package).iterdir():
        text = FUNCTIONS.sub(lambda found: functions(found.group(1)), template.read_text())
        script = text.startswith("#!")
        put(folder / template.name, filled(text, values), 0o755 if script else 0o644)


def pack(build: Build, package: str, architecture: str) -> Path:
    """Make one package."""
    target = build.out / f"{package}_{build.version}_{architecture}.deb"
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch, "tree")
        chosen = [ARCHITECTURES[architecture]] if architecture != "all" else ARCHITECTURES.values()
        stage_program(build, package, tree, [(p, a) for a in chosen for p in PYTHONS])
        stage_client(build, tree)
        values = {"ARCHITECTURE": architecture}
        if package == "rkd-llm":
            others = stage_service(build, tree)
            values["OTHERS"] = " ".join(others)
            # a socket whose service runs cannot be made anew, and need not be
            values["SERVICES"] = " ".join(unit for unit in others if unit.endswith(".service"))
        stage_documents(build, package, tree)
        control(build, package, tree, values)
        for path in (*tree.rglob("*"), tree):
            if path.is_dir() or path.suffix == ".whl":
                path.chmod(0o755 if path.is_dir() else 0o644)
            os.utime(path, (build.epoch_s, build.epoch_s))
        command = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build"]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(build.epoch_s)}
        subprocess.run([*command, str(tree), str(target)], env=environment, check=True)
    return target


def debian_version(version: str) -> str:
    """Return *version* so that a candidate sorts before what it is for: 1.0rc1 is 1.0~rc1."""
    return re.sub(r"(?<=\d)\.?(a|b|rc|dev)(?=\d)", r"~\1", version)


def main() -> None:
    """Do as asked."""
    asked = argparse.ArgumentParser(description="Build the Debian packages.")
    asked.add_argument("wheel", type=Path)
    asked.add_argument("out", type=Path)
    asked.add_argument("--wheelhouse", type=Path, help="take wheels from here alone")
    asked.add_argument("--arch", action="append", choices=(*ARCHITECTURES, "all"))
    options = asked.parse_args()
    epoch_s = int(os.environ.get("SOURCE_DATE_EPOCH", datetime.now(UTC).timestamp()))
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = Path(scratch)
        with ZipFile(options.wheel) as opened:
            opened.extractall(unpacked)
        version = debian_version(options.wheel.name.split("-")[1])
        build = Build(options.wheel, unpacked, version, epoch_s, options.out, options.wheelhouse)
        for architecture in options.arch or (*ARCHITECTURES, "all"):
            package = "rkd-llm-client" if architecture == "all" else "rkd-llm"
            pack(build, package, architecture)


if __name__ == "__main__":
    main()
