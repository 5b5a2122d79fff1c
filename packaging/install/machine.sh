# The machine: which board, which Python, whether systemd runs, the one library a bare Debian lacks.
# shellcheck shell=sh

SYSROOT=${RKD_SYSROOT:-}
MINIMUM_DRIVER=0.9.8

need_root() {
    [ "$DRY" = 1 ] || [ "$(id -u)" = 0 ] || fail "this changes the system: run it with sudo"
}

booted() { [ -d /run/systemd/system ]; }

systemd_version() {
    version=$(systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
    echo "${version:-0}"
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
    detect_driver
    for folder in "$PREFIX/lib" /usr/lib /usr/local/lib /usr/lib/aarch64-linux-gnu; do
        if [ -e "$folder/librkllmrt.so" ]; then
            say "npu library: $folder/librkllmrt.so"
            return 0
        fi
    done
    say "warning: librkllmrt.so not found; put Rockchip's into /usr/lib to use the NPU"
}

detect_driver() {
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
    found=$(python3 -V 2>/dev/null) || found='no python3'
    fail "Python 3.11 or newer is needed, here is $found: on Ubuntu 22.04 apt-get install python3.11 python3.11-venv, else a container or a newer system (docs/boards.md)"
}

# llama.cpp's wheel and the NPU's runtime want GNU's OpenMP.
have_openmp() { "$PYTHON" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null; }

need_openmp() {
    have_openmp && return 0
    debs=''
    for deb in ${WHEELHOUSE:+"$WHEELHOUSE"/libgomp1_*.deb "$WHEELHOUSE"/gcc-*-base_*.deb}; do
        [ ! -e "$deb" ] || debs="$debs $deb"
    done
    if [ -n "$debs" ]; then
        say "installing libgomp1"
        # shellcheck disable=SC2086 # several files, and their names have no spaces
        patiently "installing libgomp1" dpkg -i $debs || :
    elif [ -z "$WHEELHOUSE" ] && have apt-get; then
        say "installing libgomp1"
        # a bare system knows no packages yet, which is no error worth showing
        run apt-get install -y -qq libgomp1 >/dev/null 2>&1 ||
            { patiently "asking for packages" apt-get update -qq &&
                patiently "installing libgomp1" apt-get install -y -qq libgomp1; } || :
    fi
    [ "$DRY" = 1 ] || have_openmp || fail "libgomp.so.1 is needed: apt-get install libgomp1"
}

# As whoever asks: apt's own user cannot write into our folder.
fetch_openmp() { apt-get -qq -o APT::Sandbox::User= download libgomp1; }

# The same library as a private copy in the environment $1, where workers look for it.
private_openmp() {
    if have_openmp || [ -e "$1/lib/libgomp.so.1" ]; then return 0; fi
    say "downloading libgomp1 (0.1 MB, once)"
    WORK=$(mktemp -d)
    (cd "$WORK" && { fetch_openmp 2>/dev/null ||
        { apt-get -qq update && fetch_openmp; }; }) >&2 ||
        fail "libgomp.so.1 is needed: apt-get install libgomp1"
    dpkg-deb -x "$WORK"/libgomp1_*.deb "$WORK/gomp"
    cp "$WORK"/gomp/usr/lib/*/libgomp.so.1 "$1/lib/"
    rm -rf "$WORK"
    WORK=''
}
