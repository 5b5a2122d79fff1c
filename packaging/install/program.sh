# The program: where it comes from, and a version of it in a folder of its own.
# shellcheck shell=sh

# What is installed: this checkout (or unpacked archive), else a wheel beside it. Never a name: an
# index may give us somebody else's package, and we run as root.
find_source() {
    EXTRAS=daemon,metrics
    [ "$OTEL" = 0 ] || EXTRAS=$EXTRAS,otel
    [ "$GATEWAY" = 0 ] || EXTRAS=$EXTRAS,gateway
    [ "$CONSOLE" = 0 ] || EXTRAS=$EXTRAS,console
    SOURCE='' VERSION=''
    for wheel in ${WHEELHOUSE:+"$WHEELHOUSE"/rkd_llm-*.whl}; do
        [ ! -f "$wheel" ] || SOURCE=$wheel
    done
    if [ -z "$SOURCE" ] && [ -e "$HERE/pyproject.toml" ] && [ -e "$HERE/rkd/__init__.py" ]; then
        SOURCE=$HERE
        VERSION=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$HERE/rkd/__init__.py")
    fi
    if [ -z "$SOURCE" ]; then
        for wheel in "$HERE"/rkd_llm-*.whl; do
            [ ! -f "$wheel" ] || SOURCE=$wheel
        done
    fi
    [ -n "$SOURCE" ] || pack_this_wheel
    [ -n "$SOURCE" ] ||
        fail "nothing to install: neither rkd's checkout nor an rkd_llm-*.whl is beside $HERE/install.sh"
    [ -n "$VERSION" ] || VERSION=$(basename "$SOURCE" | cut -d- -f2)
    # A folder of its own for every run: the old version stays whole until the new one is ready.
    TARGET=$PREFIX/versions/$VERSION-$(date -u +%Y%m%d%H%M%S)
}

# Where install.sh is part of an unpacked wheel, that wheel packed again is the source.
pack_this_wheel() {
    case $HERE in */rkd_llm-*.data/data/share/rkd) ;; *) return 0 ;; esac
    data=${HERE%/data/share/rkd}
    PACKED=$(mktemp -d)
    SOURCE=$PACKED/$(basename "$data" .data)-py3-none-any.whl
    (cd "$(dirname "$data")" && "$PYTHON" -m zipfile -c "$SOURCE" ./*)
}

build() {
    say "installing $VERSION into $TARGET"
    if [ "$DRY" = 1 ]; then say "would: install ${SOURCE}[$EXTRAS]"; return 0; fi
    folder "$PREFIX/versions"
    BUILT=$TARGET
    note tree "$TARGET"
    patiently "making the environment" "$PYTHON" -m venv "$TARGET" || fail "no environment; nothing was changed"
    install_packages "$TARGET" "$EXTRAS" "$SOURCE" ||
        fail "the packages could not be installed; nothing was changed"
    "$TARGET/bin/rkd" --version >/dev/null || fail "the new rkd does not start; nothing was changed"
    patiently "making it smaller" "$PYTHON" "$PARTS/slim.py" "$TARGET" ${PREVIOUS:+"$PREVIOUS"} ||
        fail "the new version could not be made smaller; nothing was changed"
    "$TARGET/bin/rkd" --version >/dev/null || fail "the new rkd does not start; nothing was changed"
    cp -R "$TARGET/share/rkd/systemd" "$TARGET/systemd"
    find "$TARGET/systemd" -type f -exec sed -i "s#/opt/rkd/#$PREFIX/#g" {} +
}

# What a run that did not end well leaves: no half-made version, and nothing of a first attempt.
abandon_version() {
    [ -n "${BUILT:-}" ] || return 0
    rm -rf "$BUILT"
    forget tree "$BUILT"
    if [ ! -e "$PREFIX/current" ] && ! grep -qv '^folder ' "$MANIFEST"; then
        folders=$(noted folder | sort -r)
        rm -f "$MANIFEST"
        for folder in $folders; do rmdir "$folder" 2>/dev/null || :; done
    fi
}
