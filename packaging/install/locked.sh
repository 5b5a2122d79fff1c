# Packages of the versions and with the digests the lock names, and rkd itself made beside them.
# What an index gives that has another digest is refused, whoever gave it.
# shellcheck shell=sh

# Runs the pip of Python $1, with the packages from the wheelhouse if there is one. In the place of
# this shell, so that who waits for it (`patiently`) can end it.
as_pip() {
    python=$1 verb=$2
    shift 2
    set -- --no-input --disable-pip-version-check --progress-bar off "$@"
    [ -z "$WHEELHOUSE" ] || set -- --no-index --find-links "$WHEELHOUSE" "$@"
    exec "$python" -m pip "$verb" "$@"
}

# The same, installing what the lock has for the extras $2 (a comma list), with more options behind.
as_pip_locked() {
    python=$1 extras=$2
    shift 2
    for extra in $(echo "$extras" | tr ',' ' '); do
        [ -f "$LOCK/$extra.txt" ] || fail "the lock has no $extra: $LOCK/$extra.txt is missing"
        set -- "$@" --requirement "$LOCK/$extra.txt"
    done
    as_pip "$python" install --require-hashes --no-deps --only-binary :all: "$@"
}

# The same, building from a checkout with the builder in $BUILDER alone.
as_pip_building() {
    export PYTHONPATH="$BUILDER"
    as_pip "$@"
}

# Into the environment $1: the packages of the extras $2, then rkd from $3, a wheel or a checkout,
# and `--editable` behind it; at last pip says whether all that is wanted is there.
install_packages() {
    environment=$1 extras=$2 from=$3
    shift 3
    patiently "installing the packages" as_pip_locked "$environment/bin/python" "client,$extras" || return 1
    if [ -d "$from" ]; then
        BUILDER=$(mktemp -d)
        patiently "fetching what builds rkd" \
            as_pip_locked "$environment/bin/python" build --target "$BUILDER" || return 1
        patiently "building rkd" as_pip_building "$environment/bin/python" install \
            --no-deps --no-build-isolation "$@" "$from" || return 1
        rm -rf "$BUILDER"
        BUILDER=''
    else
        patiently "installing rkd" as_pip "$environment/bin/python" install --no-index --no-deps "$from" ||
            return 1
    fi
    patiently "checking the packages" "$environment/bin/python" -m pip check
}
