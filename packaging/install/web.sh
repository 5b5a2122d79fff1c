# rkd-gateway and rkd-console, where --gateway and --console asked for them: units, command, address.
# shellcheck shell=sh

web_programs() {
    [ "$GATEWAY" = 0 ] || echo rkd-gateway
    [ "$CONSOLE" = 0 ] || echo rkd-console
}

put_web() {
    for program in $(web_programs); do
        [ -e "$1/$program.socket" ] || continue
        for unit in "$program.socket" "$program.service"; do
            put "$UNITS/$unit" 644 <"$1/$unit"
        done
    done
}

open_web() {
    for program in $(web_programs); do
        open_program "$program"
    done
}

# Its address may be somebody else's, Ollama's above all: the daemon serves all the same.
open_program() {
    link "$PREFIX/current/bin/$1" "$COMMANDS/$1"
    booted || return 0
    note link "$UNITS/sockets.target.wants/$1.socket"
    run systemctl enable --quiet "$1.socket"
    [ "$START" = 1 ] || return 0
    # one that runs still is of the version before; the next call starts this one
    run systemctl stop "$1.service" 2>/dev/null || :
    if run systemctl restart "$1.socket" 2>/dev/null; then
        [ "$DRY" = 1 ] || say "$1 is at $(systemctl show -P Listen "$1.socket")"
        return 0
    fi
    say "warning: $1 cannot listen; is somebody there already (Ollama)? systemctl disable --now ollama,"
    say "  then systemctl start $1.socket; or another address: systemctl edit $1.socket"
}
