"""What the installer removes is what it wrote: its parts, run on folders of a test."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PARTS = Path(__file__).resolve().parents[2] / "packaging" / "install"

SYSTEM = """
set -eu
PREFIX=${PREFIX:-$T/opt/rkd} DRY=0 YES=1 PURGE=${PURGE:-0} WHO=rkd OTEL=0 START=1 ARCH=x
GATEWAY=${GATEWAY:-0} CONSOLE=${CONSOLE:-0} CLOCKS=${CLOCKS:-}
fail() { printf '%s\\n' "$*" >&2; exit 1; }
for part in say manifest machine program system service web clocks remove; do
    . "$PARTS/$part.sh"
done
CONFIG=$T/etc/rkd STATE=$T/var/lib/rkd CACHE=$T/var/cache/rkd UNITS=$T/etc/systemd
USER_UNITS=$T/etc/systemd/user
UDEV_RULES=$T/etc/udev/60-rkd.rules TMPFILES=$T/etc/tmpfiles/rkd.conf
COMMANDS=$T/usr/local/bin MANUALS=$T/usr/local/share/man/man1 COMPLETIONS=$T/usr/share/completions
MODELS=${MODELS:-$STATE/models}
need_root() { :; }
booted() { return 1; }
for name in groupadd useradd usermod userdel groupdel gpasswd chgrp chown runuser; do
    eval "$name() { :; }"
done
getent() { return 2; }
"""
"""The installer's own words on a system below $T, without users and without systemd."""

INSTALL = """
open_manifest
VERSION=1 TARGET=$PREFIX/versions/1-20260101000000
folder "$PREFIX/versions"
note tree "$TARGET"
mkdir -p "$TARGET/systemd" "$TARGET/bin" "$TARGET/lib"
: >"$TARGET/bin/rkd"
printf '#!/bin/sh\\necho complete\\n' >"$TARGET/bin/rkctl"
chmod +x "$TARGET/bin/rkctl"
: >"$TARGET/pyvenv.cfg"
for unit in rkd.service rkd-proxy.socket rkd-proxy.service 60-rkd.rules rkd.tmpfiles \
    rkd-gateway.socket rkd-gateway.service rkd-console.socket rkd-console.service \
    rkd-clocks.socket rkd-clocks.service; do
    echo "$unit" >"$TARGET/systemd/$unit"
done
echo 'models = "@MODELS@"' >"$TARGET/systemd/rkd.toml"
make_users
make_folders
put_config
put_units "$TARGET"
switch_to "$TARGET"
link_commands
open_web
open_clocks
remember
mkdir -p "$STATE/operations" "$STATE/workers" "$CACHE/huggingface"
: >"$STATE/lock"
: >"$STATE/tokens"
: >"$STATE/operations/1.json"
"""
"""An installation, and what the daemon writes while it runs."""

PLACES = ("opt", "etc/systemd", "etc/udev", "etc/tmpfiles", "usr/local", "var/lib", "var/cache")


class System:
    """A root folder with what every Debian has."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for place in PLACES:
            (root / place).mkdir(parents=True)

    def do(self, *steps: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run steps of the installer."""
        done = subprocess.run(
            ["/bin/sh", "-c", "\n".join((SYSTEM, *steps))],
            env={"PATH": "/usr/bin:/bin", "T": str(self.root), "PARTS": str(PARTS), **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
        return done

    def left(self) -> set[str]:
        """Every path there is, but for the places of every Debian."""
        found = {str(path.relative_to(self.root)) for path in self.root.rglob("*")}
        known = {str(above) for place in PLACES for above in (Path(place), *Path(place).parents)}
        return found - known

    def model(self, folder: str) -> set[str]:
        """Put a model into *folder*; returns what must be left of it."""
        there = self.root / folder / "tiny"
        there.mkdir(parents=True)
        (there / "tiny.gguf").write_text("weights")
        (there / "Modelfile").write_text("FROM ./tiny.gguf\n")
        return {f"{folder}/tiny", f"{folder}/tiny/tiny.gguf", f"{folder}/tiny/Modelfile"}


@pytest.fixture
def system(tmp_path: Path) -> System:
    """Nothing installed."""
    return System(tmp_path)


def above(root: str) -> set[str]:
    """The folder and those above it, as far as they are no place of every Debian."""
    known = {str(one) for place in PLACES for one in (Path(place), *Path(place).parents)}
    return {str(one) for one in (Path(root), *Path(root).parents)} - known


def test_nothing_is_left_of_an_installation_without_models(system: System) -> None:
    """Neither program nor units, configuration, state, links nor the list itself."""
    system.do(INSTALL)
    assert (system.root / "usr/local/bin/rkctl").is_symlink()
    assert (system.root / "usr/share/completions/rkctl").read_text() == "complete\n"
    done = system.do("uninstall_all")

    assert system.left() == set()
    assert "kept" not in done.stderr


@pytest.mark.parametrize(
    "folder",
    [
        "var/lib/rkd/models",
        "var/lib/rkd/my/models",
        "opt/rkd/models",
        "opt/rkd",
        "opt/rkd/versions/models",
        "opt/rkd/engine",
        "etc/rkd/models",
        "var/cache/rkd/models",
        "var/cache/rkd/huggingface",
        "var/lib/rkd/operations",
        "srv/models",
    ],
)
def test_models_are_never_removed(system: System, folder: str) -> None:
    """Wherever they are kept, however it was configured."""
    system.do(INSTALL, MODELS=str(system.root / folder))
    models = system.model(folder)
    system.do("uninstall_all")

    # beside them nothing but the folders they are in, and what shares a folder with them
    allowed = models | above(folder)
    if folder.endswith("operations"):
        allowed.add("var/lib/rkd/operations/1.json")
    assert system.left() == allowed


def test_models_the_configuration_names_later_are_kept(system: System) -> None:
    """A folder chosen after the installation, also an empty one, which is unknown to it."""
    system.do(INSTALL)
    models = system.model("opt/rkd/weights")
    (system.root / "var/lib/rkd/empty").mkdir()
    done = system.do("uninstall_all")

    assert system.left() == models | above("opt/rkd/weights") | above("var/lib/rkd/empty")
    assert f"kept: {system.root}/var/lib/rkd" in done.stderr


def test_models_inside_a_version_are_kept_with_it(system: System) -> None:
    """The only folder that goes whole is looked through first."""
    system.do(INSTALL)
    version = "opt/rkd/versions/1-20260101000000"
    models = system.model(f"{version}/models")
    done = system.do("uninstall_all")

    assert models <= system.left()
    assert "has models in it" in done.stderr


def test_a_prefix_of_others_keeps_what_is_theirs(system: System) -> None:
    """`--prefix /usr/local`: the folders and files of other programs stay."""
    others = {"usr/local/bin/theirs", "usr/local/versions/theirs", "usr/local/lib/x/y"}
    for name in others:
        (system.root / name).parent.mkdir(parents=True, exist_ok=True)
        (system.root / name).write_text("theirs")
    before = system.left()
    prefix = str(system.root / "usr/local")
    system.do(INSTALL, PREFIX=prefix)
    system.do("uninstall_all", PREFIX=prefix)

    assert system.left() == before


@pytest.mark.parametrize("wing", ["gateway", "console"])
def test_the_wings_come_and_go_with_it(system: System, wing: str) -> None:
    """Only where they were asked for, now or by the installation before."""
    before = system.left()
    units = system.root / "etc/systemd"
    system.do(INSTALL)
    assert not (units / f"rkd-{wing}.socket").exists()
    system.do(INSTALL, **{wing.upper(): "1"})
    assert (units / f"rkd-{wing}.socket").read_text() == f"rkd-{wing}.socket\n"
    assert (system.root / f"usr/local/bin/rkd-{wing}").is_symlink()
    found = system.do("choose_user", f'echo "asked for: ${wing.upper()}"')
    assert "asked for: 1" in found.stdout
    system.do("uninstall_all")

    assert system.left() == before


def test_the_clocks_come_and_go_as_asked(system: System) -> None:
    """Only where they were asked for; in the way asked for last; `off` leaves nothing of them."""
    before = system.left()
    units = system.root / "etc/systemd"
    system.do(INSTALL)
    without = system.left()
    way = units / "rkd-clocks.service.d/10-install.conf"
    for asked in ("answering", "always"):
        system.do(INSTALL, CLOCKS=asked)
        assert (units / "rkd-clocks.socket").read_text() == "rkd-clocks.socket\n"
        assert f"Environment=RKD_CLOCKS={asked}\n" in way.read_text()
    found = system.do("choose_user", 'echo "asked for: $CLOCKS"')
    assert "asked for: always" in found.stdout
    system.do(INSTALL, CLOCKS="off")
    assert system.left() == without
    system.do(INSTALL, CLOCKS="answering")
    system.do("uninstall_all")

    assert system.left() == before


def test_a_command_of_somebody_else_stays(system: System) -> None:
    """The link is not laid over it, and removing does not take it away."""
    theirs = system.root / "usr/local/bin/rkctl"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    done = system.do(INSTALL)
    system.do("uninstall_all")

    assert theirs.read_text() == "theirs"
    assert "left alone" in done.stderr


def test_what_people_added_stays(system: System) -> None:
    """Drop-ins of their own, tokens and keys, notes."""
    system.do(INSTALL)
    kept = {
        "etc/systemd/rkd.service.d/20-mine.conf",
        "etc/rkd/tokens",
        "etc/rkd/tls/ca.key",
        "etc/rkd/notes",
        "var/lib/rkd/notes",
        "opt/rkd/notes",
    }
    for name in kept:
        (system.root / name).parent.mkdir(exist_ok=True)
        (system.root / name).write_text("mine")
    system.do("uninstall_all")

    assert system.left() == kept | set().union(*(above(str(Path(name).parent)) for name in kept))


def test_an_installation_without_a_list_goes_by_known_names(system: System) -> None:
    """One made before there were lists: what it always wrote goes, the rest stays."""
    system.do(INSTALL)
    (system.root / "opt/rkd/install.manifest").unlink()
    models = system.model("opt/rkd/models")
    stranger = system.root / "opt/rkd/versions/notes"
    stranger.mkdir()
    system.do("uninstall_all")

    left = {name for name in system.left() if not name.startswith("usr/")}
    assert left == models | above("opt/rkd/models") | above("opt/rkd/versions/notes")
    assert not (system.root / "usr/local/bin/rkctl").is_symlink()


def test_an_upgrade_keeps_the_version_before_and_no_other(system: System) -> None:
    """Folders of others among the versions stay as well."""
    second = INSTALL.replace("1-20260101000000", "2-20260202000000")
    third = INSTALL.replace("1-20260101000000", "3-20260303000000")
    again = 'PREVIOUS=$(readlink "$PREFIX/current")\n'
    system.do(INSTALL)
    (system.root / "opt/rkd/versions/theirs").mkdir()
    for one in (second, third):
        system.do(again + one, "prune")

    versions = sorted(path.name for path in (system.root / "opt/rkd/versions").iterdir())
    assert versions == ["2-20260202000000", "3-20260303000000", "theirs"]


def test_purging_takes_models_and_nothing_else(system: System) -> None:
    """Model folders and flat weights go, with the secrets; a folder that is none stays."""
    system.do(INSTALL, MODELS=str(system.root / "srv/models"))
    system.model("srv/models")
    for name in ("srv/models/flat.rkllm", "srv/models/photos/cat.jpg", "etc/rkd/tokens"):
        (system.root / name).parent.mkdir(exist_ok=True)
        (system.root / name).write_text("x")
    (system.root / "srv/models/.rkd-stage-1").mkdir()
    system.do("uninstall_all", PURGE="1")

    assert system.left() == {"srv", "srv/models", "srv/models/photos", "srv/models/photos/cat.jpg"}


@pytest.mark.parametrize("after", [1, 4, 20, 28])
def test_an_installation_cut_off_can_be_removed(system: System, after: int) -> None:
    """The list is written before the thing itself."""
    cut = INSTALL.strip().splitlines()[:after]
    system.do(*cut)
    system.do("uninstall_all")

    assert system.left() == set()


def test_new_defaults_go_beside_a_changed_file_only_when_they_are_new(system: System) -> None:
    """The same defaults again are no news; others are, once."""
    system.do(INSTALL)
    config = system.root / "etc/rkd/rkd.toml"
    config.write_text(config.read_text() + "keep_alive = '77s'\n")
    system.do(INSTALL)
    beside = config.with_name("rkd.toml.new")
    assert not beside.exists()
    other = INSTALL.replace("echo 'models", "printf '# new\\n%s\\n' 'models")
    done = system.do(other)

    assert "77s" in config.read_text()
    assert beside.read_text().startswith("# new\n")
    assert "the new defaults are in" in done.stderr
    beside.unlink()
    system.do(other)
    assert not beside.exists()


ROLL_BACK = """
systemctl() {
    case $1 in
        restart) return $RESTARTS ;;
        is-active) return $IS_ACTIVE ;;
    esac
}
sleep() { :; }
roll_back
"""
UPGRADE = INSTALL.replace("1-20260101000000", "2-20260202000000").replace("remember\n", "")


@pytest.mark.parametrize(
    ("restarts", "is_active", "words"),
    [
        ("0", "0", "the version before runs again"),
        ("1", "0", "the version before does not start either"),
        ("0", "3", "the version before does not start either"),
    ],
)
def test_a_roll_back_claims_only_what_it_saw(
    system: System, restarts: str, is_active: str, words: str
) -> None:
    """The service is asked before it is said to run; configuration and units are as before."""
    system.do(INSTALL)
    newer = UPGRADE.replace("echo 'models", "printf 'newer = 1\\n%s\\n' 'models")
    done = system.do(
        'PREVIOUS=$(readlink "$PREFIX/current")',
        newer.replace('echo "$unit"', 'echo "newer $unit"'),
        f"({ROLL_BACK}) || echo $?",
        RESTARTS=restarts,
        IS_ACTIVE=is_active,
    )

    assert done.stdout.splitlines()[-1] == "1"
    assert words in done.stderr
    assert ("runs again" in done.stderr) == ("runs again" in words)
    assert (system.root / "etc/rkd/rkd.toml").read_text().startswith("models =")
    assert (system.root / "etc/systemd/rkd.service").read_text() == "rkd.service\n"
    assert (system.root / "opt/rkd/current/systemd/rkd.toml").exists()
    assert [path.name for path in (system.root / "opt/rkd/versions").iterdir()] == [
        "1-20260101000000"
    ]


def test_a_long_wait_says_so_and_a_failure_shows_its_words(system: System) -> None:
    """Ten seconds of silence at most; what the command said is shown only when it failed."""
    work = "work() { echo step one; echo step two; return $CODE; }\n"
    quick = 'sleep() { :; }\nkill() { [ "$1" != -0 ] || [ "$tenths" -lt 250 ]; }\n'
    fine = system.do(work, quick, 'patiently "working" work', CODE="0")
    failed = system.do(work, 'patiently "working" work || echo "code $?"', CODE="7")

    assert fine.stderr.count("… working") == 2
    assert "… working, 20 s: step two" in fine.stderr
    assert failed.stdout == "code 7\n"
    assert failed.stderr == "step one\nstep two\n"


@pytest.mark.parametrize(("version", "grows"), [("252", False), ("257", True)])
def test_the_wait_between_starts_grows_where_systemd_can(
    system: System,
    version: str,
    grows: bool,  # noqa: FBT001 - a table
) -> None:
    """An older systemd would complain of words it does not know."""
    system.do(f"systemctl() {{ echo 'systemd {version} ({version}.1-1)'; }}", INSTALL)
    drop_in = (system.root / "etc/systemd/rkd.service.d/10-install.conf").read_text()

    assert ("RestartMaxDelaySec=1min" in drop_in) == grows


def test_a_persons_service_lets_go_of_the_persons_groups(system: System) -> None:
    """By setpriv, in the groups the NPU needs and no other."""
    steps = INSTALL.replace("open_manifest", "WHO=alice\nopen_manifest", 1)
    system.do("id() { echo alice sudo docker; }", steps)
    drop_in = (system.root / "etc/systemd/rkd.service.d/10-install.conf").read_text()

    assert "User=alice\n" in drop_in
    assert "setpriv --reuid=alice --regid=rkd --groups=rkd,render,video " in drop_in


def test_a_new_login_is_asked_for_once(system: System) -> None:
    """Only of who was not in the group before."""
    before = "WHO=alice\nid() { echo alice sudo; }\nmake_users\n"
    after = "WHO=alice\nid() { echo alice rkd sudo; }\nmake_users\n"
    tell = "echo ${JOINED:-nobody}\n"

    assert system.do("open_manifest", before, tell).stdout == "alice\n"
    assert system.do("open_manifest", after, tell).stdout == "nobody\n"
