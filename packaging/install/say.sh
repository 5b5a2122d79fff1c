# Speaking to whoever runs the installer: lines on standard error, questions, patience.
# shellcheck shell=sh

say() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command, or only says it with --dry-run.
run() {
    if [ "$DRY" = 1 ]; then say "would: $*"; else "$@"; fi
}

confirm() {
    [ "$YES" = 1 ] || [ "$DRY" = 1 ] || [ ! -t 0 ] && return 0
    printf '%s [y/N] ' "$1" >&2
    read -r answer
    case $answer in y* | Y*) ;; *) fail "nothing was done" ;; esac
}

# Runs `$2 …`, which takes a while: says so every ten seconds, with the last of its own words, and
# shows the end of them when it fails.
patiently() {
    what=$1
    shift
    if [ "$DRY" = 1 ]; then say "would: $*"; return 0; fi
    words=$(mktemp)
    "$@" >"$words" 2>&1 </dev/null &
    WAITED_FOR=$!
    tenths=0
    while kill -0 "$WAITED_FOR" 2>/dev/null; do
        sleep 0.1
        tenths=$((tenths + 1))
        [ $((tenths % 100)) != 0 ] ||
            say "  … $what, $((tenths / 10)) s: $(tail -n 1 "$words" | cut -c 1-60)"
    done
    code=0
    wait "$WAITED_FOR" || code=$?
    WAITED_FOR=''
    [ "$code" = 0 ] || tail -n 20 "$words" >&2
    rm -f "$words"
    return "$code"
}

stop_waiting() {
    [ -z "${WAITED_FOR:-}" ] || kill "$WAITED_FOR" 2>/dev/null || :
}
