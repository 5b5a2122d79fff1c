"""The lint of the protos, where its program cannot be had."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "buf"


def lint(folder: Path, npm: str | None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it with *npm* as the only program but the system's own."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("dirname", "grep", "head", "tr", "mkdir", "cat", "chmod"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    if npm is not None:
        (programs / "npm").write_text(f"#!/bin/sh\n{npm}\n")
        (programs / "npm").chmod(0o755)
    return subprocess.run(
        ["/bin/sh", str(SCRIPT)],
        env={"PATH": str(programs), "RKD_TEST_NODE": str(folder / "node"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("npm", "reason"),
    [
        (None, "apt-get install npm"),
        ("echo 'npm error code SELF_SIGNED_CERT_IN_CHAIN' >&2; exit 1", "SELF_SIGNED_CERT"),
        ("exit 1", "npm cannot fetch it"),
    ],
)
@pytest.mark.parametrize("ci", ["", "true"])
def test_without_it_the_reason_is_told(
    tmp_path: Path, npm: str | None, reason: str, ci: str
) -> None:
    """Never a silent end; and in CI it is a failure."""
    done = lint(tmp_path, npm, CI=ci)

    assert "skipped buf lint" in done.stderr
    assert reason in done.stderr
    assert done.returncode == (1 if ci else 0)


def test_npm_is_given_the_systems_certificates(tmp_path: Path) -> None:
    """Node goes by a list of its own otherwise, and fails where a company's authority signs."""
    bundle = tmp_path / "bundle.crt"
    bundle.touch()
    program = tmp_path / "node/node_modules/.bin/buf"
    npm = (
        f'echo "$NODE_EXTRA_CA_CERTS" >{tmp_path}/given\n'
        f"mkdir -p {program.parent}\n"
        f"echo '#!/bin/sh' >{program}\n"
        f"chmod +x {program}"
    )
    done = lint(tmp_path, npm, SSL_CERT_FILE=str(bundle))

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "given").read_text() == f"{bundle}\n"


def test_what_buf_finds_is_a_failure(tmp_path: Path) -> None:
    """Its own exit code is the script's."""
    program = tmp_path / "node/node_modules/.bin/buf"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'x.proto:1:1:bad'\nexit 100\n")
    program.chmod(0o755)
    done = lint(tmp_path, None)

    assert done.returncode == 100
    assert "bad" in done.stdout
